//! Turns down nodes where the pod's host ports are taken. Models kube-scheduler `plugins/nodeports`.

use crate::scheduler::framework::cycle_state::CycleState;
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::{Filter, Handle, Plugin, PreFilter, PreFilterResult};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "NodePorts";
/// Another pod has the port.
pub const REASON: &str = "node(s) didn't have free ports for the requested pod ports";

pub struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const {
            &[
                ClusterEvent::new(EventResource::AssignedPod, ActionType::DELETE),
                ClusterEvent::new(EventResource::Node, ActionType::ADD),
            ]
        }
    }
    fn hint(&self, _: &Handle, pod: &PodInfo, _: ClusterEvent, change: &Change) -> QueueingHint {
        match change {
            // Only a pod whose ports were in the way makes room.
            Change::Pod { old: Some(gone), new: None }
                if !gone.host_ports.iter().any(|used| pod.host_ports.iter().any(|wanted| wanted.conflicts(used))) =>
            {
                QueueingHint::Skip
            }
            _ => QueueingHint::Queue,
        }
    }
}

impl PreFilter for NodePorts {
    fn pre_filter(&self, _: &Handle, _: &mut CycleState, pod: &PodInfo) -> (PreFilterResult, Status) {
        (None, if pod.host_ports.is_empty() { Status::SKIP } else { Status::SUCCESS })
    }
}

impl Filter for NodePorts {
    fn filter(&self, _: &Handle, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        let taken = pod.host_ports.iter().any(|wanted| node.used_ports.keys().any(|used| wanted.conflicts(used)));
        if taken { Status::new(Code::Unschedulable, REASON) } else { Status::SUCCESS }
    }
}
