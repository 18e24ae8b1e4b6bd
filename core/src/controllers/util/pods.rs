//! What controllers ask of a pod. Models `pkg/api/v1/pod/util.go` and the filters of `pkg/controller/controller_utils.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{controller_of, name, namespace, uid};
use crate::api::object::{make_mut, typed_mut};
use crate::api::status::Status;
use crate::client::{Client, ClientError, Informer};

/// A pod's phase, empty before it has one.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// The node that a pod is bound to, empty before that.
pub fn node_name(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default()
}

/// Whether a pod has ended for good.
pub fn is_terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether a pod counts: it has neither ended nor is it going.
pub fn is_active(pod: &Pod) -> bool {
    !is_terminal(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether a pod is going and has not ended.
pub fn is_terminating(pod: &Pod) -> bool {
    !is_terminal(pod) && pod.metadata.deletion_timestamp.is_some()
}

/// One of a status's conditions.
pub fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<&'a PodCondition> {
    status.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

/// A pod's Ready condition.
pub fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    condition(pod.status.as_ref()?, "Ready")
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|c| c.status == "True")
}

/// Whether a pod has been ready for `min_ready_seconds`.
pub fn is_available(pod: &Pod, min_ready_seconds: i32, now: jiff::Timestamp) -> bool {
    let Some(c) = ready_condition(pod).filter(|c| c.status == "True") else { return false };
    if min_ready_seconds == 0 {
        return true;
    }
    c.last_transition_time.as_ref().is_some_and(|t| super::time::plus_seconds(t, i64::from(min_ready_seconds)) <= now)
}

/// When the first of the pods that are ready but not available will be; `None` when there is none.
pub fn next_availability(pods: &[Rc<Pod>], min_ready_seconds: i32, now: jiff::Timestamp) -> Option<jiff::Timestamp> {
    pods.iter()
        .filter_map(|p| ready_condition(p).filter(|c| c.status == "True")?.last_transition_time.as_ref())
        .map(|t| super::time::plus_seconds(t, i64::from(min_ready_seconds)))
        .filter(|at| *at > now)
        .min()
}

/// Sets a condition, keeping its transition time when the status stays; whether anything changed. Models UpdatePodCondition.
pub fn update_condition(status: &mut PodStatus, mut new: PodCondition, now: Time) -> bool {
    let conditions = status.conditions.get_or_insert_default();
    new.last_transition_time = Some(now);
    match conditions.iter_mut().find(|c| c.type_ == new.type_) {
        None => {
            conditions.push(new);
            true
        }
        Some(old) => {
            if old.status == new.status {
                new.last_transition_time = old.last_transition_time.clone();
            }
            let same = old.status == new.status
                && old.reason == new.reason
                && old.message == new.message
                && old.last_probe_time == new.last_probe_time
                && old.last_transition_time == new.last_transition_time;
            *old = new;
            !same
        }
    }
}

/// The index of pods by their controller, and of those that have none by namespace. Models AddPodControllerIndexer.
pub const CONTROLLER_INDEX: &str = "podController";

fn orphans_key(namespace: &str) -> Rc<str> {
    format!("orphan/{namespace}").into()
}

/// Adds [`CONTROLLER_INDEX`] to the pods' informer.
pub fn add_controller_index(pods: &Informer<Pod>) {
    pods.tell_index(CONTROLLER_INDEX, |p, tell| match controller_of(&p.metadata) {
        Some(r) => tell(&r.uid),
        None => tell(&orphans_key(namespace(&p.metadata))),
    });
}

/// The pods that `uid` controls, and with `orphans` also those of the namespace that nobody controls.
pub fn by_controller(pods: &Informer<Pod>, namespace: &str, uid: &str, orphans: bool) -> Vec<Rc<Pod>> {
    let mut found = pods.by_index(CONTROLLER_INDEX, uid);
    if orphans {
        found.extend(pods.by_index(CONTROLLER_INDEX, &orphans_key(namespace)));
    }
    found
}

/// The index of pods by node.
pub const NODE_INDEX: &str = "spec.nodeName";

/// Adds [`NODE_INDEX`] to the pods' informer.
pub fn add_node_index(pods: &Informer<Pod>) {
    pods.tell_index(NODE_INDEX, |p, tell| match node_name(p) {
        "" => {}
        n => tell(n),
    });
}

/// Sets a condition on the pod that is stored, if it differs and the pod is still the same one. Models PatchPodStatus.
pub async fn patch_condition(client: &Client, pod: &Pod, new: PodCondition, now: Time) -> Result<(), ClientError> {
    let mut status = pod.status.clone().unwrap_or_default();
    if !update_condition(&mut status, new.clone(), now.clone()) {
        return Ok(());
    }
    patch_status(client, pod, |s| {
        update_condition(s, new.clone(), now.clone());
    })
    .await
}

/// Changes a stored pod's status, if the pod is still the same one.
pub async fn patch_status(
    client: &Client,
    pod: &Pod,
    mut change: impl FnMut(&mut PodStatus),
) -> Result<(), ClientError> {
    let Some(id) = client.registry().id_of::<Pod>() else { return Ok(()) };
    let wanted = uid(&pod.metadata);
    client
        .patch_object(id, namespace(&pod.metadata), name(&pod.metadata), "status", |o| {
            let have = uid(o.meta());
            if have != wanted {
                let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {have}");
                return Err(Status::conflict("", "pods", name(o.meta()), &why));
            }
            if let Some(p) = typed_mut::<Pod>(make_mut(o)) {
                change(p.status.get_or_insert_default());
            }
            Ok(())
        })
        .await
        .map(|_| ())
}
