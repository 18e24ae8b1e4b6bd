//! Deployments.
//! Models `pkg/apis/apps/validation/validation.go` (ValidateDeployment and kin).

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, RollingUpdateDeployment};

use super::*;
use crate::api::validation::name_is_dns_subdomain;
use crate::registry::validation::go::{Go, fields};

/// Checks a new Deployment.
pub fn validate_create(deployment: &Deployment) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&deployment.metadata, true, name_is_dns_subdomain, &mut errs);
    spec(deployment, &Options::for_template(), &mut errs);
    errs
}

fn spec(deployment: &Deployment, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("spec");
    let default = DeploymentSpec::default();
    let spec = deployment.spec.as_ref().unwrap_or(&default);
    nonnegative(i64::from(spec.replicas.unwrap_or(0)), &path.child("replicas"), errs);
    required_selector(&spec.selector, "empty selector is invalid for deployment", &path, errs);
    if selector::is_unusable(&spec.selector) {
        errs.push(Error::invalid_shown(
            &path.child("selector"),
            go_struct::label_selector(&spec.selector).compact(),
            "invalid label selector",
        ));
    } else {
        template(&spec.selector, &spec.template, &path.child("template"), opts, errs);
    }
    strategy(spec, &path.child("strategy"), errs);
    let min_ready = spec.min_ready_seconds.unwrap_or(0);
    nonnegative(min_ready.into(), &path.child("minReadySeconds"), errs);
    if let Some(limit) = spec.revision_history_limit {
        nonnegative(limit.into(), &path.child("revisionHistoryLimit"), errs);
    }
    if let Some(deadline) = spec.progress_deadline_seconds {
        let at = path.child("progressDeadlineSeconds");
        nonnegative(deadline.into(), &at, errs);
        if deadline <= min_ready {
            errs.push(Error::invalid(&at, &json!(deadline), "must be greater than minReadySeconds"));
        }
    }
}

fn strategy(spec: &DeploymentSpec, path: &Path, errs: &mut ErrorList) {
    let Some(strategy) = &spec.strategy else { return };
    match text(&strategy.type_) {
        "Recreate" => {
            if strategy.rolling_update.is_some() {
                errs.push(Error::forbidden(
                    &path.child("rollingUpdate"),
                    "may not be specified when strategy `type` is 'Recreate'",
                ));
            }
        }
        "RollingUpdate" => match &strategy.rolling_update {
            None => {
                errs.push(Error::required(&path.child("rollingUpdate"), "this should be defaulted and never be nil"))
            }
            Some(rolling) => rolling_update(rolling, &path.child("rollingUpdate"), errs),
        },
        other => {
            let shown = fields! {
                "Type": other,
                "RollingUpdate": strategy.rolling_update.as_ref().map(|r| fields! {
                    "MaxUnavailable": int_or_string(&r.max_unavailable),
                    "MaxSurge": int_or_string(&r.max_surge),
                }),
            };
            errs.push(Error::not_supported_shown(path, shown.compact(), &["Recreate", "RollingUpdate"]));
        }
    }
}

/// An IntOrString held by value: zero when absent.
fn int_or_string(value: &Option<IntOrString>) -> Go {
    match value {
        None => Go::Int(0),
        Some(IntOrString::Int(i)) => (*i).into(),
        Some(IntOrString::String(s)) => s.into(),
    }
}

fn rolling_update(rolling: &RollingUpdateDeployment, path: &Path, errs: &mut ErrorList) {
    let zero = IntOrString::Int(0);
    let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&zero);
    let unavailable_path = path.child("maxUnavailable");
    positive_int_or_percent(unavailable, &unavailable_path, errs);
    positive_int_or_percent(rolling.max_surge.as_ref().unwrap_or(&zero), &path.child("maxSurge"), errs);
    if int_or_percent(&rolling.max_unavailable) == 0 && int_or_percent(&rolling.max_surge) == 0 {
        errs.push(Error::invalid(&unavailable_path, &json!(unavailable), "may not be 0 when `maxSurge` is 0"));
    }
    not_more_than_100_percent(unavailable, &unavailable_path, errs);
}

/// Checks a changed Deployment.
pub fn validate_update(new: &Deployment, old: &Deployment) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    spec(new, &Options::for_template_update(old.spec.as_ref().map(|s| &s.template)), &mut errs);
    let of = |d: &Deployment| d.spec.as_ref().map(|s| s.selector.clone()).unwrap_or_default();
    immutable_selector(&of(new), &of(old), &mut errs);
    errs
}

/// A selector that never changes.
pub(super) fn immutable_selector(new: &LabelSelector, old: &LabelSelector, errs: &mut ErrorList) {
    let gone = is_missing(new);
    let (new, old) = (go_struct::label_selector(new), go_struct::label_selector(old));
    if new != old || gone {
        let shown = if gone { Go::Null.compact() } else { new.compact() };
        errs.push(Error::invalid_shown(&Path::new("spec.selector"), shown, "field is immutable"));
    }
}

/// Checks a changed status.
pub fn validate_status_update(new: &Deployment, old: &Deployment) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let path = Path::new("status");
    let default = DeploymentStatus::default();
    let s = new.status.as_ref().unwrap_or(&default);
    let of = |n: Option<i32>| n.unwrap_or(0);
    counts(
        &[
            ("observedGeneration", s.observed_generation.unwrap_or(0)),
            ("replicas", of(s.replicas).into()),
            ("updatedReplicas", of(s.updated_replicas).into()),
            ("readyReplicas", of(s.ready_replicas).into()),
            ("availableReplicas", of(s.available_replicas).into()),
            ("unavailableReplicas", of(s.unavailable_replicas).into()),
        ],
        &path,
        &mut errs,
    );
    if let Some(terminating) = s.terminating_replicas {
        nonnegative(terminating.into(), &path.child("terminatingReplicas"), &mut errs);
    }
    if let Some(collisions) = s.collision_count {
        nonnegative(collisions.into(), &path.child("collisionCount"), &mut errs);
    }
    let (replicas, ready, available) = (of(s.replicas), of(s.ready_replicas), of(s.available_replicas));
    not_above("updatedReplicas", of(s.updated_replicas), replicas, "status.replicas", &path, &mut errs);
    not_above("readyReplicas", ready, replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, ready, "readyReplicas", &path, &mut errs);
    let collisions = |d: &Deployment| d.status.as_ref().and_then(|s| s.collision_count);
    not_decremented("collisionCount", collisions(new), collisions(old), &path, &mut errs);
    errs
}
