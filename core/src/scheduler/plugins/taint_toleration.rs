//! Turns down nodes with taints that the pod doesn't tolerate, and prefers those with fewer PreferNoSchedule ones.
//! Models kube-scheduler `plugins/tainttoleration` and component-helpers `scheduling/corev1/helpers.go`.

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};

use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::node_info::{NodeId, NodeInfo, is_hard, taints_of};
use crate::scheduler::framework::plugin::{Filter, Handle, Plugin, Score, default_normalize};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "TaintToleration";
/// The pod doesn't tolerate one of the node's taints.
pub const REASON_NOT_MATCH: &str = "node(s) had untolerated taint(s)";

pub struct TaintToleration;

/// Whether one toleration covers a taint.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    if (!effect.is_empty() && effect != taint.effect) || (!key.is_empty() && key != taint.key) {
        return false;
    }
    let value = toleration.value.as_deref().unwrap_or_default();
    let has = taint.value.as_deref().unwrap_or_default();
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => value == has,
        "Exists" => true,
        op @ ("Lt" | "Gt") => match (has.parse::<i64>(), value.parse::<i64>()) {
            (Ok(has), Ok(bound)) => {
                if op == "Lt" {
                    has < bound
                } else {
                    has > bound
                }
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether any toleration covers a taint.
pub fn tolerated(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|t| tolerates(t, taint))
}

/// A pod's tolerations.
pub fn tolerations_of(pod: &PodInfo) -> &[Toleration] {
    pod.spec().and_then(|s| s.tolerations.as_deref()).unwrap_or_default()
}

/// Whether some NoSchedule or NoExecute taint isn't tolerated.
pub fn has_untolerated(tolerations: &[Toleration], taints: &[Taint]) -> bool {
    taints.iter().any(|t| is_hard(t) && !tolerated(tolerations, t))
}

/// What Score needs of the pod: its tolerations that could cover PreferNoSchedule.
#[derive(Clone)]
struct PreScoreState(Vec<Toleration>);

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const {
            &[
                ClusterEvent::new(EventResource::Node, ActionType::ADD.or(ActionType::UPDATE_NODE_TAINT)),
                ClusterEvent::new(EventResource::TargetPod, ActionType::UPDATE_POD_TOLERATION),
            ]
        }
    }
    fn hint(&self, _: &Handle, pod: &PodInfo, _: ClusterEvent, change: &Change) -> QueueingHint {
        let bad = |n: &Node| has_untolerated(tolerations_of(pod), taints_of(n));
        match change {
            Change::Node { old, new: Some(new) } if bad(new) || old.as_ref().is_some_and(|old| !bad(old)) => {
                QueueingHint::Skip
            }
            _ => QueueingHint::Queue,
        }
    }
}

impl Filter for TaintToleration {
    fn filter(&self, _: &Handle, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        if !node.has_hard_taints || !has_untolerated(tolerations_of(pod), node.taints()) {
            return Status::SUCCESS;
        }
        Status::new(Code::UnschedulableAndUnresolvable, REASON_NOT_MATCH)
    }
}

impl Score for TaintToleration {
    fn pre_score(&self, _: &Handle, state: &mut CycleState, pod: &PodInfo, _: &[NodeId]) -> Status {
        let soft = |t: &&Toleration| matches!(t.effect.as_deref(), None | Some("" | "PreferNoSchedule"));
        state.write(
            StateKey::PreScoreTaintToleration,
            PreScoreState(tolerations_of(pod).iter().filter(soft).cloned().collect()),
        );
        Status::SUCCESS
    }
    fn score(&self, _: &Handle, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        if !node.has_soft_taints {
            return 0;
        }
        let tolerations =
            state.read::<PreScoreState>(StateKey::PreScoreTaintToleration).map(|s| s.0.as_slice()).unwrap_or_default();
        let bad = node.taints().iter().filter(|t| t.effect == "PreferNoSchedule" && !tolerated(tolerations, t)).count();
        i64::try_from(bad).unwrap_or(i64::MAX)
    }
    fn normalizes(&self) -> bool {
        true
    }
    fn normalize(&self, _: &CycleState, _: &[NodeId], scores: &mut [i64]) {
        default_normalize(true, scores);
    }
}
