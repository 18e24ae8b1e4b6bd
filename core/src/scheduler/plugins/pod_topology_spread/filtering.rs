//! Hard constraints. Models kube-scheduler `plugins/podtopologyspread/filtering.go`.

use super::{
    Constraint, NodeDemands, PodTopologySpread, REASON_CONSTRAINTS_NOT_MATCH, REASON_NODE_LABEL_NOT_MATCH,
    hard_constraints,
};
use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::{Filter, Handle, PreFilter, PreFilterResult};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

/// Matching pods by topology value of one constraint; -1 where no eligible node has the value.
#[derive(Clone, Debug)]
struct Domains {
    matching: Vec<i64>,
    count: usize,
    least: i64,
}

impl Domains {
    fn settle(&mut self) {
        let present = || self.matching.iter().filter(|n| **n >= 0);
        self.count = present().count();
        self.least = present().min().copied().unwrap_or(0);
    }
}

#[derive(Clone)]
struct PreFilterState {
    constraints: Vec<Constraint>,
    domains: Vec<Domains>,
    demands: NodeDemands,
}

fn in_all_topologies(constraints: &[Constraint], node: &NodeInfo) -> bool {
    constraints.iter().all(|c| c.column.value(node.id) != 0)
}

impl PreFilterState {
    fn update(&mut self, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, by: i64) {
        if other.namespace() != pod.namespace() || !in_all_topologies(&self.constraints, node) {
            return;
        }
        for (c, d) in self.constraints.iter().zip(&mut self.domains) {
            if !c.selector.matches(other.labels()) || !c.includes(&self.demands, node) {
                continue;
            }
            if let Some(n) = d.matching.get_mut(c.column.value(node.id) as usize) {
                *n = (*n).max(0) + by;
            }
            d.settle();
        }
    }
}

impl PreFilter for PodTopologySpread {
    fn pre_filter(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo) -> (PreFilterResult, Status) {
        let constraints = hard_constraints(handle, pod);
        if constraints.is_empty() {
            return (None, Status::SKIP);
        }
        let demands = NodeDemands::of(pod);
        let empty = |c: &Constraint| Domains { matching: vec![-1; c.column.size()], count: 0, least: 0 };
        let mut domains: Vec<Domains> = constraints.iter().map(empty).collect();
        for node in handle.cache.order().iter().filter_map(|id| handle.cache.node(*id)) {
            if !in_all_topologies(&constraints, node) {
                continue;
            }
            for (c, d) in constraints.iter().zip(&mut domains) {
                if c.includes(&demands, node)
                    && let Some(n) = d.matching.get_mut(c.column.value(node.id) as usize)
                {
                    *n = (*n).max(0) + c.count_on(node);
                }
            }
        }
        domains.iter_mut().for_each(Domains::settle);
        state.write(StateKey::PreFilterPodTopologySpread, PreFilterState { constraints, domains, demands });
        (None, Status::SUCCESS)
    }
    fn add_pod(&self, _: &Handle, state: &mut CycleState, pod: &PodInfo, other: &PodInfo, node: &NodeInfo) {
        if let Some(s) = state.read_mut::<PreFilterState>(StateKey::PreFilterPodTopologySpread) {
            s.update(pod, other, node, 1);
        }
    }
    fn remove_pod(&self, _: &Handle, state: &mut CycleState, pod: &PodInfo, other: &PodInfo, node: &NodeInfo) {
        if let Some(s) = state.read_mut::<PreFilterState>(StateKey::PreFilterPodTopologySpread) {
            s.update(pod, other, node, -1);
        }
    }
}

impl Filter for PodTopologySpread {
    fn filter(&self, _: &Handle, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        let Some(s) = state.read::<PreFilterState>(StateKey::PreFilterPodTopologySpread) else {
            return Status::SUCCESS;
        };
        for (c, d) in s.constraints.iter().zip(&s.domains) {
            let value = c.column.value(node.id);
            if value == 0 {
                return Status::new(Code::UnschedulableAndUnresolvable, REASON_NODE_LABEL_NOT_MATCH);
            }
            // With fewer domains than wanted, the emptiest counts as empty.
            let least = if d.count < c.min_domains { 0 } else { d.least };
            let itself = i64::from(c.selector.matches(pod.labels()));
            let matching = d.matching.get(value as usize).copied().unwrap_or(0).max(0);
            if matching + itself - least > c.max_skew {
                return Status::new(Code::Unschedulable, REASON_CONSTRAINTS_NOT_MATCH);
            }
        }
        Status::SUCCESS
    }
}
