//! Checks of names and other small texts, as validators use them: an error for each complaint.
//! Models `pkg/apis/core/validation/names.go` and the thin wrappers of `validation.go`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::prelude::{Error, ErrorList, Path, invalid_each, json, list};
use crate::api::validation::{self as api, NameCheck};
pub(crate) use crate::api::validation::{
    is_qualified_name as qualified_name_messages, is_valid_label_value as label_value_messages,
    is_valid_port_name as port_name_messages,
};

/// How an object's name, or a reference to it, must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// A DNS subdomain, as most names.
    Subdomain,
    /// The beginning of a DNS subdomain: trailing dashes are fine.
    SubdomainPrefix,
}

/// What is wrong with a name.
pub(crate) fn rule_messages(rule: NameRule, name: &str) -> Vec<String> {
    api::name_is_dns_subdomain(name, rule == NameRule::SubdomainPrefix)
}

/// Checks a name by a rule.
pub(crate) fn by_rule(rule: NameRule, name: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(rule_messages(rule, name), name, path, errs);
}

pub(crate) fn dns_label(value: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(api::is_dns1123_label(value), value, path, errs);
}

pub(crate) fn dns_subdomain(value: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(api::is_dns1123_subdomain(value), value, path, errs);
}

pub(crate) fn dns_subdomain_with_underscore(value: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(api::is_dns1123_subdomain_with_underscore(value), value, path, errs);
}

pub(crate) fn qualified_name(value: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(qualified_name_messages(value), value, path, errs);
}

/// Upstream's `ValidateLabelName`.
pub(crate) fn label_name(value: &str, path: &Path, errs: &mut ErrorList) {
    qualified_name(value, path, errs);
}

pub(crate) fn labels(labels: &Option<BTreeMap<String, String>>, path: &Path, errs: &mut ErrorList) {
    errs.extend(api::validate_labels(labels.as_ref(), path));
}

pub(crate) fn annotations(annotations: &Option<BTreeMap<String, String>>, path: &Path, errs: &mut ErrorList) {
    errs.extend(api::validate_annotations(annotations.as_ref(), path));
}

fn invalid_number(messages: Vec<String>, value: i64, path: &Path, errs: &mut ErrorList) {
    for message in messages {
        errs.push(Error::invalid(path, &json!(value), message));
    }
}

pub(crate) fn port_number(port: i32, path: &Path, errs: &mut ErrorList) {
    invalid_number(api::is_valid_port_num(i64::from(port)), i64::from(port), path, errs);
}

pub(crate) fn user_id(id: i64, path: &Path, errs: &mut ErrorList) {
    invalid_number(api::is_valid_user_id(id), id, path, errs);
}

pub(crate) fn group_id(id: i64, path: &Path, errs: &mut ErrorList) {
    user_id(id, path, errs);
}

/// An environment variable's name, by the relaxed rule.
pub(crate) fn env_name(name: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(api::is_relaxed_env_var_name(name), name, path, errs);
}

pub(crate) fn config_map_key(key: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(api::is_config_map_key(key), key, path, errs);
}

pub(crate) fn http_header_name(name: &str, path: &Path, errs: &mut ErrorList) {
    invalid_each(api::is_http_header_name(name), name, path, errs);
}

/// An IP address in a field that once took sloppy ones; `old` are those that the object had before.
pub(crate) fn legacy_ip(value: &str, old: &[String], path: &Path, errs: &mut ErrorList) {
    errs.extend(api::is_valid_ip_for_legacy_field(path, value, true, old));
}

/// A CIDR likewise.
pub(crate) fn legacy_cidr(value: &str, old: &[String], path: &Path, errs: &mut ErrorList) {
    errs.extend(api::is_valid_cidr_for_legacy_field(path, value, true, old));
}

/// An address to which traffic may be sent. Upstream's `ValidateEndpointIP`.
pub(crate) fn endpoint_ip(value: &str, path: &Path, errs: &mut ErrorList) {
    let Some(ip) = api::parse_ip_sloppy(value) else {
        errs.push(Error::invalid_str(path, value, "must be a valid IP address"));
        return;
    };
    let (link_local, link_multicast) = match ip.to_canonical() {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
    };
    let ip = ip.to_canonical();
    let mut refuse = |what: &str| errs.push(Error::invalid_str(path, value, format!("may not be {what}")));
    if ip.is_unspecified() {
        refuse(&format!("unspecified ({value})"));
    }
    if ip.is_loopback() {
        refuse("in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        refuse("in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_multicast {
        refuse("in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// Upstream's core `ValidateObjectMeta`: apimachinery's, then the short names that finalizers may have.
pub(crate) fn object_meta(meta: &ObjectMeta, namespaced: bool, name: NameCheck, errs: &mut ErrorList) {
    const PATH: Path = Path::new("metadata");
    errs.extend(api::validate_object_meta(meta, namespaced, name, &PATH));
    finalizers(meta, errs);
}

/// Upstream's core `ValidateObjectMetaUpdate`.
pub(crate) fn object_meta_update(new: &ObjectMeta, old: &ObjectMeta, errs: &mut ErrorList) {
    const PATH: Path = Path::new("metadata");
    errs.extend(api::validate_object_meta_update(new, old, &PATH));
    finalizers(new, errs);
}

fn finalizers(meta: &ObjectMeta, errs: &mut ErrorList) {
    const PATH: Path = Path::new("metadata.finalizers");
    for (i, name) in list(&meta.finalizers).iter().enumerate() {
        kube_finalizer(name, &PATH.index(i), errs);
    }
}

/// Upstream's `validateKubeFinalizerName`.
pub(crate) fn kube_finalizer(name: &str, path: &Path, errs: &mut ErrorList) {
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        errs.push(Error::invalid_str(
            path,
            name,
            "name is neither a standard finalizer name nor is it fully qualified",
        ));
    }
}
