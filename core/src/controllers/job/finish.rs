//! When a Job has ended, and its conditions. Models `pkg/controller/job/job_controller.go` (finishedCondition and what it looks at).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus};
use k8s_openapi::api::core::v1::Pod;

use super::policies::{self, Verdict, verdict};
use super::tracking;
use crate::controllers::util::{pods, time};

/// How a Job ends.
pub(super) struct Finish {
    pub(super) kind: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Finish {
    pub(super) fn failed(reason: &str, message: &str) -> Self {
        Finish { kind: "Failed", reason: reason.to_owned(), message: message.to_owned() }
    }
    pub(super) fn complete(reason: &str, message: &str) -> Self {
        Finish { kind: "Complete", reason: reason.to_owned(), message: message.to_owned() }
    }
}

pub(super) fn condition<'a>(s: &'a JobStatus, kind: &str) -> Option<&'a JobCondition> {
    s.conditions.iter().flatten().find(|c| c.type_ == kind)
}

pub(super) fn is_true(s: &JobStatus, kind: &str) -> bool {
    condition(s, kind).is_some_and(|c| c.status == "True")
}

/// Whether a Job has ended for good.
pub(super) fn is_finished(job: &Job) -> bool {
    job.status.as_ref().is_some_and(|s| is_true(s, "Complete") || is_true(s, "Failed"))
}

/// Whether a Job has failed, or has succeeded before its time.
pub(super) fn judge(
    job: &Job,
    status: &JobStatus,
    (all, active): (&[Rc<Pod>], &[Rc<Pod>]),
    failed: i32,
    by_index: Option<(&BTreeSet<u32>, &BTreeSet<u32>)>,
) -> Option<Finish> {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    for (interim, kind) in [("SuccessCriteriaMet", "Complete"), ("FailureTarget", "Failed")] {
        if let Some(c) = condition(status, interim).filter(|c| c.status == "True") {
            return Some(Finish { kind, reason: text(&c.reason), message: text(&c.message) });
        }
    }
    let fails = all.iter().filter(|p| tracking::is_failed(p, job)).find_map(|p| match verdict(job, p) {
        Verdict::FailsJob(why) => Some(why),
        _ => None,
    });
    if let Some(why) = fails {
        return Some(Finish::failed("PodFailurePolicy", &why));
    }
    let spec = job.spec.as_ref()?;
    if failed > spec.backoff_limit.unwrap_or(6) || past_limit_by_restarts(job, active) {
        return Some(Finish::failed("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    let (done, given_up) = by_index?;
    let max = spec.max_failed_indexes.and_then(|n| usize::try_from(n).ok());
    if max.is_some_and(|max| given_up.len() > max) {
        let why = "Job has exceeded the specified maximal number of failed indexes";
        return Some(Finish::failed("MaxFailedIndexesExceeded", why));
    }
    let completions = usize::try_from(spec.completions.unwrap_or(0)).unwrap_or(0);
    if !given_up.is_empty() && given_up.len() + done.len() >= completions {
        return Some(Finish::failed("FailedIndexes", "Job has failed indexes"));
    }
    policies::succeeded_enough(job, done).map(|why| Finish::complete("SuccessPolicy", &why))
}

pub(super) fn set_condition(
    s: &mut JobStatus,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time,
) {
    if condition(s, kind).is_some_and(|c| c.status == status) {
        return;
    }
    let all = s.conditions.get_or_insert_default();
    all.retain(|c| c.type_ != kind);
    all.push(JobCondition {
        type_: kind.into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        last_probe_time: Some(now.clone()),
        last_transition_time: Some(now.clone()),
    });
}

/// Containers that restart in place count against the limit by their restarts.
pub(super) fn past_limit_by_restarts(job: &Job, active: &[Rc<Pod>]) -> bool {
    let Some(spec) = &job.spec else { return false };
    let policy = spec.template.spec.as_ref().and_then(|s| s.restart_policy.as_deref());
    if policy != Some("OnFailure") {
        return false;
    }
    let restarts: i32 = active
        .iter()
        .filter(|p| matches!(pods::phase(p), "Running" | "Pending"))
        .filter_map(|p| p.status.as_ref())
        .flat_map(|s| s.init_container_statuses.iter().flatten().chain(s.container_statuses.iter().flatten()))
        .map(|c| c.restart_count)
        .sum();
    let limit = spec.backoff_limit.unwrap_or(6);
    if limit == 0 { restarts > 0 } else { restarts >= limit }
}

pub(super) fn deadline_left(job: &Job, status: &JobStatus, now: jiff::Timestamp) -> Option<Duration> {
    let seconds = job.spec.as_ref()?.active_deadline_seconds?;
    let at = time::plus_seconds(status.start_time.as_ref()?, seconds);
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}
