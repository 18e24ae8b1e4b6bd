//! Takes only the node that the pod names. Models kube-scheduler `plugins/nodename`.

use crate::scheduler::framework::cycle_state::CycleState;
use crate::scheduler::framework::events::{ActionType, ClusterEvent, EventResource};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::{Filter, Handle, Plugin};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "NodeName";
/// The pod names another node.
pub const REASON: &str = "node(s) didn't match the requested node name";

pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const { &[ClusterEvent::new(EventResource::Node, ActionType::ADD)] }
    }
}

impl Filter for NodeName {
    fn filter(&self, _: &Handle, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        match pod.spec().and_then(|s| s.node_name.as_deref()) {
            None | Some("") => Status::SUCCESS,
            Some(name) if name == &*node.name => Status::SUCCESS,
            Some(_) => Status::new(Code::UnschedulableAndUnresolvable, REASON),
        }
    }
}
