//! Validation of the apps group and of ReplicationControllers.
//! Models `pkg/apis/apps/validation/validation.go` and the controller's part of `pkg/apis/core/validation/validation.go`.

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::{self, Options};
use super::prelude::*;
use super::{go_struct, selector};

mod controller_revision;
mod daemon_set;
mod deployment;
mod replica_set;
mod replication_controller;
mod stateful_set;

pub use controller_revision::{
    validate_create as validate_controller_revision_create, validate_update as validate_controller_revision_update,
};
pub use daemon_set::{
    validate_create as validate_daemon_set_create, validate_status_update as validate_daemon_set_status_update,
    validate_update as validate_daemon_set_update,
};
pub use deployment::{
    validate_create as validate_deployment_create, validate_status_update as validate_deployment_status_update,
    validate_update as validate_deployment_update,
};
pub use replica_set::{
    validate_create as validate_replica_set_create, validate_status_update as validate_replica_set_status_update,
    validate_update as validate_replica_set_update,
};
pub use replication_controller::{
    validate_create as validate_replication_controller_create,
    validate_status_update as validate_replication_controller_status_update,
    validate_update as validate_replication_controller_update,
};
pub use stateful_set::{
    validate_create as validate_stateful_set_create, validate_status_update as validate_stateful_set_status_update,
    validate_update as validate_stateful_set_update,
};

/// A selector that may be missing; see `defaults::keep_apart`.
fn is_missing(s: &LabelSelector) -> bool {
    s.match_labels.is_none() && s.match_expressions.is_none()
}

/// Required, sound and not empty.
fn required_selector(s: &LabelSelector, empty: &str, path: &Path, errs: &mut ErrorList) {
    let at = path.child("selector");
    if is_missing(s) {
        errs.push(Error::required(&at, ""));
        return;
    }
    selector::validate(Some(s), &at, errs);
    if selector::is_empty(s) {
        errs.push(Error::invalid_shown(&at, go_struct::label_selector(s).compact(), empty));
    }
}

/// A template's spec, or an empty one.
fn spec_of(template: &PodTemplateSpec) -> std::borrow::Cow<'_, PodSpec> {
    match &template.spec {
        Some(spec) => std::borrow::Cow::Borrowed(spec),
        None => std::borrow::Cow::Owned(PodSpec::default()),
    }
}

/// The template's labels are selected. `path` is the template's.
pub(super) fn labels_match(s: &LabelSelector, template: &PodTemplateSpec, path: &Path, errs: &mut ErrorList) {
    let labels = template.metadata.as_ref().map_or(&None, |m| &m.labels);
    // A missing selector is the selector of nothing, which is not empty.
    let selected = !is_missing(s) && (selector::is_empty(s) || selector::matches(s, labels));
    if !selected {
        labels_do_not_match(labels, path, errs);
    }
}

pub(super) fn labels_do_not_match(
    labels: &Option<std::collections::BTreeMap<String, String>>,
    path: &Path,
    errs: &mut ErrorList,
) {
    errs.push(Error::invalid(
        &path.child("metadata.labels"),
        &json!(labels),
        "`selector` does not match template `labels`",
    ));
}

/// Upstream's `ValidatePodTemplateSpecForReplicaSet`, which Deployments share.
fn template(s: &LabelSelector, t: &PodTemplateSpec, path: &Path, opts: &Options, errs: &mut ErrorList) {
    labels_match(s, t, path, errs);
    pod::validate_template_spec(t, path, opts, errs);
    let spec = spec_of(t);
    always_restarts(&spec, path, errs);
    if spec.active_deadline_seconds.is_some() {
        errs.push(Error::forbidden(
            &path.child("spec.activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        ));
    }
}

fn always_restarts(spec: &PodSpec, path: &Path, errs: &mut ErrorList) {
    one_of(text(&spec.restart_policy), &["Always"], &path.child("spec.restartPolicy"), errs);
}

/// Counts of a status that are no less than nothing and, from the second on, no more than the first.
fn counts(of: &[(&str, i64)], path: &Path, errs: &mut ErrorList) {
    for (name, value) in of {
        nonnegative(*value, &path.child(name), errs);
    }
}

fn not_above(name: &str, value: i32, limit: i32, of: &str, path: &Path, errs: &mut ErrorList) {
    if value > limit {
        errs.push(Error::invalid(&path.child(name), &json!(value), format!("cannot be greater than {of}")));
    }
}

/// A count that only grows.
fn not_decremented(name: &str, new: Option<i32>, old: Option<i32>, path: &Path, errs: &mut ErrorList) {
    if old.is_some_and(|old| new.is_none_or(|new| new < old)) {
        errs.push(Error::invalid(&path.child(name), &json!(new.unwrap_or(0)), "cannot be decremented"));
    }
}

/// Upstream's `ValidatePositiveIntOrPercent`.
pub(super) fn positive_int_or_percent(value: &IntOrString, path: &Path, errs: &mut ErrorList) {
    match value {
        IntOrString::String(s) => {
            invalid_each(crate::api::validation::is_valid_percent(s), s, path, errs);
        }
        IntOrString::Int(i) => nonnegative(i64::from(*i), path, errs),
    }
}

/// A percentage's number.
pub(super) fn percent(value: &IntOrString) -> Option<i64> {
    match value {
        IntOrString::String(s) if crate::api::validation::is_valid_percent(s).is_empty() => {
            s.strip_suffix('%').and_then(|n| n.parse().ok())
        }
        _ => None,
    }
}

/// A number, or a percentage's number.
fn int_or_percent(value: &Option<IntOrString>) -> i64 {
    match value {
        None => 0,
        Some(IntOrString::Int(i)) => i64::from(*i),
        Some(value) => percent(value).unwrap_or(0),
    }
}

/// Upstream's `IsNotMoreThan100Percent`.
pub(super) fn not_more_than_100_percent(value: &IntOrString, path: &Path, errs: &mut ErrorList) {
    if percent(value).is_some_and(|p| p > 100) {
        errs.push(Error::invalid(path, &json!(value), "must not be greater than 100%"));
    }
}
