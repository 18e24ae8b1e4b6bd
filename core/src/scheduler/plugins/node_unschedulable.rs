//! Turns down cordoned nodes. Models kube-scheduler `plugins/nodeunschedulable`.

use k8s_openapi::api::core::v1::{Node, Taint};

use super::taint_toleration::tolerated;
use crate::scheduler::framework::cycle_state::CycleState;
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::{Filter, Handle, Plugin};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "NodeUnschedulable";
/// The node is cordoned.
pub const REASON_UNSCHEDULABLE: &str = "node(s) were unschedulable";

pub struct NodeUnschedulable;

/// Whether the pod puts up with cordoned nodes.
fn tolerates_unschedulable(pod: &PodInfo) -> bool {
    let taint =
        Taint { key: "node.kubernetes.io/unschedulable".into(), effect: "NoSchedule".into(), ..Default::default() };
    tolerated(pod.spec().and_then(|s| s.tolerations.as_deref()).unwrap_or_default(), &taint)
}

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const {
            &[
                ClusterEvent::new(EventResource::Node, ActionType::ADD.or(ActionType::UPDATE_NODE_TAINT)),
                ClusterEvent::new(EventResource::TargetPod, ActionType::UPDATE_POD_TOLERATION),
            ]
        }
    }
    fn hint(&self, _: &Handle, _: &PodInfo, _: ClusterEvent, change: &Change) -> QueueingHint {
        let cordoned = |n: &Node| n.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false);
        match change {
            Change::Node { old, new: Some(new) } if cordoned(new) || old.as_ref().is_some_and(|old| !cordoned(old)) => {
                QueueingHint::Skip
            }
            _ => QueueingHint::Queue,
        }
    }
}

impl Filter for NodeUnschedulable {
    fn filter(&self, _: &Handle, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        if !node.unschedulable || tolerates_unschedulable(pod) {
            return Status::SUCCESS;
        }
        Status::new(Code::UnschedulableAndUnresolvable, REASON_UNSCHEDULABLE)
    }
}
