//! The binding subresource: assigns a pod to a node, once. Models `pkg/registry/core/pod/storage/storage.go` (BindingREST).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::store::{other_object, unmet};
use super::{ApiServer, Caller, UpdateOptions, admission};
use crate::api::object::{Obj, make_mut, typed_mut};
use crate::api::status::Status;

/// What a Binding says.
#[derive(Clone, Debug, Default)]
pub struct Bind {
    /// The node that is to run the pod.
    pub node: String,
    /// The uid that the pod must have, or empty.
    pub uid: String,
    /// The version that the pod must have, or empty.
    pub resource_version: String,
    /// Labels for the pod, over those that it has.
    pub labels: BTreeMap<String, String>,
    /// Annotations for the pod, over those that it has.
    pub annotations: BTreeMap<String, String>,
    /// Whether nothing is stored.
    pub dry_run: bool,
}

impl ApiServer {
    /// Binds a pod to a node.
    pub fn bind(&mut self, caller: &Caller, namespace: &str, name: &str, bind: &Bind) -> Result<(), Status> {
        let mut labels = bind.labels.clone();
        labels.extend(admission::topology_labels(self, &bind.node));
        let (uid, version) = (bind.uid.as_str(), bind.resource_version.as_str());
        let Some(id) = self.registry().id_of::<Pod>() else {
            return Err(Status::not_found("", "pods", name));
        };
        let now = Time(self.sim().timestamp());
        let key = format!("/registry/pods/{namespace}/{name}");
        let updater = Box::new(|old: &Obj| {
            let mut new = old.clone();
            let meta = old.meta();
            if !uid.is_empty() && meta.uid.as_deref() != Some(uid) {
                let have = meta.uid.as_deref().unwrap_or_default();
                return Err(Status::conflict("", "pods", name, &other_object(&key, uid, have, bind.dry_run)));
            }
            if !version.is_empty() && meta.resource_version.as_deref() != Some(version) {
                let have = meta.resource_version.as_deref().unwrap_or_default();
                let why = unmet(&key, "ResourceVersion", version, have, bind.dry_run);
                return Err(Status::conflict("", "pods", name, &why));
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
            spec.node_name = Some(bind.node.clone());
            if !labels.is_empty() {
                pod.metadata.labels.get_or_insert_default().extend(labels.clone());
            }
            if !bind.annotations.is_empty() {
                pod.metadata.annotations.get_or_insert_default().extend(bind.annotations.clone());
            }
            let status = pod.status.get_or_insert_default();
            status.nominated_node_name = None;
            let conditions = status.conditions.get_or_insert_default();
            conditions.retain(|c| c.type_ != "PodScheduled");
            conditions.push(PodCondition {
                type_: "PodScheduled".into(),
                status: "True".into(),
                last_transition_time: Some(now.clone()),
                ..PodCondition::default()
            });
            Ok(new)
        });
        let o = UpdateOptions { dry_run: bind.dry_run, ..UpdateOptions::default() };
        self.update(caller, "create", id, (namespace, name), "binding", updater, &o).map(|_| ())
    }
}
