//! New nodes begin tainted, and kubelets may only change what is theirs.
//! Models `plugin/pkg/admission/{nodetaint,noderestriction}`.

use k8s_openapi::api::core::v1::{Node, Pod, Taint};

use super::{Attributes, Verb, forbidden};
use crate::api::field::quote;
use crate::api::object::{Obj, Object, make_mut, typed, typed_mut};
use crate::api::status::Status;
use crate::registry::ResourceInfo;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// A node is not ready until its controller finds it so.
pub(super) fn admit(obj: &mut Obj) {
    let Some(node) = typed_mut::<Node>(make_mut(obj)) else { return };
    let taints = node.spec.get_or_insert_default().taints.get_or_insert_default();
    if !taints.iter().any(|t| t.key == NOT_READY && t.effect == "NoSchedule") {
        taints.push(Taint { key: NOT_READY.into(), effect: "NoSchedule".into(), ..Taint::default() });
    }
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
