//! Counting each ended pod once: its uid goes into the status, then its finalizer comes off, then the uid becomes a count.
//! Models trackJobStatusAndRemoveFinalizers of `pkg/controller/job/job_controller.go`.

use std::collections::BTreeSet;
use std::rc::Rc;

use k8s_openapi::api::batch::v1::{Job, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;

use crate::api::object::{make_mut, typed_mut};
use crate::client::{Client, ClientError};
use crate::controllers::util::pod_control::in_parallel;
use crate::controllers::util::worker::SyncError;
use crate::controllers::util::{name, namespace, pods, uid};

pub const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// How many pods one status update counts at most.
const UNCOUNTED_MAX: usize = 500;

/// Whether a pod still carries the mark by which it is counted.
pub fn has_finalizer(pod: &Pod) -> bool {
    pod.metadata.finalizers.as_ref().is_some_and(|f| f.iter().any(|f| f == FINALIZER))
}

/// Whether pods are replaced only when they have ended, not when they begin to go.
pub fn replaces_only_failed(job: &Job) -> bool {
    let spec = job.spec.as_ref();
    spec.is_some_and(|s| s.pod_failure_policy.is_some() || s.pod_replacement_policy.as_deref() == Some("Failed"))
}

/// Whether a pod counts as failed: deleted ones do too, since they may never get to say so.
pub fn is_failed(pod: &Pod, job: &Job) -> bool {
    let phase = pods::phase(pod);
    phase == "Failed"
        || (!replaces_only_failed(job) && pod.metadata.deletion_timestamp.is_some() && phase != "Succeeded")
}

/// What a status has noted and not yet counted.
pub fn uncounted(status: &JobStatus) -> (BTreeSet<String>, BTreeSet<String>) {
    let u = status.uncounted_terminated_pods.clone().unwrap_or_default();
    (u.succeeded.unwrap_or_default().into_iter().collect(), u.failed.unwrap_or_default().into_iter().collect())
}

/// The pods that ended and are noted nowhere: succeeded, then failed.
pub fn newly_ended(job: &Job, all: &[Rc<Pod>]) -> (Vec<Rc<Pod>>, Vec<Rc<Pod>>) {
    let (succeeded, failed) = uncounted(&job.status.clone().unwrap_or_default());
    let fresh = |p: &&Rc<Pod>| {
        let u = uid(&p.metadata);
        has_finalizer(p) && !succeeded.contains(u) && !failed.contains(u)
    };
    let of = |ended: &dyn Fn(&Pod) -> bool| all.iter().filter(fresh).filter(|p| ended(p)).cloned().collect();
    (of(&|p| pods::phase(p) == "Succeeded"), of(&|p| is_failed(p, job) && pods::phase(p) != "Succeeded"))
}

/// Notes ended pods in the status; whether any was.
pub fn note(status: &mut JobStatus, succeeded: &[Rc<Pod>], failed: &[Rc<Pod>], by_index: bool) -> bool {
    let u = status.uncounted_terminated_pods.get_or_insert_with(UncountedTerminatedPods::default);
    let mut room = UNCOUNTED_MAX;
    let mut add = |to: &mut Option<Vec<String>>, from: &[Rc<Pod>]| {
        let new: Vec<String> = from.iter().take(room).map(|p| uid(&p.metadata).to_owned()).collect();
        room -= new.len();
        let any = !new.is_empty();
        if any {
            to.get_or_insert_default().extend(new);
        }
        any
    };
    // Successes of Indexed Jobs are counted by their indexes.
    let s = !by_index && add(&mut u.succeeded, succeeded);
    let f = add(&mut u.failed, failed);
    s || f
}

/// Counts what was noted and whose pods have lost their finalizer or are gone; whether anything was.
pub fn count(status: &mut JobStatus, all: &[Rc<Pod>]) -> bool {
    let held: BTreeSet<&str> = all.iter().filter(|p| has_finalizer(p)).map(|p| uid(&p.metadata)).collect();
    let Some(u) = &mut status.uncounted_terminated_pods else { return false };
    let take = |from: &mut Option<Vec<String>>| {
        let before = from.as_ref().map_or(0, Vec::len);
        if let Some(list) = from {
            list.retain(|u| held.contains(u.as_str()));
        }
        let left = from.as_ref().map_or(0, Vec::len);
        if left == 0 {
            *from = None;
        }
        (before - left) as i32
    };
    let (s, f) = (take(&mut u.succeeded), take(&mut u.failed));
    if s > 0 {
        status.succeeded = Some(status.succeeded.unwrap_or(0) + s);
    }
    if f > 0 {
        status.failed = Some(status.failed.unwrap_or(0) + f);
    }
    s + f > 0
}

/// Takes the finalizer off pods.
pub async fn release(client: &Client, ended: &[Rc<Pod>]) -> Result<(), SyncError> {
    let errors = in_parallel(client, ended.len(), |i| {
        let (client, pod) = (client.clone(), ended[i].clone());
        async move { Ok(remove_finalizer(&client, &pod).await?) }
    })
    .await;
    errors.into_iter().next().map_or(Ok(()), Err)
}

async fn remove_finalizer(client: &Client, pod: &Pod) -> Result<(), ClientError> {
    let Some(id) = client.registry().id_of::<Pod>() else { return Ok(()) };
    let wanted = uid(&pod.metadata);
    let patched = client
        .patch_object(id, namespace(&pod.metadata), name(&pod.metadata), "", |o| {
            if uid(o.meta()) == wanted
                && let Some(p) = typed_mut::<Pod>(make_mut(o))
                && let Some(f) = &mut p.metadata.finalizers
            {
                f.retain(|f| f != FINALIZER);
                if f.is_empty() {
                    p.metadata.finalizers = None;
                }
            }
            Ok(())
        })
        .await;
    match patched {
        Err(e) if !e.is_not_found() => Err(e),
        _ => Ok(()),
    }
}
