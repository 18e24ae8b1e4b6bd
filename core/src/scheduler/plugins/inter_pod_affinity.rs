//! Affinity and anti-affinity between pods. Models kube-scheduler `plugins/interpodaffinity`.

mod filtering;
mod scoring;

use std::rc::Rc;

use crate::scheduler::cache::topology::Column;
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::labels::Labels;
use crate::scheduler::framework::node_info::NodeId;
use crate::scheduler::framework::plugin::{Handle, Plugin};
use crate::scheduler::framework::pod_info::{AffinityTerm, PodClass, PodInfo};

pub const NAME: &str = "InterPodAffinity";
/// No pod that the pod wants to be near is there.
pub const REASON_AFFINITY_RULES_NOT_MATCH: &str = "node(s) didn't match pod affinity rules";
/// A pod that the pod wants to be away from is there.
pub const REASON_ANTI_AFFINITY_RULES_NOT_MATCH: &str = "node(s) didn't match pod anti-affinity rules";
/// A pod is there that wants to be away from such pods.
pub const REASON_EXISTING_ANTI_AFFINITY_RULES_NOT_MATCH: &str =
    "node(s) didn't satisfy existing pods anti-affinity rules";

/// What a required term of a pod on a node is worth when it matches the incoming pod.
const HARD_POD_AFFINITY_WEIGHT: i64 = 1;

pub struct InterPodAffinity;

/// Numbers by topology key and value.
#[derive(Clone, Debug, Default)]
struct TopologyCounts {
    columns: Vec<(Rc<Column>, Vec<i64>)>,
}

impl TopologyCounts {
    fn add(&mut self, handle: &Handle, key: &str, node: NodeId, by: i64) {
        let at = match self.columns.iter().position(|(c, _)| c.key == key) {
            Some(at) => at,
            None => {
                let column = handle.cache.column(key);
                let counts = vec![0; column.size()];
                self.columns.push((column, counts));
                self.columns.len() - 1
            }
        };
        let Some((column, counts)) = self.columns.get_mut(at) else { return };
        let value = column.value(node);
        if value != 0
            && let Some(n) = counts.get_mut(value as usize)
        {
            *n += by;
        }
    }
    fn get(&self, key: &str, node: NodeId) -> i64 {
        let Some((column, counts)) = self.columns.iter().find(|(c, _)| c.key == key) else { return 0 };
        match column.value(node) {
            0 => 0,
            value => counts.get(value as usize).copied().unwrap_or(0),
        }
    }
    /// The numbers of all the topologies that the node is in.
    fn of_node(&self, node: NodeId) -> impl Iterator<Item = i64> {
        self.columns.iter().map(move |(column, counts)| match column.value(node) {
            0 => 0,
            value => counts.get(value as usize).copied().unwrap_or(0),
        })
    }
    fn is_zero(&self) -> bool {
        self.columns.iter().all(|(_, counts)| counts.iter().all(|n| *n == 0))
    }
}

fn matches(handle: &Handle, term: &AffinityTerm, class: &PodClass) -> bool {
    let none = Labels::new();
    term.matches(class, handle.listers.namespace_labels(&class.namespace).unwrap_or(&none))
}

fn matches_all(handle: &Handle, terms: &[Rc<AffinityTerm>], class: &PodClass) -> bool {
    !terms.is_empty() && terms.iter().all(|t| matches(handle, t, class))
}

impl Plugin for InterPodAffinity {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const {
            &[
                ClusterEvent::new(
                    EventResource::Pod,
                    ActionType::ADD.or(ActionType::DELETE).or(ActionType::UPDATE_POD_LABEL),
                ),
                ClusterEvent::new(EventResource::Node, ActionType::ADD.or(ActionType::UPDATE_NODE_LABEL)),
            ]
        }
    }
    fn hint(&self, handle: &Handle, pod: &PodInfo, event: ClusterEvent, change: &Change) -> QueueingHint {
        let skip_unless = |helps: bool| if helps { QueueingHint::Queue } else { QueueingHint::Skip };
        match change {
            Change::Pod { old, new } => {
                let (old, new) = (old.as_deref(), new.as_deref());
                if new.is_some_and(|p| p.uid == pod.uid) {
                    return QueueingHint::Queue;
                }
                if event.resource != EventResource::AssignedPod {
                    return QueueingHint::Skip;
                }
                let wanted =
                    |p: Option<&PodInfo>| p.is_some_and(|p| matches_all(handle, &pod.required_affinity, &p.class));
                let shunned = |p: Option<&PodInfo>| {
                    p.is_some_and(|p| {
                        pod.required_anti_affinity.iter().any(|t| matches(handle, t, &p.class))
                            || p.required_anti_affinity.iter().any(|t| matches(handle, t, &pod.class))
                    })
                };
                skip_unless((wanted(new) && !wanted(old)) || (shunned(old) && !shunned(new)))
            }
            Change::Node { old, new: Some(new) } => {
                let value = |n: &k8s_openapi::api::core::v1::Node, key: &str| {
                    n.metadata.labels.as_ref().and_then(|l| l.get(key)).cloned()
                };
                let changed = |t: &Rc<AffinityTerm>| match old {
                    Some(old) => value(old, &t.topology_key) != value(new, &t.topology_key),
                    None => value(new, &t.topology_key).is_some(),
                };
                // A node outside the anti-affinity's topology is as good as one without such pods.
                let outside = |t: &Rc<AffinityTerm>| value(new, &t.topology_key).is_none();
                let own = pod.required_affinity.iter().any(changed)
                    || pod.required_anti_affinity.iter().any(|t| changed(t) || outside(t));
                let bare = pod.required_affinity.is_empty() && pod.required_anti_affinity.is_empty();
                skip_unless(own || bare)
            }
            _ => QueueingHint::Queue,
        }
    }
}
