//! DaemonSets.
//! Models `pkg/apis/apps/validation/validation.go` (ValidateDaemonSet and kin).

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetStatus, RollingUpdateDaemonSet};

use super::deployment::immutable_selector;
use super::*;
use crate::api::validation::name_is_dns_subdomain;
use crate::registry::validation::go::fields;

/// Checks a new DaemonSet.
pub fn validate_create(set: &DaemonSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&set.metadata, true, name_is_dns_subdomain, &mut errs);
    spec(set, &Options::for_template(), &mut errs);
    errs
}

fn spec(set: &DaemonSet, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("spec");
    let default = DaemonSetSpec::default();
    let spec = set.spec.as_ref().unwrap_or(&default);
    selector::validate(Some(&spec.selector), &path.child("selector"), errs);
    let template_path = path.child("template");
    let labels = spec.template.metadata.as_ref().map_or(&None, |m| &m.labels);
    let unusable = selector::is_unusable(&spec.selector);
    if is_missing(&spec.selector) || (!unusable && !selector::matches(&spec.selector, labels)) {
        labels_do_not_match(labels, &template_path, errs);
    }
    if !is_missing(&spec.selector) && selector::is_empty(&spec.selector) {
        errs.push(Error::invalid_shown(
            &path.child("selector"),
            go_struct::label_selector(&spec.selector).compact(),
            "empty selector is invalid for daemonset",
        ));
    }
    pod::validate_template_spec(&spec.template, &template_path, opts, errs);
    let of_template = spec_of(&spec.template);
    always_restarts(&of_template, &template_path, errs);
    if of_template.active_deadline_seconds.is_some() {
        errs.push(Error::forbidden(
            &template_path.child("spec.activeDeadlineSeconds"),
            "activeDeadlineSeconds in DaemonSet is not Supported",
        ));
    }
    nonnegative(i64::from(spec.min_ready_seconds.unwrap_or(0)), &path.child("minReadySeconds"), errs);
    update_strategy(spec, &path.child("updateStrategy"), errs);
    if let Some(limit) = spec.revision_history_limit {
        nonnegative(limit.into(), &path.child("revisionHistoryLimit"), errs);
    }
}

fn update_strategy(spec: &DaemonSetSpec, path: &Path, errs: &mut ErrorList) {
    let Some(strategy) = &spec.update_strategy else { return };
    match text(&strategy.type_) {
        "OnDelete" => {}
        "RollingUpdate" => match &strategy.rolling_update {
            None => errs.push(Error::required(&path.child("rollingUpdate"), "")),
            Some(rolling) => rolling_update(rolling, &path.child("rollingUpdate"), errs),
        },
        other => {
            let shown = fields! {
                "Type": other,
                "RollingUpdate": strategy.rolling_update.as_ref().map(|r| fields! {
                    "MaxUnavailable": shown_int_or_string(&r.max_unavailable),
                    "MaxSurge": shown_int_or_string(&r.max_surge),
                }),
            };
            errs.push(Error::not_supported_shown(path, shown.compact(), &["RollingUpdate", "OnDelete"]));
        }
    }
}

fn shown_int_or_string(value: &Option<IntOrString>) -> crate::registry::validation::go::Go {
    match value {
        None => 0.into(),
        Some(IntOrString::Int(i)) => (*i).into(),
        Some(IntOrString::String(s)) => s.into(),
    }
}

fn rolling_update(rolling: &RollingUpdateDaemonSet, path: &Path, errs: &mut ErrorList) {
    let zero = IntOrString::Int(0);
    let (unavailable_path, surge_path) = (path.child("maxUnavailable"), path.child("maxSurge"));
    let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&zero);
    let surge = rolling.max_surge.as_ref().unwrap_or(&zero);
    positive_int_or_percent(unavailable, &unavailable_path, errs);
    not_more_than_100_percent(unavailable, &unavailable_path, errs);
    positive_int_or_percent(surge, &surge_path, errs);
    not_more_than_100_percent(surge, &surge_path, errs);
    let has_unavailable = int_or_percent(&rolling.max_unavailable) != 0;
    let has_surge = int_or_percent(&rolling.max_surge) != 0;
    if has_unavailable && has_surge {
        errs.push(Error::invalid(&surge_path, &json!(surge), "may not be set when maxUnavailable is non-zero"));
    } else if !has_unavailable && !has_surge {
        errs.push(Error::required(&unavailable_path, "cannot be 0 when maxSurge is 0"));
    }
}

/// Checks a changed DaemonSet.
pub fn validate_update(new: &DaemonSet, old: &DaemonSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let of = |d: &DaemonSet| d.spec.as_ref().map(|s| s.selector.clone()).unwrap_or_default();
    immutable_selector(&of(new), &of(old), &mut errs);
    spec(new, &Options::for_template_update(old.spec.as_ref().map(|s| &s.template)), &mut errs);
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &DaemonSet, old: &DaemonSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let path = Path::new("status");
    let default = DaemonSetStatus::default();
    let s = new.status.as_ref().unwrap_or(&default);
    let of = |n: Option<i32>| i64::from(n.unwrap_or(0));
    counts(
        &[
            ("currentNumberScheduled", s.current_number_scheduled.into()),
            ("numberMisscheduled", s.number_misscheduled.into()),
            ("desiredNumberScheduled", s.desired_number_scheduled.into()),
            ("numberReady", s.number_ready.into()),
            ("observedGeneration", s.observed_generation.unwrap_or(0)),
            ("updatedNumberScheduled", of(s.updated_number_scheduled)),
            ("numberAvailable", of(s.number_available)),
            ("numberUnavailable", of(s.number_unavailable)),
        ],
        &path,
        &mut errs,
    );
    if let Some(collisions) = s.collision_count {
        nonnegative(collisions.into(), &path.child("collisionCount"), &mut errs);
    }
    let collisions = |d: &DaemonSet| d.status.as_ref().and_then(|s| s.collision_count);
    not_decremented("collisionCount", collisions(new), collisions(old), &path, &mut errs);
    errs
}
