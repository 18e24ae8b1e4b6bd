//! Spreads pods over zones, hosts or other topologies. Models kube-scheduler `plugins/podtopologyspread`.

mod filtering;
mod scoring;

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Toleration, TopologySpreadConstraint};

use super::taint_toleration::{has_untolerated, tolerations_of};
use crate::scheduler::cache::pod_index::SelectorCounts;
use crate::scheduler::cache::topology::Column;
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::labels::{RequiredNodeAffinity, Selector};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::{Handle, Plugin};
use crate::scheduler::framework::pod_info::{DefaultSelector, PodInfo};

pub const NAME: &str = "PodTopologySpread";
/// The pod would make the topologies too uneven.
pub const REASON_CONSTRAINTS_NOT_MATCH: &str = "node(s) didn't match pod topology spread constraints";
/// The node isn't in any of the topologies.
pub const REASON_NODE_LABEL_NOT_MATCH: &str =
    "node(s) didn't match pod topology spread constraints (missing required label)";

const LABEL_HOSTNAME: &str = "kubernetes.io/hostname";
const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// Soft constraints for pods that have none but are selected by something: maximal skew and label.
const SYSTEM_DEFAULTS: [(i64, &str); 2] = [(3, LABEL_HOSTNAME), (5, LABEL_ZONE)];

pub struct PodTopologySpread;

/// A constraint, with the numbers that it is judged by.
#[derive(Clone, Debug)]
struct Constraint {
    max_skew: i64,
    min_domains: usize,
    selector: Rc<Selector>,
    column: Rc<Column>,
    /// `None` when nothing is counted.
    counts: Option<Rc<SelectorCounts>>,
    honor_affinity: bool,
    honor_taints: bool,
}

impl Constraint {
    fn new(handle: &Handle, pod: &PodInfo, key: &str, max_skew: i64, selector: Rc<Selector>) -> Self {
        // A selector that matches everything counts nothing, as upstream has it.
        let counts = if selector.is_empty() { None } else { handle.cache.counts(pod.namespace(), &selector) };
        Constraint {
            max_skew,
            min_domains: 1,
            selector,
            column: handle.cache.column(key),
            counts,
            honor_affinity: true,
            honor_taints: false,
        }
    }
    fn parse(handle: &Handle, pod: &PodInfo, c: &TopologySpreadConstraint) -> Self {
        let mut selector = Selector::parse(c.label_selector.as_ref());
        let keys = c.match_label_keys.iter().flatten();
        let own: std::collections::BTreeMap<String, String> =
            keys.filter_map(|k| Some((k.clone(), pod.labels().get(k)?.clone()))).collect();
        selector.require_set(&own);
        Constraint {
            min_domains: c.min_domains.and_then(|m| usize::try_from(m).ok()).unwrap_or(1),
            honor_affinity: c.node_affinity_policy.as_deref() != Some("Ignore"),
            honor_taints: c.node_taints_policy.as_deref() == Some("Honor"),
            ..Self::new(handle, pod, &c.topology_key, i64::from(c.max_skew), Rc::new(selector))
        }
    }
    /// Whether the node's pods count.
    fn includes(&self, pod: &NodeDemands, node: &NodeInfo) -> bool {
        if self.honor_affinity
            && !pod.affinity.is_none()
            && !node.node.as_ref().is_some_and(|n| pod.affinity.matches(n))
        {
            return false;
        }
        !(self.honor_taints && node.has_hard_taints && has_untolerated(&pod.tolerations, node.taints()))
    }
    fn count_on(&self, node: &NodeInfo) -> i64 {
        self.counts.as_ref().map_or(0, |c| i64::from(c.on(node.id)))
    }
}

/// What the pod asks of nodes, for the inclusion policies.
#[derive(Clone, Debug)]
struct NodeDemands {
    affinity: Rc<RequiredNodeAffinity>,
    tolerations: Rc<[Toleration]>,
}

impl NodeDemands {
    fn of(pod: &PodInfo) -> Self {
        NodeDemands {
            affinity: Rc::new(pod.spec().map(RequiredNodeAffinity::of).unwrap_or_default()),
            tolerations: tolerations_of(pod).into(),
        }
    }
}

fn own_constraints(pod: &PodInfo) -> &[TopologySpreadConstraint] {
    pod.spec().and_then(|s| s.topology_spread_constraints.as_deref()).unwrap_or_default()
}

/// The pod's hard constraints. The system's defaults have none.
fn hard_constraints(handle: &Handle, pod: &PodInfo) -> Vec<Constraint> {
    let hard = own_constraints(pod).iter().filter(|c| c.when_unsatisfiable == "DoNotSchedule");
    hard.map(|c| Constraint::parse(handle, pod, c)).collect()
}

/// The pod's soft constraints, or the system's if it has no constraints at all and something selects it.
fn soft_constraints(handle: &Handle, pod: &PodInfo) -> Vec<Constraint> {
    let own = own_constraints(pod);
    if !own.is_empty() {
        let soft = own.iter().filter(|c| c.when_unsatisfiable == "ScheduleAnyway");
        return soft.map(|c| Constraint::parse(handle, pod, c)).collect();
    }
    let Some(selector) = default_selector(handle, pod) else { return Vec::new() };
    SYSTEM_DEFAULTS.iter().map(|(skew, key)| Constraint::new(handle, pod, key, *skew, Rc::clone(&selector))).collect()
}

/// What selects the pod, remembered for the next pod like it.
fn default_selector(handle: &Handle, pod: &PodInfo) -> Option<Rc<Selector>> {
    let owners = pod.pod.metadata.owner_references.iter().flatten();
    let owner_uid = owners.into_iter().find(|o| o.controller == Some(true)).map(|o| o.uid.as_str()).unwrap_or_default();
    let generation = handle.listers.selector_generation();
    let mut memo = pod.class.default_selector.borrow_mut();
    if let Some(known) = memo.as_ref().filter(|m| m.generation == generation && m.owner_uid == owner_uid) {
        return known.selector.clone();
    }
    let selector = Some(handle.listers.default_selector(&pod.pod)).filter(|s| !s.is_empty()).map(Rc::new);
    *memo = Some(DefaultSelector { generation, owner_uid: owner_uid.to_owned(), selector: selector.clone() });
    selector
}

impl Plugin for PodTopologySpread {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const {
            &[
                ClusterEvent::new(
                    EventResource::Pod,
                    ActionType::ADD
                        .or(ActionType::DELETE)
                        .or(ActionType::UPDATE_POD_LABEL)
                        .or(ActionType::UPDATE_POD_TOLERATION),
                ),
                ClusterEvent::new(
                    EventResource::Node,
                    ActionType::ADD
                        .or(ActionType::DELETE)
                        .or(ActionType::UPDATE_NODE_LABEL)
                        .or(ActionType::UPDATE_NODE_TAINT),
                ),
            ]
        }
    }
    fn hint(&self, handle: &Handle, pod: &PodInfo, event: ClusterEvent, change: &Change) -> QueueingHint {
        let skip_unless = |helps: bool| if helps { QueueingHint::Queue } else { QueueingHint::Skip };
        let constraints = hard_constraints(handle, pod);
        let matches = |p: &PodInfo| constraints.iter().any(|c| c.selector.matches(p.labels()));
        match change {
            Change::Pod { old, new } => {
                let assigned = event.resource == EventResource::AssignedPod;
                let involved = |p: &PodInfo| p.uid == pod.uid || (assigned && p.namespace() == pod.namespace());
                if old.as_deref().is_some_and(|p| !involved(p)) || new.as_deref().is_some_and(|p| !involved(p)) {
                    return QueueingHint::Skip;
                }
                match (old.as_deref(), new.as_deref()) {
                    (Some(old), Some(new)) if new.uid == pod.uid => {
                        skip_unless(old.labels() != new.labels() || constraints.iter().any(|c| c.honor_taints))
                    }
                    (Some(old), Some(new)) => skip_unless(matches(old) != matches(new)),
                    (one, other) => skip_unless(one.or(other).is_some_and(matches)),
                }
            }
            Change::Node { old, new } => {
                let fits = |n: &k8s_openapi::api::core::v1::Node| {
                    let labels = n.metadata.labels.as_ref();
                    constraints.iter().all(|c| labels.is_some_and(|l| l.contains_key(&c.column.key)))
                };
                match (old.as_deref(), new.as_deref()) {
                    (Some(old), Some(new)) => {
                        let label = |n: &k8s_openapi::api::core::v1::Node, key: &str| {
                            n.metadata.labels.as_ref().and_then(|l| l.get(key)).cloned()
                        };
                        let moved = constraints.iter().any(|c| label(old, &c.column.key) != label(new, &c.column.key));
                        let tainted = event.action.overlaps(ActionType::UPDATE_NODE_TAINT)
                            && constraints.iter().any(|c| c.honor_taints);
                        skip_unless((moved || tainted) && (fits(old) || fits(new)))
                    }
                    (one, other) => skip_unless(one.or(other).is_some_and(fits)),
                }
            }
            Change::None => QueueingHint::Queue,
        }
    }
}
