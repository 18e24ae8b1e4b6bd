//! Matches nodes against the pod's nodeSelector and node affinity. Models kube-scheduler `plugins/nodeaffinity`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::Node;

use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::labels::{NodeTerm, RequiredNodeAffinity};
use crate::scheduler::framework::node_info::{NodeId, NodeInfo};
use crate::scheduler::framework::plugin::{
    Filter, Handle, Plugin, PreFilter, PreFilterResult, Score, default_normalize,
};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "NodeAffinity";
/// The node isn't one that the pod asks for.
pub const REASON_POD: &str = "node(s) didn't match Pod's node affinity/selector";
/// No node name can fulfil the terms.
pub const REASON_CONFLICT: &str = "pod affinity terms conflict";

pub struct NodeAffinity;

#[derive(Clone)]
struct PreFilterState(Rc<RequiredNodeAffinity>);

/// Preferred terms with their weights.
#[derive(Clone)]
struct PreScoreState(Rc<[(i64, NodeTerm)]>);

/// The names that all terms together allow: `None` when some term allows any.
fn allowed_names(required: &RequiredNodeAffinity) -> Option<Vec<Rc<str>>> {
    let mut names: Vec<Rc<str>> = Vec::new();
    for term in required.terms.as_ref().filter(|t| !t.is_empty())? {
        for name in term.node_names()? {
            if !names.iter().any(|n| &**n == name) {
                names.push(name.into());
            }
        }
    }
    Some(names)
}

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const { &[ClusterEvent::new(EventResource::Node, ActionType::ADD.or(ActionType::UPDATE_NODE_LABEL))] }
    }
    fn hint(&self, _: &Handle, pod: &PodInfo, _: ClusterEvent, change: &Change) -> QueueingHint {
        let required = pod.spec().map(RequiredNodeAffinity::of).unwrap_or_default();
        let ok = |n: &Node| required.matches(n);
        match change {
            Change::Node { old, new: Some(new) } if !ok(new) || old.as_ref().is_some_and(|old| ok(old)) => {
                QueueingHint::Skip
            }
            _ => QueueingHint::Queue,
        }
    }
}

impl PreFilter for NodeAffinity {
    fn pre_filter(&self, _: &Handle, state: &mut CycleState, pod: &PodInfo) -> (PreFilterResult, Status) {
        let Some(spec) = pod.spec() else { return (None, Status::SKIP) };
        let asks = spec.node_selector.is_some() || spec.affinity.as_ref().is_some_and(|a| a.node_affinity.is_some());
        let required = if asks { RequiredNodeAffinity::of(spec) } else { return (None, Status::SKIP) };
        if required.is_none() {
            return (None, Status::SKIP);
        }
        let names = allowed_names(&required);
        state.write(StateKey::PreFilterNodeAffinity, PreFilterState(Rc::new(required)));
        match names {
            Some(names) if names.is_empty() => (None, Status::new(Code::UnschedulableAndUnresolvable, REASON_CONFLICT)),
            names => (names, Status::SUCCESS),
        }
    }
}

impl Filter for NodeAffinity {
    fn filter(&self, _: &Handle, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> Status {
        let required = state.read::<PreFilterState>(StateKey::PreFilterNodeAffinity);
        match (required, &node.node) {
            (Some(required), Some(node)) if !required.0.matches(node) => {
                Status::new(Code::UnschedulableAndUnresolvable, REASON_POD)
            }
            _ => Status::SUCCESS,
        }
    }
}

impl Score for NodeAffinity {
    fn pre_score(&self, _: &Handle, state: &mut CycleState, pod: &PodInfo, _: &[NodeId]) -> Status {
        let preferred = pod
            .spec()
            .and_then(|s| s.affinity.as_ref())
            .and_then(|a| a.node_affinity.as_ref())
            .and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_deref())
            .unwrap_or_default();
        let terms: Vec<(i64, NodeTerm)> = preferred
            .iter()
            .filter(|t| t.weight != 0)
            .map(|t| (i64::from(t.weight), NodeTerm::parse(&t.preference)))
            .collect();
        if terms.is_empty() {
            return Status::SKIP;
        }
        state.write(StateKey::PreScoreNodeAffinity, PreScoreState(terms.into()));
        Status::SUCCESS
    }
    fn score(&self, _: &Handle, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        let (Some(terms), Some(node)) = (state.read::<PreScoreState>(StateKey::PreScoreNodeAffinity), &node.node)
        else {
            return 0;
        };
        terms.0.iter().filter(|(_, t)| t.matches(node)).map(|(weight, _)| weight).sum()
    }
    fn normalizes(&self) -> bool {
        true
    }
    fn normalize(&self, _: &CycleState, _: &[NodeId], scores: &mut [i64]) {
        default_normalize(false, scores);
    }
}
