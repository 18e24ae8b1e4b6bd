//! A Job's status, which must not go back on what it said.
//! Models `validateJobStatus`, `ValidateJobStatusUpdate` and the strategy's options: most rules hold only what changes.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};

use super::indexes;
use crate::registry::validation::go::{each, fields};
use crate::registry::validation::prelude::*;

/// One side of an update, and which conditions hold in it.
struct Side<'a> {
    status: &'a JobStatus,
    complete: bool,
    failed: bool,
    failure_target: bool,
    success_criteria_met: bool,
}

impl<'a> Side<'a> {
    fn new(status: &'a JobStatus) -> Self {
        Side {
            status,
            complete: is_true(status, "Complete"),
            failed: is_true(status, "Failed"),
            failure_target: is_true(status, "FailureTarget"),
            success_criteria_met: is_true(status, "SuccessCriteriaMet"),
        }
    }
    fn finished(&self) -> bool {
        self.complete || self.failed
    }
}

fn has(status: &JobStatus, condition: &str, value: &str) -> bool {
    list(&status.conditions).iter().any(|c| c.type_ == condition && c.status == value)
}

fn is_true(status: &JobStatus, condition: &str) -> bool {
    has(status, condition, "True")
}

/// Checks a changed status.
pub fn validate_update(new: &Job, old: &Job) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let (no_spec, no_status) = (JobSpec::default(), JobStatus::default());
    let spec = new.spec.as_ref().unwrap_or(&no_spec);
    let is = Side::new(new.status.as_ref().unwrap_or(&no_status));
    let was = Side::new(old.status.as_ref().unwrap_or(&no_status));
    let path = Path::new("status");
    numbers(is.status, &path, &mut errs);
    uncounted(is.status, &path, &mut errs);
    ending(&is, &was, &path, &mut errs);
    finished(spec, &is, &was, &path, &mut errs);
    index_lists(spec, is.status, was.status, &path, &mut errs);
    pods(&is, &was, &path, &mut errs);
    success(spec, &is, &path, &mut errs);
    history(spec, &is, &was, &path, &mut errs);
    errs
}

fn numbers(s: &JobStatus, path: &Path, errs: &mut ErrorList) {
    for (name, value) in [("active", s.active), ("succeeded", s.succeeded), ("failed", s.failed)] {
        nonnegative(value.unwrap_or(0).into(), &path.child(name), errs);
    }
    for (name, value) in [("ready", s.ready), ("terminating", s.terminating)] {
        nonnegative(value.unwrap_or(0).into(), &path.child(name), errs);
    }
}

fn uncounted(s: &JobStatus, path: &Path, errs: &mut ErrorList) {
    let Some(uncounted) = &s.uncounted_terminated_pods else { return };
    let path = path.child("uncountedTerminatedPods");
    let mut seen = BTreeSet::new();
    for (name, uids) in [("succeeded", &uncounted.succeeded), ("failed", &uncounted.failed)] {
        let at = path.child(name);
        for (i, uid) in list(uids).iter().enumerate() {
            if uid.is_empty() {
                errs.push(Error::invalid_str(&at.index(i), uid, "must not be empty"));
            } else if !seen.insert(uid) {
                errs.push(Error::duplicate(&at.index(i), &json!(uid)));
            }
        }
    }
}

fn conditions(detail: &str, path: &Path, errs: &mut ErrorList) {
    errs.push(Error::invalid_omitted(&path.child("conditions"), detail));
}

/// The rules about completion and its time.
fn ending(is: &Side<'_>, was: &Side<'_>, path: &Path, errs: &mut ErrorList) {
    let (s, o) = (is.status, was.status);
    let complete_changed = is.complete != was.complete;
    let start_changed = s.start_time != o.start_time;
    let completion_changed = s.completion_time != o.completion_time;
    let at = path.child("completionTime");
    if (complete_changed || is.failed != was.failed) && is.complete && is.failed {
        conditions("cannot set Complete=True and Failed=true conditions", path, errs);
    }
    let target_changed = is.failure_target != was.failure_target;
    if (complete_changed || target_changed) && is.complete && is.failure_target {
        conditions("cannot set Complete=True and FailureTarget=true conditions", path, errs);
    }
    if complete_changed || completion_changed {
        if s.completion_time.is_some() && !is.complete {
            let detail = "cannot set completionTime when there is no Complete=True condition";
            errs.push(Error::invalid(&at, &json!(s.completion_time), detail));
        }
        if s.completion_time.is_none() && is.complete {
            errs.push(Error::required(&at, "completionTime is required for Complete jobs"));
        }
    }
    if (start_changed || completion_changed)
        && let (Some(start), Some(completion)) = (&s.start_time, &s.completion_time)
        && completion.0 < start.0
    {
        errs.push(Error::invalid(&at, &json!(completion), "must be equal to or after `startTime`"));
    }
    let failed_indexes_changed = s.failed_indexes != o.failed_indexes;
    if (is.failed != was.failed || failed_indexes_changed) && is.failed && !is.failure_target {
        conditions("cannot set Failed=True condition without the FailureTarget=true condition", path, errs);
    }
    let criteria_changed = is.success_criteria_met != was.success_criteria_met;
    if (complete_changed || criteria_changed) && is.complete && !is.success_criteria_met {
        conditions("cannot set Complete=True condition without the SuccessCriteriaMet=true condition", path, errs);
    }
}

/// What a finished Job no longer has.
fn finished(spec: &JobSpec, is: &Side<'_>, was: &Side<'_>, path: &Path, errs: &mut ErrorList) {
    let (s, o) = (is.status, was.status);
    if !is.finished() {
        return;
    }
    let changed = !was.finished();
    let active = s.active.unwrap_or(0);
    if (changed || active != o.active.unwrap_or(0)) && active > 0 {
        errs.push(Error::invalid(&path.child("active"), &json!(active), "active>0 is invalid for finished job"));
    }
    let never_ran = on(spec.suspend) && spec.completions == Some(0);
    if (changed || s.start_time != o.start_time) && !never_ran && s.start_time.is_none() {
        errs.push(Error::required(&path.child("startTime"), "startTime is required for finished job"));
    }
    if let Some(uncounted) = &s.uncounted_terminated_pods
        && (changed || s.uncounted_terminated_pods != o.uncounted_terminated_pods)
        && !(list(&uncounted.failed).is_empty() && list(&uncounted.succeeded).is_empty())
    {
        let shown = fields! {
            "Succeeded": each(&uncounted.succeeded, |u| u.into()),
            "Failed": each(&uncounted.failed, |u| u.into()),
        };
        let at = path.child("uncountedTerminatedPods");
        errs.push(Error::invalid_shown(&at, shown.compact(), "must be empty for finished job"));
    }
}

fn index_lists(spec: &JobSpec, s: &JobStatus, o: &JobStatus, path: &Path, errs: &mut ErrorList) {
    let (completed, failed) = (text(&s.completed_indexes), s.failed_indexes.as_deref());
    let completed_changed = completed != text(&o.completed_indexes);
    let failed_changed = s.failed_indexes != o.failed_indexes;
    let (completed_path, failed_path) = (path.child("completedIndexes"), path.child("failedIndexes"));
    if let Some(completions) = spec.completions.filter(|_| completed_changed)
        && let Err(e) = indexes::count(completed, completions)
    {
        errs.push(Error::invalid_str(&completed_path, completed, format!("error parsing completedIndexes: {e}")));
    }
    if let (Some(completions), Some(failed), Some(_)) = (spec.completions, failed, spec.backoff_limit_per_index)
        && failed_changed
        && let Err(e) = indexes::count(failed, completions)
    {
        errs.push(Error::invalid_str(&failed_path, failed, format!("error parsing failedIndexes: {e}")));
    }
    if completed_changed && !completed.is_empty() && spec.completion_mode.as_deref() != Some("Indexed") {
        errs.push(Error::invalid_str(
            &completed_path,
            completed,
            "cannot set non-empty completedIndexes when non-indexed completion mode",
        ));
    }
    let Some(failed) = failed else { return };
    if failed_changed && spec.backoff_limit_per_index.is_none() {
        errs.push(Error::invalid_str(
            &failed_path,
            failed,
            "cannot set non-null failedIndexes when backoffLimitPerIndex is null",
        ));
    }
    if let Some(completions) = spec.completions.filter(|_| failed_changed || completed_changed)
        && let Err(e) = indexes::overlap(completed, failed, completions)
    {
        errs.push(Error::invalid_str(&failed_path, failed, e));
    }
}

fn pods(is: &Side<'_>, was: &Side<'_>, path: &Path, errs: &mut ErrorList) {
    let (s, o) = (is.status, was.status);
    let finished_changed = is.finished() != was.finished();
    if let Some(n) = s.terminating.filter(|n| *n > 0)
        && (finished_changed || s.terminating != o.terminating)
        && is.finished()
    {
        errs.push(Error::invalid(&path.child("terminating"), &json!(n), "terminating>0 is invalid for finished job"));
    }
    let (active, was_active) = (s.active.unwrap_or(0), o.active.unwrap_or(0));
    if let Some(n) = s.ready.filter(|n| *n > active)
        && (s.ready != o.ready || active != was_active)
    {
        errs.push(Error::invalid(&path.child("ready"), &json!(n), "cannot set more ready pods than active"));
    }
}

fn success(spec: &JobSpec, is: &Side<'_>, path: &Path, errs: &mut ErrorList) {
    if is.success_criteria_met && is.failed {
        conditions("cannot set SuccessCriteriaMet=True and Failed=true conditions", path, errs);
    }
    if is.success_criteria_met && is.failure_target {
        conditions("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions", path, errs);
    }
    if spec.success_policy.is_some() && !is.success_criteria_met && is.complete {
        let detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        conditions(detail, path, errs);
    }
}

/// What can't be taken back.
fn history(spec: &JobSpec, is: &Side<'_>, was: &Side<'_>, path: &Path, errs: &mut ErrorList) {
    let (s, o) = (is.status, was.status);
    for (name, had, has) in [
        ("Failed", was.failed, is.failed),
        ("Complete", was.complete, is.complete),
        ("FailureTarget", was.failure_target, is.failure_target),
    ] {
        if had && !has {
            conditions(&format!("cannot disable the terminal {name}=True condition"), path, errs);
        }
    }
    let (failed, succeeded) = (s.failed.unwrap_or(0), s.succeeded.unwrap_or(0));
    if failed < o.failed.unwrap_or(0) {
        errs.push(Error::invalid(&path.child("failed"), &json!(failed), "cannot decrease the failed counter"));
    }
    // An indexed Job with as many workers as completions can be scaled down.
    let elastic = spec.completion_mode.as_deref() == Some("Indexed") && spec.completions == spec.parallelism;
    if !elastic && succeeded < o.succeeded.unwrap_or(0) {
        let at = path.child("succeeded");
        errs.push(Error::invalid(&at, &json!(succeeded), "cannot decrease the succeeded counter"));
    }
    if s.completion_time.is_some() && o.completion_time.is_some() && s.completion_time != o.completion_time {
        errs.push(Error::invalid(&path.child("completionTime"), &json!(s.completion_time), "field is immutable"));
    }
    let resuming = has(o, "Suspended", "True") && has(s, "Suspended", "False");
    if o.start_time.is_some() && s.start_time != o.start_time && !resuming && !on(spec.suspend) {
        let detail = "field is immutable for unsuspended job once set";
        errs.push(Error::invalid(&path.child("startTime"), &json!(s.start_time), detail));
    }
    if was.success_criteria_met && !is.success_criteria_met {
        conditions("cannot disable the SuccessCriteriaMet=True condition", path, errs);
    }
    if was.complete && !was.success_criteria_met && is.success_criteria_met {
        conditions("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions", path, errs);
    }
}
