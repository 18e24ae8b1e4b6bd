//! Preferred terms, and required ones of pods already there. Models kube-scheduler `plugins/interpodaffinity/scoring.go`.

use super::{HARD_POD_AFFINITY_WEIGHT, InterPodAffinity, TopologyCounts, matches};
use crate::scheduler::cache::affinity_index::TermKind;
use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::node_info::{NodeId, NodeInfo};
use crate::scheduler::framework::plugin::{Handle, MAX_NODE_SCORE, Score};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::Status;

#[derive(Clone)]
struct PreScoreState(TopologyCounts);

impl Score for InterPodAffinity {
    fn pre_score(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo, _: &[NodeId]) -> Status {
        let preferences = !(pod.preferred_affinity.is_empty() && pod.preferred_anti_affinity.is_empty());
        if !preferences && handle.cache.affinity().is_empty() {
            return Status::SKIP;
        }
        let mut scores = TopologyCounts::default();
        let known = |id: &NodeId| handle.cache.node(*id).is_some_and(|n| n.node.is_some());
        if preferences {
            let near = pod.preferred_affinity.iter().map(|t| (i64::from(t.weight), &t.term));
            let away = pod.preferred_anti_affinity.iter().map(|t| (-i64::from(t.weight), &t.term));
            let terms: Vec<_> = near.chain(away).collect();
            for class in handle.cache.classes() {
                for (weight, term) in terms.iter().filter(|(_, t)| matches(handle, t, &class)) {
                    for (node, (count, _)) in class.nodes.borrow().iter().filter(|(id, _)| known(id)) {
                        scores.add(handle, &term.topology_key, *node, weight * i64::from(*count));
                    }
                }
            }
        }
        for (kind, term, owners) in handle.cache.affinity().iter() {
            let weight = match kind {
                TermKind::Required => HARD_POD_AFFINITY_WEIGHT,
                TermKind::RequiredAnti => continue,
                TermKind::Preferred(weight) => i64::from(weight),
                TermKind::PreferredAnti(weight) => -i64::from(weight),
            };
            if !matches(handle, term, &pod.class) {
                continue;
            }
            for (node, count) in owners.iter().filter(|(id, _)| known(id)) {
                scores.add(handle, &term.topology_key, *node, weight * i64::from(*count));
            }
        }
        if scores.columns.is_empty() {
            return Status::SKIP;
        }
        state.write(StateKey::PreScoreInterPodAffinity, PreScoreState(scores));
        Status::SUCCESS
    }
    fn score(&self, _: &Handle, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        state.read::<PreScoreState>(StateKey::PreScoreInterPodAffinity).map_or(0, |s| s.0.of_node(node.id).sum())
    }
    fn normalizes(&self) -> bool {
        true
    }
    fn normalize(&self, _: &CycleState, _: &[NodeId], scores: &mut [i64]) {
        let most = scores.iter().copied().max().unwrap_or(0);
        let least = scores.iter().copied().min().unwrap_or(0);
        let range = most - least;
        for score in scores {
            *score =
                if range > 0 { (MAX_NODE_SCORE as f64 * ((*score - least) as f64 / range as f64)) as i64 } else { 0 };
        }
    }
}
