//! ReplicationControllers.
//! Models `pkg/apis/core/validation/validation.go` (ValidateReplicationController and kin).

use k8s_openapi::api::core::v1::{ReplicationController, ReplicationControllerSpec, ReplicationControllerStatus};

use super::*;
use crate::api::validation::name_is_long_name;

/// Checks a new ReplicationController.
pub fn validate_create(rc: &ReplicationController) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&rc.metadata, true, name_is_long_name, &mut errs);
    spec(rc, &Options::for_template(), &mut errs);
    errs
}

fn spec(rc: &ReplicationController, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("spec");
    let default = ReplicationControllerSpec::default();
    let spec = rc.spec.as_ref().unwrap_or(&default);
    nonnegative(i64::from(spec.min_ready_seconds.unwrap_or(0)), &path.child("minReadySeconds"), errs);
    let selects = spec.selector.as_ref().is_some_and(|s| !s.is_empty());
    if !selects {
        errs.push(Error::required(&path.child("selector"), ""));
    }
    match spec.replicas {
        None => errs.push(Error::required(&path.child("replicas"), "")),
        Some(replicas) => nonnegative(replicas.into(), &path.child("replicas"), errs),
    }
    let path = path.child("template");
    let Some(template) = &spec.template else {
        errs.push(Error::required(&path, ""));
        return;
    };
    let labels = template.metadata.as_ref().map_or(&None, |m| &m.labels);
    if entries(&spec.selector).any(|(k, v)| entry(labels, k) != Some(v)) {
        labels_do_not_match(labels, &path, errs);
    }
    pod::validate_template_spec(template, &path, opts, errs);
    let spec = spec_of(template);
    always_restarts(&spec, &path, errs);
    if spec.active_deadline_seconds.is_some() {
        errs.push(Error::forbidden(
            &path.child("spec.activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicationController is not Supported",
        ));
    }
}

/// Checks a changed ReplicationController.
pub fn validate_update(new: &ReplicationController, old: &ReplicationController) -> ErrorList {
    let mut errs = ErrorList::new();
    let old_template = old.spec.as_ref().and_then(|s| s.template.as_ref());
    let opts = Options::for_template_update(old_template);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    spec(new, &opts, &mut errs);
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &ReplicationController, old: &ReplicationController) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let default = ReplicationControllerStatus::default();
    let s = new.status.as_ref().unwrap_or(&default);
    let path = Path::new("status");
    let (labeled, ready) = (s.fully_labeled_replicas.unwrap_or(0), s.ready_replicas.unwrap_or(0));
    let available = s.available_replicas.unwrap_or(0);
    counts(
        &[
            ("replicas", s.replicas.into()),
            ("fullyLabeledReplicas", labeled.into()),
            ("readyReplicas", ready.into()),
            ("availableReplicas", available.into()),
            ("observedGeneration", s.observed_generation.unwrap_or(0)),
        ],
        &path,
        &mut errs,
    );
    not_above("fullyLabeledReplicas", labeled, s.replicas, "status.replicas", &path, &mut errs);
    not_above("readyReplicas", ready, s.replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, s.replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, ready, "readyReplicas", &path, &mut errs);
    errs
}
