//! Validation of Nodes.
//! Models `pkg/apis/core/validation/validation.go` (ValidateNode, ValidateNodeUpdate).

use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMapNodeConfigSource, Node, NodeConfigSource, NodeSpec, NodeStatus, Taint};

use super::go::{Go, fields};
use super::node_annotations;
use super::pod::{resources, scheduling};
use super::prelude::*;
use crate::api::validation::{is_ipv6_string, name_is_dns_label, name_is_dns_subdomain, parse_cidr_sloppy};

const POD_CIDR_CHANGED: &str = "node updates may not change podCIDR except from \"\" to valid";

/// What is there, or nothing.
fn part<T: Clone + Default>(of: &Option<T>) -> Cow<'_, T> {
    of.as_ref().map_or_else(|| Cow::Owned(T::default()), Cow::Borrowed)
}

fn parts(node: &Node) -> (Cow<'_, NodeSpec>, Cow<'_, NodeStatus>) {
    (part(&node.spec), part(&node.status))
}

/// Checks a new Node.
pub fn validate_create(node: &Node) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&node.metadata, false, name_is_dns_subdomain, &mut errs);
    node_annotations::validate(node, &mut errs);
    let (spec, status) = parts(node);
    taints(list(&spec.taints), &Path::new("metadata.taints"), &mut errs);
    amounts(&status, &mut errs);
    let swap = status.node_info.as_ref().and_then(|i| i.swap.as_ref()).and_then(|s| s.capacity);
    if let Some(capacity) = swap {
        positive(capacity, &Path::new("metadata.nodeSwapStatus.capacity"), &mut errs);
    }
    declared_features(list(&status.declared_features), &mut errs);
    pod_cidrs(list(&spec.pod_cidrs), &Path::new("spec.podCIDRs"), &mut errs);
    errs
}

fn pod_cidrs(cidrs: &[String], path: &Path, errs: &mut ErrorList) {
    for (i, cidr) in cidrs.iter().enumerate() {
        names::legacy_cidr(cidr, &[], &path.index(i), errs);
    }
    if cidrs.len() < 2 {
        return;
    }
    let bad = cidrs.iter().find(|c| parse_cidr_sloppy(c).is_none());
    if let Some(bad) = bad {
        errs.push(Error::internal(
            path,
            format!("invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR address: {bad}"),
        ));
    }
    let of_v6 = |c: &String| c.split_once('/').is_some_and(|(ip, _)| is_ipv6_string(ip));
    let dual = bad.is_none() && cidrs.iter().any(of_v6) && cidrs.iter().any(|c| !of_v6(c));
    if !dual || cidrs.len() > 2 {
        errs.push(Error::invalid(path, &json!(cidrs), "may specify no more than one CIDR for each IP family"));
    }
}

/// Upstream's `validateNodeTaints`.
pub(super) fn taints(taints: &[Taint], path: &Path, errs: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (i, taint) in taints.iter().enumerate() {
        let at = path.index(i);
        names::label_name(&taint.key, &at.child("key"), errs);
        let value = text(&taint.value);
        let complaints = names::label_value_messages(value);
        if !complaints.is_empty() {
            errs.push(Error::invalid_str(&at.child("value"), value, complaints.join(";")));
        }
        if taint.effect.is_empty() {
            errs.push(Error::required(&at.child("effect"), ""));
        } else {
            scheduling::taint_effect(&taint.effect, &at.child("effect"), errs);
        }
        if !seen.insert((&taint.key, &taint.effect)) {
            let shown = fields! {
                "Key": &taint.key, "Value": value, "Effect": &taint.effect,
                "TimeAdded": taint.time_added.as_ref().map_or(Go::Null, |t| Go::from(&*text_of(&json!(t)))),
            };
            let twice = Error::duplicate_shown(&at, shown.compact());
            errs.push(twice.with_detail("taints must be unique by key and effect pair"));
        }
    }
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Upstream's `ValidateNodeResources`.
fn amounts(status: &NodeStatus, errs: &mut ErrorList) {
    for (field, map) in [("status.capacity", &status.capacity), ("status.allocatable", &status.allocatable)] {
        let path = Path::new(field);
        for (name, value) in entries(map) {
            resources::quantity_value(name, &resources::parse(value), &path.child(name), errs);
        }
    }
}

/// Features have names of segments in camel case, and are sorted.
fn declared_features(features: &[String], errs: &mut ErrorList) {
    let path = Path::new("status.declaredFeatures");
    for (i, feature) in features.iter().enumerate() {
        if let Some(complaint) = feature_complaint(feature) {
            errs.push(Error::invalid_str(&path.index(i), feature, complaint));
        }
        match features.get(i + 1) {
            Some(next) if feature == next => errs.push(Error::duplicate(&path.index(i + 1), &json!(next))),
            Some(next) if feature > next => {
                errs.push(Error::invalid_str(&path.index(i + 1), next, "list must be sorted alphabetically"));
            }
            _ => {}
        }
    }
}

fn feature_complaint(feature: &str) -> Option<String> {
    let quoted = crate::api::field::quote(feature);
    if feature.len() > 253 {
        return Some(format!("invalid feature name {quoted}: must be no more than 253 characters"));
    }
    let begins = feature.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    let segments = feature.split('/').all(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric()));
    (!begins || !segments).then(|| {
        format!(
            "invalid feature name {quoted}: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
        )
    })
}

/// Checks a changed Node.
pub fn validate_update(new: &Node, old: &Node) -> ErrorList {
    let mut errs = validate_create(new);
    errs.extend(validate_status_update(new, old));
    errs
}

/// Checks a changed status: upstream's `ValidateNodeUpdate`, which looks at all of the Node.
pub fn validate_status_update(new: &Node, old: &Node) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    node_annotations::validate(new, &mut errs);
    let ((is, status), (was, _)) = (parts(new), parts(old));
    amounts(&status, &mut errs);
    declared_features(list(&status.declared_features), &mut errs);
    let addresses = Path::new("status.addresses");
    let mut seen = BTreeSet::new();
    for (i, a) in list(&status.addresses).iter().enumerate() {
        if !seen.insert((&a.type_, &a.address)) {
            let shown = fields! { "Type": &a.type_, "Address": &a.address };
            errs.push(Error::duplicate_shown(&addresses.index(i), shown.compact()));
        }
    }
    let (now, then) = (list(&is.pod_cidrs), list(&was.pod_cidrs));
    let changed = if now.len() == then.len() {
        now.iter().zip(then).filter(|(a, b)| a != b).count()
    } else {
        usize::from(!then.is_empty())
    };
    for _ in 0..changed {
        errs.push(Error::forbidden(&Path::new("spec.podCIDRs"), POD_CIDR_CHANGED));
    }
    if !text(&was.provider_id).is_empty() && is.provider_id != was.provider_id {
        errs.push(Error::forbidden(
            &Path::new("spec.providerID"),
            "node updates may not change providerID except from \"\" to valid",
        ));
    }
    if let Some(source) = &is.config_source {
        config_source(source, false, &Path::new("spec.configSource"), &mut errs);
    }
    if let Some(config) = &status.config {
        let sources =
            [("assigned", &config.assigned), ("active", &config.active), ("lastKnownGood", &config.last_known_good)];
        let path = Path::new("status.config");
        for (field, source) in sources {
            if let Some(source) = source {
                config_source(source, true, &path.child(field), &mut errs);
            }
        }
    }
    taints(list(&is.taints), &Path::new("metadata.taints"), &mut errs);
    if text(&is.external_id) != text(&was.external_id) {
        errs.push(Error::forbidden(&Path::new("spec.externalID"), "may not be updated"));
    }
    errs
}

/// A kubelet's configuration in a ConfigMap: a feature that is gone, and still checked.
fn config_source(source: &NodeConfigSource, of_status: bool, path: &Path, errs: &mut ErrorList) {
    match &source.config_map {
        Some(map) => config_map_source(map, of_status, &path.child("configMap"), errs),
        None => {
            let shown = fields! { "ConfigMap": Go::Null };
            errs.push(Error::invalid_shown(path, shown.compact(), "exactly one reference subfield must be non-nil"));
        }
    }
}

fn config_map_source(map: &ConfigMapNodeConfigSource, of_status: bool, path: &Path, errs: &mut ErrorList) {
    for (field, value) in [("uid", text(&map.uid)), ("resourceVersion", text(&map.resource_version))] {
        if of_status && value.is_empty() {
            errs.push(Error::required(&path.child(field), ""));
        } else if !of_status && !value.is_empty() {
            errs.push(Error::forbidden(&path.child(field), format!("{field} must not be set in spec")));
        }
    }
    match map.namespace.as_str() {
        "" => errs.push(Error::required(&path.child("namespace"), "")),
        namespace => invalid_each(name_is_dns_label(namespace, false), namespace, &path.child("namespace"), errs),
    }
    match map.name.as_str() {
        "" => errs.push(Error::required(&path.child("name"), "")),
        name => names::dns_subdomain(name, &path.child("name"), errs),
    }
    match map.kubelet_config_key.as_str() {
        "" => errs.push(Error::required(&path.child("kubeletConfigKey"), "")),
        key => names::config_map_key(key, &path.child("kubeletConfigKey"), errs),
    }
}
