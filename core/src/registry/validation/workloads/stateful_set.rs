//! StatefulSets.
//! Models `pkg/apis/apps/validation/validation.go` (ValidateStatefulSet and kin).

use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource, Volume,
};

use super::*;
use crate::api::validation::{is_dns1123_label, name_is_dns_label};
use crate::registry::validation::go::{Go, fields};
use crate::registry::validation::persistent_volume_claim;

/// Checks a new StatefulSet.
pub fn validate_create(set: &StatefulSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&set.metadata, true, name_is_dns_label, &mut errs);
    spec(set, &Options::for_template(), Leniency::None, &mut errs);
    errs
}

/// What is let pass. Models `StatefulSetValidationOptions`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leniency {
    None,
    /// What can't change any more: the service's name and the claims.
    Immutable,
    /// The template too, which was wrong before.
    Template,
}

fn spec(set: &StatefulSet, opts: &Options, lenient: Leniency, errs: &mut ErrorList) {
    let path = Path::new("spec");
    let default = StatefulSetSpec::default();
    let spec = set.spec.as_ref().unwrap_or(&default);
    match text(&spec.pod_management_policy) {
        "" => errs.push(Error::required(&path.child("podManagementPolicy"), "")),
        "OrderedReady" | "Parallel" => {}
        other => errs.push(Error::invalid_str(
            &path.child("podManagementPolicy"),
            other,
            "must be 'OrderedReady' or 'Parallel'",
        )),
    }
    if let Some(strategy) = &spec.update_strategy {
        update_strategy(strategy, &path.child("updateStrategy"), errs);
    }
    retention_policy(spec, &path.child("persistentVolumeClaimRetentionPolicy"), errs);
    if lenient == Leniency::None {
        let (none, at) = (PersistentVolumeClaimSpec::default(), path.child("volumeClaimTemplates"));
        for (i, claim) in list(&spec.volume_claim_templates).iter().enumerate() {
            let claim = claim.spec.as_ref().unwrap_or(&none);
            persistent_volume_claim::spec(claim, &at.index(i).child("spec"), errs);
        }
    }
    nonnegative(i64::from(spec.replicas.unwrap_or(0)), &path.child("replicas"), errs);
    nonnegative(i64::from(spec.min_ready_seconds.unwrap_or(0)), &path.child("minReadySeconds"), errs);
    if let Some(ordinals) = &spec.ordinals {
        nonnegative(i64::from(ordinals.start.unwrap_or(0)), &path.child("ordinals.start"), errs);
    }
    required_selector(&spec.selector, "empty selector is invalid for statefulset", &path, errs);
    let service = text(&spec.service_name);
    if lenient == Leniency::None && !service.is_empty() {
        invalid_each(is_dns1123_label(service), service, &path.child("serviceName"), errs);
    }
    let template_path = path.child("template");
    if selector::is_unusable(&spec.selector) {
        errs.push(Error::invalid_shown(
            &path.child("selector"),
            go_struct::label_selector(&spec.selector).compact(),
            "",
        ));
    } else {
        template(spec, &template_path, opts, lenient, errs);
    }
    let of_template = spec_of(&spec.template);
    always_restarts(&of_template, &template_path, errs);
    if of_template.active_deadline_seconds.is_some() {
        errs.push(Error::forbidden(
            &template_path.child("spec.activeDeadlineSeconds"),
            "activeDeadlineSeconds in StatefulSet is not Supported",
        ));
    }
}

/// Upstream's `ValidatePodTemplateSpecForStatefulSet`.
fn template(spec: &StatefulSetSpec, path: &Path, opts: &Options, lenient: Leniency, errs: &mut ErrorList) {
    labels_match(&spec.selector, &spec.template, path, errs);
    let as_of_pods = template_of_pods(spec);
    if lenient != Leniency::Template {
        pod::validate_template_spec(&as_of_pods, path, opts, errs);
    }
    // Said twice, as upstream does.
    let none = ObjectMeta::default();
    let meta = as_of_pods.metadata.as_ref().unwrap_or(&none);
    names::labels(&meta.labels, &path.child("labels"), errs);
    names::annotations(&meta.annotations, &path.child("annotations"), errs);
    pod::validate_annotations(meta, &spec_of(&as_of_pods), &path.child("annotations"), opts, errs);
}

/// The template as the controller completes it: the pods' names are its own, and their claims are volumes.
fn template_of_pods(spec: &StatefulSetSpec) -> Cow<'_, PodTemplateSpec> {
    let claims = list(&spec.volume_claim_templates);
    let named = |s: &PodSpec| !text(&s.subdomain).is_empty() || !text(&s.hostname).is_empty();
    if claims.is_empty() && !spec.template.spec.as_ref().is_some_and(named) {
        return Cow::Borrowed(&spec.template);
    }
    let mut template = spec.template.clone();
    let pod = template.spec.get_or_insert_default();
    (pod.subdomain, pod.hostname) = (None, None);
    if !claims.is_empty() {
        let name = |c: &PersistentVolumeClaim| c.metadata.name.clone().unwrap_or_default();
        let names: BTreeSet<String> = claims.iter().map(name).collect();
        let own = pod.volumes.take().unwrap_or_default().into_iter().filter(|v| !names.contains(&v.name));
        let of_claim = |name: &String| Volume {
            name: name.clone(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: name.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        pod.volumes = Some(names.iter().map(of_claim).chain(own).collect());
    }
    Cow::Owned(template)
}

fn update_strategy(strategy: &StatefulSetUpdateStrategy, path: &Path, errs: &mut ErrorList) {
    let rolling = strategy.rolling_update.as_ref();
    let shown_rolling = || {
        rolling.map_or(Go::Null, |r| {
            fields! {
                "Partition": r.partition.unwrap_or(0),
                "MaxUnavailable": r.max_unavailable.as_ref().map(|m| match m {
                    IntOrString::Int(i) => Go::from(*i),
                    IntOrString::String(s) => Go::from(s),
                }),
            }
        })
    };
    match text(&strategy.type_) {
        "" => errs.push(Error::required(path, "")),
        "OnDelete" => {
            if rolling.is_some() {
                errs.push(Error::invalid_shown(
                    &path.child("rollingUpdate"),
                    shown_rolling().compact(),
                    "only allowed for updateStrategy 'RollingUpdate'",
                ));
            }
        }
        "RollingUpdate" => {
            if let Some(rolling) = rolling {
                let at = path.child("rollingUpdate");
                nonnegative(i64::from(rolling.partition.unwrap_or(0)), &at.child("partition"), errs);
                if let Some(unavailable) = &rolling.max_unavailable {
                    let at = at.child("maxUnavailable");
                    positive_int_or_percent(unavailable, &at, errs);
                    if int_or_percent(&rolling.max_unavailable) == 0 {
                        errs.push(Error::invalid(&at, &json!(unavailable), "cannot be 0"));
                    }
                    not_more_than_100_percent(unavailable, &at, errs);
                }
            }
        }
        other => {
            let shown = fields! { "Type": other, "RollingUpdate": shown_rolling() };
            errs.push(Error::invalid_shown(path, shown.compact(), "must be 'RollingUpdate' or 'OnDelete'"));
        }
    }
}

fn retention_policy(spec: &StatefulSetSpec, path: &Path, errs: &mut ErrorList) {
    let Some(policy) = &spec.persistent_volume_claim_retention_policy else { return };
    for (field, value) in [("whenDeleted", &policy.when_deleted), ("whenScaled", &policy.when_scaled)] {
        one_of(text(value), &["Retain", "Delete"], &path.child(field), errs);
    }
}

/// Checks a changed StatefulSet.
pub fn validate_update(new: &StatefulSet, old: &StatefulSet) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let opts = Options::for_template_update(old.spec.as_ref().map(|s| &s.template));
    let mut before = ErrorList::new();
    spec(old, &opts, Leniency::Immutable, &mut before);
    spec(new, &opts, if before.is_empty() { Leniency::Immutable } else { Leniency::Template }, &mut errs);
    let default = StatefulSetSpec::default();
    let (is, was) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    let unchanged = StatefulSetSpec {
        replicas: was.replicas,
        template: was.template.clone(),
        update_strategy: was.update_strategy.clone(),
        min_ready_seconds: was.min_ready_seconds,
        ordinals: was.ordinals.clone(),
        revision_history_limit: was.revision_history_limit,
        persistent_volume_claim_retention_policy: was.persistent_volume_claim_retention_policy.clone(),
        ..is.clone()
    };
    if unchanged != *was {
        errs.push(Error::forbidden(
            &Path::new("spec"),
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ));
    }
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &StatefulSet, old: &StatefulSet) -> ErrorList {
    let mut errs = ErrorList::new();
    let path = Path::new("status");
    let default = StatefulSetStatus::default();
    let s = new.status.as_ref().unwrap_or(&default);
    let of = |n: Option<i32>| n.unwrap_or(0);
    let (ready, current, updated) = (of(s.ready_replicas), of(s.current_replicas), of(s.updated_replicas));
    let available = of(s.available_replicas);
    counts(
        &[
            ("replicas", s.replicas.into()),
            ("readyReplicas", ready.into()),
            ("currentReplicas", current.into()),
            ("updatedReplicas", updated.into()),
            ("availableReplicas", available.into()),
        ],
        &path,
        &mut errs,
    );
    if let Some(generation) = s.observed_generation {
        nonnegative(generation, &path.child("observedGeneration"), &mut errs);
    }
    if let Some(collisions) = s.collision_count {
        nonnegative(collisions.into(), &path.child("collisionCount"), &mut errs);
    }
    not_above("readyReplicas", ready, s.replicas, "status.replicas", &path, &mut errs);
    not_above("currentReplicas", current, s.replicas, "status.replicas", &path, &mut errs);
    not_above("updatedReplicas", updated, s.replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, s.replicas, "status.replicas", &path, &mut errs);
    not_above("availableReplicas", available, ready, "status.readyReplicas", &path, &mut errs);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let collisions = |d: &StatefulSet| d.status.as_ref().and_then(|s| s.collision_count);
    not_decremented("collisionCount", collisions(new), collisions(old), &path, &mut errs);
    errs
}
