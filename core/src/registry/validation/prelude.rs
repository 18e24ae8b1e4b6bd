//! What every validator needs: errors, paths, and readers of optional fields that treat absent as Go's zero value.

use std::collections::BTreeMap;

pub(crate) use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
pub(crate) use serde_json::json;

pub(crate) use super::names;
pub(crate) use super::names::NameRule;
pub(crate) use crate::api::field::{Error, ErrorList, Path};

/// An optional string, absent as empty.
pub(crate) fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("")
}

/// An optional list, absent as empty.
pub(crate) fn list<T>(value: &Option<Vec<T>>) -> &[T] {
    value.as_deref().unwrap_or(&[])
}

/// The entries of an optional map, absent as empty.
pub(crate) fn entries<V>(value: &Option<BTreeMap<String, V>>) -> impl Iterator<Item = (&str, &V)> {
    value.iter().flat_map(|m| m.iter().map(|(k, v)| (k.as_str(), v)))
}

/// The value under `key` of an optional map.
pub(crate) fn entry<'a, V>(value: &'a Option<BTreeMap<String, V>>, key: &str) -> Option<&'a V> {
    value.as_ref().and_then(|m| m.get(key))
}

/// An optional flag, absent as false.
pub(crate) fn on(value: Option<bool>) -> bool {
    value.unwrap_or(false)
}

/// Reports `value` as unsupported unless it is one of `supported`, which is printed in the order given.
pub(crate) fn one_of(value: &str, supported: &[&str], path: &Path, errs: &mut ErrorList) {
    if !supported.contains(&value) {
        errs.push(Error::not_supported(path, value, supported));
    }
}

/// Upstream's `ValidateNonnegativeField`.
pub(crate) fn nonnegative(value: i64, path: &Path, errs: &mut ErrorList) {
    if value < 0 {
        errs.push(Error::invalid(path, &json!(value), "must be greater than or equal to 0"));
    }
}

/// Upstream's `ValidatePositiveField`.
pub(crate) fn positive(value: i64, path: &Path, errs: &mut ErrorList) {
    if value <= 0 {
        errs.push(Error::invalid(path, &json!(value), "must be greater than zero"));
    }
}

/// An error for each message.
pub(crate) fn invalid_each(messages: Vec<String>, value: &str, path: &Path, errs: &mut ErrorList) {
    for message in messages {
        errs.push(Error::invalid_str(path, value, message));
    }
}
