//! Keeps pods with scheduling gates out of the active queue. Models kube-scheduler `plugins/schedulinggates`.

use crate::scheduler::framework::events::{ActionType, ClusterEvent, EventResource};
use crate::scheduler::framework::plugin::{Plugin, PreEnqueue};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "SchedulingGates";

pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        // Only the pod's own gates matter.
        const { &[ClusterEvent::new(EventResource::TargetPod, ActionType::UPDATE_POD_GATES_ELIMINATED)] }
    }
}

impl PreEnqueue for SchedulingGates {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        let gates = pod.spec().and_then(|s| s.scheduling_gates.as_deref()).unwrap_or_default();
        if gates.is_empty() {
            return Status::SUCCESS;
        }
        let names: Vec<&str> = gates.iter().map(|g| g.name.as_str()).collect();
        Status::with_reason(
            Code::UnschedulableAndUnresolvable,
            format!("waiting for scheduling gates: [{}]", names.join(" ")),
        )
    }
}
