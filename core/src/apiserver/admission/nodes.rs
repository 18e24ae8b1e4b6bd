//! New nodes begin tainted, kubelets may only change what is theirs, and pods learn where their nodes are and how much they have.
//! Models `plugin/pkg/admission/{nodetaint,noderestriction,podtopologylabels,podresize}`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod, Taint};

use super::{Attributes, Verb, forbidden};
use crate::api::field::quote;
use crate::api::object::{Obj, Object, make_mut, typed, typed_mut};
use crate::api::quantity::Quantity;
use crate::api::status::{Cause, Status};
use crate::apiserver::ApiServer;
use crate::registry::ResourceInfo;
use crate::registry::validation::pod_requests;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// A node is not ready until its controller finds it so.
pub(super) fn admit(obj: &mut Obj) {
    let Some(node) = typed_mut::<Node>(make_mut(obj)) else { return };
    let taints = node.spec.get_or_insert_default().taints.get_or_insert_default();
    if !taints.iter().any(|t| t.key == NOT_READY && t.effect == "NoSchedule") {
        taints.push(Taint { key: NOT_READY.into(), effect: "NoSchedule".into(), ..Taint::default() });
    }
}

const TOPOLOGY: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// Where a node is.
pub(super) fn topology_labels(server: &ApiServer, node: &str) -> BTreeMap<String, String> {
    let labels = server.one_of::<Node>("", node).and_then(|n| n.metadata.labels.clone()).unwrap_or_default();
    labels.into_iter().filter(|(key, _)| TOPOLOGY.contains(&key.as_str())).collect()
}

/// A new pod that has its node already says where that is.
pub(super) fn label_pod(server: &ApiServer, obj: &mut Obj) {
    let node = typed::<Pod>(&**obj).and_then(|p| p.spec.as_ref()?.node_name.clone()).unwrap_or_default();
    let labels = if node.is_empty() { BTreeMap::new() } else { super::topology_labels(server, &node) };
    if !labels.is_empty() {
        make_mut(obj).meta_mut().labels.get_or_insert_default().extend(labels);
    }
}

/// A pod may not be resized to more than its node has, nor where nodes can't do it.
pub(super) fn check_resize(
    server: &ApiServer,
    info: &ResourceInfo,
    obj: &Obj,
    old: Option<&Obj>,
) -> Result<(), Status> {
    let Some(pod) = typed::<Pod>(&**obj) else { return Ok(()) };
    let Some(spec) = &pod.spec else { return Ok(()) };
    let name = spec.node_name.as_deref().unwrap_or_default();
    if name.is_empty() || old.is_some_and(|o| o.meta().generation == pod.metadata.generation) {
        return Ok(());
    }
    let Some(node) = server.one_of::<Node>("", name) else {
        return Err(forbidden(info, &**obj, &format!("node {} not found", quote(name))));
    };
    let refuse = |why: &str, reason: &str| {
        let mut status = forbidden(info, &**obj, why);
        if let Some(details) = &mut status.details {
            details.causes.push(Cause { reason: reason.to_owned(), ..Cause::default() });
        }
        Err(status)
    };
    let os = node.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/os")).map_or("linux", String::as_str);
    if os != "linux" {
        let why = format!("pod resize is only supported on linux nodes, node {} is {}", quote(name), quote(os));
        return refuse(&why, "UnsupportedPlatform");
    }
    let allocatable = node.status.as_ref().and_then(|s| s.allocatable.clone()).unwrap_or_default();
    let mut asked = pod_requests(spec);
    let own = spec.resources.as_ref().and_then(|r| r.requests.as_ref());
    let read = |q: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| Quantity::parse(&q.0).unwrap_or_default();
    asked.extend(own.into_iter().flatten().map(|(name, q)| (name.clone(), read(q))));
    for (name, q) in spec.overhead.iter().flatten() {
        let sum = asked.get(name).copied().unwrap_or_default().add(read(q));
        asked.insert(name.clone(), sum);
    }
    let mut short = Vec::new();
    for (name, milli) in [("cpu", true), ("memory", false)] {
        let asked = asked.get(name).copied().unwrap_or_default();
        let have = allocatable.get(name).map(read).unwrap_or_default();
        if asked > have {
            let shown = |q: Quantity| if milli { q.milli_value() } else { q.value() };
            short.push(format!("{name}, requested: {}, allocatable: {}", shown(asked), shown(have)));
        }
    }
    if short.is_empty() {
        return Ok(());
    }
    let why = format!("node didn't have enough allocatable resources: {}", short.join("; "));
    refuse(&why, "NodeCapacity")
}

/// What a kubelet may not do.
pub(super) fn restrict(a: &Attributes<'_>, info: &ResourceInfo, o: &dyn Object) -> Result<(), Status> {
    let Some(me) = a.caller.user.name.strip_prefix("system:node:") else { return Ok(()) };
    if !a.caller.user.groups.iter().any(|g| g == "system:nodes") {
        return Ok(());
    }
    let name = o.meta().name.as_deref().unwrap_or_default();
    match (info.group, info.resource) {
        ("", "nodes") if name != me => {
            let why = format!("node {} is not allowed to modify node {}", quote(me), quote(name));
            Err(forbidden(info, o, &why))
        }
        ("", "pods") => {
            let Some(pod) = typed::<Pod>(o) else { return Ok(()) };
            let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
            let mirror =
                pod.metadata.annotations.as_ref().is_some_and(|m| m.contains_key("kubernetes.io/config.mirror"));
            if a.verb == Verb::Create && a.subresource.is_empty() && !mirror {
                let why = format!(
                    "pod does not have {} annotation, node {} can only create mirror pods",
                    quote("kubernetes.io/config.mirror"),
                    quote(me)
                );
                return Err(forbidden(info, o, &why));
            }
            if node != me {
                let why = if a.verb == Verb::Create {
                    format!("node {} can only create pods with spec.nodeName set to itself", quote(me))
                } else {
                    format!("node {} can only update pod status for pods with spec.nodeName set to itself", quote(me))
                };
                return Err(forbidden(info, o, &why));
            }
            Ok(())
        }
        ("coordination.k8s.io", "leases") => {
            let namespace = o.meta().namespace.as_deref().unwrap_or_default();
            if namespace != "kube-node-lease" {
                let why = format!("can only access leases in the {} system namespace", quote("kube-node-lease"));
                return Err(forbidden(info, o, &why));
            }
            if name != me {
                return Err(forbidden(info, o, "can only access node lease with the same name as the requesting node"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
