//! What a controller's object says of the pods that it wants and has.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ReplicationController;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::view::WorkloadView;
use crate::api::object::{Object, typed};

/// The uid of the controller that owns an object.
pub(super) fn controller_uid(meta: &ObjectMeta) -> Option<&str> {
    meta.owner_references.as_ref()?.iter().find(|r| r.controller == Some(true)).map(|r| r.uid.as_str())
}

/// A number as it is shown: never below nothing.
pub(super) fn count(n: Option<i32>) -> u32 {
    n.map_or(0, |n| n.max(0) as u32)
}

/// A workload as the viewer is told of it; `None` for all other kinds.
pub(super) fn workload_view(o: &dyn Object) -> Option<WorkloadView> {
    let (resource, desired, current, ready) = if let Some(r) = typed::<ReplicaSet>(o) {
        let s = r.status.as_ref();
        (
            "replicasets.apps",
            r.spec.as_ref().and_then(|s| s.replicas),
            s.map(|s| s.replicas),
            s.and_then(|s| s.ready_replicas),
        )
    } else if let Some(r) = typed::<ReplicationController>(o) {
        let s = r.status.as_ref();
        (
            "replicationcontrollers",
            r.spec.as_ref().and_then(|s| s.replicas),
            s.map(|s| s.replicas),
            s.and_then(|s| s.ready_replicas),
        )
    } else if let Some(d) = typed::<Deployment>(o) {
        let s = d.status.as_ref();
        (
            "deployments.apps",
            d.spec.as_ref().and_then(|s| s.replicas),
            s.and_then(|s| s.replicas),
            s.and_then(|s| s.ready_replicas),
        )
    } else if let Some(d) = typed::<StatefulSet>(o) {
        let s = d.status.as_ref();
        (
            "statefulsets.apps",
            d.spec.as_ref().and_then(|s| s.replicas),
            s.map(|s| s.replicas),
            s.and_then(|s| s.ready_replicas),
        )
    } else if let Some(d) = typed::<DaemonSet>(o) {
        let s = d.status.as_ref();
        (
            "daemonsets.apps",
            s.map(|s| s.desired_number_scheduled),
            s.map(|s| s.current_number_scheduled),
            s.map(|s| s.number_ready),
        )
    } else if let Some(j) = typed::<Job>(o) {
        let s = j.status.as_ref();
        ("jobs.batch", j.spec.as_ref().and_then(|s| s.completions), s.and_then(|s| s.active), s.and_then(|s| s.ready))
    } else {
        return None;
    };
    let m = o.meta();
    Some(WorkloadView {
        id: 0,
        kind: o.kind().to_owned(),
        resource: resource.to_owned(),
        namespace: m.namespace.clone().unwrap_or_default(),
        name: m.name.clone().unwrap_or_default(),
        desired: count(desired),
        current: count(current),
        ready: count(ready),
        owner: 0,
    })
}
