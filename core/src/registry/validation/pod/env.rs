//! Environment variables and their sources.
//! Models `pkg/apis/core/validation/validation.go` (ValidateEnv, ValidateEnvFrom) and `pkg/apis/core/pods/helpers.go`.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, EnvVarSource, FileKeySelector, ObjectFieldSelector, ResourceFieldSelector,
};

use super::volumes;
use crate::api::quantity::Quantity;
use crate::registry::validation::prelude::*;

const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
pub(super) const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const RESOURCE_FIELDS: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const BYTE_DIVISORS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

pub(super) fn vars(vars: &[EnvVar], path: &Path, errs: &mut ErrorList) {
    for (i, var) in vars.iter().enumerate() {
        let at = path.index(i);
        if var.name.is_empty() {
            errs.push(Error::required(&at.child("name"), ""));
        } else {
            names::env_name(&var.name, &at.child("name"), errs);
        }
        if let Some(source) = &var.value_from {
            value_from(source, text(&var.value), &at.child("valueFrom"), errs);
        }
    }
}

fn value_from(source: &EnvVarSource, value: &str, path: &Path, errs: &mut ErrorList) {
    let mut sources = 0;
    if let Some(field) = &source.field_ref {
        sources += 1;
        object_field(field, &ENV_FIELDS, &path.child("fieldRef"), errs);
    }
    if let Some(resource) = &source.resource_field_ref {
        sources += 1;
        resource_field(resource, false, &path.child("resourceFieldRef"), errs);
    }
    if let Some(r) = &source.config_map_key_ref {
        sources += 1;
        key_selector(&r.name, &r.key, &path.child("configMapKeyRef"), errs);
    }
    if let Some(r) = &source.secret_key_ref {
        sources += 1;
        key_selector(&r.name, &r.key, &path.child("secretKeyRef"), errs);
    }
    if let Some(r) = &source.file_key_ref {
        sources += 1;
        file_key(r, &path.child("fileKeyRef"), errs);
    }
    if sources == 0 {
        errs.push(Error::invalid_str(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ));
    } else if !value.is_empty() {
        errs.push(Error::invalid_str(path, "", "may not be specified when `value` is not empty"));
    } else if sources > 1 {
        errs.push(Error::invalid_str(path, "", "may not have more than one field specified at a time"));
    }
}

fn key_selector(name: &str, key: &str, path: &Path, errs: &mut ErrorList) {
    names::dns_subdomain(name, &path.child("name"), errs);
    if key.is_empty() {
        errs.push(Error::required(&path.child("key"), ""));
    } else {
        names::config_map_key(key, &path.child("key"), errs);
    }
}

fn file_key(selector: &FileKeySelector, path: &Path, errs: &mut ErrorList) {
    if selector.key.is_empty() {
        errs.push(Error::required(&path.child("key"), ""));
    } else {
        names::env_name(&selector.key, &path.child("key"), errs);
    }
    if selector.volume_name.is_empty() {
        errs.push(Error::required(&path.child("volumeName"), ""));
    } else {
        names::dns_label(&selector.volume_name, &path.child("volumeName"), errs);
    }
    if selector.path.is_empty() {
        errs.push(Error::required(&path.child("path"), ""));
    } else {
        volumes::no_backsteps(&selector.path, &path.child("path"), errs);
    }
}

pub(super) fn from(sources: &[EnvFromSource], path: &Path, errs: &mut ErrorList) {
    for (i, source) in sources.iter().enumerate() {
        let at = path.index(i);
        let prefix = text(&source.prefix);
        if !prefix.is_empty() {
            names::env_name(prefix, &at.child("prefix"), errs);
        }
        let refs = [
            ("configMapRef", source.config_map_ref.as_ref().map(|r| r.name.as_str())),
            ("secretRef", source.secret_ref.as_ref().map(|r| r.name.as_str())),
        ];
        let mut count = 0;
        for (field, name) in refs {
            let Some(name) = name else { continue };
            count += 1;
            let ref_path = at.child(field);
            if name.is_empty() {
                errs.push(Error::required(&ref_path.child("name"), ""));
            } else {
                names::by_rule(NameRule::SubdomainPrefix, name, &ref_path.child("name"), errs);
            }
        }
        if count == 0 {
            errs.push(Error::invalid_str(path, "", "must specify one of: `configMapRef` or `secretRef`"));
        } else if count > 1 {
            errs.push(Error::invalid_str(path, "", "may not have more than one field specified at a time"));
        }
    }
}

/// Splits `metadata.annotations['key']` into the map and the key.
fn split_subscript(field_path: &str) -> Option<(&str, &str)> {
    let rest = field_path.strip_suffix("']")?;
    let (path, key) = rest.split_once("['")?;
    (!path.is_empty()).then_some((path, key))
}

/// Upstream's `ConvertDownwardAPIFieldLabel`: the fields that the downward API knows at all.
fn convert_field_label(api_version: &str, label: &str) -> Result<String, String> {
    if api_version != "v1" {
        return Err(format!("unsupported pod version: {api_version}"));
    }
    if let Some((path, _)) = split_subscript(label) {
        return match path {
            "metadata.annotations" | "metadata.labels" => Ok(label.to_owned()),
            _ => Err(format!("field label does not support subscript: {label}")),
        };
    }
    match label {
        "metadata.annotations"
        | "metadata.labels"
        | "metadata.name"
        | "metadata.namespace"
        | "metadata.uid"
        | "spec.nodeName"
        | "spec.restartPolicy"
        | "spec.serviceAccountName"
        | "spec.schedulerName"
        | "status.phase"
        | "status.hostIP"
        | "status.hostIPs"
        | "status.podIP"
        | "status.podIPs" => Ok(label.to_owned()),
        "spec.host" => Ok("spec.nodeName".to_owned()),
        _ => Err(format!("field label not supported: {label}")),
    }
}

pub(super) fn object_field(field: &ObjectFieldSelector, supported: &[&str], path: &Path, errs: &mut ErrorList) {
    if text(&field.api_version).is_empty() {
        errs.push(Error::required(&path.child("apiVersion"), ""));
        return;
    }
    if field.field_path.is_empty() {
        errs.push(Error::required(&path.child("fieldPath"), ""));
        return;
    }
    let converted = match convert_field_label(text(&field.api_version), &field.field_path) {
        Ok(converted) => converted,
        Err(message) => {
            errs.push(Error::invalid_str(
                &path.child("fieldPath"),
                &field.field_path,
                format!("error converting fieldPath: {message}"),
            ));
            return;
        }
    };
    match split_subscript(&converted) {
        Some(("metadata.annotations", key)) => names::qualified_name(&key.to_lowercase(), path, errs),
        Some(("metadata.labels", key)) => names::qualified_name(key, path, errs),
        Some((other, _)) => errs.push(Error::invalid_str(path, other, "does not support subscript")),
        None => one_of(&converted, supported, &path.child("fieldPath"), errs),
    }
}

pub(super) fn resource_field(field: &ResourceFieldSelector, volume: bool, path: &Path, errs: &mut ErrorList) {
    let huge_pages =
        field.resource.starts_with("requests.hugepages-") || field.resource.starts_with("limits.hugepages-");
    if volume && text(&field.container_name).is_empty() {
        errs.push(Error::required(&path.child("containerName"), ""));
    } else if field.resource.is_empty() {
        errs.push(Error::required(&path.child("resource"), ""));
    } else if !huge_pages {
        one_of(&field.resource, &RESOURCE_FIELDS, &path.child("resource"), errs);
    }
    let Some(divisor) = field.divisor.as_ref().and_then(|q| Quantity::parse(&q.0).ok()) else { return };
    if divisor.is_zero() {
        return;
    }
    let shown = divisor.to_string();
    let mut check = |allowed: &[&str], values: &str, of: &str| {
        if !allowed.contains(&shown.as_str()) {
            errs.push(Error::invalid_str(
                &path.child("divisor"),
                &field.resource,
                format!("only divisor's values {values} are supported with the {of} resource"),
            ));
        }
    };
    let bytes = BYTE_DIVISORS.join(", ");
    match field.resource.as_str() {
        "limits.cpu" | "requests.cpu" => check(&["1m", "1"], "1m and 1", "cpu"),
        "limits.memory" | "requests.memory" => check(&BYTE_DIVISORS, &bytes, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => {
            check(&BYTE_DIVISORS, &bytes, "local ephemeral storage");
        }
        _ if huge_pages => check(&BYTE_DIVISORS, &bytes, "hugepages"),
        _ => {}
    }
}
