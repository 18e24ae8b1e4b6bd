//! Finds less important pods whose eviction makes room. Models kube-scheduler `plugins/defaultpreemption` and
//! `framework/preemption/preemption.go`.

mod candidates;
mod victims;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use k8s_openapi::api::core::v1::Pod;

use self::candidates::{Candidate, find_candidates, pick};
use crate::scheduler::diagnosis::Diagnosis;
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::plugin::{
    Handle, Plugin, PostFilter, PostFilterContext, PostFilterResult, PreEnqueue, Victim,
};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "DefaultPreemption";
/// Its class never preempts.
pub const REASON_POLICY_NEVER: &str = "preemption: not eligible due to preemptionPolicy=Never.";
/// Its victims are still terminating.
pub const REASON_TERMINATING: &str = "preemption: not eligible due to a terminating pod on the nominated node.";
/// The nodes turned the pod down for other reasons than the pods on them.
pub const REASON_NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
/// Nothing on the node is less important.
pub const REASON_NO_VICTIMS: &str = "No preemption victims found for incoming pod";
/// Victims of this pod are being deleted.
pub const REASON_WAITING: &str = "waiting for the preemption for this pod to be finished";

/// The plugin, with the pods whose victims are being deleted right now.
#[derive(Default)]
pub struct DefaultPreemption {
    preempting: RefCell<BTreeSet<Rc<str>>>,
}

impl DefaultPreemption {
    /// The API calls that evict the pod's victims begin.
    pub fn begin(&self, uid: Rc<str>) {
        self.preempting.borrow_mut().insert(uid);
    }
    /// The API calls are through, or the last one is under way.
    pub fn end(&self, uid: &str) {
        self.preempting.borrow_mut().remove(uid);
    }
}

impl Plugin for DefaultPreemption {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const { &[ClusterEvent::new(EventResource::AssignedPod, ActionType::DELETE)] }
    }
    fn hint(&self, _: &Handle, _: &PodInfo, _: ClusterEvent, _: &Change) -> QueueingHint {
        // What the preemption was for decides when to try again.
        QueueingHint::Skip
    }
}

impl PreEnqueue for DefaultPreemption {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        if self.preempting.borrow().contains(&pod.uid) {
            return Status::new(Code::UnschedulableAndUnresolvable, REASON_WAITING);
        }
        Status::SUCCESS
    }
}

/// Whether the scheduler has had the pod evicted already.
fn terminating_by_preemption(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_some()
        && conditions
            .into_iter()
            .find(|c| c.type_ == "DisruptionTarget")
            .is_some_and(|c| c.status == "True" && c.reason.as_deref() == Some("PreemptionByScheduler"))
}

/// Why the pod may not preempt, if so.
fn ineligible(cx: &PostFilterContext, pod: &PodInfo) -> Option<&'static str> {
    if pod.spec().and_then(|s| s.preemption_policy.as_deref()) == Some("Never") {
        return Some(REASON_POLICY_NEVER);
    }
    let node = cx.handle.cache.node_named(pod.nominated_node_name())?;
    if cx.statuses.get(node.id).code() == Code::UnschedulableAndUnresolvable {
        return None;
    }
    let waiting = node.pods.iter().any(|p| p.priority < pod.priority && terminating_by_preemption(&p.pod));
    waiting.then_some(REASON_TERMINATING)
}

impl PostFilter for DefaultPreemption {
    fn post_filter(&self, cx: &mut PostFilterContext, pod: &PodInfo) -> (Option<PostFilterResult>, Status) {
        if let Some(reason) = ineligible(cx, pod) {
            return (None, Status::new(Code::Unschedulable, reason));
        }
        let (candidates, mut statuses) = find_candidates(cx, pod);
        let Some(Candidate { node, victims, .. }) = pick(candidates) else {
            statuses.set_absent(Status::new(Code::UnschedulableAndUnresolvable, REASON_NOT_HELPFUL));
            let diagnosis = Diagnosis { node_to_status: statuses, ..Default::default() };
            let message = format!("preemption: {}", diagnosis.message(cx.handle.cache.order().len()));
            // Whatever was nominated before is of no use.
            let result = PostFilterResult { nominated_node_name: Some(String::new()), victims: Vec::new() };
            return (Some(result), Status::with_reason(Code::Unschedulable, message));
        };
        let name = cx.handle.cache.node(node).map(|n| n.name.to_string());
        let result = PostFilterResult { nominated_node_name: name, victims: victims.into_iter().map(Victim).collect() };
        (Some(result), Status::SUCCESS)
    }
}
