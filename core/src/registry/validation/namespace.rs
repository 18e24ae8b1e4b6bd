//! Validation of Namespaces.
//! Models `pkg/apis/core/validation/validation.go` (ValidateNamespace and kin).

use k8s_openapi::api::core::v1::Namespace;

use super::prelude::*;
use crate::api::validation::name_is_dns_label;

fn finalizers(namespace: &Namespace) -> &[String] {
    namespace.spec.as_ref().map(|s| list(&s.finalizers)).unwrap_or_default()
}

fn finalizer(name: &str, path: &Path, errs: &mut ErrorList) {
    names::qualified_name(name, path, errs);
    names::kube_finalizer(name, path, errs);
}

/// Checks a new Namespace.
pub fn validate_create(namespace: &Namespace) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&namespace.metadata, false, name_is_dns_label, &mut errs);
    for name in finalizers(namespace) {
        finalizer(name, &Path::new("spec.finalizers"), &mut errs);
    }
    errs
}

/// Checks a changed Namespace.
pub fn validate_update(new: &Namespace, old: &Namespace) -> ErrorList {
    let mut errs = validate_create(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    errs
}

/// Checks a changed status: the phase follows the deletion timestamp.
pub fn validate_status_update(new: &Namespace, old: &Namespace) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let phase = new.status.as_ref().map_or("", |s| text(&s.phase));
    let (wanted, when) = if new.metadata.deletion_timestamp.is_none() {
        ("Active", "may only be 'Active' if `deletionTimestamp` is empty")
    } else {
        ("Terminating", "may only be 'Terminating' if `deletionTimestamp` is not empty")
    };
    if phase != wanted {
        errs.push(Error::invalid_str(&Path::new("status.Phase"), phase, when));
    }
    errs
}

/// Checks a change of the finalizers that hold the Namespace.
pub fn validate_finalize_update(new: &Namespace, old: &Namespace) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let path = Path::new("spec.finalizers");
    for (i, name) in finalizers(new).iter().enumerate() {
        finalizer(name, &path.index(i), &mut errs);
    }
    errs
}
