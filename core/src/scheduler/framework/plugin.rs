//! The extension points, one trait each, and what plugins may look at.
//! Models kube-scheduler `framework/interface.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::Binding;

use super::cycle_state::CycleState;
use super::events::{Change, ClusterEvent, QueueingHint};
use super::node_info::{NodeId, NodeInfo};
use super::pod_info::PodInfo;
use super::status::Status;
use crate::scheduler::cache::Cache;
use crate::scheduler::diagnosis::NodeToStatus;
use crate::scheduler::framework::Framework;
use crate::scheduler::listers::Listers;
use crate::scheduler::nominator::Nominator;

/// The best score that a plugin may give a node.
pub const MAX_NODE_SCORE: i64 = 100;

/// What plugins may look at during a cycle.
#[derive(Clone, Copy)]
pub struct Handle<'a> {
    pub cache: &'a Cache,
    pub listers: &'a Listers,
    pub nominator: &'a Nominator,
}

/// Any plugin.
pub trait Plugin {
    /// Upstream's name.
    fn name(&self) -> &'static str;
    /// The events that may make a pod that this plugin turned down schedulable.
    fn events(&self) -> &'static [ClusterEvent] {
        &[]
    }
    /// Whether this very event makes another try worth while.
    fn hint(&self, _handle: &Handle, _pod: &PodInfo, _event: ClusterEvent, _change: &Change) -> QueueingHint {
        QueueingHint::Queue
    }
}

/// May a pod be put into the active queue?
pub trait PreEnqueue: Plugin {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status;
}

/// The order of the active queue.
pub trait QueueSort: Plugin {
    /// Smaller comes first.
    fn sort_key(&self, pod: &PodInfo, queued_at: u64) -> (i64, u64);
}

/// Nodes that a plugin restricts the pod to; `None` for all.
pub type PreFilterResult = Option<Vec<Rc<str>>>;

/// Work once per pod before nodes are looked at.
pub trait PreFilter: Plugin {
    fn pre_filter(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo) -> (PreFilterResult, Status);
    /// Takes into the state that `other` were on the node as well.
    fn add_pod(&self, _handle: &Handle, _state: &mut CycleState, _pod: &PodInfo, _other: &PodInfo, _node: &NodeInfo) {}
    /// Takes into the state that `other` were not on the node.
    fn remove_pod(
        &self,
        _handle: &Handle,
        _state: &mut CycleState,
        _pod: &PodInfo,
        _other: &PodInfo,
        _node: &NodeInfo,
    ) {
    }
}

/// Can the pod run on the node?
pub trait Filter: Plugin {
    fn filter(&self, handle: &Handle, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status;
}

/// What PostFilter achieved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostFilterResult {
    /// The node to nominate, or "" to take a nomination back; `None` leaves it as it is.
    pub nominated_node_name: Option<String>,
    /// Pods to evict from that node, most important first.
    pub victims: Vec<Victim>,
}

/// A pod to be evicted for a more important one.
#[derive(Clone, Debug)]
pub struct Victim(pub Rc<PodInfo>);

impl PartialEq for Victim {
    fn eq(&self, other: &Self) -> bool {
        self.0.uid == other.0.uid
    }
}
impl Eq for Victim {}

/// What a plugin may need to try filters on altered nodes.
pub struct PostFilterContext<'a> {
    pub handle: Handle<'a>,
    pub framework: &'a Framework,
    pub state: &'a CycleState,
    pub statuses: &'a NodeToStatus,
    /// A random number below its argument.
    pub random_below: &'a mut dyn FnMut(u32) -> u32,
}

/// When no node fits.
pub trait PostFilter: Plugin {
    fn post_filter(&self, cx: &mut PostFilterContext, pod: &PodInfo) -> (Option<PostFilterResult>, Status);
}

/// Scoring of the nodes that fit.
pub trait Score: Plugin {
    /// Work once per pod before nodes are scored; Skip leaves the plugin out.
    fn pre_score(&self, _handle: &Handle, _state: &mut CycleState, _pod: &PodInfo, _nodes: &[NodeId]) -> Status {
        Status::SUCCESS
    }
    fn score(&self, handle: &Handle, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> i64;
    /// Whether `normalize` does anything.
    fn normalizes(&self) -> bool {
        false
    }
    /// Brings the scores into 0..=100.
    fn normalize(&self, _state: &CycleState, _nodes: &[NodeId], _scores: &mut [i64]) {}
}

/// Bookkeeping once a node is decided.
pub trait Reserve: Plugin {
    fn reserve(&self, pod: &PodInfo, node: &str) -> Status;
    fn unreserve(&self, pod: &PodInfo, node: &str);
}

/// A last say before binding.
pub trait Permit: Plugin {
    fn permit(&self, pod: &PodInfo, node: &str) -> Status;
}

/// What must be done at the api-server before the pod may be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreBindAction {
    /// Give the volume to the claim.
    BindVolume { volume: String, namespace: String, claim: String, claim_uid: String },
    /// Have a volume made for the claim where this node reaches it.
    Provision { namespace: String, claim: String, node: String },
}

/// Work that takes time, between decision and binding.
pub trait PreBind: Plugin {
    /// What to do; until it has taken effect the binding waits.
    fn pre_bind(&self, handle: &Handle, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Vec<PreBindAction>;
}

/// Makes the binding.
pub trait Bind: Plugin {
    /// The object to POST to the pod's `binding` subresource; `None` leaves it to the next plugin.
    fn bind(&self, pod: &PodInfo, node: &str) -> Option<Binding>;
}

/// Scales scores so that the largest becomes `MAX_NODE_SCORE`, or with `reverse` the smallest. Models `helper.DefaultNormalizeScore`.
pub fn default_normalize(reverse: bool, scores: &mut [i64]) {
    let most = scores.iter().copied().max().unwrap_or(0).max(0);
    for score in scores {
        *score = match (most, reverse) {
            (0, true) => MAX_NODE_SCORE,
            (0, false) => *score,
            (_, true) => MAX_NODE_SCORE - MAX_NODE_SCORE * *score / most,
            (_, false) => MAX_NODE_SCORE * *score / most,
        };
    }
}
