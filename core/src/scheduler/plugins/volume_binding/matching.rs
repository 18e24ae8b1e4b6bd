//! Which volume a claim could have on a node. Models component-helpers `storage/volume/pv_helpers.go` (FindMatchingVolume)
//! and kube-scheduler `plugins/volumebinding/binder.go` (FindPodVolumes).

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{ANN_SELECTED_NODE, class_name};
use crate::scheduler::framework::labels::{Labels, NodeTerm, Selector};
use crate::scheduler::framework::node_info::NodeInfo;
use crate::scheduler::framework::plugin::Handle;
use crate::scheduler::framework::resource::value;

/// How a claim gets its volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// This one is there.
    Bind(String),
    /// One is made.
    Provision,
}

type Given = BTreeMap<String, (Rc<str>, String)>;

/// Whether the node reaches the volume.
pub(super) fn bound_volume_suits(volume: &PersistentVolume, node: &NodeInfo) -> bool {
    let affinity = volume.spec.as_ref().and_then(|s| s.node_affinity.as_ref()).and_then(|a| a.required.as_ref());
    match (affinity, &node.node) {
        (None, _) => true,
        (Some(required), Some(node)) => required.node_selector_terms.iter().any(|t| NodeTerm::parse(t).matches(node)),
        (Some(_), None) => false,
    }
}

fn storage(list: Option<&BTreeMap<String, Quantity>>) -> i64 {
    list.and_then(|l| l.get("storage")).map_or(0, value)
}

fn key(claim: &PersistentVolumeClaim) -> String {
    let part = |s: &Option<String>| s.clone().unwrap_or_default();
    format!("{}/{}", part(&claim.metadata.namespace), part(&claim.metadata.name))
}

/// Whether the volume is kept for this very claim.
fn is_kept_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<bool> {
    let kept = volume.spec.as_ref()?.claim_ref.as_ref()?;
    let same = kept.name == claim.metadata.name && kept.namespace == claim.metadata.namespace;
    let uid = kept.uid.as_deref().unwrap_or_default();
    Some(same && (uid.is_empty() || claim.metadata.uid.as_deref() == Some(uid)))
}

/// The smallest free volume that will do on the node; one kept for the claim goes before all.
fn find<'a>(
    handle: &Handle<'a>,
    claim: &PersistentVolumeClaim,
    node: &NodeInfo,
    taken: &[String],
    given: &Given,
) -> Option<&'a Rc<PersistentVolume>> {
    let spec = claim.spec.as_ref()?;
    let wanted = storage(spec.resources.as_ref().and_then(|r| r.requests.as_ref()));
    let selector = spec.selector.as_ref().map(|s| Selector::parse(Some(s)));
    let mode = |m: &Option<String>| m.clone().unwrap_or_else(|| "Filesystem".to_owned());
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    let none = Labels::new();
    let mut best: Option<(i64, &Rc<PersistentVolume>)> = None;
    for volume in handle.listers.volumes() {
        let Some(has) = &volume.spec else { continue };
        let name = volume.metadata.name.as_deref().unwrap_or_default();
        let size = storage(has.capacity.as_ref());
        let promised = given.get(name).is_some_and(|(_, to)| *to != key(claim));
        if taken.iter().any(|t| t == name)
            || promised
            || mode(&has.volume_mode) != mode(&spec.volume_mode)
            || size < wanted
            || volume.metadata.deletion_timestamp.is_some()
            || !bound_volume_suits(volume, node)
        {
            continue;
        }
        match is_kept_for(volume, claim) {
            Some(true) => return Some(volume),
            Some(false) => continue,
            None => {}
        }
        let free = volume.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Available");
        let offered = has.access_modes.as_deref().unwrap_or_default();
        let labels = volume.metadata.labels.as_ref().unwrap_or(&none);
        if free
            && has.storage_class_name.as_deref().unwrap_or_default() == class_name(claim)
            && modes.iter().all(|m| offered.contains(m))
            && selector.as_ref().is_none_or(|s| s.matches(labels))
            && best.is_none_or(|(least, _)| size < least)
        {
            best = Some((size, volume));
        }
    }
    best.map(|(_, volume)| volume)
}

/// Whether the claim's class can make a volume that the node reaches.
fn can_provision(handle: &Handle, claim: &PersistentVolumeClaim, node: &NodeInfo) -> bool {
    let Some(class) = handle.listers.storage_class(class_name(claim)) else { return false };
    if class.provisioner.is_empty() || class.provisioner == "kubernetes.io/no-provisioner" {
        return false;
    }
    let terms = class.allowed_topologies.as_deref().unwrap_or_default();
    let label = |key: &str| node.labels().and_then(|l| l.get(key));
    terms.is_empty()
        || terms.iter().any(|t| {
            let expressions = t.match_label_expressions.as_deref().unwrap_or_default();
            expressions.iter().all(|e| label(&e.key).is_some_and(|v| e.values.contains(v)))
        })
}

/// How each waiting claim gets a volume on the node; `None` when one can't.
pub(super) fn plan(
    handle: &Handle,
    waiting: &[Rc<PersistentVolumeClaim>],
    node: &NodeInfo,
    given: &Given,
) -> Option<Vec<(Rc<PersistentVolumeClaim>, Plan)>> {
    let mut taken = Vec::new();
    let mut plans = Vec::with_capacity(waiting.len());
    // The smallest first, so that large volumes are left for large claims.
    let mut waiting: Vec<_> = waiting.to_vec();
    waiting
        .sort_by_key(|c| storage(c.spec.as_ref().and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref())));
    for claim in waiting {
        let selected = claim.metadata.annotations.as_ref().and_then(|a| a.get(ANN_SELECTED_NODE));
        let plan = match selected {
            // A volume is being made already, there or elsewhere.
            Some(there) if **there != *node.name => return None,
            Some(_) => can_provision(handle, &claim, node).then_some(Plan::Provision)?,
            None => match find(handle, &claim, node, &taken, given) {
                Some(volume) => Plan::Bind(volume.metadata.name.clone().unwrap_or_default()),
                None => can_provision(handle, &claim, node).then_some(Plan::Provision)?,
            },
        };
        if let Plan::Bind(volume) = &plan {
            taken.push(volume.clone());
        }
        plans.push((claim, plan));
    }
    Some(plans)
}
