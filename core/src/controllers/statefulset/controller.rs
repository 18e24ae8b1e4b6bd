//! What wakes the controller, and a sync. Models `pkg/controller/statefulset/stateful_set.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::Pod;

use super::identity::{min_ready_seconds, parent_and_ordinal, replicas};
use super::pod_control::StatefulPodControl;
use crate::api::labels::Selector;
use crate::client::{Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key};
use crate::controllers::ControllerContext;
use crate::controllers::util::ref_manager::RefManager;
use crate::controllers::util::worker::{SyncResult, run_workers};
use crate::controllers::util::{controller_of, history, name, namespace, pods, ref_is, time, uid};

/// `--concurrent-statefulset-syncs`.
const WORKERS: usize = 5;

/// The controller. Clones share everything.
#[derive(Clone)]
pub(super) struct StatefulSetController {
    pub control: StatefulPodControl,
    sets: Informer<StatefulSet>,
    pub revisions: Informer<ControllerRevision>,
    queue: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("statefulset-controller");
    let c = StatefulSetController {
        control: StatefulPodControl {
            recorder: ctx.recorder(&client, "statefulset-controller"),
            pods: ctx.informer(),
            claims: ctx.informer(),
            client: client.clone(),
        },
        sets: ctx.informer(),
        revisions: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
    };
    pods::add_controller_index(&c.control.pods);
    history::add_index(&c.revisions);
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.control.pods.wait_synced().await;
        c.sets.wait_synced().await;
        c.control.claims.wait_synced().await;
        c.revisions.wait_synced().await;
        let queue = c.queue.clone();
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let c = c.clone();
            async move { c.sync(&key).await }
        });
    });
}

fn selector(set: &StatefulSet) -> Result<Selector, String> {
    Selector::from_label_selector(set.spec.as_ref().map(|s| &s.selector))
}

impl StatefulSetController {
    fn watch(&self) {
        let c = self.clone();
        self.sets.on_event(move |e| match e {
            InformerEvent::Added(o) | InformerEvent::Updated { new: o, .. } | InformerEvent::Deleted(o) => c.enqueue(o),
        });
        let c = self.clone();
        self.control.pods.on_event(move |e| match e {
            InformerEvent::Added(p) if p.metadata.deletion_timestamp.is_some() => c.enqueue_owner(p),
            InformerEvent::Added(p) => {
                if controller_of(&p.metadata).is_some() {
                    c.enqueue_owner(p);
                } else {
                    c.enqueue_matching(p);
                }
            }
            InformerEvent::Updated { old, new } => c.update_pod(old, new),
            InformerEvent::Deleted(p) => c.enqueue_owner(p),
        });
    }

    fn enqueue(&self, set: &StatefulSet) {
        self.queue.add(object_key(&set.metadata));
    }

    fn owner(&self, pod: &Pod) -> Option<Rc<StatefulSet>> {
        let r = controller_of(&pod.metadata).filter(|r| ref_is::<StatefulSet>(r))?;
        self.sets.get_named(namespace(&pod.metadata), &r.name).filter(|s| uid(&s.metadata) == r.uid)
    }

    fn enqueue_owner(&self, pod: &Pod) {
        if let Some(set) = self.owner(pod) {
            self.enqueue(&set);
        }
    }

    fn enqueue_matching(&self, pod: &Pod) {
        for set in self.sets.list_namespace(namespace(&pod.metadata)) {
            if selector(&set).is_ok_and(|s| !s.is_empty() && s.matches_meta(&pod.metadata)) {
                self.enqueue(&set);
            }
        }
    }

    fn update_pod(&self, old: &Pod, new: &Pod) {
        if old.metadata.resource_version == new.metadata.resource_version {
            return;
        }
        let changed = controller_of(&old.metadata) != controller_of(&new.metadata);
        if changed {
            self.enqueue_owner(old);
        }
        if controller_of(&new.metadata).is_none() {
            if changed || old.metadata.labels != new.metadata.labels {
                self.enqueue_matching(new);
            }
            return;
        }
        let Some(set) = self.owner(new) else { return };
        self.enqueue(&set);
        let min_ready = min_ready_seconds(&set);
        if min_ready > 0 && !pods::is_ready(old) && pods::is_ready(new) {
            // A second more: the condition's time is cut to whole seconds.
            let wait = Duration::from_secs(u64::from(min_ready.unsigned_abs()) + 1);
            self.queue.add_after(object_key(&set.metadata), wait);
        }
    }

    async fn sync(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(set) = self.sets.get_named(ns, n) else { return Ok(()) };
        // A selector that can't be read selects nothing and never will.
        let Ok(selector) = selector(&set) else { return Ok(()) };
        let revisions = self.adopt_revisions(&set, &selector).await?;
        let found = pods::by_controller(&self.control.pods, ns, uid(&set.metadata), true);
        let claim = RefManager { client: &self.control.client, owner: &*set, selector: &selector };
        let member = |p: &Pod| parent_and_ordinal(p).is_some_and(|(parent, _)| parent == name(&set.metadata));
        let all = claim.claim(found, member).await?;

        let both = match self.stateful_set_revisions(&set, &revisions).await {
            Ok(both) => both,
            Err(e) => {
                self.truncate_history(&set, &all, &revisions, None).await?;
                return Err(e);
            }
        };
        let (status, outcome) = self.update_stateful_set(&set, &both, &all).await;
        let available = status.available_replicas.unwrap_or(0);
        let written = self.write_status(&set, status).await;
        let truncated = self.truncate_history(&set, &all, &revisions, Some(&both)).await;
        outcome?;
        written?;
        truncated?;
        let min_ready = min_ready_seconds(&set);
        if min_ready > 0 && i64::from(available) != replicas(&set) {
            let sim = self.control.client.sim();
            if let Some(at) = pods::next_availability(&all, min_ready, sim.timestamp()) {
                self.queue.add_after(key.clone(), time::until(sim, at));
            }
        }
        Ok(())
    }
}
