//! Soft constraints and the system's defaults. Models kube-scheduler `plugins/podtopologyspread/scoring.go`.

use super::{Constraint, LABEL_HOSTNAME, NodeDemands, PodTopologySpread, own_constraints, soft_constraints};
use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::node_info::{NodeId, NodeInfo};
use crate::scheduler::framework::plugin::{Handle, MAX_NODE_SCORE, Score};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::Status;

/// One constraint's numbers.
#[derive(Clone)]
struct Term {
    constraint: Constraint,
    /// By topology value; -1 where no candidate has it. Empty for hosts, which are counted one by one.
    matching: Vec<i64>,
    weight: f64,
}

#[derive(Clone)]
struct PreScoreState {
    terms: Vec<Term>,
    /// Candidates that lack a topology's label.
    ignored: Vec<NodeId>,
}

/// Natural logarithm by plain arithmetic, so that every machine and engine gets the same bits.
fn ln(x: f64) -> f64 {
    const LN_2: f64 = std::f64::consts::LN_2;
    let (mut m, mut halvings) = (x, 0.0);
    while m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        halvings += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    // 2 artanh(s); |s| < 0.18, so 12 terms are past the last bit.
    let series = (0..12).rev().fold(0.0, |sum, i| sum * square + 1.0 / f64::from(2 * i + 1));
    2.0 * s * series + halvings * LN_2
}

impl Score for PodTopologySpread {
    fn pre_score(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo, nodes: &[NodeId]) -> Status {
        let constraints = soft_constraints(handle, pod);
        if constraints.is_empty() {
            return Status::SKIP;
        }
        // The system's defaults spread over hosts even where there are no zones.
        let need_all = !own_constraints(pod).is_empty();
        let lacks_label = |id: NodeId| need_all && constraints.iter().any(|c| c.column.value(id) == 0);
        let ignored: Vec<NodeId> = nodes.iter().copied().filter(|id| lacks_label(*id)).collect();
        let demands = NodeDemands::of(pod);
        let mut terms = Vec::with_capacity(constraints.len());
        for constraint in &constraints {
            let column = &constraint.column;
            if column.key == LABEL_HOSTNAME {
                let domains = nodes.len() - ignored.len();
                terms.push(Term {
                    constraint: constraint.clone(),
                    matching: Vec::new(),
                    weight: ln(domains as f64 + 2.0),
                });
                continue;
            }
            let mut matching = vec![-1; column.size()];
            let mut domains = 0;
            for id in nodes.iter().filter(|id| !lacks_label(**id)) {
                if let Some(n) = matching.get_mut(column.value(*id) as usize)
                    && *n < 0
                {
                    *n = 0;
                    domains += 1;
                }
            }
            let only_unlabelled = domains == 1 && matching.first() == Some(&0);
            if let Some(counts) = constraint.counts.as_ref().filter(|_| !only_unlabelled) {
                counts.for_each(|id, count| {
                    let Some(node) = handle.cache.node(id).filter(|n| n.node.is_some()) else { return };
                    let Some(n) = matching.get_mut(column.value(id) as usize).filter(|n| **n >= 0) else { return };
                    if !lacks_label(id) && constraint.includes(&demands, node) {
                        *n += i64::from(count);
                    }
                });
            }
            terms.push(Term { constraint: constraint.clone(), matching, weight: ln(f64::from(domains) + 2.0) });
        }
        state.write(StateKey::PreScorePodTopologySpread, PreScoreState { terms, ignored });
        Status::SUCCESS
    }
    fn score(&self, _: &Handle, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        let Some(s) = state.read::<PreScoreState>(StateKey::PreScorePodTopologySpread) else { return 0 };
        if !s.ignored.is_empty() && s.ignored.contains(&node.id) {
            return 0;
        }
        let mut score = 0.0;
        for term in &s.terms {
            let value = term.constraint.column.value(node.id);
            if value == 0 {
                continue;
            }
            let count = match term.matching.get(value as usize) {
                Some(n) => (*n).max(0),
                None => term.constraint.count_on(node),
            };
            score += count as f64 * term.weight + (term.constraint.max_skew - 1) as f64;
        }
        score.round() as i64
    }
    fn normalizes(&self) -> bool {
        true
    }
    fn normalize(&self, state: &CycleState, nodes: &[NodeId], scores: &mut [i64]) {
        let Some(s) = state.read::<PreScoreState>(StateKey::PreScorePodTopologySpread) else { return };
        let ignored = |id: &NodeId| !s.ignored.is_empty() && s.ignored.contains(id);
        let counted = || nodes.iter().zip(scores.iter()).filter(|(id, _)| !ignored(id)).map(|(_, score)| *score);
        let most = counted().max().unwrap_or(0).max(0);
        let least = counted().min().unwrap_or(0);
        for (id, score) in nodes.iter().zip(scores) {
            *score = if ignored(id) {
                0
            } else if most == 0 {
                MAX_NODE_SCORE
            } else {
                MAX_NODE_SCORE * (most + least - *score) / most
            };
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn logarithm() {
        for n in 2..6000 {
            let x = f64::from(n);
            assert!((super::ln(x) - x.ln()).abs() < 1e-14, "{n}");
        }
    }
}
