//! The recorded answers to bad creates, each body decoded, defaulted and validated here.

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core};
use serde_json::Value;

use super::*;
use crate::api::field::ErrorList;
use crate::registry::defaults;

const CASES: &[(&str, &str)] = &[
    ("validation-pod", include_str!("../../../../tests/golden/cases/validation-pod.json")),
    ("validation-rs", include_str!("../../../../tests/golden/cases/validation-rs.json")),
    ("validation-rc", include_str!("../../../../tests/golden/cases/validation-rc.json")),
    ("validation-deployment", include_str!("../../../../tests/golden/cases/validation-deployment.json")),
    ("validation-daemonset", include_str!("../../../../tests/golden/cases/validation-daemonset.json")),
    ("validation-statefulset", include_str!("../../../../tests/golden/cases/validation-statefulset.json")),
    ("validation-core", include_str!("../../../../tests/golden/cases/validation-core.json")),
    ("defaulting", include_str!("../../../../tests/golden/cases/defaulting.json")),
];

/// Cases that another part of the api-server answers: admission, the namespace check, strategies, allocation.
const NOT_OURS: &[&str] = &["pod-namespace-mismatch", "pvc-datasource-bad", "default-pod-volumes"];

/// Decodes, defaults and validates a body.
fn judge(kind: &str, mut body: Value) -> Option<Result<(ErrorList, Vec<String>), String>> {
    let suffix = if kind == "Ingress" { "es" } else { "s" };
    defaults::keep_apart(&format!("{}{suffix}", kind.to_lowercase()), &mut body);
    macro_rules! kind {
        ($type:ty, $default:expr, $validate:path) => {
            kind!($type, $default, $validate, |_: &$type| Vec::new())
        };
        ($type:ty, $default:expr, $validate:path, $warnings:expr) => {{
            let object: Result<$type, _> = serde_json::from_value(body);
            Some(object.map_err(|e| e.to_string()).map(|mut object| {
                let within_none = matches!(kind, "Namespace" | "Node");
                if object.metadata.namespace.is_none() && !within_none {
                    object.metadata.namespace = Some("ns".to_owned());
                }
                $default(&mut object);
                let warnings: fn(&$type) -> Vec<String> = $warnings;
                let warnings = warnings(&object);
                ($validate(&object), warnings)
            }))
        }};
    }
    match kind {
        "Pod" => kind!(core::Pod, defaults::pod::set_defaults, pod::validate_create),
        "ReplicaSet" => {
            kind!(apps::ReplicaSet, defaults::workloads::replica_set, workloads::validate_replica_set_create)
        }
        "ReplicationController" => kind!(
            core::ReplicationController,
            defaults::core::replication_controller,
            workloads::validate_replication_controller_create
        ),
        "Deployment" => {
            kind!(apps::Deployment, defaults::workloads::deployment, workloads::validate_deployment_create)
        }
        "DaemonSet" => {
            kind!(apps::DaemonSet, defaults::workloads::daemon_set, workloads::validate_daemon_set_create)
        }
        "StatefulSet" => {
            kind!(apps::StatefulSet, defaults::workloads::stateful_set, workloads::validate_stateful_set_create)
        }
        "PersistentVolumeClaim" => kind!(
            core::PersistentVolumeClaim,
            defaults::core::persistent_volume_claim,
            persistent_volume_claim::validate_create
        ),
        "ConfigMap" => kind!(core::ConfigMap, |_: &mut core::ConfigMap| (), config_map::validate_create),
        "Secret" => kind!(core::Secret, defaults::core::secret, secret::validate_create),
        "Namespace" => kind!(core::Namespace, defaults::core::namespace, namespace::validate_create),
        "Node" => kind!(core::Node, defaults::core::node, node::validate_create),
        "LimitRange" => kind!(core::LimitRange, defaults::core::limit_range, limit_range::validate_create),
        "ResourceQuota" => kind!(core::ResourceQuota, defaults::core::resource_quota, resource_quota::validate_create),
        "ServiceAccount" => {
            kind!(core::ServiceAccount, |_: &mut core::ServiceAccount| (), service_account::validate_create)
        }
        _ => None,
    }
}

/// `<repeat:x:N>` is x, N times; `<ns>` is the namespace.
fn expand(text: &str) -> String {
    let mut out = text.replace("<ns>", "ns");
    while let Some(start) = out.find("<repeat:") {
        let end = start + out[start..].find('>').expect("a closed repeat");
        let (what, times) = out[start + 8..end].rsplit_once(':').expect("two parts");
        let repeated = what.repeat(times.parse().expect("a number"));
        out.replace_range(start..=end, &repeated);
    }
    out
}

#[test]
fn creates_are_judged_as_recorded() {
    let mut failures = Vec::new();
    let mut judged = 0;
    for (group, cases) in CASES {
        let cases: Vec<Value> = serde_json::from_str(cases).expect("recorded cases");
        for case in &cases {
            let id = case["id"].as_str().expect("an id");
            let (request, response) = (&case["request"], &case["response"]);
            let code = response["code"].as_i64().expect("a code");
            if request["method"] != "POST" || !matches!(code, 201 | 422) || NOT_OURS.contains(&id) {
                continue;
            }
            let body: Value = match &request["body"] {
                Value::String(s) => match serde_json::from_str(&expand(s)) {
                    Ok(body) => body,
                    Err(_) => continue,
                },
                other => other.clone(),
            };
            let kind = body["kind"].as_str().unwrap_or_default().to_owned();
            let Some(result) = judge(&kind, body) else { continue };
            judged += 1;
            let got: Vec<String> = match result {
                Ok((errs, _)) => errs.iter().map(|e| format!("{}|{}|{}", e.kind.reason(), e.field, e.body())).collect(),
                Err(e) => vec![format!("decoding: {e}")],
            };
            let want: Vec<String> = response["body"]["details"]["causes"]
                .as_array()
                .map(|causes| {
                    causes
                        .iter()
                        .map(|c| {
                            let field = c["field"].as_str().unwrap_or_default();
                            let message = expand(c["message"].as_str().unwrap_or_default());
                            format!("{}|{field}|{message}", c["reason"].as_str().unwrap_or_default())
                        })
                        .collect()
                })
                .unwrap_or_default();
            if got != want {
                failures.push(format!("{group} {id}\n  got  {got:#?}\n  want {want:#?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {judged} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(judged > 80, "only {judged} cases were judged");
}
