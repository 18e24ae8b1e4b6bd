//! A namespace's budget. Models apiserver's `pkg/admission/plugin/resourcequota` and `pkg/quota/v1/evaluator`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, Service};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::{Attributes, Verb, forbidden};
use crate::api::object::{Obj, make_mut, typed, typed_mut};
use crate::api::quantity::{Format, Quantity};
use crate::api::status::Status;
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;

type Usage = BTreeMap<String, Quantity>;

fn one() -> Quantity {
    Quantity::new(1, Format::DecimalSi)
}

/// What an object counts for.
fn usage(info: &ResourceInfo, o: &Obj) -> Usage {
    let mut all = Usage::new();
    let count = if info.group.is_empty() {
        format!("count/{}", info.resource)
    } else {
        format!("count/{}.{}", info.resource, info.group)
    };
    if let Some(pod) = typed::<Pod>(&**o) {
        all.insert(count, one());
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        if matches!(phase, Some("Failed" | "Succeeded")) {
            return all;
        }
        all.insert("pods".into(), one());
        let Some(spec) = &pod.spec else { return all };
        for (name, q) in crate::registry::validation::pod_requests(spec) {
            if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                all.insert(name.clone(), q);
            }
            all.insert(format!("requests.{name}"), q);
        }
        for (name, q) in crate::registry::validation::pod_limits(spec) {
            if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                all.insert(format!("limits.{name}"), q);
            }
        }
        return all;
    }
    all.insert(count, one());
    if let Some(service) = typed::<Service>(&**o) {
        let spec = service.spec.as_ref();
        let ports = spec.and_then(|s| s.ports.as_ref()).map_or(0, Vec::len) as i64;
        let ports = Quantity::new(ports, Format::DecimalSi);
        all.insert("services".into(), one());
        match spec.and_then(|s| s.type_.as_deref()) {
            Some("NodePort") => {
                all.insert("services.nodeports".into(), ports);
            }
            Some("LoadBalancer") => {
                all.insert("services.loadbalancers".into(), one());
                if spec.and_then(|s| s.allocate_load_balancer_node_ports) != Some(false) {
                    all.insert("services.nodeports".into(), ports);
                }
            }
            _ => {}
        }
        return all;
    }
    if let Some(claim) = typed::<PersistentVolumeClaim>(&**o) {
        all.insert("persistentvolumeclaims".into(), one());
        let spec = claim.spec.as_ref();
        let requests = spec.and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref());
        let storage = requests.and_then(|r| r.get("storage")).map(Quantity::of);
        if let Some(storage) = storage {
            all.insert("requests.storage".into(), storage);
        }
        if let Some(class) = spec.and_then(|s| s.storage_class_name.as_deref()).filter(|c| !c.is_empty()) {
            let prefix = format!("{class}.storageclass.storage.k8s.io");
            all.insert(format!("{prefix}/persistentvolumeclaims"), one());
            if let Some(storage) = storage {
                all.insert(format!("{prefix}/requests.storage"), storage);
            }
        }
        return all;
    }
    if info.group.is_empty()
        && matches!(info.resource, "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas")
    {
        all.insert(info.resource.to_owned(), one());
    }
    all
}

/// Resources that a pod has to state when a quota bounds them.
const COMPUTE: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// The bounded resources that the containers don't state, as upstream prints them. Models the pod evaluator's `Constraints`.
fn unstated(pod: &Pod, bounded: &[&String]) -> Option<String> {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let spec = pod.spec.as_ref()?;
    if spec.resources.is_some() {
        return None;
    }
    for c in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let r = c.resources.as_ref();
        let has = |limits: bool, name: &str| {
            let side = r.and_then(|r| if limits { r.limits.as_ref() } else { r.requests.as_ref() });
            side.is_some_and(|s| s.contains_key(name))
        };
        for name in bounded.iter().filter(|n| COMPUTE.contains(&n.as_str())) {
            let stated = match name.split_once('.') {
                Some(("limits", n)) => has(true, n),
                Some((_, n)) => has(false, n),
                None => has(false, name),
            };
            if !stated {
                missing.entry(name.as_str()).or_default().push(&c.name);
            }
        }
    }
    if missing.is_empty() {
        return None;
    }
    let parts: Vec<String> = missing
        .into_iter()
        .map(|(name, mut containers)| {
            containers.sort_unstable();
            format!("{name} for: {}", containers.join(","))
        })
        .collect();
    Some(format!("must specify {}", parts.join("; ")))
}

/// Whether a quota's scopes concern a pod; quotas with scopes concern nothing else.
fn in_scope(quota: &ResourceQuota, o: &Obj) -> bool {
    let Some(spec) = &quota.spec else { return true };
    let scopes = spec.scopes.iter().flatten().map(|s| (s.as_str(), "Exists", &[][..]));
    let selected = spec.scope_selector.iter().flat_map(|s| s.match_expressions.iter().flatten());
    let selected = selected.map(|e| (e.scope_name.as_str(), e.operator.as_str(), e.values.as_deref().unwrap_or(&[])));
    let mut all = scopes.chain(selected).peekable();
    if all.peek().is_none() {
        return true;
    }
    let Some(pod) = typed::<Pod>(&**o) else { return false };
    let spec = pod.spec.as_ref();
    let best_effort = crate::registry::pod::qos_class(pod) == "BestEffort";
    let terminating = spec.and_then(|s| s.active_deadline_seconds).is_some_and(|d| d >= 0);
    let class = spec.and_then(|s| s.priority_class_name.as_deref()).unwrap_or_default();
    all.all(|(scope, operator, values)| match scope {
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "PriorityClass" => match operator {
            "In" => values.iter().any(|v| v == class),
            "NotIn" => !values.iter().any(|v| v == class),
            "DoesNotExist" => class.is_empty(),
            _ => !class.is_empty(),
        },
        _ => false,
    })
}

fn print(usage: &Usage, names: &[&String]) -> String {
    let one = |n: &&String| format!("{n}={}", usage.get(*n).map_or_else(|| "0".into(), |q| q.to_api().0));
    names.iter().map(one).collect::<Vec<_>>().join(",")
}

fn amounts(map: Option<&BTreeMap<String, Text>>) -> Usage {
    map.into_iter().flatten().map(|(k, v)| (k.clone(), Quantity::of(v))).collect()
}

pub(super) fn validate(
    server: &ApiServer,
    a: &Attributes<'_>,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    if info.resource == "events" || info.resource == "leases" {
        return Ok(());
    }
    let quotas = server.all_of::<ResourceQuota>(Some(a.namespace));
    if quotas.is_empty() || (info.resource == "resourcequotas" && a.verb == Verb::Update) {
        return Ok(());
    }
    let mut delta = usage(info, obj);
    if let (Verb::Update, Some(old)) = (a.verb, old) {
        for (name, had) in usage(info, old) {
            let now = delta.get(&name).copied().unwrap_or_else(|| Quantity::new(0, Format::DecimalSi));
            delta.insert(name, now.sub(had));
        }
        delta.retain(|_, q| q.sign() > 0);
        if delta.is_empty() {
            return Ok(());
        }
    }
    let mut changed: Vec<(Rc<ResourceQuota>, Usage)> = Vec::new();
    for quota in quotas {
        if !in_scope(&quota, obj) {
            continue;
        }
        let name = quota.metadata.name.as_deref().unwrap_or_default();
        let hard = amounts(quota.status.as_ref().and_then(|s| s.hard.as_ref()));
        let used = amounts(quota.status.as_ref().and_then(|s| s.used.as_ref()));
        if let (Verb::Create, Some(pod)) = (a.verb, typed::<Pod>(&**obj)) {
            let bounded: Vec<&String> = hard.keys().collect();
            if let Some(why) = unstated(pod, &bounded) {
                return Err(forbidden(info, &**obj, &format!("failed quota: {name}: {why}")));
            }
        }
        let concerned: Vec<&String> = delta.keys().filter(|k| hard.contains_key(*k)).collect();
        if concerned.is_empty() {
            continue;
        }
        let unknown: Vec<&str> = concerned.iter().filter(|k| !used.contains_key(**k)).map(|k| k.as_str()).collect();
        if !unknown.is_empty() {
            let why = format!("status unknown for quota: {name}, resources: {}", unknown.join(","));
            return Err(forbidden(info, &**obj, &why));
        }
        let mut new = used.clone();
        let mut over: Vec<&String> = Vec::new();
        for k in concerned {
            let (Some(d), Some(u), Some(h)) = (delta.get(k), used.get(k), hard.get(k)) else { continue };
            let sum = u.add(*d);
            if sum > *h && d.sign() > 0 {
                over.push(k);
            }
            new.insert(k.clone(), sum);
        }
        if !over.is_empty() {
            let why = format!(
                "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
                print(&delta, &over),
                print(&used, &over),
                print(&hard, &over)
            );
            return Err(forbidden(info, &**obj, &why));
        }
        changed.push((quota.clone(), new));
    }
    if !a.dry_run {
        for (quota, used) in changed {
            charge(server, &quota, used);
        }
    }
    Ok(())
}

/// Writes down what is used from now on. The object itself may still fail to be stored: the quota controller counts again.
fn charge(server: &ApiServer, quota: &ResourceQuota, used: Usage) {
    let Some(id) = server.registry.id_of::<ResourceQuota>() else { return };
    let (namespace, name) = (quota.metadata.namespace.clone(), quota.metadata.name.clone());
    let Some((stored, at)) = server.load(id, &namespace.unwrap_or_default(), &name.unwrap_or_default()) else { return };
    let mut new = stored.clone();
    if let Some(q) = typed_mut::<ResourceQuota>(make_mut(&mut new)) {
        q.status.get_or_insert_default().used = Some(used.into_iter().map(|(k, v)| (k, v.to_api())).collect());
    }
    if !new.equals(&*stored) {
        // A conflict can't be: nothing runs between load and commit.
        let _ = server.commit(id, &mut new, at);
    }
}
