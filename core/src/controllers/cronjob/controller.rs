//! What wakes the controller, and what it does about ended Jobs. Models `pkg/controller/cronjob/cronjob_controllerv2.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};

use super::schedule::zone;
use super::times::Timetable;
use crate::apiserver::{DeleteOptions, Propagation};
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key,
};
use crate::controllers::ControllerContext;
use crate::controllers::util::worker::SyncError;
use crate::controllers::util::{controller_of, name, namespace, ref_is, uid};
use crate::registry::validation::batch::schedule::{self, Schedule};

/// `--concurrent-cron-job-syncs`.
const WORKERS: usize = 5;
/// Jobs by the CronJob that made them.
const OWNER_INDEX: &str = "cronJobUID";

/// The controller. Clones share everything.
#[derive(Clone)]
pub(super) struct Controller {
    pub client: Client,
    pub recorder: EventRecorder,
    cron_jobs: Informer<CronJob>,
    jobs: Informer<Job>,
    queue: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("cronjob-controller");
    let c = Controller {
        recorder: ctx.recorder(&client, "cronjob-controller"),
        cron_jobs: ctx.informer(),
        jobs: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
        client,
    };
    c.jobs.add_index(OWNER_INDEX, |j| {
        let owner = controller_of(&j.metadata).filter(|r| ref_is::<CronJob>(r));
        owner.map(|r| vec![r.uid.as_str().into()]).unwrap_or_default()
    });
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.jobs.wait_synced().await;
        c.cron_jobs.wait_synced().await;
        for _ in 0..WORKERS {
            let c = c.clone();
            ctx.spawn(async move {
                loop {
                    let key = c.queue.get().await;
                    match c.sync(&key).await {
                        Err(_) => c.queue.add_rate_limited(key.clone()),
                        Ok(after) => {
                            c.queue.forget(&key);
                            if let Some(wait) = after {
                                c.queue.add_after(key.clone(), wait);
                            }
                        }
                    }
                    c.queue.done(&key);
                }
            });
        }
    });
}

/// The times of a CronJob; the event that says why there are none.
pub(super) fn timetable(cj: &CronJob) -> Result<Timetable, (&'static str, String)> {
    let spec = cj.spec.clone();
    let zone_name = spec.time_zone.unwrap_or_default();
    let of_job = zone(&zone_name).map_err(|e| ("UnknownTimeZone", format!("invalid timeZone: {zone_name:?}: {e}")))?;
    let schedule = schedule::parse(&spec.schedule)
        .map_err(|e| ("UnparseableSchedule", format!("unparseable schedule: {:?} : {e}", spec.schedule)))?;
    let own = match &schedule {
        Schedule::Spec { zone: Some(z), .. } => zone(z).ok(),
        _ => None,
    };
    Ok(Timetable { schedule, zone: own.unwrap_or(of_job) })
}

impl Controller {
    fn watch(&self) {
        let c = self.clone();
        self.cron_jobs.on_event(move |e| match e {
            InformerEvent::Added(cj) | InformerEvent::Deleted(cj) => c.queue.add(object_key(&cj.metadata)),
            InformerEvent::Updated { old, new } => {
                let times = |cj: &CronJob| (cj.spec.schedule.clone(), cj.spec.time_zone.clone());
                let key = object_key(&new.metadata);
                if times(old) == times(new) {
                    return c.queue.add(key);
                }
                // Other times: it is looked at when the first of them comes.
                match timetable(new) {
                    Ok(t) => c.queue.add_after(key, t.until_next(new, c.client.sim().timestamp())),
                    Err(_) => c.queue.add(key),
                }
            }
        });
        let c = self.clone();
        self.jobs.on_event(move |e| match e {
            InformerEvent::Added(j) | InformerEvent::Updated { new: j, .. } | InformerEvent::Deleted(j) => {
                if let Some(r) = controller_of(&j.metadata).filter(|r| ref_is::<CronJob>(r)) {
                    c.queue.add(format!("{}/{}", namespace(&j.metadata), r.name).into());
                }
            }
        });
    }

    /// Looks at a CronJob; when to look again.
    async fn sync(&self, key: &Rc<str>) -> Result<Option<Duration>, SyncError> {
        let (ns, n) = split_key(key);
        let Some(found) = self.cron_jobs.get_named(ns, n) else { return Ok(None) };
        let jobs = self.jobs.by_index(OWNER_INDEX, uid(&found.metadata));
        let mut cj = (*found).clone();
        let cleaned = self.clean_up(&mut cj, &jobs).await;
        let mut changed = false;
        let outcome = self.sync_cron_job(&mut cj, &jobs, &mut changed).await;
        if cleaned || changed {
            self.client.update_status(cj).await?;
        }
        outcome
    }

    /// Deletes ended Jobs beyond what the history is to keep; whether any were.
    async fn clean_up(&self, cj: &mut CronJob, jobs: &[Rc<Job>]) -> bool {
        let ended = |kind: &str| -> Vec<Rc<Job>> {
            let is = |j: &&Rc<Job>| {
                let all = j.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
                all.iter().any(|c| c.type_ == kind && c.status == "True")
            };
            jobs.iter().filter(is).cloned().collect()
        };
        let spec = cj.spec.clone();
        let mut any = false;
        for (mut all, limit) in
            [(ended("Complete"), spec.successful_jobs_history_limit), (ended("Failed"), spec.failed_jobs_history_limit)]
        {
            let Some(keep) = limit.and_then(|l| usize::try_from(l).ok()) else { continue };
            let started = |j: &Job| j.status.as_ref().and_then(|s| s.start_time.as_ref()).map(|t| t.0);
            // Those that never started count as the newest.
            all.sort_by(|a, b| {
                let (x, y) = (started(a), started(b));
                x.is_none().cmp(&y.is_none()).then(x.cmp(&y)).then_with(|| name(&a.metadata).cmp(name(&b.metadata)))
            });
            let surplus = all.len().saturating_sub(keep);
            for job in all.into_iter().take(surplus) {
                any |= self.delete_job(cj, &job).await;
            }
        }
        any
    }

    /// Deletes a Job and forgets it; whether that went well.
    pub(super) async fn delete_job(&self, cj: &mut CronJob, job: &Job) -> bool {
        let o = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        let (ns, n) = (namespace(&job.metadata), name(&job.metadata));
        if let Err(e) = self.client.delete::<Job>(ns, n, &o).await {
            self.recorder.event(cj, EventType::Warning, "FailedDelete", &format!("Deleted job: {e}"));
            return false;
        }
        super::sync::forget(cj, uid(&job.metadata));
        self.recorder.event(cj, EventType::Normal, "SuccessfulDelete", &format!("Deleted job {n}"));
        true
    }
}
