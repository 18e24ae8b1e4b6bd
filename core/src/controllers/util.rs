//! What controllers share: expectations, claiming, pod control, taints, hashes. Models `pkg/controller/controller_utils.go` and its neighbours.

pub mod endpoint;
pub mod expectations;
pub mod hash;
pub mod history;
pub mod pod_control;
pub mod pods;
pub mod rank;
pub mod ref_manager;
pub mod selector;
pub mod sort;
pub mod taints;
pub mod tally;
pub mod time;
pub mod trigger_times;
pub mod worker;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::object::Kind;

/// An object's name, empty if it has none.
pub fn name(m: &ObjectMeta) -> &str {
    m.name.as_deref().unwrap_or_default()
}

/// An object's namespace, empty if it has none.
pub fn namespace(m: &ObjectMeta) -> &str {
    m.namespace.as_deref().unwrap_or_default()
}

/// An object's uid, empty if it has none.
pub fn uid(m: &ObjectMeta) -> &str {
    m.uid.as_deref().unwrap_or_default()
}

/// The owner that manages an object: metav1.GetControllerOf.
pub fn controller_of(m: &ObjectMeta) -> Option<&OwnerReference> {
    m.owner_references.as_ref()?.iter().find(|r| r.controller == Some(true))
}

/// The reference by which `owner` manages something: metav1.NewControllerRef.
pub fn new_controller_ref<K: Kind>(owner: &K) -> OwnerReference {
    let m = owner.metadata();
    OwnerReference {
        api_version: K::API_VERSION.to_owned(),
        kind: K::KIND.to_owned(),
        name: name(m).to_owned(),
        uid: uid(m).to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A reference's API group.
pub fn ref_group(r: &OwnerReference) -> &str {
    r.api_version.split_once('/').map_or("", |(g, _)| g)
}

/// Whether a reference is to an object of kind `K`, by group and kind.
pub fn ref_is<K: Kind>(r: &OwnerReference) -> bool {
    r.kind == K::KIND && ref_group(r) == K::GROUP
}
