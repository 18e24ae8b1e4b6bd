//! A sync of one CronJob: which of its Jobs run, whether one is due, and making it.
//! Models syncCronJob of `pkg/controller/cronjob/cronjob_controllerv2.go`.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::api::batch::v1::{CronJob, Job, JobCondition};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::controller::{Controller, timetable};
use super::times::Timetable;
use crate::client::{EventType, reference};
use crate::controllers::util::pod_control::is_namespace_terminating;
use crate::controllers::util::worker::SyncError;
use crate::controllers::util::{controller_of, name, namespace, new_controller_ref, time, uid};

/// On a Job: for which time it was made.
const SCHEDULED_TIMESTAMP: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

fn ended(job: &Job) -> Option<&JobCondition> {
    let mut all = job.status.as_ref()?.conditions.iter().flatten();
    all.find(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")
}

fn active(cj: &CronJob) -> &[ObjectReference] {
    cj.status.as_ref().and_then(|s| s.active.as_deref()).unwrap_or_default()
}

fn is_active(cj: &CronJob, id: &str) -> bool {
    active(cj).iter().any(|r| r.uid.as_deref() == Some(id))
}

/// Takes a Job off the list of those that run.
pub(super) fn forget(cj: &mut CronJob, id: &str) {
    let Some(status) = &mut cj.status else { return };
    if let Some(all) = &mut status.active {
        all.retain(|r| r.uid.as_deref() != Some(id));
    }
    if status.active.as_ref().is_some_and(Vec::is_empty) {
        status.active = None;
    }
}

/// One name a minute, so that no time is served twice.
fn job_name(cj: &CronJob, at: Timestamp) -> String {
    format!("{}-{}", name(&cj.metadata), at.as_second().div_euclid(60))
}

/// A time as RFC 3339 in a zone, to the second.
fn rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    if *zone == TimeZone::UTC {
        return at.to_string();
    }
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The Job for a time. Models getJobFromTemplate2.
fn job_for(cj: &CronJob, at: Timestamp) -> Job {
    let template = cj.spec.job_template.clone();
    let meta = template.metadata.unwrap_or_default();
    let zone = cj.spec.time_zone.as_deref().unwrap_or_default();
    let zone = super::schedule::zone(zone).unwrap_or(TimeZone::UTC);
    let mut annotations = meta.annotations.unwrap_or_default();
    annotations.insert(SCHEDULED_TIMESTAMP.into(), rfc3339(at, &zone));
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(cj, at)),
            namespace: cj.metadata.namespace.clone(),
            labels: meta.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![new_controller_ref(cj)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

impl Controller {
    /// When to look again; whether the status changed is told by `changed`.
    pub(super) async fn sync_cron_job(
        &self,
        cj: &mut CronJob,
        jobs: &[Rc<Job>],
        changed: &mut bool,
    ) -> Result<Option<Duration>, SyncError> {
        let now = self.client.sim().timestamp();
        self.see_jobs(cj, jobs, changed).await?;
        self.miss_jobs(cj, jobs, changed).await?;
        let spec = cj.spec.clone();
        if cj.metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        let times = match timetable(cj) {
            Ok(times) => times,
            Err((reason, message)) => {
                if spec.suspend != Some(true) || reason == "UnknownTimeZone" {
                    self.recorder.event(cj, EventType::Warning, reason, &message);
                }
                return Ok(None);
            }
        };
        if spec.suspend == Some(true) {
            return Ok(None);
        }
        if spec.schedule.contains("TZ") {
            let message = format!(
                "CRON_TZ or TZ used in schedule {:?} is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
                spec.schedule
            );
            self.recorder.event(cj, EventType::Warning, "UnsupportedSchedule", &message);
        }
        let at = match times.due(cj, now) {
            Err(e) => {
                let message = format!("invalid schedule: {} : {e}", spec.schedule);
                self.recorder.event(cj, EventType::Warning, "InvalidSchedule", &message);
                return Ok(None);
            }
            Ok((None, _)) => return Ok(Some(times.until_next(cj, now))),
            Ok((Some(at), many)) => {
                if many {
                    let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
                    self.recorder.event(cj, EventType::Warning, "TooManyMissedTimes", message);
                }
                at
            }
        };
        if !self.may_start(cj, at, now, changed).await? {
            return Ok(Some(times.until_next(cj, now)));
        }
        self.start_job(cj, at, &times, now, changed).await
    }

    /// Notes which Jobs have ended, and those that it didn't know of.
    async fn see_jobs(&self, cj: &mut CronJob, jobs: &[Rc<Job>], changed: &mut bool) -> Result<(), SyncError> {
        for job in jobs {
            let (id, n) = (uid(&job.metadata), name(&job.metadata));
            match (is_active(cj, id), ended(job)) {
                (false, None) => {
                    let (ns, own) = (namespace(&cj.metadata).to_owned(), name(&cj.metadata).to_owned());
                    let fresh = self.client.get::<CronJob>(&ns, &own).await?;
                    if is_active(&fresh, id) {
                        *cj = (*fresh).clone();
                        continue;
                    }
                    let message = format!("Saw a job that the controller did not create or forgot: {n}");
                    self.recorder.event(cj, EventType::Warning, "UnexpectedJob", &message);
                }
                (true, Some(c)) => {
                    forget(cj, id);
                    let message = format!("Saw completed job: {n}, condition: {}", c.type_);
                    self.recorder.event(cj, EventType::Normal, "SawCompletedJob", &message);
                    *changed = true;
                }
                (false, Some(c)) if c.type_ == "Complete" => {
                    let completed = job.status.as_ref().and_then(|s| s.completion_time.clone());
                    let status = cj.status.get_or_insert_default();
                    let last = status.last_successful_time.as_ref().map(|t| t.0);
                    if completed.as_ref().is_some_and(|t| last.is_none_or(|l| t.0 > l)) {
                        status.last_successful_time = completed;
                        *changed = true;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes which Jobs are gone.
    async fn miss_jobs(&self, cj: &mut CronJob, jobs: &[Rc<Job>], changed: &mut bool) -> Result<(), SyncError> {
        for r in active(cj).to_vec() {
            let id = r.uid.as_deref().unwrap_or_default();
            if jobs.iter().any(|j| uid(&j.metadata) == id) {
                continue;
            }
            let n = r.name.as_deref().unwrap_or_default();
            // The informer may be behind.
            match self.client.get::<Job>(r.namespace.as_deref().unwrap_or_default(), n).await {
                Err(e) if e.is_not_found() => {
                    self.recorder.event(cj, EventType::Normal, "MissingJob", &format!("Active job went missing: {n}"));
                    forget(cj, id);
                    *changed = true;
                }
                other => {
                    other?;
                }
            }
        }
        Ok(())
    }

    /// Whether a Job may be started for a time, after those that it replaces were deleted.
    async fn may_start(
        &self,
        cj: &mut CronJob,
        at: Timestamp,
        now: Timestamp,
        changed: &mut bool,
    ) -> Result<bool, SyncError> {
        let spec = cj.spec.clone();
        if let Some(seconds) = spec.starting_deadline_seconds
            && time::plus_seconds(&Time(at), seconds) < now
        {
            let when = at.strftime("%a, %d %b %Y %H:%M:%S +0000");
            let message = format!("Missed scheduled time to start a job: {when}");
            self.recorder.event(cj, EventType::Warning, "MissSchedule", &message);
            return Ok(false);
        }
        let n = job_name(cj, at);
        let last = cj.status.as_ref().and_then(|s| s.last_schedule_time.as_ref());
        if active(cj).iter().any(|r| r.name.as_deref() == Some(&n)) || last.is_some_and(|t| t.0 == at) {
            return Ok(false);
        }
        match spec.concurrency_policy.as_deref() {
            Some("Forbid") if !active(cj).is_empty() => {
                let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
                self.recorder.event(cj, EventType::Normal, "JobAlreadyActive", message);
                Ok(false)
            }
            Some("Replace") => {
                for r in active(cj).to_vec() {
                    let (ns, n) = (r.namespace.as_deref().unwrap_or_default(), r.name.as_deref().unwrap_or_default());
                    let job = match self.client.get::<Job>(ns, n).await {
                        Ok(job) => job,
                        Err(e) => {
                            self.recorder.event(cj, EventType::Warning, "FailedGet", &format!("Get job: {e}"));
                            return Err(e.into());
                        }
                    };
                    if !self.delete_job(cj, &job).await {
                        return Err(SyncError::message(format!("could not replace job {ns}/{n}")));
                    }
                    *changed = true;
                }
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    async fn start_job(
        &self,
        cj: &mut CronJob,
        at: Timestamp,
        times: &Timetable,
        now: Timestamp,
        changed: &mut bool,
    ) -> Result<Option<Duration>, SyncError> {
        let job = match self.client.create(job_for(cj, at)).await {
            Ok(job) => {
                let message = format!("Created job {}", name(&job.metadata));
                self.recorder.event(cj, EventType::Normal, "SuccessfulCreate", &message);
                job
            }
            Err(e) if is_namespace_terminating(&e) => return Err(e.into()),
            Err(e) if e.is_already_exists() => {
                // Made before, by whom? If by this controller, the status was not written then.
                let job = self.client.get::<Job>(namespace(&cj.metadata), &job_name(cj, at)).await?;
                let ours = controller_of(&job.metadata).is_some_and(|r| r.uid == uid(&cj.metadata));
                if !ours || is_active(cj, uid(&job.metadata)) {
                    return Ok(None);
                }
                job
            }
            Err(e) => {
                self.recorder.event(cj, EventType::Warning, "FailedCreate", &format!("Error creating job: {e}"));
                return Err(e.into());
            }
        };
        let status = cj.status.get_or_insert_default();
        status.active.get_or_insert_default().push(reference(&*job));
        status.last_schedule_time = Some(Time(at));
        *changed = true;
        Ok(Some(times.until_next(cj, now)))
    }
}
