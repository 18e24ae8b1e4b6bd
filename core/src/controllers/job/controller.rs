//! What wakes the controller, and a sync. Models `pkg/controller/job/job_controller.go`.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;

use super::finish::{Finish, condition, deadline_left, is_finished, judge, set_condition};
use super::indexes;
use super::per_index;
use super::policies::{Verdict, verdict};
use super::tracking::{self, FINALIZER, newly_ended, uncounted};
use crate::api::labels::Selector;
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key,
};
use crate::controllers::ControllerContext;
use crate::controllers::util::expectations::Expectations;
use crate::controllers::util::pod_control::{PodControl, in_parallel, pod_from_template, slow_start_batch};
use crate::controllers::util::ref_manager::RefManager;
use crate::controllers::util::worker::{SyncError, SyncResult, run_workers};
use crate::controllers::util::{controller_of, name, namespace, new_controller_ref, pods, ref_is, time, uid};
use crate::sim::SimTime;

/// `--concurrent-job-syncs`.
const WORKERS: usize = 5;
/// How many pods one sync creates or deletes at most.
const MAX_POD_CREATE_DELETE: usize = 500;
/// Pod changes are taken together for so long.
const SYNC_BATCH_PERIOD: Duration = Duration::from_secs(1);
/// After a failure the next pod waits: from 10 s, doubling, to ten minutes.
const BACKOFF_BASE: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(600);

#[derive(Clone)]
struct Controller {
    client: Client,
    recorder: EventRecorder,
    pod_control: PodControl,
    jobs: Informer<Job>,
    pods: Informer<Pod>,
    expectations: Expectations,
    queue: WorkQueue<Rc<str>>,
    /// When the last pod of a Job failed, and how many failed since one succeeded.
    failures: Rc<std::cell::RefCell<std::collections::BTreeMap<Rc<str>, (u32, SimTime)>>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("job-controller");
    let recorder = ctx.recorder(&client, "job-controller");
    let limits = RateLimits { base: Duration::from_secs(1), max: Duration::from_secs(60), qps: 0.0, burst: 1 };
    let c = Controller {
        pod_control: PodControl { client: client.clone(), recorder: recorder.clone() },
        recorder,
        jobs: ctx.informer(),
        pods: ctx.informer(),
        expectations: Expectations::new(ctx.sim()),
        queue: WorkQueue::new(ctx.sim(), client.process(), limits),
        failures: Rc::default(),
        client,
    };
    pods::add_controller_index(&c.pods);
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.jobs.wait_synced().await;
        c.pods.wait_synced().await;
        let queue = c.queue.clone();
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let c = c.clone();
            async move { c.sync_job(&key).await }
        });
    });
}

impl Controller {
    fn watch(&self) {
        let c = self.clone();
        self.jobs.on_event(move |e| match e {
            InformerEvent::Added(j) => c.queue.add(object_key(&j.metadata)),
            InformerEvent::Updated { old, new } => {
                // A change of the spec is looked at at once, a change of the status with others.
                let key = object_key(&new.metadata);
                if old.spec == new.spec {
                    c.queue.add_after(key, SYNC_BATCH_PERIOD);
                } else {
                    c.queue.add(key);
                }
            }
            InformerEvent::Deleted(j) => {
                let key = object_key(&j.metadata);
                c.expectations.delete(&key);
                c.failures.borrow_mut().remove(&key);
                c.queue.add(key);
            }
        });
        let c = self.clone();
        self.pods.on_event(move |e| match e {
            InformerEvent::Added(p) if p.metadata.deletion_timestamp.is_none() => {
                let Some(key) = c.owner_key(p) else { return };
                c.expectations.creation_observed(&key);
                c.queue.add_after(key, SYNC_BATCH_PERIOD);
            }
            InformerEvent::Added(p) => c.pod_gone(p),
            InformerEvent::Updated { old, new } => {
                if old.metadata.resource_version == new.metadata.resource_version {
                    return;
                }
                if new.metadata.deletion_timestamp.is_some() {
                    return c.pod_gone(new);
                }
                if let Some(key) = c.owner_key(new) {
                    // An end is looked at sooner than anything else.
                    let ended = pods::is_terminal(new) && !pods::is_terminal(old);
                    c.queue.add_after(key, if ended { Duration::ZERO } else { SYNC_BATCH_PERIOD });
                }
            }
            InformerEvent::Deleted(p) => c.pod_gone(p),
        });
    }

    fn owner_key(&self, pod: &Pod) -> Option<Rc<str>> {
        let r = controller_of(&pod.metadata).filter(|r| ref_is::<Job>(r))?;
        let job = self.jobs.get_named(namespace(&pod.metadata), &r.name).filter(|j| uid(&j.metadata) == r.uid)?;
        Some(object_key(&job.metadata))
    }

    fn pod_gone(&self, pod: &Pod) {
        let Some(key) = self.owner_key(pod) else {
            // Its Job is gone: nobody will count it any more.
            if tracking::has_finalizer(pod) && pod.metadata.deletion_timestamp.is_some() {
                let (client, pod) = (self.client.clone(), Rc::new(pod.clone()));
                self.client.sim().spawn(self.client.process(), async move {
                    // Without success the pod stays, and the next change tries again.
                    let _ = tracking::release(&client, &[pod]).await;
                });
            }
            return;
        };
        self.expectations.deletion_observed(&key, &object_key(&pod.metadata));
        self.queue.add_after(key, SYNC_BATCH_PERIOD);
    }

    async fn sync_job(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(job) = self.jobs.get_named(ns, n) else {
            self.expectations.delete(key);
            return Ok(());
        };
        let spec = job.spec.clone().unwrap_or_default();
        let selector = Selector::from_label_selector(spec.selector.as_ref()).map_err(SyncError::message)?;
        let found = pods::by_controller(&self.pods, ns, uid(&job.metadata), true);
        let claim = RefManager { client: &self.client, owner: &*job, selector: &selector };
        let all = claim.claim(found, |_| true).await?;
        if is_finished(&job) {
            let held: Vec<_> = all.into_iter().filter(|p| tracking::has_finalizer(p)).collect();
            return tracking::release(&self.client, &held).await;
        }
        let satisfied = self.expectations.satisfied(key);
        let sim = self.client.sim().clone();
        let now = time::now(&sim);
        let indexed = spec.completion_mode.as_deref() == Some("Indexed");
        let completions = spec.completions;
        let mut status = job.status.clone().unwrap_or_default();
        let suspended = spec.suspend == Some(true);
        if status.start_time.is_none() && !suspended {
            status.start_time = Some(now.clone());
        }
        let mut active: Vec<Rc<Pod>> = all.iter().filter(|p| pods::is_active(p)).cloned().collect();
        let (new_succeeded, new_failed) = newly_ended(&job, &all);
        let (noted_s, noted_f) = uncounted(&status);
        let succeeded_indexes: BTreeSet<u32> = if indexed {
            let total = u32::try_from(completions.unwrap_or(0)).unwrap_or(0);
            let mut done = indexes::parse(status.completed_indexes.as_deref().unwrap_or_default(), total);
            done.extend(new_succeeded.iter().filter_map(|p| indexes::of_pod(p)).filter(|i| *i < total));
            done
        } else {
            BTreeSet::new()
        };
        let succeeded = if indexed {
            succeeded_indexes.len() as i32
        } else {
            status.succeeded.unwrap_or(0) + (noted_s.len() + new_succeeded.len()) as i32
        };
        let counted: Vec<Rc<Pod>> =
            new_failed.iter().filter(|p| verdict(&job, p) != Verdict::Ignored).cloned().collect();
        let failed = status.failed.unwrap_or(0) + (noted_f.len() + counted.len()) as i32;
        self.note_failures(key, &new_succeeded, &new_failed);
        let given_up = per_index::failed_indexes(&job, &all);
        let settled: BTreeSet<u32> = succeeded_indexes.union(&given_up).copied().collect();
        let awaiting = per_index::awaiting_successors(&job, &all, &settled, &active);
        if per_index::limit(&job).is_some() {
            status.failed_indexes = Some(indexes::format(&given_up));
        }

        let mut finish =
            judge(&job, &status, (&all, &active), failed, indexed.then_some((&succeeded_indexes, &given_up)));
        if finish.is_none() && !suspended {
            match deadline_left(&job, &status, sim.timestamp()) {
                Some(left) if left.is_zero() => {
                    finish = Some(Finish::failed("DeadlineExceeded", "Job was active longer than specified deadline"));
                }
                Some(left) => self.queue.add_after(key.clone(), left),
                None => {}
            }
        }
        if finish.is_none() {
            let complete = match completions {
                None => succeeded > 0 && active.is_empty(),
                Some(n) => succeeded >= n,
            };
            if complete {
                finish = Some(Finish::complete("CompletionsReached", "Reached expected number of succeeded pods"));
            }
        }

        let mut outcome = Ok(());
        if finish.is_some() {
            let (gone, result) = self.delete_pods(key, &job, &active).await;
            outcome = result;
            active.retain(|p| !gone.contains(uid(&p.metadata)));
        } else {
            if satisfied && job.metadata.deletion_timestamp.is_none() {
                let terminating = all.iter().filter(|p| pods::is_terminating(p)).cloned().collect();
                let indexes = Settled { succeeded, settled, awaiting: awaiting.clone(), terminating };
                outcome = self.manage_job(key, &job, &mut active, &indexes, suspended).await;
            }
            self.mark_suspended(&job, &mut status, suspended, &now);
        }
        let before = job.status.clone().unwrap_or_default();
        status.active = Some(active.len() as i32).filter(|n| *n != 0);
        status.ready = Some(active.iter().filter(|p| pods::is_ready(p)).count() as i32);
        status.terminating = Some(all.iter().filter(|p| pods::is_terminating(p)).count() as i32);
        let stays = |p: &&Rc<Pod>| finish.is_none() && per_index::is_awaiting(p, &awaiting);
        let stay: BTreeSet<String> = new_failed.iter().filter(stays).map(|p| uid(&p.metadata).to_owned()).collect();
        let failed = counted.into_iter().filter(|p| !stay.contains(uid(&p.metadata))).collect();
        let ended = Ended { succeeded: new_succeeded, failed, stay };
        self.track(key, &job, &all, (status, before), ended, indexed.then_some(succeeded_indexes), finish).await?;
        outcome
    }

    fn note_failures(&self, key: &Rc<str>, succeeded: &[Rc<Pod>], failed: &[Rc<Pod>]) {
        let now = self.client.sim().now();
        let mut failures = self.failures.borrow_mut();
        if !succeeded.is_empty() {
            failures.remove(key);
        }
        if !failed.is_empty() {
            let f = failures.entry(key.clone()).or_insert((0, now));
            f.0 += failed.len() as u32;
            f.1 = now;
        }
    }

    /// How long the next pod has to wait because of failures.
    fn backoff(&self, key: &Rc<str>) -> Duration {
        let Some((n, at)) = self.failures.borrow().get(key).copied() else { return Duration::ZERO };
        let wait = BACKOFF_BASE.saturating_mul(2u32.saturating_pow(n.saturating_sub(1))).min(BACKOFF_MAX);
        (at + wait).since(self.client.sim().now())
    }

    fn mark_suspended(
        &self,
        job: &Job,
        status: &mut JobStatus,
        suspended: bool,
        now: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time,
    ) {
        let was = condition(status, "Suspended").map(|c| c.status == "True");
        let (status_text, reason, message) = match (suspended, was) {
            (true, None | Some(false)) => ("True", "JobSuspended", "Job suspended"),
            (false, Some(true)) => ("False", "JobResumed", "Job resumed"),
            _ => return,
        };
        set_condition(status, "Suspended", status_text, reason, message, now);
        if suspended {
            status.start_time = None;
            self.recorder.event(job, EventType::Normal, "Suspended", message);
        } else {
            status.start_time = Some(now.clone());
            self.recorder.event(job, EventType::Normal, "Resumed", message);
        }
    }

    /// Creates or deletes pods so that as many run as may. Models manageJob.
    async fn manage_job(
        &self,
        key: &Rc<str>,
        job: &Rc<Job>,
        active: &mut Vec<Rc<Pod>>,
        known: &Settled,
        suspended: bool,
    ) -> SyncResult {
        let succeeded = known.succeeded;
        let spec = job.spec.clone().unwrap_or_default();
        let parallelism = if suspended { 0 } else { spec.parallelism.unwrap_or(1) };
        let running = active.len() as i32;
        let wanted = match spec.completions {
            // Any success means that no more are started.
            None if succeeded > 0 => running.min(parallelism),
            None => parallelism,
            Some(n) if spec.backoff_limit_per_index.is_some() => (n - known.settled.len() as i32).clamp(0, parallelism),
            Some(n) => (n - succeeded).clamp(0, parallelism),
        };
        if running > wanted {
            let surplus = usize::try_from(running - wanted).unwrap_or(0).min(MAX_POD_CREATE_DELETE);
            let now = time::now(self.client.sim()).0;
            let mut doomed = crate::controllers::util::rank::sort_for_deletion(active, |_| 0, now);
            doomed.truncate(surplus);
            // They didn't fail: they aren't counted.
            let held: Vec<_> = doomed.iter().filter(|p| tracking::has_finalizer(p)).cloned().collect();
            tracking::release(&self.client, &held).await?;
            let (gone, result) = self.delete_pods(key, job, &doomed).await;
            active.retain(|p| !gone.contains(uid(&p.metadata)));
            return result;
        }
        // Where only ended pods are replaced, those that are going still count.
        let replaces_failed = tracking::replaces_only_failed(job);
        let going = if replaces_failed { known.terminating.len() as i32 } else { 0 };
        let missing = wanted - running - going;
        if missing <= 0 {
            return Ok(());
        }
        let wait = if spec.backoff_limit_per_index.is_some() { Duration::ZERO } else { self.backoff(key) };
        if !wait.is_zero() {
            self.queue.add_after(key.clone(), wait);
            return Ok(());
        }
        let count = usize::try_from(missing).unwrap_or(0).min(MAX_POD_CREATE_DELETE);
        let indexed = spec.completion_mode.as_deref() == Some("Indexed");
        let mut indexes = Vec::new();
        if indexed {
            let mut taken: BTreeSet<u32> = active.iter().filter_map(|p| indexes::of_pod(p)).collect();
            if replaces_failed {
                taken.extend(known.terminating.iter().filter_map(|p| indexes::of_pod(p)));
            }
            let total = u32::try_from(spec.completions.unwrap_or(0)).unwrap_or(0);
            let free = (0..total).filter(|i| !known.settled.contains(i) && !taken.contains(i));
            indexes = self.ready_indexes(key, free.take(count).collect(), known);
        }
        let count = if indexed { indexes.len() } else { count };
        self.expectations.expect_creations(key, count);
        let made: Rc<std::cell::RefCell<Vec<Rc<Pod>>>> = Rc::default();
        let (created, outcome) = slow_start_batch(&self.client, count, |i| {
            let (control, job, made, index) =
                (self.pod_control.clone(), job.clone(), made.clone(), indexes.get(i).copied());
            let last = index.and_then(|i| known.awaiting.get(&i)).cloned();
            async move {
                let mut template = job.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
                let generated = index.map(|i| indexes::apply(&mut template, name(&job.metadata), i));
                per_index::hand_on(&job, &mut template, last.as_ref());
                template.metadata.get_or_insert_default().finalizers.get_or_insert_default().push(FINALIZER.into());
                let mut pod = pod_from_template(&template, &job.metadata, Some(new_controller_ref(&*job)));
                if generated.is_some() {
                    pod.metadata.generate_name = generated;
                }
                let pod = control.create_pod(Rc::new(pod), &*job).await?;
                made.borrow_mut().push(pod);
                Ok(())
            }
        })
        .await;
        for _ in created..count {
            self.expectations.creation_observed(key);
        }
        active.extend(made.take());
        outcome
    }

    /// Those of the indexes that needn't wait after a failure of their own; if all must, the Job is looked at again then.
    fn ready_indexes(&self, key: &Rc<str>, free: Vec<u32>, known: &Settled) -> Vec<u32> {
        let now = self.client.sim().timestamp();
        let wait = |i: &u32| {
            known.awaiting.get(i).map_or(Duration::ZERO, |p| per_index::wait(p, BACKOFF_BASE, BACKOFF_MAX, now))
        };
        let (ready, waiting): (Vec<u32>, Vec<u32>) = free.into_iter().partition(|i| wait(i).is_zero());
        if let Some(soonest) = waiting.iter().map(wait).min() {
            self.queue.add_after(key.clone(), soonest);
        }
        ready
    }

    /// Deletes pods; the uids of those that are gone or going.
    async fn delete_pods(&self, key: &Rc<str>, job: &Rc<Job>, doomed: &[Rc<Pod>]) -> (BTreeSet<String>, SyncResult) {
        self.expectations.expect_deletions(key, doomed.iter().map(|p| object_key(&p.metadata)));
        let gone: Rc<std::cell::RefCell<BTreeSet<String>>> = Rc::default();
        let errors = in_parallel(&self.client, doomed.len(), |i| {
            let (control, pod, job, gone) = (self.pod_control.clone(), doomed[i].clone(), job.clone(), gone.clone());
            let (expectations, key) = (self.expectations.clone(), key.clone());
            async move {
                if let Err(e) = control.delete_pod(&pod, &*job).await {
                    expectations.deletion_observed(&key, &object_key(&pod.metadata));
                    if !e.is_not_found() {
                        return Err(e.into());
                    }
                }
                gone.borrow_mut().insert(uid(&pod.metadata).to_owned());
                Ok(())
            }
        })
        .await;
        (gone.take(), errors.into_iter().next().map_or(Ok(()), Err))
    }

    #[allow(clippy::too_many_arguments)]
    async fn track(
        &self,
        key: &Rc<str>,
        job: &Rc<Job>,
        all: &[Rc<Pod>],
        (mut status, before): (JobStatus, JobStatus),
        ended: Ended,
        by_index: Option<BTreeSet<u32>>,
        finish: Option<Finish>,
    ) -> SyncResult {
        let now = time::now(self.client.sim());
        if let Some(done) = &by_index {
            status.completed_indexes = Some(indexes::format(done)).filter(|t| !t.is_empty());
            status.succeeded = Some(done.len() as i32).filter(|n| *n != 0);
        }
        tracking::note(&mut status, &ended.succeeded, &ended.failed, by_index.is_some());
        tracking::count(&mut status, all);
        // First what it will come to, then, when nothing runs any more, that it came to it.
        if let Some(f) = &finish {
            let target = if f.kind == "Failed" { "FailureTarget" } else { "SuccessCriteriaMet" };
            set_condition(&mut status, target, "True", &f.reason, &f.message, &now);
        }
        let mut at = (**job).clone();
        if status != before {
            at.status = Some(status.clone());
            at = (*self.client.update_status(at).await?).clone();
            status = at.status.clone().unwrap_or_default();
        }
        let noted = uncounted(&status);
        let ours = |p: &&Rc<Pod>| {
            let u = uid(&p.metadata);
            let ignored = tracking::is_failed(p, job) && verdict(job, p) == Verdict::Ignored;
            tracking::has_finalizer(p)
                && !ended.stay.contains(u)
                && (noted.0.contains(u)
                    || noted.1.contains(u)
                    || ignored
                    || (by_index.is_some() && pods::phase(p) == "Succeeded"))
        };
        let done_with: Vec<Rc<Pod>> = all.iter().filter(ours).cloned().collect();
        tracking::release(&self.client, &done_with).await?;
        let released: BTreeSet<&str> = done_with.iter().map(|p| uid(&p.metadata)).collect();
        let held: Vec<Rc<Pod>> = all.iter().filter(|p| !released.contains(uid(&p.metadata))).cloned().collect();
        let mut counted = tracking::count(&mut status, &held);
        let quiet = status.active.unwrap_or(0) == 0 && status.terminating.unwrap_or(0) == 0;
        let empty = {
            let u = uncounted(&status);
            u.0.is_empty() && u.1.is_empty()
        };
        let done = finish.filter(|_| quiet && empty);
        if let Some(f) = &done {
            set_condition(&mut status, f.kind, "True", &f.reason, &f.message, &now);
            if f.kind == "Complete" {
                status.completion_time = Some(now.clone());
            }
            counted = true;
        }
        if counted {
            at.status = Some(status);
            self.client.update_status(at).await?;
        }
        if let Some(f) = done {
            if f.kind == "Complete" {
                self.recorder.event(&**job, EventType::Normal, "Completed", "Job completed");
            } else {
                self.recorder.event(&**job, EventType::Warning, &f.reason, &f.message);
            }
            self.failures.borrow_mut().remove(key);
        }
        Ok(())
    }
}

/// What is known of a Job's pods when it is decided how many are started.
struct Settled {
    succeeded: i32,
    /// Indexes that succeeded or are given up.
    settled: BTreeSet<u32>,
    /// The last failed pods of indexes that are to be tried again.
    awaiting: std::collections::BTreeMap<u32, Rc<Pod>>,
    terminating: Vec<Rc<Pod>>,
}

/// The pods that ended since the last look.
struct Ended {
    succeeded: Vec<Rc<Pod>>,
    failed: Vec<Rc<Pod>>,
    /// The uids of those that have to stay yet.
    stay: BTreeSet<String>,
}
