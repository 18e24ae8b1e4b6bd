//! The binding subresource: assigns a pod to a node, once. Models `pkg/registry/core/pod/storage/storage.go` (BindingREST).

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::store::other_object;
use super::{ApiServer, Caller, UpdateOptions};
use crate::api::object::{Obj, make_mut, typed_mut};
use crate::api::status::Status;

impl ApiServer {
    /// Binds a pod to a node.
    pub fn bind(&mut self, caller: &Caller, namespace: &str, name: &str, uid: &str, node: &str) -> Result<(), Status> {
        let Some(id) = self.registry().id_of::<Pod>() else {
            return Err(Status::not_found("", "pods", name));
        };
        let now = Time(self.sim().timestamp());
        let updater = Box::new(|old: &Obj| {
            let mut new = old.clone();
            let meta = old.meta();
            if !uid.is_empty() && meta.uid.as_deref() != Some(uid) {
                let have = meta.uid.as_deref().unwrap_or_default();
                let key = format!("/registry/pods/{namespace}/{name}");
                return Err(Status::conflict("", "pods", name, &other_object(&key, uid, have, false)));
            }
            if meta.deletion_timestamp.is_some() {
                let why = format!("pod {name} is being deleted, cannot be assigned to a host");
                return Err(Status::conflict("", "pods/binding", name, &why));
            }
            let Some(pod) = typed_mut::<Pod>(make_mut(&mut new)) else { return Ok(new) };
            let spec = pod.spec.get_or_insert_default();
            if let Some(have) = spec.node_name.as_deref().filter(|n| !n.is_empty()) {
                let why = format!("pod {name} is already assigned to node {}", crate::api::field::quote(have));
                return Err(Status::conflict("", "pods/binding", name, &why));
            }
            if spec.scheduling_gates.as_ref().is_some_and(|g| !g.is_empty()) {
                let why = format!("pod {name} has non-empty .spec.schedulingGates");
                return Err(Status::conflict("", "pods/binding", name, &why));
            }
            spec.node_name = Some(node.to_owned());
            let conditions = pod.status.get_or_insert_default().conditions.get_or_insert_default();
            conditions.retain(|c| c.type_ != "PodScheduled");
            conditions.push(PodCondition {
                type_: "PodScheduled".into(),
                status: "True".into(),
                last_transition_time: Some(now.clone()),
                ..PodCondition::default()
            });
            Ok(new)
        });
        self.update(caller, "create", id, (namespace, name), "binding", updater, &UpdateOptions::default()).map(|_| ())
    }
}
