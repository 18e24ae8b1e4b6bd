//! Rows of the cluster's own objects: nodes, namespaces, events, classes, extension points.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Namespace, Node};
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde_json::Value;

use super::{Printer, or};
use crate::api::object::typed;
use crate::registry::ResourceInfo;

pub(super) fn cells(p: &Printer<'_>, info: &ResourceInfo) -> Option<Vec<Value>> {
    let o = p.object;
    if let Some(x) = typed::<Node>(o) {
        return Some(node(p, x));
    }
    if let Some(x) = typed::<Namespace>(o) {
        let phase = x.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_default();
        return Some(vec![p.name(), phase.into(), p.age()]);
    }
    if let Some(x) = typed::<Event>(o) {
        return Some(event(p, x));
    }
    if let Some(x) = typed::<Lease>(o) {
        let holder = x.spec.as_ref().and_then(|s| s.holder_identity.clone()).unwrap_or_default();
        return Some(vec![p.name(), holder.into(), p.age()]);
    }
    if let Some(x) = typed::<PriorityClass>(o) {
        return Some(vec![
            p.name(),
            x.value.unwrap_or(0).into(),
            x.global_default.unwrap_or(false).into(),
            p.age(),
            x.preemption_policy.clone().unwrap_or_else(|| "PreemptLowerPriority".into()).into(),
        ]);
    }
    if let Some(x) = typed::<RuntimeClass>(o) {
        return Some(vec![p.name(), x.handler.clone().into(), p.age()]);
    }
    let count = |path: &[&str]| -> Value { p.at(path).as_array().map_or(0, Vec::len).into() };
    Some(match (info.group, info.resource) {
        ("apiregistration.k8s.io", _) => {
            let service = p.at(&["spec", "service"]);
            let service = match service["name"].as_str() {
                Some(name) => format!("{}/{name}", service["namespace"].as_str().unwrap_or_default()),
                None => "Local".into(),
            };
            let conditions = p.at(&["status", "conditions"]).as_array().cloned().unwrap_or_default();
            let available = conditions.iter().find(|c| c["type"] == "Available");
            let status = match available {
                Some(c) if c["status"] == "True" => "True".to_owned(),
                Some(c) => format!(
                    "{} ({})",
                    c["status"].as_str().unwrap_or_default(),
                    c["reason"].as_str().unwrap_or_default()
                ),
                None => "Unknown".into(),
            };
            vec![p.name(), service.into(), status.into(), p.age()]
        }
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations" | "mutatingwebhookconfigurations") => {
            vec![p.name(), count(&["webhooks"]), p.age()]
        }
        ("admissionregistration.k8s.io", r @ ("validatingadmissionpolicies" | "mutatingadmissionpolicies")) => {
            let rules = if r == "validatingadmissionpolicies" { "validations" } else { "mutations" };
            let kind = p.at(&["spec", "paramKind"]);
            let kind = match kind["kind"].as_str() {
                Some(k) => format!("{}/{k}", kind["apiVersion"].as_str().unwrap_or_default()),
                None => "<unset>".into(),
            };
            vec![p.name(), count(&["spec", rules]), kind.into(), p.age()]
        }
        ("admissionregistration.k8s.io", _) => {
            let param = p.at(&["spec", "paramRef"]);
            let param = match param["name"].as_str() {
                Some(n) if !n.is_empty() => {
                    format!("{}/{n}", or(param["namespace"].as_str().unwrap_or_default(), "*"))
                }
                _ if param["selector"].is_object() => go_selector(&param["selector"]),
                _ => "<unset>".into(),
            };
            vec![p.name(), p.text(&["spec", "policyName"]).into(), param.into(), p.age()]
        }
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => {
            let conditions = p.at(&["status", "conditions"]).as_array().cloned().unwrap_or_default();
            let dangling = conditions.iter().find(|c| c["type"] == "Dangling");
            let dangling = dangling.and_then(|c| c["status"].as_str()).unwrap_or("?");
            let method = p.text(&["spec", "distinguisherMethod", "type"]);
            vec![
                p.name(),
                p.text(&["spec", "priorityLevelConfiguration", "name"]).into(),
                p.at(&["spec", "matchingPrecedence"]).clone(),
                or(&method, "<none>").into(),
                p.age(),
                dangling.into(),
            ]
        }
        ("flowcontrol.apiserver.k8s.io", _) => {
            let none = || -> Value { "<none>".into() };
            let number = |path: &[&str]| match p.at(path) {
                Value::Null => none(),
                v => v.clone(),
            };
            let queuing = ["spec", "limited", "limitResponse", "queuing"];
            let of = |f: &'static str| number(&[queuing[0], queuing[1], queuing[2], queuing[3], f]);
            let kind = p.text(&["spec", "type"]);
            let shares = number(&["spec", "limited", "nominalConcurrencyShares"]);
            vec![p.name(), kind.into(), shares, of("queues"), of("handSize"), of("queueLengthLimit"), p.age()]
        }
        ("certificates.k8s.io", _) => {
            let conditions = p.at(&["status", "conditions"]).as_array().cloned().unwrap_or_default();
            let has = |t: &str| conditions.iter().any(|c| c["type"] == t);
            let mut state = if has("Denied") {
                "Denied"
            } else if has("Approved") {
                "Approved"
            } else {
                "Pending"
            }
            .to_owned();
            if has("Failed") {
                state.push_str(",Failed");
            }
            if p.at(&["status", "certificate"]).as_str().is_some_and(|c| !c.is_empty()) {
                state.push_str(",Issued");
            }
            let asked = p.at(&["spec", "expirationSeconds"]).as_i64();
            let asked = asked.map_or_else(|| "<none>".to_owned(), super::human_duration);
            let signer = p.text(&["spec", "signerName"]);
            let who = p.text(&["spec", "username"]);
            vec![p.name(), p.age(), or(&signer, "<none>").into(), who.into(), asked.into(), state.into()]
        }
        ("networking.k8s.io", "servicecidrs") => {
            let all = p.at(&["spec", "cidrs"]).as_array().cloned().unwrap_or_default();
            let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            vec![p.name(), all.join(",").into(), p.age()]
        }
        ("networking.k8s.io", "ipaddresses") => {
            let r = p.at(&["spec", "parentRef"]);
            let t = |k: &str| r[k].as_str().unwrap_or_default();
            let mut parent = t("resource").to_owned();
            if !t("group").is_empty() {
                parent.push('.');
                parent.push_str(t("group"));
            }
            parent = parent.to_lowercase();
            for part in [t("namespace"), t("name")].into_iter().filter(|p| !p.is_empty()) {
                parent.push('/');
                parent.push_str(part);
            }
            vec![p.name(), parent.into(), p.age()]
        }
        ("resource.k8s.io", "resourceclaims") => {
            let mut states = Vec::new();
            if o.meta().deletion_timestamp.is_some() {
                states.push("deleted");
            }
            if p.at(&["status", "allocation"]).is_null() {
                if states.is_empty() {
                    states.push("pending");
                }
            } else {
                states.push("allocated");
                let reserved = p.at(&["status", "reservedFor"]).as_array().is_some_and(|a| !a.is_empty());
                states.push(if reserved { "reserved" } else { "unreserved" });
                states.retain(|s| *s != "unreserved");
            }
            vec![p.name(), states.join(",").into(), p.age()]
        }
        ("resource.k8s.io", "resourceslices") => vec![
            p.name(),
            p.text(&["spec", "nodeName"]).into(),
            p.text(&["spec", "driver"]).into(),
            p.text(&["spec", "pool", "name"]).into(),
            p.age(),
        ],
        ("resource.k8s.io", _) => vec![p.name(), p.age()],
        _ => return None,
    })
}

/// A label selector as its `String` method writes it, which is no selector's text.
fn go_selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels: String = labels.map(|(k, v)| format!("{k}: {},", v.as_str().unwrap_or_default())).collect();
    let terms = selector["matchExpressions"].as_array().into_iter().flatten();
    let term = |e: &Value| {
        let text = |k: &str| e[k].as_str().unwrap_or_default();
        let values: Vec<&str> = e["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (key, operator, values) = (text("key"), text("operator"), values.join(" "));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
    };
    let terms: String = terms.map(term).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )
}

fn node(p: &Printer<'_>, x: &Node) -> Vec<Value> {
    let s = x.status.clone().unwrap_or_default();
    let mut status: Vec<String> = s
        .conditions
        .iter()
        .flatten()
        .filter(|c| c.type_ == "Ready")
        .map(|c| if c.status == "True" { c.type_.clone() } else { format!("Not{}", c.type_) })
        .collect();
    if status.is_empty() {
        status.push("Unknown".into());
    }
    if x.spec.as_ref().and_then(|s| s.unschedulable) == Some(true) {
        status.push("SchedulingDisabled".into());
    }
    let mut roles: Vec<&str> = Vec::new();
    for (k, v) in x.metadata.labels.iter().flatten() {
        if let Some(role) = k.strip_prefix("node-role.kubernetes.io/").filter(|r| !r.is_empty()) {
            roles.push(role);
        } else if k == "kubernetes.io/role" && !v.is_empty() {
            roles.push(v);
        }
    }
    roles.sort_unstable();
    roles.dedup();
    let address = |kind: &str| -> Value {
        let found = s.addresses.iter().flatten().find(|a| a.type_ == kind);
        found.map_or_else(|| "<none>".into(), |a| a.address.clone()).into()
    };
    let i = s.node_info.clone().unwrap_or_default();
    let kernel = or(&i.kernel_version, "<unknown>");
    let kernel = match i.architecture.as_str() {
        "" => kernel.to_owned(),
        a => format!("{kernel} ({a})"),
    };
    vec![
        p.name(),
        status.join(",").into(),
        or(&roles.join(","), "<none>").into(),
        p.age(),
        i.kubelet_version.into(),
        address("InternalIP"),
        address("ExternalIP"),
        or(&i.os_image, "<unknown>").into(),
        kernel.into(),
        or(&i.container_runtime_version, "<unknown>").into(),
    ]
}

fn event(p: &Printer<'_>, x: &Event) -> Vec<Value> {
    let time = |t: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| t.as_ref().map(|t| t.0);
    let event_time = x.event_time.as_ref().map(|t| t.0);
    let first = time(&x.first_timestamp).or(event_time);
    let (last, count) = match &x.series {
        Some(s) => (s.last_observed_time.as_ref().map(|t| t.0), s.count.unwrap_or(0)),
        // What happened once has no count in the new API.
        None => (time(&x.last_timestamp).or(first), x.count.filter(|c| *c != 0).unwrap_or(1)),
    };
    let about = &x.involved_object;
    let kind = about.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
    let target = if about.name.as_deref().unwrap_or_default().is_empty() {
        kind
    } else {
        format!("{kind}/{}", about.name.as_deref().unwrap_or_default())
    };
    let source = x.source.clone().unwrap_or_default();
    let first_of = |old: Option<String>, new: &Option<String>| {
        old.filter(|t| !t.is_empty()).or_else(|| new.clone()).unwrap_or_default()
    };
    let component = first_of(source.component, &x.reporting_component);
    let instance = first_of(source.host, &x.reporting_instance);
    let source = if instance.is_empty() { component } else { format!("{component}, {instance}") };
    vec![
        p.since(last).into(),
        x.type_.clone().unwrap_or_default().into(),
        x.reason.clone().unwrap_or_default().into(),
        target.into(),
        about.field_path.clone().unwrap_or_default().into(),
        source.into(),
        x.message.clone().unwrap_or_default().trim().to_owned().into(),
        p.since(first).into(),
        count.into(),
        p.name(),
    ]
}
