//! kubectl describe. Models `pkg/cmd/describe` and `pkg/describe/describe.go`.

mod config;
mod containers;
mod events;
mod generic;
mod node;
mod pod;
mod service;
mod volumes;
mod workload;
mod writer;

use jiff::Timestamp;
use serde_json::Value;

use super::resources::{self, Resource};
use super::show::{selector_query, text};
use super::{Cx, Failure, Outcome, apply, encode, get};
use crate::cli::args::{Flag, switch, value};
pub(super) use containers::pod_template;
pub(super) use writer::Writer;

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("selector", 'l'),
    value("chunk-size", ' '),
    switch("all-namespaces", 'A'),
    switch("show-events", ' '),
];

/// What was fetched beside the object.
#[derive(Default)]
struct Beside {
    events: Option<Vec<Value>>,
    pods: Vec<Value>,
    replica_sets: Vec<Value>,
    endpoint_slices: Vec<Value>,
    lease: Option<Value>,
    quotas: Vec<Value>,
    limit_ranges: Vec<Value>,
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    let mut printed = 0;
    let mut failed: Option<Failure> = None;
    let mut found: Vec<(&Resource, Value)> = Vec::new();
    let mut targets_namespaced = false;
    if !cx.args.all("filename").is_empty() {
        for d in apply::documents(cx)? {
            let (r, namespace) = apply::place(cx, &all, &d)?;
            let path = format!("{}/{}", r.path(namespace.as_deref()), text(&d.body["metadata"]["name"]));
            found.push((r, cx.ask("GET", &path, "", None).await?));
        }
    } else {
        let targets = get::targets(&all, &cx.args.words, "describe")?;
        let many = targets.iter().map(|t| t.1.len().max(1)).sum::<usize>() > 1;
        for (r, names) in targets {
            targets_namespaced |= r.namespaced;
            match find(cx, r, &names).await {
                Ok(objects) => found.extend(objects.into_iter().map(|o| (r, o))),
                Err(f) if !many => return Err(f),
                Err(f) => {
                    cx.shell.err(f.text);
                    failed = Some(Failure { text: String::new(), code: 1 });
                }
            }
        }
    }
    let now = cx.shell.door.sim.timestamp();
    for (r, object) in &found {
        let beside = fetch_beside(cx, r, object).await?;
        if printed > 0 {
            cx.out("\n\n");
        }
        cx.out(describe(r, object, &beside, now));
        printed += 1;
    }
    if printed == 0 && failed.is_none() {
        let within = !cx.args.on("all-namespaces") && targets_namespaced;
        let text = if within {
            format!("No resources found in {} namespace.\n", cx.namespace)
        } else {
            "No resources found\n".into()
        };
        cx.shell.err(text);
    }
    failed.map_or(Ok(()), Err)
}

/// The objects that are meant; a name that nothing has is tried as a prefix.
async fn find(cx: &Cx<'_>, r: &Resource, names: &[String]) -> Result<Vec<Value>, Failure> {
    let everywhere = cx.args.on("all-namespaces");
    let base = r.path((!everywhere).then_some(cx.namespace.as_str()));
    let mut out = Vec::new();
    if names.is_empty() {
        let query = cx.args.get("selector").map(|l| format!("labelSelector={}", encode(l))).unwrap_or_default();
        let list = cx.ask("GET", &base, &query, None).await?;
        return Ok(with_kinds(&list));
    }
    for name in names {
        match cx.ask("GET", &format!("{base}/{name}"), "", None).await {
            Ok(o) => out.push(o),
            Err(f) if f.text.contains("(NotFound)") => {
                let list = cx.ask("GET", &base, "", None).await?;
                let matching: Vec<Value> = with_kinds(&list)
                    .into_iter()
                    .filter(|o| o["metadata"]["name"].as_str().is_some_and(|n| n.starts_with(name.as_str())))
                    .collect();
                if matching.is_empty() {
                    return Err(f);
                }
                out.extend(matching);
            }
            Err(f) => return Err(f),
        }
    }
    Ok(out)
}

/// A list's items, each with its kind and version.
pub(super) fn with_kinds(list: &Value) -> Vec<Value> {
    let kind = text(&list["kind"]);
    let kind = kind.strip_suffix("List").unwrap_or(&kind).to_owned();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items
        .into_iter()
        .map(|mut i| {
            if i["kind"].is_null() {
                i["kind"] = Value::String(kind.clone());
            }
            if i["apiVersion"].is_null() {
                i["apiVersion"] = list["apiVersion"].clone();
            }
            i
        })
        .collect()
}

async fn list(cx: &Cx<'_>, path: &str, query: &str) -> Vec<Value> {
    cx.ask("GET", path, query, None).await.map(|l| with_kinds(&l)).unwrap_or_default()
}

async fn fetch_beside(cx: &Cx<'_>, r: &Resource, o: &Value) -> Result<Beside, Failure> {
    let mut beside = Beside::default();
    let (ns, name, uid) =
        (text(&o["metadata"]["namespace"]), text(&o["metadata"]["name"]), text(&o["metadata"]["uid"]));
    match (r.group.as_str(), r.kind.as_str()) {
        ("", "Node") => {
            let fields = format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed");
            beside.pods = list(cx, "/api/v1/pods", &format!("fieldSelector={}", encode(&fields))).await;
            let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}");
            beside.lease = cx.ask("GET", &path, "", None).await.ok();
        }
        ("" | "apps", "ReplicaSet" | "ReplicationController" | "DaemonSet" | "StatefulSet") => {
            let s = match r.kind.as_str() {
                "ReplicationController" => selector_query(&serde_json::json!({"matchLabels": o["spec"]["selector"]})),
                _ => selector_query(&o["spec"]["selector"]),
            };
            beside.pods =
                list(cx, &format!("/api/v1/namespaces/{ns}/pods"), &format!("labelSelector={}", encode(&s))).await;
        }
        ("apps", "Deployment") => {
            let s = selector_query(&o["spec"]["selector"]);
            let path = format!("/apis/apps/v1/namespaces/{ns}/replicasets");
            beside.replica_sets = list(cx, &path, &format!("labelSelector={}", encode(&s))).await;
        }
        ("", "Service") => {
            let query = format!("labelSelector={}", encode(&format!("kubernetes.io/service-name={name}")));
            let path = format!("/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices");
            beside.endpoint_slices = list(cx, &path, &query).await;
        }
        ("", "PersistentVolumeClaim") => beside.pods = list(cx, &format!("/api/v1/namespaces/{ns}/pods"), "").await,
        ("", "Namespace") => {
            beside.quotas = list(cx, &format!("/api/v1/namespaces/{name}/resourcequotas"), "").await;
            beside.limit_ranges = list(cx, &format!("/api/v1/namespaces/{name}/limitranges"), "").await;
        }
        _ => {}
    }
    let silent = matches!(
        r.kind.as_str(),
        "Secret"
            | "ResourceQuota"
            | "LimitRange"
            | "Namespace"
            | "Role"
            | "ClusterRole"
            | "RoleBinding"
            | "ClusterRoleBinding"
            | "NetworkPolicy"
    );
    if cx.args.get("show-events") != Some("false") && !silent {
        // Nodes and other cluster-wide objects have their events in the default namespace.
        let base = if ns.is_empty() { "/api/v1/events".to_owned() } else { format!("/api/v1/namespaces/{ns}/events") };
        let mut fields = vec![format!("involvedObject.name={name}")];
        if !ns.is_empty() {
            fields.push(format!("involvedObject.namespace={ns}"));
        }
        if r.kind != "Pod" {
            fields.push(format!("involvedObject.kind={}", r.kind));
        }
        let mirror = o["metadata"]["annotations"]["kubernetes.io/config.mirror"].as_str().map(str::to_owned);
        let mut uids = vec![mirror.filter(|_| r.kind == "Pod").unwrap_or(uid)];
        if r.kind == "Node" {
            // Controllers use the node's uid, kubelets its name.
            uids.push(name);
        }
        let mut events = Vec::new();
        for uid in uids {
            let query = format!("fieldSelector={}", encode(&format!("{},involvedObject.uid={uid}", fields.join(","))));
            events.extend(list(cx, &base, &query).await);
        }
        beside.events = Some(events);
    }
    Ok(beside)
}

/// An object in words.
fn describe(r: &Resource, o: &Value, beside: &Beside, now: Timestamp) -> String {
    let mut w = Writer::new();
    match (r.group.as_str(), r.kind.as_str()) {
        ("", "Pod") => pod::describe(&mut w, o, now),
        ("", "Node") => node::describe(&mut w, o, beside, now),
        ("", "ReplicationController") => workload::replication_controller(&mut w, o, &beside.pods),
        ("apps", "ReplicaSet") => workload::replica_set(&mut w, o, &beside.pods),
        ("apps", "Deployment") => workload::deployment(&mut w, o, &beside.replica_sets),
        ("apps", "DaemonSet") => workload::daemon_set(&mut w, o, &beside.pods),
        ("apps", "StatefulSet") => workload::stateful_set(&mut w, o, &beside.pods),
        ("batch", "Job") => workload::job(&mut w, o),
        ("batch", "CronJob") => workload::cron_job(&mut w, o),
        ("", "Service") => service::service(&mut w, o, &beside.endpoint_slices),
        ("", "Endpoints") => service::endpoints(&mut w, o),
        ("discovery.k8s.io", "EndpointSlice") => service::endpoint_slice(&mut w, o),
        ("networking.k8s.io", "Ingress") => service::ingress(&mut w, o),
        ("", "ConfigMap") => config::config_map(&mut w, o),
        ("", "Secret") => config::secret(&mut w, o),
        ("", "ServiceAccount") => config::service_account(&mut w, o),
        ("", "Namespace") => config::namespace(&mut w, o, beside),
        ("", "ResourceQuota") => config::quota(&mut w, o),
        ("", "LimitRange") => config::limit_range(&mut w, o),
        ("", "PersistentVolumeClaim") => volumes::claim(&mut w, o, &beside.pods, now),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => config::role(&mut w, o),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => config::binding(&mut w, o),
        ("policy", "PodDisruptionBudget") => config::disruption_budget(&mut w, o),
        ("scheduling.k8s.io", "PriorityClass") => config::priority_class(&mut w, o),
        ("storage.k8s.io", "StorageClass") => config::storage_class(&mut w, o),
        ("autoscaling", "HorizontalPodAutoscaler") => workload::autoscaler(&mut w, o),
        _ => generic::describe(&mut w, o),
    }
    if let Some(events) = &beside.events {
        events::table(&mut w, events, now);
    }
    w.finish()
}
