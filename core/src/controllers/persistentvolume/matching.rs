//! Which volume a claim could have. Models component-helpers `storage/volume/pv_helpers.go` and
//! checkVolumeSatisfyClaim of `pkg/controller/volume/persistentvolume/pv_controller.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::labels::Selector;
use crate::api::quantity::{Format, Quantity};
use crate::controllers::util::{name, namespace, uid};

/// On a claim: its volume was found and both are bound.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// On both: the binder chose the other side, not the user.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// On a volume: who made it.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// On a claim: the node that the scheduler chose for its pod.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Whether an object has an annotation.
pub fn annotated(m: &ObjectMeta, key: &str) -> bool {
    m.annotations.as_ref().is_some_and(|a| a.contains_key(key))
}

/// Sets an annotation.
pub fn annotate(m: &mut ObjectMeta, key: &str, value: &str) {
    m.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
}

/// The class that a claim asks for.
pub fn claim_class(claim: &PersistentVolumeClaim) -> &str {
    let old = claim.metadata.annotations.as_ref().and_then(|a| a.get(BETA_CLASS));
    let new = claim.spec.as_ref().and_then(|s| s.storage_class_name.as_ref());
    old.or(new).map_or("", String::as_str)
}

fn volume_class(volume: &PersistentVolume) -> &str {
    let old = volume.metadata.annotations.as_ref().and_then(|a| a.get(BETA_CLASS));
    let new = volume.spec.as_ref().and_then(|s| s.storage_class_name.as_ref());
    old.or(new).map_or("", String::as_str)
}

/// The volume that a claim names, or empty.
pub fn volume_name(claim: &PersistentVolumeClaim) -> &str {
    claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or_default()
}

fn size(volume: &PersistentVolume) -> Quantity {
    let capacity = volume.spec.as_ref().and_then(|s| s.capacity.as_ref()).and_then(|c| c.get("storage"));
    capacity.map_or(Quantity::new(0, Format::DecimalSi), Quantity::of)
}

fn asked(claim: &PersistentVolumeClaim) -> Quantity {
    let requests = claim.spec.as_ref().and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref());
    requests.and_then(|r| r.get("storage")).map_or(Quantity::new(0, Format::DecimalSi), Quantity::of)
}

fn mode(m: Option<&String>) -> &str {
    m.map_or("Filesystem", String::as_str)
}

/// Whether a volume is formatted, or a raw device, as the claim wants it.
pub fn modes_match(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of_volume = volume.spec.as_ref().and_then(|s| s.volume_mode.as_ref());
    mode(of_volume) == mode(claim.spec.as_ref().and_then(|s| s.volume_mode.as_ref()))
}

fn access_modes_match(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let offered = volume.spec.as_ref().and_then(|s| s.access_modes.as_deref()).unwrap_or_default();
    let wanted = claim.spec.as_ref().and_then(|s| s.access_modes.as_deref()).unwrap_or_default();
    wanted.iter().all(|m| offered.contains(m))
}

/// Whether a volume is kept for a claim, by name and, once it is known, by uid. Models IsVolumeBoundToClaim.
pub fn is_bound_to(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let Some(r) = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref()) else { return false };
    let same = r.name.as_deref().unwrap_or_default() == name(&claim.metadata)
        && r.namespace.as_deref().unwrap_or_default() == namespace(&claim.metadata);
    let id = r.uid.as_deref().unwrap_or_default();
    same && (id.is_empty() || id == uid(&claim.metadata))
}

/// Whether a volume that the claim names will do; the reason why not.
pub fn satisfies(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Result<(), &'static str> {
    if volume.metadata.deletion_timestamp.is_some() {
        return Err("the volume is marked for deletion");
    }
    if size(volume) < asked(claim) {
        return Err("requested PV is too small");
    }
    if volume_class(volume) != claim_class(claim) {
        return Err("storageClassName does not match");
    }
    if !modes_match(volume, claim) {
        return Err("incompatible volumeMode");
    }
    if !access_modes_match(volume, claim) {
        return Err("incompatible accessMode");
    }
    Ok(())
}

/// The smallest free volume that will do; one that is kept for the claim goes before all. With `delayed` only the latter:
/// the scheduler chooses among the others. Models FindMatchingVolume without a node.
pub fn find(
    volumes: &[Rc<PersistentVolume>],
    claim: &PersistentVolumeClaim,
    delayed: bool,
) -> Option<Rc<PersistentVolume>> {
    let selector = claim.spec.as_ref().and_then(|s| s.selector.as_ref());
    let selector = selector.and_then(|s| Selector::from_label_selector(Some(s)).ok());
    let fits = |v: &&Rc<PersistentVolume>| {
        size(v) >= asked(claim) && modes_match(v, claim) && v.metadata.deletion_timestamp.is_none()
    };
    if let Some(kept) = volumes.iter().filter(fits).find(|v| is_bound_to(v, claim)) {
        return Some(kept.clone());
    }
    if delayed {
        return None;
    }
    let free = |v: &&Rc<PersistentVolume>| {
        v.spec.as_ref().is_none_or(|s| s.claim_ref.is_none())
            && v.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Available")
            && selector.as_ref().is_none_or(|s| s.matches_meta(&v.metadata))
            && volume_class(v) == claim_class(claim)
            && access_modes_match(v, claim)
    };
    let mut best: Option<&Rc<PersistentVolume>> = None;
    for v in volumes.iter().filter(fits).filter(free) {
        if best.is_none_or(|b| size(v) < size(b)) {
            best = Some(v);
        }
    }
    best.cloned()
}
