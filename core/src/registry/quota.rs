//! What objects count for in a namespace's budget: usage, scopes and constraints, one evaluator a kind. The api-server's admission
//! and the quota controller count by the same rules. Models `pkg/quota/v1/evaluator/core` and apiserver's `pkg/quota/v1/generic`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuotaSpec, Service};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::ResourceInfo;
use crate::api::object::{Obj, typed};
use crate::api::quantity::{Format, Quantity};

/// Amounts by the names that quotas give them.
pub type Usage = BTreeMap<String, Quantity>;

/// The usage that an API's map says.
pub fn amounts(map: Option<&BTreeMap<String, Text>>) -> Usage {
    map.into_iter().flatten().map(|(k, v)| (k.clone(), Quantity::of(v))).collect()
}

/// A usage as the API has it.
pub fn to_api(usage: &Usage) -> BTreeMap<String, Text> {
    usage.iter().map(|(k, v)| (k.clone(), v.to_api())).collect()
}

/// None of something.
pub fn zero() -> Quantity {
    Quantity::new(0, Format::DecimalSi)
}

fn count(n: usize) -> Quantity {
    Quantity::new(n as i64, Format::DecimalSi)
}

/// Adds a usage to a sum.
pub fn add(sum: &mut Usage, more: &Usage) {
    for (k, v) in more {
        let have = sum.entry(k.clone()).or_insert_with(|| Quantity::new(0, v.format()));
        *have = have.add(*v);
    }
}

/// The name by which objects of a kind are counted.
pub fn object_count_name(info: &ResourceInfo) -> String {
    if info.group.is_empty() {
        format!("count/{}", info.resource)
    } else {
        format!("count/{}.{}", info.resource, info.group)
    }
}

/// Kinds that quotas counted by their plain name before any kind could be counted.
fn has_plain_count(info: &ResourceInfo) -> bool {
    info.group.is_empty()
        && matches!(info.resource, "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas")
}

const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";

/// Whether a quota's resource is one that objects of the kind count for. Models the evaluators' MatchingResources.
pub fn matches_resource(info: &ResourceInfo, name: &str) -> bool {
    if name == object_count_name(info) || has_plain_count(info) && name == info.resource {
        return true;
    }
    if !info.group.is_empty() {
        return false;
    }
    match info.resource {
        "pods" => {
            let plain = name.strip_prefix("requests.").or(name.strip_prefix("limits.")).unwrap_or(name);
            let extended =
                name.strip_prefix("requests.").is_some_and(|n| n.contains('/') && !n.contains("kubernetes.io/"));
            matches!(plain, "cpu" | "memory" | "ephemeral-storage")
                || name == "pods"
                || name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-")
                || extended
        }
        "services" => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
        "persistentvolumeclaims" => {
            matches!(name, "persistentvolumeclaims" | "requests.storage")
                || name.ends_with(".storageclass.storage.k8s.io/persistentvolumeclaims")
                || name.ends_with(".storageclass.storage.k8s.io/requests.storage")
        }
        _ => false,
    }
}

/// Whether a pod counts for more than its object: it has not ended, nor is it overdue. Models QuotaV1Pod.
pub fn pod_counts(pod: &Pod, now: jiff::Timestamp) -> bool {
    if matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Failed" | "Succeeded")) {
        return false;
    }
    match (&pod.metadata.deletion_timestamp, pod.metadata.deletion_grace_period_seconds) {
        (Some(at), Some(grace)) => {
            let due = at.0.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(jiff::Timestamp::MAX);
            now <= due
        }
        _ => true,
    }
}

/// What requests and limits count for. Models podComputeUsageHelper.
fn compute_usage(requests: &BTreeMap<String, Quantity>, limits: &BTreeMap<String, Quantity>) -> Usage {
    let mut all = Usage::from([("pods".to_owned(), count(1))]);
    for (name, q) in requests {
        let native = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        let huge = name.starts_with("hugepages-");
        if native || huge {
            all.insert(name.clone(), *q);
        }
        if native || huge || name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.") {
            all.insert(format!("requests.{name}"), *q);
        }
    }
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(q) = limits.get(name) {
            all.insert(format!("limits.{name}"), *q);
        }
    }
    all
}

fn pod_usage(pod: &Pod, now: jiff::Timestamp) -> Usage {
    let (Some(spec), true) = (&pod.spec, pod_counts(pod, now)) else { return Usage::new() };
    compute_usage(&super::validation::pod_requests(spec), &super::validation::pod_limits(spec))
}

fn service_usage(service: &Service) -> Usage {
    let spec = service.spec.as_ref();
    let ports = spec.and_then(|s| s.ports.as_deref()).unwrap_or_default();
    let with_node_port = ports.iter().filter(|p| p.node_port.is_some_and(|n| n != 0)).count();
    let (node_ports, balancers) = match spec.and_then(|s| s.type_.as_deref()) {
        Some("NodePort") => (ports.len(), 0),
        Some("LoadBalancer") => {
            let allocates = spec.and_then(|s| s.allocate_load_balancer_node_ports) != Some(false);
            (if allocates { ports.len() } else { with_node_port }, 1)
        }
        _ => (0, 0),
    };
    [("services", 1), ("services.nodeports", node_ports), ("services.loadbalancers", balancers)]
        .into_iter()
        .map(|(k, n)| (k.to_owned(), count(n)))
        .collect()
}

/// The storage that a claim asks for.
fn claim_storage(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    let asked = Quantity::of(requests.get("storage")?);
    let allocated = claim.status.as_ref().and_then(|s| s.allocated_resources.as_ref()).and_then(|r| r.get("storage"));
    Some(allocated.map(Quantity::of).filter(|a| *a > asked).unwrap_or(asked))
}

fn claim_usage(claim: &PersistentVolumeClaim) -> Usage {
    let mut all = Usage::from([("persistentvolumeclaims".to_owned(), count(1))]);
    let storage = claim_storage(claim);
    if let Some(storage) = storage {
        all.insert("requests.storage".into(), storage);
    }
    if let Some(class) = claim.spec.as_ref().and_then(|s| s.storage_class_name.as_deref()).filter(|c| !c.is_empty()) {
        all.insert(format!("{class}{CLASS_SUFFIX}persistentvolumeclaims"), count(1));
        if let Some(storage) = storage {
            all.insert(format!("{class}{CLASS_SUFFIX}requests.storage"), storage);
        }
    }
    all
}

/// What an object counts for.
pub fn usage(info: &ResourceInfo, o: &Obj, now: jiff::Timestamp) -> Usage {
    let mut all = if let Some(pod) = typed::<Pod>(&**o) {
        pod_usage(pod, now)
    } else if let Some(service) = typed::<Service>(&**o) {
        service_usage(service)
    } else if let Some(claim) = typed::<PersistentVolumeClaim>(&**o) {
        claim_usage(claim)
    } else {
        Usage::new()
    };
    all.insert(object_count_name(info), count(1));
    if has_plain_count(info) {
        all.insert(info.resource.to_owned(), count(1));
    }
    all
}

/// Resources that each container of a pod has to state when a quota bounds them.
const STATED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What an object must say so that it can be counted; the error in upstream's words. Models Constraints.
pub fn constraints(o: &Obj, bounded: &[&String]) -> Result<(), String> {
    let Some(spec) = typed::<Pod>(&**o).and_then(|p| p.spec.as_ref()) else { return Ok(()) };
    if spec.resources.as_ref().is_some_and(|r| r.requests.is_some() || r.limits.is_some()) {
        return Ok(());
    }
    let mut missing: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
    for c in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let r = c.resources.as_ref();
        let stated =
            compute_usage(&amounts(r.and_then(|r| r.requests.as_ref())), &amounts(r.and_then(|r| r.limits.as_ref())));
        for name in bounded.iter().filter(|n| STATED.contains(&n.as_str()) && !stated.contains_key(n.as_str())) {
            missing.entry(name.as_str()).or_default().insert(&c.name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let one = |(name, containers): (&str, std::collections::BTreeSet<&str>)| {
        format!("{name} for: {}", containers.into_iter().collect::<Vec<_>>().join(","))
    };
    Err(format!("must specify {}", missing.into_iter().map(one).collect::<Vec<_>>().join("; ")))
}

/// Whether a pod's affinity looks into other namespaces. Models usesCrossNamespacePodAffinity.
fn crosses_namespaces(pod: &Pod) -> bool {
    let Some(affinity) = pod.spec.as_ref().and_then(|s| s.affinity.as_ref()) else { return false };
    let mut terms = Vec::new();
    if let Some(a) = &affinity.pod_affinity {
        terms.extend(a.required_during_scheduling_ignored_during_execution.iter().flatten());
        let weighted = a.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        terms.extend(weighted.map(|w| &w.pod_affinity_term));
    }
    if let Some(a) = &affinity.pod_anti_affinity {
        terms.extend(a.required_during_scheduling_ignored_during_execution.iter().flatten());
        let weighted = a.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        terms.extend(weighted.map(|w| &w.pod_affinity_term));
    }
    terms.iter().any(|t| t.namespaces.as_ref().is_some_and(|n| !n.is_empty()) || t.namespace_selector.is_some())
}

/// Whether a name is the one, or one of those, that a scope's selector asks for.
fn selects(operator: &str, values: &[String], name: &str) -> bool {
    match operator {
        "In" => values.iter().any(|v| v == name),
        "NotIn" => !values.iter().any(|v| v == name),
        "DoesNotExist" => name.is_empty(),
        _ => !name.is_empty(),
    }
}

/// Whether a quota's scopes concern an object. A kind that knows no scopes is in none.
pub fn in_scope(quota: &ResourceQuotaSpec, o: &Obj) -> bool {
    let scopes = quota.scopes.iter().flatten().map(|s| (s.as_str(), "Exists", &[][..]));
    let selected = quota.scope_selector.iter().flat_map(|s| s.match_expressions.iter().flatten());
    let selected = selected.map(|e| (e.scope_name.as_str(), e.operator.as_str(), e.values.as_deref().unwrap_or(&[])));
    let mut all = scopes.chain(selected);
    if let Some(pod) = typed::<Pod>(&**o) {
        let spec = pod.spec.as_ref();
        let terminating = spec.and_then(|s| s.active_deadline_seconds).is_some_and(|d| d >= 0);
        let class = spec.and_then(|s| s.priority_class_name.as_deref()).unwrap_or_default();
        return all.all(|(scope, operator, values)| match scope {
            "BestEffort" => super::pod::qos_class(pod) == "BestEffort",
            "NotBestEffort" => super::pod::qos_class(pod) != "BestEffort",
            "Terminating" => terminating,
            "NotTerminating" => !terminating,
            "PriorityClass" => selects(operator, values, class),
            "CrossNamespacePodAffinity" => crosses_namespaces(pod),
            _ => false,
        });
    }
    if let Some(claim) = typed::<PersistentVolumeClaim>(&**o) {
        let class = claim.spec.as_ref().and_then(|s| s.volume_attributes_class_name.as_deref()).unwrap_or_default();
        return all
            .all(|(scope, operator, values)| scope == "VolumeAttributesClass" && selects(operator, values, class));
    }
    all.next().is_none()
}
