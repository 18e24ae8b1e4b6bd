//! What wakes the controller, and the order of a sync. Models `pkg/controller/deployment/deployment_controller.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};

use super::util::{Sets, is_recreate};
use crate::api::labels::Selector;
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key,
};
use crate::controllers::ControllerContext;
use crate::controllers::util::ref_manager::RefManager;
use crate::controllers::util::worker::{SyncError, SyncResult};
use crate::controllers::util::{controller_of, namespace, pods, ref_is, uid};

/// `--concurrent-deployment-syncs`.
const WORKERS: usize = 5;
/// A key is tried again so often before it waits for its next change.
const MAX_RETRIES: u32 = 15;
const CONTROLLER_INDEX: &str = "controllerOrOrphans";

#[derive(Clone)]
pub(super) struct DeploymentController {
    pub client: Client,
    pub recorder: EventRecorder,
    pub deployments: Informer<Deployment>,
    pub sets: Informer<ReplicaSet>,
    pub pods: Informer<Pod>,
    pub queue: WorkQueue<Rc<str>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("deployment-controller");
    let c = DeploymentController {
        recorder: ctx.recorder(&client, "deployment-controller"),
        deployments: ctx.informer(),
        sets: ctx.informer(),
        pods: ctx.informer(),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
        client,
    };
    pods::add_controller_index(&c.pods);
    c.sets.add_index(CONTROLLER_INDEX, |rs| match controller_of(&rs.metadata) {
        Some(r) => vec![r.uid.as_str().into()],
        None => vec![orphans_key(namespace(&rs.metadata))],
    });
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.deployments.wait_synced().await;
        c.sets.wait_synced().await;
        c.pods.wait_synced().await;
        for _ in 0..WORKERS {
            let c = c.clone();
            ctx.spawn(async move {
                loop {
                    let key = c.queue.get().await;
                    match c.sync_deployment(&key).await {
                        // Nothing can be made in a namespace that is going.
                        Err(SyncError::Client(e))
                            if crate::controllers::util::pod_control::is_namespace_terminating(&e) =>
                        {
                            c.queue.forget(&key)
                        }
                        Err(_) if c.queue.num_requeues(&key) < MAX_RETRIES => c.queue.add_rate_limited(key.clone()),
                        _ => c.queue.forget(&key),
                    }
                    c.queue.done(&key);
                }
            });
        }
    });
}

fn orphans_key(namespace: &str) -> Rc<str> {
    format!("orphan/{namespace}").into()
}

impl DeploymentController {
    fn watch(&self) {
        let c = self.clone();
        self.deployments.on_event(move |e| match e {
            InformerEvent::Added(d) | InformerEvent::Updated { new: d, .. } | InformerEvent::Deleted(d) => c.enqueue(d),
        });
        let c = self.clone();
        self.sets.on_event(move |e| match e {
            InformerEvent::Added(rs) if rs.metadata.deletion_timestamp.is_some() => c.set_gone(rs),
            InformerEvent::Added(rs) => match controller_of(&rs.metadata) {
                Some(_) => c.set_gone(rs),
                None => c.enqueue_matching(rs),
            },
            InformerEvent::Updated { old, new } => {
                if old.metadata.resource_version == new.metadata.resource_version {
                    return;
                }
                let (before, now) = (controller_of(&old.metadata), controller_of(&new.metadata));
                if before != now {
                    c.set_gone(old);
                }
                match now {
                    Some(_) => c.set_gone(new),
                    None if before != now || old.metadata.labels != new.metadata.labels => c.enqueue_matching(new),
                    None => {}
                }
            }
            InformerEvent::Deleted(rs) => c.set_gone(rs),
        });
        let c = self.clone();
        self.pods.on_event(move |e| {
            if let InformerEvent::Deleted(p) = e {
                c.pod_gone(p);
            }
        });
    }

    pub(super) fn enqueue(&self, d: &Deployment) {
        self.queue.add(object_key(&d.metadata));
    }

    fn resolve(&self, ns: &str, r: &OwnerReference) -> Option<Rc<Deployment>> {
        if !ref_is::<Deployment>(r) {
            return None;
        }
        self.deployments.get_named(ns, &r.name).filter(|d| uid(&d.metadata) == r.uid)
    }

    /// Something happened to a ReplicaSet: its Deployment is looked after.
    fn set_gone(&self, rs: &ReplicaSet) {
        if let Some(d) = controller_of(&rs.metadata).and_then(|r| self.resolve(namespace(&rs.metadata), r)) {
            self.enqueue(&d);
        }
    }

    fn enqueue_matching(&self, rs: &ReplicaSet) {
        for d in self.deployments.list_namespace(namespace(&rs.metadata)) {
            if selector(&d).is_ok_and(|s| !s.is_empty() && s.matches_meta(&rs.metadata)) {
                self.enqueue(&d);
            }
        }
    }

    /// A Deployment that recreates waits for its last old pod to be gone.
    fn pod_gone(&self, pod: &Pod) {
        let ns = namespace(&pod.metadata);
        let Some(r) = controller_of(&pod.metadata).filter(|r| ref_is::<ReplicaSet>(r)) else { return };
        let Some(rs) = self.sets.get_named(ns, &r.name).filter(|rs| uid(&rs.metadata) == r.uid) else { return };
        let Some(d) = controller_of(&rs.metadata).and_then(|r| self.resolve(ns, r)) else { return };
        if is_recreate(&d) {
            let sets = self.sets.by_index(CONTROLLER_INDEX, uid(&d.metadata));
            let left = |rs: &Rc<ReplicaSet>| self.pods.count_by_index(pods::CONTROLLER_INDEX, uid(&rs.metadata));
            if sets.iter().map(left).sum::<usize>() == 0 {
                self.enqueue(&d);
            }
        }
    }

    async fn sync_deployment(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(found) = self.deployments.get_named(ns, n) else { return Ok(()) };
        let mut d = (*found).clone();
        if d.spec.as_ref().is_some_and(|s| s.selector == LabelSelector::default()) {
            self.recorder.event(
                &*found,
                EventType::Warning,
                "SelectingAll",
                "This deployment is selecting all pods. A non-empty selector is required.",
            );
            let generation = d.metadata.generation;
            let status = d.status.get_or_insert_default();
            if status.observed_generation < generation {
                status.observed_generation = generation;
                self.client.update_status(d).await?;
            }
            return Ok(());
        }
        let sets = self.replica_sets(&d).await?;
        if d.metadata.deletion_timestamp.is_some() {
            return self.sync_status_only(&mut d, &sets).await;
        }
        self.check_paused_conditions(&mut d).await?;
        if d.spec.as_ref().and_then(|s| s.paused) == Some(true) {
            return self.sync(&mut d, &sets).await;
        }
        if self.is_scaling_event(&mut d, &sets).await? {
            return self.sync(&mut d, &sets).await;
        }
        if is_recreate(&d) {
            self.rollout_recreate(&mut d, &sets).await
        } else {
            self.rollout_rolling(&mut d, &sets).await
        }
    }

    /// The Deployment's ReplicaSets, after adopting and releasing.
    async fn replica_sets(&self, d: &Deployment) -> Result<Sets, SyncError> {
        let selector = selector(d).map_err(SyncError::message)?;
        let mut found = self.sets.by_index(CONTROLLER_INDEX, uid(&d.metadata));
        found.extend(self.sets.by_index(CONTROLLER_INDEX, &orphans_key(namespace(&d.metadata))));
        RefManager { client: &self.client, owner: d, selector: &selector }.claim(found, |_| true).await
    }

    /// The pods of ReplicaSets by their uids.
    pub(super) fn pod_map(&self, sets: &[Rc<ReplicaSet>]) -> BTreeMap<String, Vec<Rc<Pod>>> {
        let of = |rs: &Rc<ReplicaSet>| {
            let u = uid(&rs.metadata);
            (u.to_owned(), pods::by_controller(&self.pods, namespace(&rs.metadata), u, false))
        };
        sets.iter().map(of).collect()
    }
}

fn selector(d: &Deployment) -> Result<Selector, String> {
    Selector::from_label_selector(d.spec.as_ref().map(|s| &s.selector))
}
