//! Checks of ObjectMeta and of label selectors.
//! Models apimachinery `pkg/api/validation/objectmeta.go` and `pkg/apis/meta/v1/validation/validation.go`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ManagedFieldsEntry, ObjectMeta, OwnerReference};
use serde_json::{Value, json};

use super::{NameCheck, is_qualified_name, is_valid_label_value, name_is_dns_label, validate_field_manager};
use crate::api::field::{Error, ErrorList, ErrorType, Path, quote};
use crate::api::tell::to_value;

const ANNOTATIONS_SIZE_MAX_BYTES: usize = 256 * 1024;
const SUBRESOURCE_LENGTH_MAX_BYTES: usize = 256;

/// `ValidateImmutableField` of anything that is equal when its JSON is.
pub fn validate_immutable(new: &Value, old: &Value, path: &Path) -> ErrorList {
    if new == old { Vec::new() } else { vec![Error::invalid(path, new, "field is immutable")] }
}

/// `ValidateNonnegativeField`.
pub fn validate_nonnegative(value: i64, path: &Path) -> ErrorList {
    if value >= 0 {
        return Vec::new();
    }
    vec![Error::invalid(path, &json!(value), "must be greater than or equal to 0")]
}

/// `ValidateLabelName`.
pub fn validate_label_name(name: &str, path: &Path) -> ErrorList {
    is_qualified_name(name).into_iter().map(|m| Error::invalid_str(path, name, m)).collect()
}

/// `ValidateLabels`.
pub fn validate_labels(labels: Option<&BTreeMap<String, String>>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (k, v) in labels.into_iter().flatten() {
        errors.extend(is_qualified_name(k).into_iter().map(|m| Error::invalid_str(path, k, m)));
        errors.extend(is_valid_label_value(v).into_iter().map(|m| Error::invalid_str(path, v, m)));
    }
    errors
}

/// `ValidateAnnotations`.
pub fn validate_annotations(annotations: Option<&BTreeMap<String, String>>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut size = 0usize;
    for (k, v) in annotations.into_iter().flatten() {
        size += k.len() + v.len();
        let messages = if k.bytes().any(|c| c.is_ascii_uppercase()) || !k.is_ascii() {
            is_qualified_name(&k.to_lowercase())
        } else {
            is_qualified_name(k)
        };
        errors.extend(messages.into_iter().map(|m| Error::invalid_str(path, k, m)));
    }
    if size > ANNOTATIONS_SIZE_MAX_BYTES {
        errors.push(Error::too_long(path, ANNOTATIONS_SIZE_MAX_BYTES));
    }
    errors
}

/// An owner reference as Go's encoder has it, in the order of the struct's fields.
fn show_owner(o: &OwnerReference) -> String {
    let text = |s: &str| Value::from(s).to_string();
    let mut out = format!(
        "{{\"apiVersion\":{},\"kind\":{},\"name\":{},\"uid\":{}",
        text(&o.api_version),
        text(&o.kind),
        text(&o.name),
        text(&o.uid)
    );
    if let Some(c) = o.controller {
        out.push_str(&format!(",\"controller\":{c}"));
    }
    if let Some(b) = o.block_owner_deletion {
        out.push_str(&format!(",\"blockOwnerDeletion\":{b}"));
    }
    out.push('}');
    out
}

/// Group and version of an apiVersion; nothing if it has two slashes.
fn group_version(api_version: &str) -> (&str, &str) {
    match api_version.split_once('/') {
        None => ("", api_version),
        Some((_, rest)) if rest.contains('/') => ("", ""),
        Some((group, version)) => (group, version),
    }
}

fn validate_owner_reference(o: &OwnerReference, path: &Path, errors: &mut ErrorList) {
    let (group, version) = group_version(&o.api_version);
    if version.is_empty() {
        errors.push(Error::invalid_str(&path.child("apiVersion"), &o.api_version, "version must not be empty"));
    }
    for (name, value) in [("kind", &o.kind), ("name", &o.name), ("uid", &o.uid)] {
        if value.is_empty() {
            errors.push(Error::invalid_str(&path.child(name), value, "must not be empty"));
        }
    }
    if group.is_empty() && version == "v1" && o.kind == "Event" {
        errors.push(Error {
            kind: ErrorType::Invalid,
            field: path.to_string(),
            bad_value: Some(show_owner(o)),
            detail: "/v1, Kind=Event is disallowed from being an owner".to_owned(),
        });
    }
}

/// `ValidateOwnerReferences`.
pub fn validate_owner_references(owners: &[OwnerReference], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut first: Option<String> = None;
    for o in owners {
        validate_owner_reference(o, path, &mut errors);
        if o.controller == Some(true) {
            let this = format!("{}/{}", o.kind, o.name);
            match &first {
                None => first = Some(this),
                Some(first) => {
                    let all: Vec<String> = owners.iter().map(show_owner).collect();
                    errors.push(Error {
                        kind: ErrorType::Invalid,
                        field: path.to_string(),
                        bad_value: Some(format!("[{}]", all.join(","))),
                        detail: format!(
                            "Only one reference can have Controller set to true. Found \"true\" in references for \
                             {first} and {this}"
                        ),
                    });
                }
            }
        }
    }
    errors
}

fn validate_finalizers(finalizers: &[String], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for f in finalizers {
        errors.extend(is_qualified_name(f).into_iter().map(|m| Error::invalid_str(path, f, m)));
    }
    let has = |name: &str| finalizers.iter().any(|f| f == name);
    if has("orphan") && has("foregroundDeletion") {
        errors.push(Error::invalid(
            path,
            &json!(finalizers),
            "finalizer orphan and foregroundDeletion cannot be both set",
        ));
    }
    errors
}

/// `ValidateManagedFields`.
pub fn validate_managed_fields(entries: &[ManagedFieldsEntry], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (i, e) in entries.iter().enumerate() {
        let path = path.index(i);
        let operation = e.operation.as_deref().unwrap_or("");
        if !matches!(operation, "Apply" | "Update") {
            errors.push(Error::invalid_str(&path.child("operation"), operation, "must be `Apply` or `Update`"));
        }
        let kind = e.fields_type.as_deref().unwrap_or("");
        if !matches!(kind, "" | "FieldsV1") {
            errors.push(Error::invalid_str(&path.child("fieldsType"), kind, "must be `FieldsV1`"));
        }
        errors.extend(validate_field_manager(e.manager.as_deref().unwrap_or(""), &path.child("manager")));
        if e.subresource.as_deref().unwrap_or("").len() > SUBRESOURCE_LENGTH_MAX_BYTES {
            errors.push(Error::too_long(&path.child("subresource"), SUBRESOURCE_LENGTH_MAX_BYTES));
        }
    }
    errors
}

/// `ValidateObjectMeta`, on create.
pub fn validate_object_meta(meta: &ObjectMeta, namespaced: bool, name_check: NameCheck, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if let Some(prefix) = meta.generate_name.as_deref().filter(|g| !g.is_empty()) {
        let at = path.child("generateName");
        errors.extend(name_check(prefix, true).into_iter().map(|m| Error::invalid_str(&at, prefix, m)));
    }
    match meta.name.as_deref().filter(|n| !n.is_empty()) {
        None => errors.push(Error::required(&path.child("name"), "name or generateName is required")),
        Some(name) => {
            let messages = name_check(name, false);
            if !messages.is_empty() {
                let at = path.child("name");
                errors.extend(messages.into_iter().map(|m| Error::invalid_str(&at, name, m)));
            }
        }
    }
    match meta.namespace.as_deref().filter(|n| !n.is_empty()) {
        None if namespaced => errors.push(Error::required(&path.child("namespace"), "")),
        None => {}
        Some(namespace) if namespaced => {
            let messages = name_is_dns_label(namespace, false);
            if !messages.is_empty() {
                let at = path.child("namespace");
                errors.extend(messages.into_iter().map(|m| Error::invalid_str(&at, namespace, m)));
            }
        }
        Some(_) => errors.push(Error::forbidden(&path.child("namespace"), "not allowed on this type")),
    }
    errors.extend(validate_nonnegative(meta.generation.unwrap_or(0), &path.child("generation")));
    errors.extend(validate_labels(meta.labels.as_ref(), &path.child("labels")));
    errors.extend(validate_annotations(meta.annotations.as_ref(), &path.child("annotations")));
    if let Some(owners) = &meta.owner_references {
        errors.extend(validate_owner_references(owners, &path.child("ownerReferences")));
    }
    if let Some(finalizers) = &meta.finalizers {
        errors.extend(validate_finalizers(finalizers, &path.child("finalizers")));
    }
    if let Some(entries) = &meta.managed_fields {
        errors.extend(validate_managed_fields(entries, &path.child("managedFields")));
    }
    errors
}

fn immutable<T: PartialEq + serde::Serialize>(
    new: &Option<T>,
    old: &Option<T>,
    empty: Value,
    path: &Path,
    name: &str,
    errors: &mut ErrorList,
) {
    if new == old {
        return;
    }
    let value = |v: &Option<T>| v.as_ref().map_or_else(|| empty.clone(), |v| to_value(v));
    errors.extend(validate_immutable(&value(new), &value(old), &path.child(name)));
}

/// `ValidateObjectMetaUpdate`.
pub fn validate_object_meta_update(new: &ObjectMeta, old: &ObjectMeta, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if old.deletion_timestamp.is_some() {
        let had = old.finalizers.as_deref().unwrap_or_default();
        let mut extra: Vec<&String> = new.finalizers.iter().flatten().filter(|f| !had.contains(f)).collect();
        extra.sort();
        extra.dedup();
        if !extra.is_empty() {
            let quoted: Vec<String> = extra.iter().map(|f| quote(f)).collect();
            errors.push(Error::forbidden(
                &path.child("finalizers"),
                format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    quoted.join(", ")
                ),
            ));
        }
    }
    if new.resource_version.as_deref().unwrap_or("").is_empty() {
        let at = path.child("resourceVersion");
        errors.push(Error::invalid_str(&at, "", "must be specified for an update"));
    }
    let generation = new.generation.unwrap_or(0);
    errors.extend(validate_nonnegative(generation, &path.child("generation")));
    if generation < old.generation.unwrap_or(0) {
        errors.push(Error::invalid(&path.child("generation"), &json!(generation), "must not be decremented"));
    }
    let text = || Value::from("");
    immutable(&new.name, &old.name, text(), path, "name", &mut errors);
    immutable(&new.namespace, &old.namespace, text(), path, "namespace", &mut errors);
    immutable(&new.uid, &old.uid, text(), path, "uid", &mut errors);
    let (null, at) = (Value::Null, "creationTimestamp");
    immutable(&new.creation_timestamp, &old.creation_timestamp, null.clone(), path, at, &mut errors);
    let at = "deletionTimestamp";
    immutable(&new.deletion_timestamp, &old.deletion_timestamp, null.clone(), path, at, &mut errors);
    let at = "deletionGracePeriodSeconds";
    let (new_grace, old_grace) = (&new.deletion_grace_period_seconds, &old.deletion_grace_period_seconds);
    immutable(new_grace, old_grace, null, path, at, &mut errors);
    if new.labels != old.labels {
        errors.extend(validate_labels(new.labels.as_ref(), &path.child("labels")));
    }
    if new.annotations != old.annotations {
        errors.extend(validate_annotations(new.annotations.as_ref(), &path.child("annotations")));
    }
    if let Some(owners) = &new.owner_references {
        errors.extend(validate_owner_references(owners, &path.child("ownerReferences")));
    }
    if let Some(entries) = &new.managed_fields {
        errors.extend(validate_managed_fields(entries, &path.child("managedFields")));
    }
    errors
}

/// `ValidateLabelSelector`; `allow_bad_values` for objects that had them before.
pub fn validate_label_selector(selector: Option<&LabelSelector>, allow_bad_values: bool, path: &Path) -> ErrorList {
    let Some(selector) = selector else { return Vec::new() };
    let mut errors = validate_labels(selector.match_labels.as_ref(), &path.child("matchLabels"));
    let expressions = path.child("matchExpressions");
    for (i, e) in selector.match_expressions.iter().flatten().enumerate() {
        let path = expressions.index(i);
        let values = e.values.as_deref().unwrap_or_default();
        match e.operator.as_str() {
            "In" | "NotIn" => {
                if values.is_empty() {
                    let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                    errors.push(Error::required(&path.child("values"), detail));
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                    errors.push(Error::forbidden(&path.child("values"), detail));
                }
            }
            other => {
                errors.push(Error::invalid_str(&path.child("operator"), other, "not a valid selector operator"));
            }
        }
        errors.extend(validate_label_name(&e.key, &path.child("key")));
        if !allow_bad_values {
            let values_path = path.child("values");
            for (i, v) in values.iter().enumerate() {
                let at = values_path.index(i);
                errors.extend(is_valid_label_value(v).into_iter().map(|m| Error::invalid_str(&at, v, m)));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::super::name_is_dns_subdomain;
    use super::*;

    fn check(meta: Value, want: &[&str]) {
        let meta: ObjectMeta = serde_json::from_value(meta).unwrap();
        let errors = validate_object_meta(&meta, true, name_is_dns_subdomain, &Path::new("metadata"));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, want, "{meta:?}");
    }

    #[test]
    fn on_create() {
        check(json!({"name": "a", "namespace": "b"}), &[]);
        check(
            json!({}),
            &["metadata.name: Required value: name or generateName is required", "metadata.namespace: Required value"],
        );
        check(
            json!({"name": "a", "namespace": "b", "generation": -1, "ownerReferences": [
                {"apiVersion": "a/b/c", "kind": "", "name": "n", "uid": "u", "controller": true},
                {"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u", "controller": true}]}),
            &[
                "metadata.generation: Invalid value: -1: must be greater than or equal to 0",
                "metadata.ownerReferences.apiVersion: Invalid value: \"a/b/c\": version must not be empty",
                "metadata.ownerReferences.kind: Invalid value: \"\": must not be empty",
                "metadata.ownerReferences: Invalid value: [{\"apiVersion\":\"a/b/c\",\"kind\":\"\",\"name\":\"n\",\"uid\":\"u\",\"controller\":true},{\"apiVersion\":\"v1\",\"kind\":\"K\",\"name\":\"n\",\"uid\":\"u\",\"controller\":true}]: Only one reference can have Controller set to true. Found \"true\" in references for /n and K/n",
            ],
        );
        check(
            json!({"name": "a", "namespace": "b", "finalizers": ["orphan", "foregroundDeletion"]}),
            &[
                "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set",
            ],
        );
    }

    #[test]
    fn on_update() {
        let meta = |v: Value| serde_json::from_value::<ObjectMeta>(v).unwrap();
        let old = meta(json!({"name": "a", "uid": "1", "resourceVersion": "5", "generation": 2,
            "deletionTimestamp": "2020-01-01T00:00:00Z"}));
        let new = meta(json!({"name": "b", "uid": "2", "generation": 1, "finalizers": ["x/y", "a/b"],
            "deletionTimestamp": "2020-01-01T00:00:00Z"}));
        let errors = validate_object_meta_update(&new, &old, &Path::new("metadata"));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"a/b\", \"x/y\"}",
                "metadata.resourceVersion: Invalid value: \"\": must be specified for an update",
                "metadata.generation: Invalid value: 1: must not be decremented",
                "metadata.name: Invalid value: \"b\": field is immutable",
                "metadata.uid: Invalid value: \"2\": field is immutable",
            ]
        );
    }
}
