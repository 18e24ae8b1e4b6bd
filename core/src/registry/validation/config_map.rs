//! Validation of ConfigMaps.
//! Models `pkg/apis/core/validation/validation.go` (ValidateConfigMap and ValidateConfigMapUpdate).

use k8s_openapi::api::core::v1::ConfigMap;

use super::prelude::*;
use crate::api::validation::name_is_dns_subdomain;

/// Upstream's `MaxSecretSize`, which ConfigMaps share.
pub(super) const SIZE_BYTES_MAX: usize = 1024 * 1024;
/// What an immutable ConfigMap or Secret says of a change.
pub(super) const IMMUTABLE: &str = "field is immutable when `immutable` is set";

/// Checks a new ConfigMap.
pub fn validate_create(map: &ConfigMap) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(map, &mut errs);
    errs
}

fn create_into(map: &ConfigMap, errs: &mut ErrorList) {
    names::object_meta(&map.metadata, true, name_is_dns_subdomain, errs);
    let (data, binary) = (Path::new("data"), Path::new("binaryData"));
    let mut size = 0usize;
    for (key, value) in entries(&map.data) {
        names::config_map_key(key, &data.key(key), errs);
        if entry(&map.binary_data, key).is_some() {
            errs.push(Error::invalid_str(&data.key(key), key, "duplicate of key present in binaryData"));
        }
        size = size.saturating_add(value.len());
    }
    for (key, value) in entries(&map.binary_data) {
        names::config_map_key(key, &binary.key(key), errs);
        size = size.saturating_add(value.0.len());
    }
    if size > SIZE_BYTES_MAX {
        errs.push(Error::too_long(&Path::new(""), SIZE_BYTES_MAX));
    }
}

/// Checks a changed ConfigMap.
pub fn validate_update(new: &ConfigMap, old: &ConfigMap) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if on(old.immutable) {
        if !on(new.immutable) {
            errs.push(Error::forbidden(&Path::new("immutable"), IMMUTABLE));
        }
        if !super::same_entries(&new.data, &old.data) {
            errs.push(Error::forbidden(&Path::new("data"), IMMUTABLE));
        }
        if !super::same_entries(&new.binary_data, &old.binary_data) {
            errs.push(Error::forbidden(&Path::new("binaryData"), IMMUTABLE));
        }
    }
    create_into(new, &mut errs);
    errs
}
