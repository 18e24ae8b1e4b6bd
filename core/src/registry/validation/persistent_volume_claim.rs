//! Validation of volume claims.
//! Models `pkg/apis/core/validation/validation.go` (ValidatePersistentVolumeClaim and kin).

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};

use super::pod::resources;
use super::prelude::*;
use super::{go_diff, go_pod_volume, selector};
use crate::api::quantity::Quantity;
use crate::api::validation::{name_is_dns_label, name_is_dns_subdomain};

pub(crate) const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const STORAGE_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// Checks a new claim.
pub fn validate_create(claim: &PersistentVolumeClaim) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(claim, false, &mut errs);
    errs
}

/// `any_group`: the API group of a data source was let in before, whatever it is.
fn create_into(claim: &PersistentVolumeClaim, any_group: bool, errs: &mut ErrorList) {
    names::object_meta(&claim.metadata, true, name_is_dns_subdomain, errs);
    let default = PersistentVolumeClaimSpec::default();
    spec_with(claim.spec.as_ref().unwrap_or(&default), any_group, &Path::new("spec"), errs);
}

/// Whether there was a data source with an API group.
fn had_group(claim: &PersistentVolumeClaim) -> bool {
    let Some(spec) = &claim.spec else { return false };
    spec.data_source.as_ref().is_some_and(|s| s.api_group.is_some())
        || spec.data_source_ref.as_ref().is_some_and(|r| r.api_group.is_some())
}

/// Modes that are known, and the exclusive one alone.
pub(crate) fn access_modes(modes: &[String], path: &Path, errs: &mut ErrorList) {
    for mode in modes {
        one_of(mode, &ACCESS_MODES, path, errs);
    }
    let exclusive = modes.iter().any(|m| m == "ReadWriteOncePod");
    if exclusive && modes.iter().any(|m| m != "ReadWriteOncePod" && ACCESS_MODES.contains(&m.as_str())) {
        errs.push(Error::forbidden(path, "may not use ReadWriteOncePod with other access modes"));
    }
}

/// Upstream's `ValidatePersistentVolumeClaimSpec`.
pub(crate) fn spec(s: &PersistentVolumeClaimSpec, path: &Path, errs: &mut ErrorList) {
    spec_with(s, false, path, errs);
}

fn spec_with(s: &PersistentVolumeClaimSpec, any_group: bool, path: &Path, errs: &mut ErrorList) {
    let modes = list(&s.access_modes);
    if modes.is_empty() {
        errs.push(Error::required(&path.child("accessModes"), "at least 1 access mode is required"));
    }
    selector::validate(s.selector.as_ref(), &path.child("selector"), errs);
    access_modes(modes, &path.child("accessModes"), errs);
    let storage_path = path.child("resources");
    let storage_path = storage_path.key("storage");
    match requested(s) {
        None => errs.push(Error::required(&storage_path, "")),
        Some(q) if q.sign() <= 0 => {
            errs.push(Error::invalid_str(&storage_path, &q.to_string(), "must be greater than zero"));
        }
        Some(q) => resources::quantity_value("storage", &q, &storage_path, errs),
    }
    if let Some(class) = s.storage_class_name.as_deref().filter(|c| !c.is_empty()) {
        names::dns_subdomain(class, &path.child("storageClassName"), errs);
    }
    if let Some(mode) = &s.volume_mode {
        one_of(mode, &["Block", "Filesystem"], &path.child("volumeMode"), errs);
    }
    if let Some(source) = &s.data_source {
        let at = path.child("dataSource");
        data_source([&source.name, &source.kind, text(&source.api_group)], any_group, &at, errs);
    }
    if let Some(source) = &s.data_source_ref {
        let at = path.child("dataSourceRef");
        data_source([&source.name, &source.kind, text(&source.api_group)], any_group, &at, errs);
        if let Some(namespace) = source.namespace.as_deref().filter(|n| !n.is_empty()) {
            invalid_each(name_is_dns_label(namespace, false), namespace, &at.child("namespace"), errs);
        }
    }
    let foreign = s.data_source_ref.as_ref().is_some_and(|r| !text(&r.namespace).is_empty());
    match (&s.data_source, &s.data_source_ref) {
        (Some(_), Some(_)) if foreign => errs.push(Error::invalid_shown(
            path,
            "{}",
            "may not be specified when dataSourceRef.namespace is specified",
        )),
        (Some(a), Some(b)) if a.api_group != b.api_group || a.kind != b.kind || a.name != b.name => {
            errs.push(Error::invalid_shown(path, "{}", "must match dataSourceRef"));
        }
        _ => {}
    }
    if let Some(class) = s.volume_attributes_class_name.as_deref().filter(|c| !c.is_empty()) {
        names::dns_subdomain(class, &path.child("volumeAttributesClassName"), errs);
    }
}

fn requested(s: &PersistentVolumeClaimSpec) -> Option<Quantity> {
    s.resources.as_ref().and_then(|r| entry(&r.requests, "storage")).map(resources::parse)
}

fn data_source([name, kind, group]: [&str; 3], any_group: bool, path: &Path, errs: &mut ErrorList) {
    if name.is_empty() {
        errs.push(Error::required(&path.child("name"), ""));
    }
    if kind.is_empty() {
        errs.push(Error::required(&path.child("kind"), ""));
    }
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        errs.push(Error::invalid_str(
            path,
            kind,
            "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
        ));
    }
    if !group.is_empty() && !any_group {
        names::dns_subdomain(group, &path.child("apiGroup"), errs);
    }
}

/// Checks a changed claim.
pub fn validate_update(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    create_into(new, had_group(old), &mut errs);
    let default = PersistentVolumeClaimSpec::default();
    let (is, was) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    let (mut new_copy, mut old_copy) = (is.clone(), was.clone());
    if text(&was.volume_name).is_empty() {
        old_copy.volume_name.clone_from(&is.volume_name);
    }
    let old_class = entry(&old.metadata.annotations, STORAGE_CLASS);
    let new_class = entry(&new.metadata.annotations, STORAGE_CLASS);
    let upgraded = old_class.is_some()
        && was.storage_class_name.is_none()
        && is.storage_class_name.as_ref() == old_class
        && (new_class.is_none() || new_class == old_class);
    if upgraded {
        new_copy.storage_class_name = None;
    } else {
        let (a, b) = (new_class.map_or("", String::as_str), old_class.map_or("", String::as_str));
        if a != b {
            let at = Path::new("metadata.annotations");
            errs.push(Error::invalid_str(&at.child(STORAGE_CLASS), a, "field is immutable"));
        }
        if let Some(class) = &is.storage_class_name
            && was.storage_class_name.is_none()
            && old_class.is_none_or(|old| old == class)
        {
            new_copy.storage_class_name = None;
        }
    }
    let bound = new.status.as_ref().is_some_and(|s| text(&s.phase) == "Bound");
    let old_storage = was.resources.as_ref().and_then(|r| entry(&r.requests, "storage"));
    if bound
        && let Some(requests) = new_copy.resources.as_mut().and_then(|r| r.requests.as_mut())
        && let Some(storage) = old_storage
    {
        requests.insert("storage".to_owned(), storage.clone());
    }
    if bound {
        new_copy.volume_attributes_class_name.clone_from(&old_copy.volume_attributes_class_name);
    }
    let (a, b) = (go_pod_volume::claim_spec(&old_copy), go_pod_volume::claim_spec(&new_copy));
    if !a.same(&b) {
        errs.push(Error::forbidden(
            &Path::new("spec"),
            format!(
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{}",
                go_diff::diff(&a, &b)
            ),
        ));
    }
    let (new_size, old_size) = (requested(is).unwrap_or_default(), requested(was).unwrap_or_default());
    if new_size < old_size {
        let capacity = old.status.as_ref().and_then(|s| entry(&s.capacity, "storage")).map(resources::parse);
        if new_size <= capacity.unwrap_or_default() {
            errs.push(Error::forbidden(
                &Path::new("spec.resources.requests.storage"),
                "field can not be less than status.capacity",
            ));
        }
    }
    if is.volume_mode != was.volume_mode {
        errs.push(Error::invalid(&Path::new("volumeMode"), &json!(is.volume_mode), "field is immutable"));
    }
    let applied = old.status.as_ref().is_some_and(|s| s.current_volume_attributes_class_name.is_some());
    let unset = match is.volume_attributes_class_name.as_deref() {
        None => Some("nil"),
        Some("") => Some("empty string"),
        Some(_) => None,
    };
    if let Some(what) = unset
        && applied
        && is.volume_attributes_class_name != was.volume_attributes_class_name
    {
        errs.push(Error::forbidden(
            &Path::new("spec.volumeAttributesClassName"),
            format!("update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"),
        ));
    }
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if text(&new.metadata.resource_version).is_empty() {
        errs.push(Error::required(&Path::new("resourceVersion"), ""));
    }
    if new.spec.as_ref().is_none_or(|s| list(&s.access_modes).is_empty()) {
        errs.push(Error::required(&Path::new("Spec.accessModes"), ""));
    }
    let Some(status) = &new.status else { return errs };
    let capacity = Path::new("status.capacity");
    for (name, q) in entries(&status.capacity) {
        let value = resources::parse(q).value();
        if value < 0 {
            errs.push(Error::invalid(&capacity.key(name), &json!(value), "must be a valid resource quantity"));
        }
    }
    let path = Path::new("status.allocatedResourceStatuses");
    for (name, status) in entries(&status.allocated_resource_statuses) {
        resource_key(name, &path, &mut errs);
        if !RESIZE_STATUSES.contains(&status.as_str()) {
            // Upstream shows the resource here, not its status.
            errs.push(Error::not_supported(&path, name, &RESIZE_STATUSES));
        }
    }
    let path = Path::new("status.allocatedResources");
    for (name, q) in entries(&status.allocated_resources) {
        let before = errs.len();
        resource_key(name, &path, &mut errs);
        let (at, q) = (path.key(name), resources::parse(q));
        if errs.len() > before {
            continue;
        }
        if q.value() < 0 {
            errs.push(Error::invalid(&at, &json!(q.value()), "must be a valid resource quantity"));
        } else {
            resources::quantity_value("storage", &q, &at, &mut errs);
        }
    }
    errs
}

/// How the resize of a claim's resource stands.
const RESIZE_STATUSES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

/// Of Kubernetes' own resources a claim has storage alone.
fn resource_key(name: &str, path: &Path, errs: &mut ErrorList) {
    let before = errs.len();
    names::qualified_name(name, path, errs);
    if errs.len() == before && resources::is_native(name) && name != "storage" {
        errs.push(Error::not_supported(path, name, &["storage"]));
    }
}
