//! Which nodes could take the pod if some of their pods went, and which of them is best.
//! Models kube-scheduler `framework/preemption/preemption.go` (DryRunPreemption, pickOneNodeForPreemption).

use std::rc::Rc;

use super::victims::{select_victims, start_time};
use crate::scheduler::diagnosis::NodeToStatus;
use crate::scheduler::framework::node_info::NodeId;
use crate::scheduler::framework::plugin::PostFilterContext;
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::Code;

/// At least this share of the nodes is tried, in percent..
const MIN_CANDIDATE_NODES_PERCENTAGE: usize = 10;
/// ..and at least this many.
const MIN_CANDIDATE_NODES_ABSOLUTE: usize = 100;

/// A node that would do.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub node: NodeId,
    /// Most important first; never empty.
    pub victims: Vec<Rc<PodInfo>>,
    pub budget_violations: usize,
}

/// Tries nodes from a random one on until there are enough candidates; those that break no disruption budget come first.
pub(super) fn find_candidates(cx: &mut PostFilterContext, pod: &PodInfo) -> (Vec<Candidate>, NodeToStatus) {
    let mut statuses = NodeToStatus::default();
    let nodes = cx.statuses.nodes_with_code(cx.handle.cache.order(), Code::Unschedulable);
    if nodes.is_empty() {
        return (Vec::new(), statuses);
    }
    let wanted =
        (nodes.len() * MIN_CANDIDATE_NODES_PERCENTAGE / 100).max(MIN_CANDIDATE_NODES_ABSOLUTE).min(nodes.len());
    let offset = (cx.random_below)(u32::try_from(nodes.len()).unwrap_or(u32::MAX)) as usize;
    let (mut clean, mut violating) = (Vec::new(), Vec::new());
    for node in nodes.iter().cycle().skip(offset).take(nodes.len()) {
        let Some(info) = cx.handle.cache.node(*node) else { continue };
        match select_victims(cx, pod, info) {
            Ok((victims, budget_violations)) => {
                let list = if budget_violations == 0 { &mut clean } else { &mut violating };
                list.push(Candidate { node: *node, victims, budget_violations });
                if !clean.is_empty() && clean.len() + violating.len() >= wanted {
                    break;
                }
            }
            Err(status) => statuses.set(*node, status),
        }
    }
    clean.append(&mut violating);
    (clean, statuses)
}

/// The candidate that does least harm. Each rule only breaks the ties that the ones before have left.
pub(super) fn pick(mut candidates: Vec<Candidate>) -> Option<Candidate> {
    type Cost = fn(&Candidate) -> i128;
    let rules: [Cost; 5] = [
        |c| c.budget_violations as i128,
        |c| c.victims.first().map_or(0, |v| i128::from(v.priority)),
        // Raised above zero, so that few pods of negative priority beat many.
        |c| c.victims.iter().map(|v| i128::from(v.priority) + i128::from(i32::MAX) + 1).sum(),
        |c| c.victims.len() as i128,
        |c| {
            let most = c.victims.iter().map(|v| v.priority).max();
            let starts = c.victims.iter().filter(|v| Some(v.priority) == most).map(|v| start_time(v));
            -starts.min().unwrap_or(i128::MAX)
        },
    ];
    for cost in rules {
        let Some(least) = candidates.iter().map(cost).min() else { break };
        candidates.retain(|c| cost(c) == least);
    }
    candidates.into_iter().next()
}
