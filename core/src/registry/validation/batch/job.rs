//! Jobs, and the job templates of CronJobs.
//! Models `ValidateJob`, `validateJobSpec` and `ValidateJobSpecUpdate`, and the strategy's options.

use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::{Affinity, PodSpec, PodTemplateSpec};

use super::policies;
use crate::api::validation::{is_dns1123_label, is_domain_prefixed_path, name_is_dns_subdomain};
use crate::registry::validation::go::Go;
use crate::registry::validation::pod::{self, Options};
use crate::registry::validation::prelude::*;
use crate::registry::validation::workloads::labels_do_not_match;
use crate::registry::validation::{go_struct, selector};
use crate::registry::warnings::odd_name;
use crate::registry::warnings::pod::of_template;

const COUNT_MAX: i32 = 100_000;
const HIGH_COMPLETIONS_COUNT_MAX: i32 = 10_000;
const MANAGED_BY_BYTES_MAX: usize = 63;

const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const LEGACY_JOB_NAME: &str = "job-name";
const LEGACY_CONTROLLER_UID: &str = "controller-uid";

fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

/// Checks a new Job.
pub fn validate_create(job: &Job) -> ErrorList {
    let mut errs = ErrorList::new();
    whole(job, &Options::for_template(), true, &mut errs);
    errs
}

/// Upstream's `ValidateJob`, which an update goes through as well.
fn whole(job: &Job, opts: &Options, prefixed_labels: bool, errs: &mut ErrorList) {
    names::object_meta(&job.metadata, true, name_is_dns_subdomain, errs);
    let default = JobSpec::default();
    let spec = job.spec.as_ref().unwrap_or(&default);
    generated_selector(job, spec, prefixed_labels, errs);
    with_selector(spec, opts, errs);
    if let Some(completions) = spec.completions.filter(|c| is_indexed(spec) && *c > 0) {
        let name = text(&job.metadata.name);
        let host_name = format!("{name}-{}", completions - 1);
        if !is_dns1123_label(&host_name).is_empty() {
            errs.push(Error::invalid_str(
                &Path::new("metadata.name"),
                name,
                format!("will not able to create pod with invalid DNS label: {host_name}"),
            ));
        }
    }
}

fn has_label(template: &PodTemplateSpec, key: &str, want: &str, errs: &mut ErrorList) {
    let labels = template.metadata.as_ref().map_or(&None, |m| &m.labels);
    let path = Path::new("spec.template.metadata.labels");
    match entry(labels, key) {
        None => errs.push(Error::required(&path.key(key), format!("must be '{want}'"))),
        Some(value) if value != want => {
            errs.push(Error::invalid(&path.key(key), &json!(labels), format!("must be '{want}'")))
        }
        Some(_) => {}
    }
}

/// Upstream's `validateGeneratedSelector`.
fn generated_selector(job: &Job, spec: &JobSpec, prefixed: bool, errs: &mut ErrorList) {
    let Some(of_job) = spec.selector.as_ref().filter(|_| !on(spec.manual_selector)) else { return };
    let (uid, name) = (text(&job.metadata.uid), text(&job.metadata.name));
    if uid.is_empty() {
        errs.push(Error::required(&Path::new("metadata.uid"), ""));
    }
    let mut expected = std::collections::BTreeMap::new();
    let legacy = [(LEGACY_CONTROLLER_UID, uid), (LEGACY_JOB_NAME, name)];
    let current = [(CONTROLLER_UID, uid), (JOB_NAME, name)];
    for (key, want) in legacy.into_iter().chain(current.into_iter().filter(|_| prefixed)) {
        has_label(&spec.template, key, want, errs);
        expected.insert(key.to_owned(), want.to_owned());
    }
    if !selector::is_unusable(of_job) && !selector::matches(of_job, &Some(expected)) {
        errs.push(Error::invalid_shown(
            &Path::new("spec.selector"),
            go_struct::label_selector(of_job).compact(),
            "`selector` not auto-generated",
        ));
    }
}

/// Upstream's `ValidateJobSpec`.
fn with_selector(spec: &JobSpec, opts: &Options, errs: &mut ErrorList) {
    let path = Path::new("spec");
    validate_spec(spec, opts, &path, errs);
    let labels = spec.template.metadata.as_ref().map_or(&None, |m| &m.labels);
    let selected = match &spec.selector {
        None => {
            errs.push(Error::required(&path.child("selector"), ""));
            false
        }
        Some(s) => {
            selector::validate(Some(s), &path.child("selector"), errs);
            selector::is_unusable(s) || selector::matches(s, labels)
        }
    };
    if !selected {
        labels_do_not_match(labels, &path.child("template"), errs);
    }
}

/// Upstream's `validateJobSpec`, which knows no selector.
pub(super) fn validate_spec(spec: &JobSpec, opts: &Options, path: &Path, errs: &mut ErrorList) {
    let numbers = [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            nonnegative(value, &path.child(name), errs);
        }
    }
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        errs.push(Error::required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    if let Some(manager) = &spec.managed_by {
        let at = path.child("managedBy");
        errs.extend(is_domain_prefixed_path(&at, manager));
        if manager.len() > MANAGED_BY_BYTES_MAX {
            errs.push(Error::too_long(&at, MANAGED_BY_BYTES_MAX));
        }
    }
    completion_mode(spec, path, errs);
    if let Some(policy) = &spec.pod_failure_policy {
        policies::failure(policy, spec, &path.child("podFailurePolicy"), errs);
    }
    if let Some(policy) = &spec.success_policy {
        let at = path.child("successPolicy");
        if is_indexed(spec) {
            policies::success(policy, spec.completions, &at, errs);
        } else {
            let shown = policies::shown_success(policy).compact();
            errs.push(Error::invalid_shown(&at, shown, "requires indexed completion mode"));
        }
    }
    policies::replacement(spec, &path.child("podReplacementPolicy"), errs);
    pod::validate_template_spec(&spec.template, &path.child("template"), opts, errs);
    restart_policy(spec, &path.child("template.spec.restartPolicy"), errs);
}

fn completion_mode(spec: &JobSpec, path: &Path, errs: &mut ErrorList) {
    match spec.completion_mode.as_deref() {
        Some("Indexed") => indexed(spec, path, errs),
        None | Some("NonIndexed") => {
            let only_indexed =
                [("backoffLimitPerIndex", spec.backoff_limit_per_index), ("maxFailedIndexes", spec.max_failed_indexes)];
            for (name, value) in only_indexed {
                if let Some(value) = value {
                    errs.push(Error::invalid(&path.child(name), &json!(value), "requires indexed completion mode"));
                }
            }
        }
        Some(mode) => errs.push(Error::not_supported(&path.child("completionMode"), mode, &["NonIndexed", "Indexed"])),
    }
}

fn indexed(spec: &JobSpec, path: &Path, errs: &mut ErrorList) {
    let above = |value: Option<i32>, max: i32| value.filter(|v| *v > max);
    if spec.completions.is_none() {
        errs.push(Error::required(&path.child("completions"), "when completion mode is Indexed"));
    }
    if let Some(n) = above(spec.parallelism, COUNT_MAX) {
        let detail = format!("must be less than or equal to {COUNT_MAX} when completion mode is Indexed");
        errs.push(Error::invalid(&path.child("parallelism"), &json!(n), detail));
    }
    let failed_path = path.child("maxFailedIndexes");
    if let Some(n) = spec.completions.and_then(|c| above(spec.max_failed_indexes, c)) {
        errs.push(Error::invalid(&failed_path, &json!(n), "must be less than or equal to completions"));
    }
    if let Some(n) = above(spec.max_failed_indexes, COUNT_MAX) {
        errs.push(Error::invalid(&failed_path, &json!(n), format!("must be less than or equal to {COUNT_MAX}")));
    }
    if above(spec.completions, COUNT_MAX).is_none() || spec.backoff_limit_per_index.is_none() {
        return;
    }
    if spec.max_failed_indexes.is_none() {
        let detail = format!("must be specified when completions is above {COUNT_MAX}");
        errs.push(Error::required(&failed_path, detail));
    }
    let detail = format!(
        "must be less than or equal to {HIGH_COMPLETIONS_COUNT_MAX} when completions are above {COUNT_MAX} and used with \
         backoff limit per index"
    );
    if let Some(n) = above(spec.parallelism, HIGH_COMPLETIONS_COUNT_MAX) {
        errs.push(Error::invalid(&path.child("parallelism"), &json!(n), detail.clone()));
    }
    if let Some(n) = above(spec.max_failed_indexes, HIGH_COMPLETIONS_COUNT_MAX) {
        errs.push(Error::invalid(&failed_path, &json!(n), detail));
    }
}

fn restart_policy(spec: &JobSpec, path: &Path, errs: &mut ErrorList) {
    // Defaulting says Always where the user says nothing.
    match spec.template.spec.as_ref().map_or("", |s| text(&s.restart_policy)) {
        "" | "Always" => errs.push(Error::required(path, "valid values: \"OnFailure\", \"Never\"")),
        policy @ "OnFailure" if spec.pod_failure_policy.is_some() => errs.push(Error::invalid_str(
            path,
            policy,
            "only \"Never\" is supported when podFailurePolicy is specified",
        )),
        policy => one_of(policy, &["OnFailure", "Never"], path, errs),
    }
}

/// Checks a changed Job.
pub fn validate_update(new: &Job, old: &Job) -> ErrorList {
    let mut errs = ErrorList::new();
    let default = JobSpec::default();
    let (spec, was) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    let opts = Options::for_template_update(Some(&was.template));
    let had = |key: &str| was.template.metadata.as_ref().is_some_and(|m| entry(&m.labels, key).is_some());
    whole(new, &opts, had(JOB_NAME) && had(CONTROLLER_UID), &mut errs);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    with_selector(spec, &opts, &mut errs);
    spec_update(spec, was, template_is_mutable(old), &mut errs);
    errs
}

/// A suspended Job without pods may get another template. Models `shouldAllowMutablePodTemplate`.
fn template_is_mutable(old: &Job) -> bool {
    let default = JobStatus::default();
    let status = old.status.as_ref().unwrap_or(&default);
    let suspended = list(&status.conditions).iter().any(|c| c.type_ == "Suspended" && c.status == "True");
    old.spec.as_ref().is_some_and(|s| on(s.suspend))
        && (status.start_time.is_none() || suspended)
        && status.active.unwrap_or(0) == 0
}

fn immutable(name: &str, new: Go, old: Go, path: &Path, errs: &mut ErrorList) {
    if !new.same(&old) {
        errs.push(Error::invalid_shown(&path.child(name), new.compact(), "field is immutable"));
    }
}

fn spec_update(new: &JobSpec, old: &JobSpec, mutable_template: bool, errs: &mut ErrorList) {
    let path = Path::new("spec");
    completions_update(new, old, &path, errs);
    let of_selector = |s: &JobSpec| s.selector.as_ref().map_or(Go::Null, go_struct::label_selector);
    immutable("selector", of_selector(new), of_selector(old), &path, errs);
    template_update(new, old, mutable_template, &path, errs);
    let mode = |s: &JobSpec| Go::from(s.completion_mode.as_ref());
    immutable("completionMode", mode(new), mode(old), &path, errs);
    let failure = |s: &JobSpec| s.pod_failure_policy.as_ref().map_or(Go::Null, policies::shown_failure);
    immutable("podFailurePolicy", failure(new), failure(old), &path, errs);
    let (limit, had) = (new.backoff_limit_per_index, old.backoff_limit_per_index);
    immutable("backoffLimitPerIndex", limit.into(), had.into(), &path, errs);
    immutable("managedBy", new.managed_by.as_ref().into(), old.managed_by.as_ref().into(), &path, errs);
    let success = |s: &JobSpec| s.success_policy.as_ref().map_or(Go::Null, policies::shown_success);
    immutable("successPolicy", success(new), success(old), &path, errs);
}

fn completions_update(new: &JobSpec, old: &JobSpec, path: &Path, errs: &mut ErrorList) {
    if !is_indexed(new) {
        immutable("completions", new.completions.into(), old.completions.into(), path, errs);
        return;
    }
    let Some(completions) = new.completions.filter(|_| new.completions != old.completions) else { return };
    if new.parallelism != Some(completions) {
        errs.push(Error::invalid(
            &path.child("completions"),
            &json!(completions),
            "can only be modified in tandem with spec.parallelism",
        ));
    }
}

fn template_update(new: &JobSpec, old: &JobSpec, mutable: bool, path: &Path, errs: &mut ErrorList) {
    if !mutable {
        let shown = go_struct::pod_template;
        immutable("template", shown(&new.template), shown(&old.template), path, errs);
        return;
    }
    // What may change is taken over into the old one; then the two must be the same.
    let none = PodSpec::default();
    let spec = new.template.spec.as_ref().unwrap_or(&none);
    let mut expected = old.template.spec.clone().unwrap_or_default();
    match (&spec.affinity, &mut expected.affinity) {
        (None, Some(had)) => {
            had.node_affinity = None;
            if *had == Affinity::default() {
                expected.affinity = None;
            }
        }
        (Some(wanted), had @ None) => {
            *had = Some(Affinity { node_affinity: wanted.node_affinity.clone(), ..Affinity::default() });
        }
        (Some(wanted), Some(had)) => had.node_affinity.clone_from(&wanted.node_affinity),
        (None, None) => {}
    }
    expected.node_selector.clone_from(&spec.node_selector);
    expected.tolerations.clone_from(&spec.tolerations);
    expected.scheduling_gates.clone_from(&spec.scheduling_gates);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let had_init = expected.init_containers.as_deref_mut().unwrap_or_default();
    for (wanted, had) in [(&spec.containers[..], &mut expected.containers[..]), (init, had_init)] {
        if wanted.len() == had.len() {
            for (w, h) in wanted.iter().zip(had).filter(|(w, h)| w.name == h.name) {
                h.resources.clone_from(&w.resources);
            }
        }
    }
    let shown = go_struct::pod_spec;
    immutable("template.spec", shown(spec), shown(&expected), path, errs);
}

/// What a person should know of a Job that is sound. Models `WarningsOnCreate`.
pub fn warnings(job: &Job, old: Option<&Job>) -> Vec<String> {
    let mut warnings = Vec::new();
    match old {
        None => warnings.extend(odd_name(&job.metadata, "Pod names and hostnames")),
        Some(old) if old.metadata.generation == job.metadata.generation => return warnings,
        Some(_) => {}
    }
    if let Some(spec) = &job.spec {
        spec_warnings(spec, "spec", &mut warnings);
    }
    warnings
}

/// What is odd about a Job or its pods. Models `WarningsForJobSpec`.
pub(super) fn spec_warnings(spec: &JobSpec, path: &str, warnings: &mut Vec<String>) {
    let many = spec.completions.unwrap_or(0) > COUNT_MAX
        && spec.parallelism.unwrap_or(0) > HIGH_COMPLETIONS_COUNT_MAX
        && is_indexed(spec);
    if many {
        warnings.push(format!(
            "{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, \
             Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        ));
    }
    warnings.extend(of_template(&spec.template, &Path::new(path).child("template")));
}
