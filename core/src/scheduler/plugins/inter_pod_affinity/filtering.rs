//! Required terms. Models kube-scheduler `plugins/interpodaffinity/filtering.go`.

use super::{
    InterPodAffinity, REASON_AFFINITY_RULES_NOT_MATCH, REASON_ANTI_AFFINITY_RULES_NOT_MATCH,
    REASON_EXISTING_ANTI_AFFINITY_RULES_NOT_MATCH, TopologyCounts, matches, matches_all,
};
use crate::scheduler::cache::affinity_index::TermKind;
use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::{Filter, Handle, PreFilter, PreFilterResult};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

#[derive(Clone, Default)]
struct PreFilterState {
    /// Terms of pods on nodes that want to be away from the pod.
    existing_anti: TopologyCounts,
    /// Pods that all of the pod's affinity terms match.
    affinity: TopologyCounts,
    /// Pods that one of the pod's anti-affinity terms matches.
    anti: TopologyCounts,
}

impl PreFilterState {
    fn update(&mut self, handle: &Handle, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, by: i64) {
        for term in other.required_anti_affinity.iter().filter(|t| matches(handle, t, &pod.class)) {
            self.existing_anti.add(handle, &term.topology_key, node.id, by);
        }
        if matches_all(handle, &pod.required_affinity, &other.class) {
            for term in &pod.required_affinity {
                self.affinity.add(handle, &term.topology_key, node.id, by);
            }
        }
        for term in pod.required_anti_affinity.iter().filter(|t| matches(handle, t, &other.class)) {
            self.anti.add(handle, &term.topology_key, node.id, by);
        }
    }
}

impl PreFilter for InterPodAffinity {
    fn pre_filter(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo) -> (PreFilterResult, Status) {
        let mut s = PreFilterState::default();
        let known = |id| handle.cache.node(id).is_some_and(|n: &NodeInfo| n.node.is_some());
        if handle.cache.affinity().has_required_anti_affinity() {
            let terms = handle.cache.affinity().iter().filter(|(kind, ..)| *kind == TermKind::RequiredAnti);
            for (_, term, owners) in terms.filter(|(_, term, _)| matches(handle, term, &pod.class)) {
                for (node, count) in owners.iter().filter(|(id, _)| known(**id)) {
                    s.existing_anti.add(handle, &term.topology_key, *node, i64::from(*count));
                }
            }
        }
        let own = !(pod.required_affinity.is_empty() && pod.required_anti_affinity.is_empty());
        if !own && s.existing_anti.is_zero() {
            return (None, Status::SKIP);
        }
        if own {
            for class in handle.cache.classes() {
                let near = matches_all(handle, &pod.required_affinity, &class);
                let away: Vec<_> = pod.required_anti_affinity.iter().filter(|t| matches(handle, t, &class)).collect();
                if !near && away.is_empty() {
                    continue;
                }
                for (node, (count, _)) in class.nodes.borrow().iter().filter(|(id, _)| known(**id)) {
                    for term in pod.required_affinity.iter().filter(|_| near) {
                        s.affinity.add(handle, &term.topology_key, *node, i64::from(*count));
                    }
                    for term in &away {
                        s.anti.add(handle, &term.topology_key, *node, i64::from(*count));
                    }
                }
            }
        }
        state.write(StateKey::PreFilterInterPodAffinity, s);
        (None, Status::SUCCESS)
    }
    fn add_pod(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo, other: &PodInfo, node: &NodeInfo) {
        if let Some(s) = state.read_mut::<PreFilterState>(StateKey::PreFilterInterPodAffinity) {
            s.update(handle, pod, other, node, 1);
        }
    }
    fn remove_pod(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo, other: &PodInfo, node: &NodeInfo) {
        if let Some(s) = state.read_mut::<PreFilterState>(StateKey::PreFilterInterPodAffinity) {
            s.update(handle, pod, other, node, -1);
        }
    }
}

/// Whether each affinity term is fulfilled in the node's topology. The first pod of a set that wants to be together
/// fulfils its own terms.
fn near_enough(handle: &Handle, s: &PreFilterState, pod: &PodInfo, node: &NodeInfo) -> bool {
    let has = |key: &str| node.labels().is_some_and(|l| l.contains_key(key));
    if !pod.required_affinity.iter().all(|t| has(&t.topology_key)) {
        return false;
    }
    let all = pod.required_affinity.iter().all(|t| s.affinity.get(&t.topology_key, node.id) > 0);
    all || (s.affinity.is_zero() && matches_all(handle, &pod.required_affinity, &pod.class))
}

impl Filter for InterPodAffinity {
    fn filter(&self, handle: &Handle, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        let Some(s) = state.read::<PreFilterState>(StateKey::PreFilterInterPodAffinity) else { return Status::SUCCESS };
        if !pod.required_affinity.is_empty() && !near_enough(handle, s, pod, node) {
            return Status::new(Code::UnschedulableAndUnresolvable, REASON_AFFINITY_RULES_NOT_MATCH);
        }
        if pod.required_anti_affinity.iter().any(|t| s.anti.get(&t.topology_key, node.id) > 0) {
            return Status::new(Code::Unschedulable, REASON_ANTI_AFFINITY_RULES_NOT_MATCH);
        }
        if s.existing_anti.of_node(node.id).any(|n| n > 0) {
            return Status::new(Code::Unschedulable, REASON_EXISTING_ANTI_AFFINITY_RULES_NOT_MATCH);
        }
        Status::SUCCESS
    }
}
