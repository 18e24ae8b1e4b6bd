//! The TTL-after-finished controller: Jobs go some time after they ended, if they say so.
//! Models `pkg/controller/ttlafterfinished/ttlafterfinished_controller.go`.

use std::rc::Rc;

use k8s_openapi::api::batch::v1::Job;

use super::ControllerContext;
use super::util::worker::{SyncResult, run_workers};
use super::util::{name, namespace, time};
use crate::apiserver::{DeleteOptions, Preconditions, Propagation};
use crate::client::{Client, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key};

/// `--concurrent-ttl-after-finished-syncs`.
const WORKERS: usize = 5;

#[derive(Clone)]
struct Controller {
    client: Client,
    jobs: Informer<Job>,
    queue: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("ttl-after-finished-controller");
    let queue = WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let c = Controller { jobs: ctx.informer(), queue, client };
    let queue = c.queue.clone();
    c.jobs.on_event(move |e| {
        if let InformerEvent::Added(j) | InformerEvent::Updated { new: j, .. } = e
            && expires_at(j).is_some()
        {
            queue.add(object_key(&j.metadata));
        }
    });
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.jobs.wait_synced().await;
        let queue = c.queue.clone();
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let c = c.clone();
            async move { c.sync(&key).await }
        });
    });
}

/// When a Job is to go; `None` while it runs, if it is to stay, or if it is going already.
fn expires_at(job: &Job) -> Option<jiff::Timestamp> {
    let ttl = job.spec.as_ref()?.ttl_seconds_after_finished?;
    if job.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let mut conditions = job.status.as_ref()?.conditions.iter().flatten();
    let ended = conditions.find(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")?;
    Some(time::plus_seconds(ended.last_transition_time.as_ref()?, i64::from(ttl)))
}

impl Controller {
    /// Whether the Job is due; if it is to go later, it is looked at again then.
    fn is_due(&self, key: &Rc<str>, job: &Job) -> bool {
        let Some(at) = expires_at(job) else { return false };
        let wait = time::until(self.client.sim(), at);
        if !wait.is_zero() {
            self.queue.add_after(key.clone(), wait);
        }
        wait.is_zero()
    }

    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(job) = self.jobs.get_named(ns, n) else { return Ok(()) };
        if !self.is_due(key, &job) {
            return Ok(());
        }
        // The informer may be behind: the TTL may have been changed.
        let fresh = match self.client.get::<Job>(ns, n).await {
            Err(e) if e.is_not_found() => return Ok(()),
            other => other?,
        };
        if !self.is_due(key, &fresh) {
            return Ok(());
        }
        let o = DeleteOptions {
            propagation: Some(Propagation::Foreground),
            preconditions: Preconditions { uid: fresh.metadata.uid.clone(), ..Preconditions::default() },
            ..DeleteOptions::default()
        };
        let (ns, n) = (namespace(&fresh.metadata), name(&fresh.metadata));
        match self.client.delete::<Job>(ns, n, &o).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(()),
        }
    }
}
