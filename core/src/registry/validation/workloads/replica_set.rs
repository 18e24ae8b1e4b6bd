//! ReplicaSets.
//! Models `pkg/apis/apps/validation/validation.go` (ValidateReplicaSet and kin).

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};

use super::deployment::immutable_selector;
use super::*;
use crate::api::validation::name_is_dns_subdomain;

/// Checks a new ReplicaSet.
pub fn validate_create(set: &ReplicaSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&set.metadata, true, name_is_dns_subdomain, &mut errs);
    spec(set, &Options::for_template(), &mut errs);
    errs
}

fn spec(set: &ReplicaSet, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("spec");
    let default = ReplicaSetSpec::default();
    let spec = set.spec.as_ref().unwrap_or(&default);
    nonnegative(i64::from(spec.replicas.unwrap_or(0)), &path.child("replicas"), errs);
    nonnegative(i64::from(spec.min_ready_seconds.unwrap_or(0)), &path.child("minReadySeconds"), errs);
    required_selector(&spec.selector, "empty selector is invalid for deployment", &path, errs);
    if selector::is_unusable(&spec.selector) {
        errs.push(Error::invalid_shown(
            &path.child("selector"),
            go_struct::label_selector(&spec.selector).compact(),
            "invalid label selector",
        ));
    } else {
        let none = PodTemplateSpec::default();
        let of_set = spec.template.as_ref().unwrap_or(&none);
        template(&spec.selector, of_set, &path.child("template"), opts, errs);
    }
}

/// Checks a changed ReplicaSet.
pub fn validate_update(new: &ReplicaSet, old: &ReplicaSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let old_template = old.spec.as_ref().and_then(|s| s.template.as_ref());
    spec(new, &Options::for_template_update(old_template), &mut errs);
    let of = |r: &ReplicaSet| r.spec.as_ref().map(|s| s.selector.clone()).unwrap_or_default();
    immutable_selector(&of(new), &of(old), &mut errs);
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &ReplicaSet, old: &ReplicaSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let default = ReplicaSetStatus::default();
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
        ],
        &path,
        &mut errs,
    );
    if let Some(terminating) = s.terminating_replicas {
        nonnegative(terminating.into(), &path.child("terminatingReplicas"), &mut errs);
    }
    nonnegative(s.observed_generation.unwrap_or(0), &path.child("observedGeneration"), &mut errs);
    not_above("fullyLabeledReplicas", labeled, s.replicas, "status.replicas", &path, &mut errs);
    not_above("readyReplicas", ready, s.replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, s.replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, ready, "readyReplicas", &path, &mut errs);
    errs
}
