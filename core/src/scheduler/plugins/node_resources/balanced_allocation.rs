//! Prefers nodes on which the pod evens out the use of CPU and memory.
//! Models kube-scheduler `plugins/noderesources/balanced_allocation.go`.

use crate::scheduler::framework::cycle_state::CycleState;
use crate::scheduler::framework::node_info::{NodeId, NodeInfo};
use crate::scheduler::framework::plugin::{Handle, MAX_NODE_SCORE, Plugin, Score};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::Status;

pub const NAME: &str = "NodeResourcesBalancedAllocation";

pub struct BalancedAllocation;

/// How even the shares in use are: 100 when equal. Each pair is (in use, allocatable).
fn balance(pairs: [(i64, i64); 2]) -> i64 {
    let share =
        |(used, allocatable): (i64, i64)| (allocatable != 0).then(|| (used as f64 / allocatable as f64).min(1.0));
    let deviation = match pairs.map(share) {
        [Some(a), Some(b)] => ((a - b) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
}

impl Plugin for BalancedAllocation {
    fn name(&self) -> &'static str {
        NAME
    }
}

impl Score for BalancedAllocation {
    fn pre_score(&self, _: &Handle, _: &mut CycleState, pod: &PodInfo, _: &[NodeId]) -> Status {
        // Best-effort pods would otherwise flock to one node.
        let requests = &pod.requests.requests;
        if requests.milli_cpu == 0 && requests.memory == 0 { Status::SKIP } else { Status::SUCCESS }
    }
    fn score(&self, _: &Handle, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let (used, wanted, has) = (&node.requested, &pod.requests.requests, &node.allocatable);
        let with =
            balance([(used.milli_cpu + wanted.milli_cpu, has.milli_cpu), (used.memory + wanted.memory, has.memory)]);
        let without = balance([(used.milli_cpu, has.milli_cpu), (used.memory, has.memory)]);
        // What matters is how much better or worse the pod makes it.
        MAX_NODE_SCORE / 2 + (MAX_NODE_SCORE / 2 + with - without) / 2
    }
}
