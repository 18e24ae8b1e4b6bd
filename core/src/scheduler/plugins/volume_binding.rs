//! Sees to it that a pod's volume claims are bound, or can be on the node. Models kube-scheduler `plugins/volumebinding`.

mod matching;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use self::matching::{Plan, bound_volume_suits, plan};
use crate::scheduler::framework::cycle_state::{CycleState, StateKey};
use crate::scheduler::framework::events::{ActionType, ClusterEvent, EventResource};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::{
    Filter, Handle, Plugin, PreBind, PreBindAction, PreFilter, PreFilterResult, Reserve,
};
use crate::scheduler::framework::pod_info::PodInfo;
use crate::scheduler::framework::status::{Code, Status};

pub const NAME: &str = "VolumeBinding";
/// A claim that binds at once hasn't been.
pub const REASON_UNBOUND_IMMEDIATE: &str = "pod has unbound immediate PersistentVolumeClaims";
/// No volume that the node reaches is free, and none can be made.
pub const REASON_BIND_CONFLICT: &str = "node(s) didn't find available persistent volumes to bind";
/// The node doesn't reach a claim's volume.
pub const REASON_NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
/// A claim's volume is gone.
pub const REASON_VOLUME_GONE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

/// The claim and its volume know of each other.
pub const ANN_BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Not a person but the cluster chose the volume.
pub const ANN_BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Where the volume shall be made.
pub const ANN_SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The plugin, with the volumes that pods in flight have been given: volume to claim, as `namespace/name`.
#[derive(Default)]
pub struct VolumeBinding {
    given: RefCell<BTreeMap<String, (Rc<str>, String)>>,
}

/// The pod's claims: bound ones, and those that wait for a node.
#[derive(Clone)]
struct PreFilterState {
    bound: Vec<Rc<PersistentVolumeClaim>>,
    waiting: Vec<Rc<PersistentVolumeClaim>>,
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    let volume = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or_default();
    let completed = claim.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ANN_BIND_COMPLETED));
    !volume.is_empty() && completed
}

/// The class that the claim asks for.
fn class_name(claim: &PersistentVolumeClaim) -> &str {
    let old = claim.metadata.annotations.as_ref().and_then(|a| a.get("volume.beta.kubernetes.io/storage-class"));
    let new = claim.spec.as_ref().and_then(|s| s.storage_class_name.as_ref());
    old.or(new).map(String::as_str).unwrap_or_default()
}

/// Whether the claim is bound only when a pod that uses it has a node.
fn waits_for_consumer(handle: &Handle, claim: &PersistentVolumeClaim) -> bool {
    let class = handle.listers.storage_class(class_name(claim));
    let unnamed = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).is_none_or(str::is_empty);
    unnamed && class.is_some_and(|c| c.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"))
}

/// The names of the claims that the pod uses, and whether each belongs to the pod itself.
fn claim_names(pod: &PodInfo) -> Vec<(String, bool)> {
    let volumes = pod.spec().and_then(|s| s.volumes.as_deref()).unwrap_or_default();
    let name = |v: &k8s_openapi::api::core::v1::Volume| match (&v.persistent_volume_claim, &v.ephemeral) {
        (Some(claim), _) => Some((claim.claim_name.clone(), false)),
        (None, Some(_)) => Some((format!("{}-{}", pod.name(), v.name), true)),
        _ => None,
    };
    volumes.iter().filter_map(name).collect()
}

fn hopeless(reason: String) -> (PreFilterResult, Status) {
    (None, Status::with_reason(Code::UnschedulableAndUnresolvable, reason))
}

impl Plugin for VolumeBinding {
    fn name(&self) -> &'static str {
        NAME
    }
    fn events(&self) -> &'static [ClusterEvent] {
        const CHANGED: ActionType = ActionType::ADD.or(ActionType::UPDATE);
        const {
            &[
                ClusterEvent::new(EventResource::StorageClass, CHANGED),
                ClusterEvent::new(EventResource::PersistentVolumeClaim, CHANGED),
                ClusterEvent::new(EventResource::PersistentVolume, CHANGED),
                ClusterEvent::new(EventResource::Node, ActionType::ADD.or(ActionType::UPDATE_NODE_LABEL)),
            ]
        }
    }
}

impl PreFilter for VolumeBinding {
    fn pre_filter(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo) -> (PreFilterResult, Status) {
        let names = claim_names(pod);
        if names.is_empty() {
            return (None, Status::SKIP);
        }
        let mut s = PreFilterState { bound: Vec::new(), waiting: Vec::new() };
        let mut unbound = false;
        for (name, ephemeral) in names {
            let Some(claim) = handle.listers.claim(pod.namespace(), &name) else {
                return hopeless(if ephemeral {
                    format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
                } else {
                    format!("persistentvolumeclaim {name:?} not found")
                });
            };
            if claim.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Lost") {
                let volume = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or_default();
                return hopeless(format!(
                    "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
                ));
            }
            if claim.metadata.deletion_timestamp.is_some() {
                return hopeless(format!("persistentvolumeclaim {name:?} is being deleted"));
            }
            if is_bound(claim) {
                s.bound.push(Rc::clone(claim));
            } else if waits_for_consumer(handle, claim) {
                s.waiting.push(Rc::clone(claim));
            } else {
                unbound = true;
            }
        }
        if unbound {
            return (None, Status::new(Code::UnschedulableAndUnresolvable, REASON_UNBOUND_IMMEDIATE));
        }
        state.write(StateKey::PreFilterVolumeBinding, s);
        (None, Status::SUCCESS)
    }
}

impl VolumeBinding {
    fn plan(
        &self,
        handle: &Handle,
        s: &PreFilterState,
        node: &NodeInfo,
    ) -> Option<Vec<(Rc<PersistentVolumeClaim>, Plan)>> {
        plan(handle, &s.waiting, node, &self.given.borrow())
    }
}

impl Filter for VolumeBinding {
    fn filter(&self, handle: &Handle, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> Status {
        let Some(s) = state.read::<PreFilterState>(StateKey::PreFilterVolumeBinding) else { return Status::SUCCESS };
        let mut reasons = Vec::new();
        for claim in &s.bound {
            let volume = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or_default();
            match handle.listers.volume(volume) {
                None => return Status::new(Code::UnschedulableAndUnresolvable, REASON_VOLUME_GONE),
                Some(volume) if !bound_volume_suits(volume, node) => reasons.push(REASON_NODE_CONFLICT),
                Some(_) => {}
            }
        }
        reasons.dedup();
        if !s.waiting.is_empty() && self.plan(handle, s, node).is_none() {
            reasons.push(REASON_BIND_CONFLICT);
        }
        if reasons.is_empty() {
            return Status::SUCCESS;
        }
        let reasons = reasons.into_iter().map(str::to_owned).collect();
        Status::with_reasons(Code::UnschedulableAndUnresolvable, reasons)
    }
}

impl Reserve for VolumeBinding {
    fn reserve(&self, _: &PodInfo, _: &str) -> Status {
        // The volumes are given out with the plan, in PreBind's turn of the same instant.
        Status::SUCCESS
    }
    fn unreserve(&self, pod: &PodInfo, _: &str) {
        self.given.borrow_mut().retain(|_, (owner, _)| *owner != pod.uid);
    }
}

impl PreBind for VolumeBinding {
    fn pre_bind(&self, handle: &Handle, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Vec<PreBindAction> {
        let Some(s) = state.read::<PreFilterState>(StateKey::PreFilterVolumeBinding) else { return Vec::new() };
        let plans = self.plan(handle, s, node).unwrap_or_default();
        let mut given = self.given.borrow_mut();
        // Whatever the api-server knows by now needs no memory here.
        given.retain(|name, _| {
            let volume = handle.listers.volume(name);
            volume.is_some_and(|v| v.spec.as_ref().is_none_or(|s| s.claim_ref.is_none()))
        });
        let actions = plans.into_iter().map(|(claim, plan)| {
            let namespace = pod.namespace().to_owned();
            let name = claim.metadata.name.clone().unwrap_or_default();
            match plan {
                Plan::Bind(volume) => {
                    given.insert(volume.clone(), (Rc::clone(&pod.uid), format!("{namespace}/{name}")));
                    let claim_uid = claim.metadata.uid.clone().unwrap_or_default();
                    PreBindAction::BindVolume { volume, namespace, claim: name, claim_uid }
                }
                Plan::Provision => PreBindAction::Provision { namespace, claim: name, node: node.name.to_string() },
            }
        });
        actions.collect()
    }
}
