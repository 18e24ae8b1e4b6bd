//! Indexed Jobs whose indexes fail one by one: how often each did, and which are given up.
//! Models `pkg/controller/job/indexed_job_utils.go` and `backoff_utils.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};

use super::indexes;
use super::policies::{Verdict, verdict};
use super::tracking::{has_finalizer, is_failed};
use crate::controllers::util::{pods, time, uid};

const FAILURE_COUNT: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED_FAILURE_COUNT: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// How often each index may fail, if indexes fail one by one.
pub fn limit(job: &Job) -> Option<i32> {
    job.spec.as_ref()?.backoff_limit_per_index
}

fn count(pod: &Pod, key: &str) -> i32 {
    pod.metadata.annotations.as_ref().and_then(|a| a.get(key)).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn total(job: &Job) -> u32 {
    job.spec.as_ref().and_then(|s| s.completions).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// The failed pods of a Job that are still counted, with their indexes.
fn failed<'a>(job: &'a Job, all: &'a [Rc<Pod>]) -> impl Iterator<Item = (u32, &'a Rc<Pod>)> {
    let of = |p: &'a Rc<Pod>| Some((indexes::of_pod(p).filter(|i| *i < total(job))?, p));
    all.iter().filter(|p| has_finalizer(p) && is_failed(p, job) && pods::phase(p) != "Succeeded").filter_map(of)
}

/// The indexes that are given up: those of before, and those whose last pod was one too many.
pub fn failed_indexes(job: &Job, all: &[Rc<Pod>]) -> BTreeSet<u32> {
    let before = job.status.as_ref().and_then(|s| s.failed_indexes.as_deref()).unwrap_or_default();
    let mut given_up = indexes::parse(before, total(job));
    let Some(limit) = limit(job) else { return given_up };
    for (index, pod) in failed(job, all) {
        let too_many = match verdict(job, pod) {
            Verdict::FailsIndex => true,
            Verdict::Ignored => false,
            Verdict::Counts | Verdict::FailsJob(_) => count(pod, FAILURE_COUNT) >= limit,
        };
        if too_many {
            given_up.insert(index);
        }
    }
    given_up
}

/// The last failed pod of each index that is to be tried again: it stays until its successor has taken over its count.
pub fn awaiting_successors(
    job: &Job,
    all: &[Rc<Pod>],
    settled: &BTreeSet<u32>,
    active: &[Rc<Pod>],
) -> BTreeMap<u32, Rc<Pod>> {
    let mut last: BTreeMap<u32, Rc<Pod>> = BTreeMap::new();
    if limit(job).is_none() {
        return last;
    }
    let running: BTreeSet<u32> = active.iter().filter_map(|p| indexes::of_pod(p)).collect();
    let failures = |p: &Pod| count(p, FAILURE_COUNT) + count(p, IGNORED_FAILURE_COUNT);
    for (index, pod) in failed(job, all).filter(|(i, _)| !settled.contains(i) && !running.contains(i)) {
        if last.get(&index).is_none_or(|have| failures(have) <= failures(pod)) {
            last.insert(index, pod.clone());
        }
    }
    last
}

/// Whether a failed pod has to stay for its successor's sake.
pub fn is_awaiting(pod: &Pod, last: &BTreeMap<u32, Rc<Pod>>) -> bool {
    indexes::of_pod(pod).and_then(|i| last.get(&i)).is_some_and(|p| uid(&p.metadata) == uid(&pod.metadata))
}

/// When a pod ended, as its containers say, or as it was to go.
fn ended_at(pod: &Pod) -> Option<jiff::Timestamp> {
    let states = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    let ends = states.filter_map(|s| s.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()).map(|t| t.0);
    ends.max().or(pod.metadata.deletion_timestamp.as_ref().map(|t| t.0))
}

/// How long an index has to wait after its last failure.
pub fn wait(last: &Pod, base: Duration, max: Duration, now: jiff::Timestamp) -> Duration {
    let failures = count(last, FAILURE_COUNT) + count(last, IGNORED_FAILURE_COUNT);
    let wait = base.saturating_mul(2u32.saturating_pow(u32::try_from(failures).unwrap_or(0))).min(max);
    let Some(at) = ended_at(last) else { return Duration::ZERO };
    let due = time::plus_seconds(
        &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at),
        i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
    );
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// Hands the count of an index's failures on to its next pod.
pub fn hand_on(job: &Job, template: &mut PodTemplateSpec, last: Option<&Rc<Pod>>) {
    if limit(job).is_none() {
        return;
    }
    let (mut counted, mut ignored) = (0, 0);
    if let Some(last) = last {
        counted = count(last, FAILURE_COUNT);
        ignored = count(last, IGNORED_FAILURE_COUNT);
        if verdict(job, last) == Verdict::Ignored {
            ignored += 1;
        } else {
            counted += 1;
        }
    }
    let annotations = template.metadata.get_or_insert_default().annotations.get_or_insert_default();
    annotations.insert(FAILURE_COUNT.into(), counted.to_string());
    if ignored > 0 {
        annotations.insert(IGNORED_FAILURE_COUNT.into(), ignored.to_string());
    }
}
