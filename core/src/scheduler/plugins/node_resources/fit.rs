//! Turns down nodes without room for what the pod asks for, and prefers those with most left (LeastAllocated).
//! Models kube-scheduler `plugins/noderesources/fit.go` and `least_allocated.go`.

use crate::scheduler::framework::cycle_state::CycleState;
use crate::scheduler::framework::events::{ActionType, Change, ClusterEvent, EventResource, QueueingHint};
use crate::scheduler::framework::node_info::{NodeId, NodeInfo};
use crate::scheduler::framework::plugin::{Filter, Handle, MAX_NODE_SCORE, Plugin, PreFilter, PreFilterResult, Score};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::resource::Resource;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "NodeResourcesFit";
/// The node runs as many pods as it may.
pub const REASON_TOO_MANY_PODS: &str = "Too many pods";
/// Not enough CPU is left.
pub const REASON_CPU: &str = "Insufficient cpu";
/// Not enough memory is left.
pub const REASON_MEMORY: &str = "Insufficient memory";
/// Not enough local storage is left.
pub const REASON_EPHEMERAL_STORAGE: &str = "Insufficient ephemeral-storage";

pub struct Fit;

/// Whether `wanted` fits into what `used` leaves of `allocatable`, for `pods` pods there already.
fn check(wanted: &Resource, used: &Resource, allocatable: &Resource, pods: usize) -> Status {
    let too_many = i64::try_from(pods).unwrap_or(i64::MAX) >= allocatable.allowed_pods;
    let lacks = |wanted: i64, used: i64, allocatable: i64| wanted > 0 && wanted > allocatable.saturating_sub(used);
    let cpu = lacks(wanted.milli_cpu, used.milli_cpu, allocatable.milli_cpu);
    let memory = lacks(wanted.memory, used.memory, allocatable.memory);
    let storage = lacks(wanted.ephemeral_storage, used.ephemeral_storage, allocatable.ephemeral_storage);
    if !(too_many || cpu || memory || storage) && wanted.scalar.is_empty() {
        return Status::SUCCESS;
    }
    let amount = |r: &Resource, name: &str| r.scalar.get(name).copied().unwrap_or(0);
    let scalars: Vec<&str> = wanted
        .scalar
        .iter()
        .filter(|(name, wanted)| lacks(**wanted, amount(used, name), amount(allocatable, name)))
        .map(|(name, _)| name.as_str())
        .collect();
    let fixed = [
        (too_many, REASON_TOO_MANY_PODS),
        (cpu, REASON_CPU),
        (memory, REASON_MEMORY),
        (storage, REASON_EPHEMERAL_STORAGE),
    ];
    let failed = fixed.iter().filter(|(lacking, _)| *lacking).count();
    if failed == 0 && scalars.is_empty() {
        return Status::SUCCESS;
    }
    // More than the node has at all: evicting pods wouldn't help.
    let hopeless = wanted.milli_cpu > allocatable.milli_cpu
        || wanted.memory > allocatable.memory
        || wanted.ephemeral_storage > allocatable.ephemeral_storage
        || scalars.iter().any(|name| amount(wanted, name) > amount(allocatable, name));
    let code = if hopeless { Code::UnschedulableAndUnresolvable } else { Code::Unschedulable };
    let mut reasons = fixed.iter().filter(|(lacking, _)| *lacking).map(|(_, reason)| *reason);
    if failed == 1
        && scalars.is_empty()
        && let Some(reason) = reasons.next()
    {
        return Status::new(code, reason);
    }
    let reasons = reasons.map(str::to_owned).chain(scalars.iter().map(|name| format!("Insufficient {name}")));
    Status::with_reasons(code, reasons.collect())
}

/// The share of a resource that stays free, in percent.
fn least_requested(requested: i64, capacity: i64) -> i64 {
    if capacity == 0 || requested > capacity {
        return 0;
    }
    (capacity - requested).saturating_mul(MAX_NODE_SCORE) / capacity
}

impl Plugin for Fit {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const {
            &[
                ClusterEvent::new(EventResource::Pod, ActionType::DELETE.or(ActionType::UPDATE_POD_SCALE_DOWN)),
                ClusterEvent::new(EventResource::Node, ActionType::ADD.or(ActionType::UPDATE_NODE_ALLOCATABLE)),
            ]
        }
    }
    fn hint(&self, handle: &Handle, pod: &PodInfo, event: ClusterEvent, change: &Change) -> QueueingHint {
        let wanted = &pod.requests.requests;
        let skip_unless = |helps: bool| if helps { QueueingHint::Queue } else { QueueingHint::Skip };
        match change {
            // A pod that had no node took nothing, unless it had one in prospect.
            Change::Pod { old: Some(old), new: None } => skip_unless(
                event.resource == EventResource::AssignedPod
                    || !old.nominated_node_name().is_empty()
                    || handle.nominator.node_for(&old.uid).is_some(),
            ),
            Change::Pod { old: Some(old), new: Some(new) } => {
                let (was, is) = (&old.requests.requests, &new.requests.requests);
                let freed = (wanted.milli_cpu > 0 && was.milli_cpu > is.milli_cpu)
                    || (wanted.memory > 0 && was.memory > is.memory)
                    || (wanted.ephemeral_storage > 0 && was.ephemeral_storage > is.ephemeral_storage);
                skip_unless(new.uid == pod.uid || (event.resource == EventResource::AssignedPod && freed))
            }
            Change::Node { old, new: Some(new) } => {
                let allocatable = |n: &k8s_openapi::api::core::v1::Node| {
                    n.status.as_ref().and_then(|s| s.allocatable.as_ref()).map(Resource::of).unwrap_or_default()
                };
                let is = allocatable(new);
                if !check(wanted, &Resource::default(), &is, 0).is_success() {
                    return QueueingHint::Skip;
                }
                let Some(was) = old.as_ref().map(|old| allocatable(old)) else { return QueueingHint::Queue };
                let more = is.allowed_pods > was.allowed_pods
                    || (wanted.milli_cpu > 0 && is.milli_cpu > was.milli_cpu)
                    || (wanted.memory > 0 && is.memory > was.memory)
                    || (wanted.ephemeral_storage > 0 && is.ephemeral_storage > was.ephemeral_storage)
                    || wanted.scalar.keys().any(|name| is.scalar.get(name) > was.scalar.get(name));
                skip_unless(more)
            }
            _ => QueueingHint::Queue,
        }
    }
}

impl PreFilter for Fit {
    fn pre_filter(&self, _: &Handle, _: &mut CycleState, _: &PodInfo) -> (PreFilterResult, Status) {
        // What the pod asks for was summed when it arrived.
        (None, Status::SUCCESS)
    }
}

impl Filter for Fit {
    fn filter(&self, _: &Handle, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        check(&pod.requests.requests, &node.requested, &node.allocatable, node.pods.len())
    }
}

impl Score for Fit {
    fn pre_score(&self, _: &Handle, _: &mut CycleState, _: &PodInfo, _: &[NodeId]) -> Status {
        Status::SUCCESS
    }
    fn score(&self, _: &Handle, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let pairs = [
            (node.non_zero_milli_cpu + pod.requests.non_zero_milli_cpu, node.allocatable.milli_cpu),
            (node.non_zero_memory + pod.requests.non_zero_memory, node.allocatable.memory),
        ];
        let (mut sum, mut weights) = (0, 0);
        for (requested, allocatable) in pairs {
            if allocatable != 0 {
                sum += least_requested(requested, allocatable);
                weights += 1;
            }
        }
        if weights == 0 { 0 } else { sum / weights }
    }
}
