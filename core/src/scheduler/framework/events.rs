//! What may make an unschedulable pod schedulable, and a plugin's judgement of it.
//! Models kube-scheduler `framework/types.go` (ClusterEvent, MatchClusterEvents) and `framework/events.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, NodeCondition, NodeStatus, Toleration};

use super::pod_info::PodInfo;

/// Which kind of object an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventResource {
    /// A pod on a node.
    AssignedPod,
    /// Another pod that waits for a node.
    UnscheduledPod,
    /// The waiting pod itself.
    TargetPod,
    /// In what a plugin registers: any of the three.
    Pod,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
    /// Everything, as when the scheduler starts.
    WildCard,
}

/// What happened to it: a set of bits, so that a plugin may register several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionType(pub u32);

impl ActionType {
    pub const ADD: ActionType = ActionType(1);
    pub const DELETE: ActionType = ActionType(1 << 1);
    pub const UPDATE_NODE_ALLOCATABLE: ActionType = ActionType(1 << 2);
    pub const UPDATE_NODE_LABEL: ActionType = ActionType(1 << 3);
    pub const UPDATE_NODE_TAINT: ActionType = ActionType(1 << 4);
    pub const UPDATE_NODE_CONDITION: ActionType = ActionType(1 << 5);
    pub const UPDATE_NODE_ANNOTATION: ActionType = ActionType(1 << 6);
    pub const UPDATE_POD_LABEL: ActionType = ActionType(1 << 7);
    pub const UPDATE_POD_SCALE_DOWN: ActionType = ActionType(1 << 8);
    pub const UPDATE_POD_TOLERATION: ActionType = ActionType(1 << 9);
    pub const UPDATE_POD_GATES_ELIMINATED: ActionType = ActionType(1 << 10);
    /// A change of an object whose changes aren't told apart.
    pub const UPDATE: ActionType = ActionType(1 << 11);
    pub const ALL: ActionType = ActionType((1 << 12) - 1);

    /// Either of two.
    pub const fn or(self, other: ActionType) -> ActionType {
        ActionType(self.0 | other.0)
    }
    /// Whether there is a common bit.
    pub const fn overlaps(self, other: ActionType) -> bool {
        self.0 & other.0 != 0
    }
    /// Whether no bit is set.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Something that happened, or that a plugin waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterEvent {
    pub resource: EventResource,
    pub action: ActionType,
}

impl ClusterEvent {
    /// An event.
    pub const fn new(resource: EventResource, action: ActionType) -> Self {
        ClusterEvent { resource, action }
    }
    /// Everything may have changed.
    pub const WILD_CARD: ClusterEvent = ClusterEvent::new(EventResource::WildCard, ActionType::ALL);

    /// Whether a plugin that registered `self` wants to hear of `incoming`.
    pub fn covers(self, incoming: ClusterEvent) -> bool {
        let resource = match self.resource {
            EventResource::WildCard => true,
            EventResource::Pod => matches!(
                incoming.resource,
                EventResource::Pod
                    | EventResource::AssignedPod
                    | EventResource::UnscheduledPod
                    | EventResource::TargetPod
            ),
            r => r == incoming.resource,
        };
        resource && self.action.overlaps(incoming.action)
    }
}

/// The objects of an event.
#[derive(Clone, Debug)]
pub enum Change {
    Node {
        old: Option<Rc<Node>>,
        new: Option<Rc<Node>>,
    },
    Pod {
        old: Option<Rc<PodInfo>>,
        new: Option<Rc<PodInfo>>,
    },
    /// Nothing in particular.
    None,
}

/// Whether an event is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueingHint {
    Skip,
    Queue,
}

fn conditions(status: Option<&NodeStatus>) -> &[NodeCondition] {
    status.and_then(|s| s.conditions.as_deref()).unwrap_or_default()
}

/// Which of the node's properties that scheduling rests on have changed. Models `NodeSchedulingPropertiesChange`.
pub fn node_changes(old: &Node, new: &Node) -> ActionType {
    let mut action = ActionType(0);
    let (old_spec, new_spec) = (old.spec.as_ref(), new.spec.as_ref());
    let (old_status, new_status) = (old.status.as_ref(), new.status.as_ref());
    if old_spec.and_then(|s| s.unschedulable).unwrap_or(false)
        != new_spec.and_then(|s| s.unschedulable).unwrap_or(false)
        || old_spec.and_then(|s| s.taints.as_ref()) != new_spec.and_then(|s| s.taints.as_ref())
    {
        action = action.or(ActionType::UPDATE_NODE_TAINT);
    }
    if old_status.and_then(|s| s.allocatable.as_ref()) != new_status.and_then(|s| s.allocatable.as_ref()) {
        action = action.or(ActionType::UPDATE_NODE_ALLOCATABLE);
    }
    if old.metadata.labels != new.metadata.labels {
        action = action.or(ActionType::UPDATE_NODE_LABEL);
    }
    if old.metadata.annotations != new.metadata.annotations {
        action = action.or(ActionType::UPDATE_NODE_ANNOTATION);
    }
    let same = |a: &[NodeCondition], b: &[NodeCondition]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.type_ == b.type_ && a.status == b.status)
    };
    if !same(conditions(old_status), conditions(new_status)) {
        action = action.or(ActionType::UPDATE_NODE_CONDITION);
    }
    action
}

fn tolerations(pod: &PodInfo) -> &[Toleration] {
    pod.spec().and_then(|s| s.tolerations.as_deref()).unwrap_or_default()
}

/// Which of the pod's properties that scheduling rests on have changed. Models `PodSchedulingPropertiesChange`.
pub fn pod_changes(old: &PodInfo, new: &PodInfo) -> ActionType {
    let mut action = ActionType(0);
    if old.labels() != new.labels() {
        action = action.or(ActionType::UPDATE_POD_LABEL);
    }
    let (was, is) = (&old.requests.requests, &new.requests.requests);
    if is.milli_cpu < was.milli_cpu || is.memory < was.memory || is.ephemeral_storage < was.ephemeral_storage {
        action = action.or(ActionType::UPDATE_POD_SCALE_DOWN);
    }
    let gates = |p: &PodInfo| p.spec().and_then(|s| s.scheduling_gates.as_ref()).is_some_and(|g| !g.is_empty());
    if gates(old) && !gates(new) {
        action = action.or(ActionType::UPDATE_POD_GATES_ELIMINATED);
    }
    if tolerations(old) != tolerations(new) {
        action = action.or(ActionType::UPDATE_POD_TOLERATION);
    }
    action
}
