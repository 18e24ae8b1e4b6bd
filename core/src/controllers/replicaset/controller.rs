//! Keeps the number of pods that each ReplicaSet asks for. Models `pkg/controller/replicaset/replica_set.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::status::{self, Counts};
use super::workload::Replicated;
use crate::api::labels::Selector;
use crate::client::{Client, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key};
use crate::controllers::ControllerContext;
use crate::controllers::util::expectations::Expectations;
use crate::controllers::util::pod_control::{
    PodControl, in_parallel, is_namespace_terminating, pod_from_template, slow_start_batch,
};
use crate::controllers::util::ref_manager::RefManager;
use crate::controllers::util::tally::Tally;
use crate::controllers::util::worker::{SyncError, SyncResult, run_workers};
use crate::controllers::util::{controller_of, name, namespace, new_controller_ref, pods, rank, ref_is, time, uid};

/// How many pods one sync creates or deletes at most.
const BURST_REPLICAS: usize = 500;

/// What a sync costs the real controller beside its requests: a fixed part, and one for every pod that it looks at. Events that
/// come meanwhile are taken together by the next sync.
const SYNC_COST: Duration = Duration::from_micros(200);
const SYNC_COST_PER_POD: Duration = Duration::from_micros(2);

/// Index of the owners by who controls them.
const OWNER_INDEX: &str = "controllerUID";

/// The controller over one kind.
pub struct ReplicaSetController<K> {
    client: Client,
    pod_control: PodControl,
    owners: Informer<K>,
    pods: Informer<Pod>,
    tally: Tally,
    expectations: Expectations,
    queue: WorkQueue<Rc<str>>,
}

/// An owner's pods as a sync found them.
enum Seen {
    /// By their tally.
    Counted(Counts),
    /// One by one: those that are active, and how many are going.
    Listed(Vec<Rc<Pod>>, usize),
}

impl Seen {
    fn active(&self) -> usize {
        match self {
            Seen::Counted(counts) => counts.active,
            Seen::Listed(active, _) => active.len(),
        }
    }

    fn listed(&self) -> &[Rc<Pod>] {
        match self {
            Seen::Counted(_) => &[],
            Seen::Listed(active, _) => active,
        }
    }

    fn counts<K: Replicated>(&self, rs: &K, now: jiff::Timestamp) -> Counts {
        match self {
            Seen::Counted(counts) => *counts,
            Seen::Listed(active, terminating) => Counts::of(rs, active, *terminating, now),
        }
    }
}

impl<K> Clone for ReplicaSetController<K> {
    fn clone(&self) -> Self {
        ReplicaSetController {
            client: self.client.clone(),
            pod_control: self.pod_control.clone(),
            owners: self.owners.clone(),
            pods: self.pods.clone(),
            tally: self.tally.clone(),
            expectations: self.expectations.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<K: Replicated> ReplicaSetController<K> {
    /// Starts the controller as the service account `account`; its events come from `component`.
    pub fn start(ctx: &ControllerContext, account: &str, component: &str, workers: usize) {
        let client = ctx.client(account);
        let recorder = ctx.recorder(&client, component);
        let (owners, pods) = (ctx.informer::<K>(), ctx.informer::<Pod>());
        pods::add_controller_index(&pods);
        owners.add_index(OWNER_INDEX, |o| {
            controller_of(o.metadata()).map(|r| vec![r.uid.as_str().into()]).unwrap_or_default()
        });
        let controller = ReplicaSetController {
            pod_control: PodControl { client: client.clone(), recorder },
            owners,
            tally: Tally::of(&pods, ref_is::<K>),
            pods,
            expectations: Expectations::new(ctx.sim()),
            queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
            client,
        };
        controller.watch();
        let ctx = ctx.clone();
        ctx.clone().spawn(async move {
            controller.owners.wait_synced().await;
            controller.pods.wait_synced().await;
            let queue = controller.queue.clone();
            run_workers(&ctx, &queue, workers, move |key| {
                let c = controller.clone();
                async move { c.sync_replica_set(&key).await }
            });
        });
    }

    fn watch(&self) {
        let c = self.clone();
        self.owners.on_event(move |e| match e {
            InformerEvent::Added(o) => c.enqueue(o),
            InformerEvent::Updated { old, new } => {
                if old.metadata().uid != new.metadata().uid {
                    c.delete_owner(old);
                }
                c.enqueue(new);
            }
            InformerEvent::Deleted(o) => c.delete_owner(o),
        });
        let c = self.clone();
        self.pods.on_event(move |e| match e {
            InformerEvent::Added(p) => c.add_pod(p),
            InformerEvent::Updated { old, new } => c.update_pod(old, new),
            InformerEvent::Deleted(p) => c.delete_pod(p),
        });
    }

    fn enqueue(&self, owner: &K) {
        self.queue.add(object_key(owner.metadata()));
    }

    fn delete_owner(&self, owner: &K) {
        let key = object_key(owner.metadata());
        self.expectations.delete(&key);
        self.queue.add(key);
    }

    /// The owner that a pod's reference means, if it is of this kind and still the same one.
    fn resolve(&self, ns: &str, r: &OwnerReference) -> Option<Rc<K>> {
        if !ref_is::<K>(r) {
            return None;
        }
        self.owners.get_named(ns, &r.name).filter(|o| uid(o.metadata()) == r.uid)
    }

    /// The owners whose selectors match a pod that nobody controls.
    fn matching(&self, pod: &Pod) -> Vec<Rc<K>> {
        let matches = |o: &Rc<K>| o.selector().is_ok_and(|s| !s.is_empty() && s.matches_meta(&pod.metadata));
        self.owners.list_namespace(namespace(&pod.metadata)).into_iter().filter(matches).collect()
    }

    fn add_pod(&self, pod: &Rc<Pod>) {
        if pod.metadata.deletion_timestamp.is_some() {
            return self.delete_pod(pod);
        }
        match controller_of(&pod.metadata) {
            Some(r) => {
                let Some(owner) = self.resolve(namespace(&pod.metadata), r) else { return };
                let key = object_key(owner.metadata());
                self.expectations.creation_observed(&key);
                self.queue.add(key);
            }
            None => self.matching(pod).iter().for_each(|o| self.enqueue(o)),
        }
    }

    fn update_pod(&self, old: &Rc<Pod>, new: &Rc<Pod>) {
        if old.metadata.resource_version == new.metadata.resource_version {
            return;
        }
        let labels_changed = old.metadata.labels != new.metadata.labels;
        if new.metadata.deletion_timestamp.is_some() {
            // A graceful deletion is a deletion to the controller from its first mark on.
            self.delete_pod(new);
            if labels_changed {
                self.delete_pod(old);
            }
            return;
        }
        let (before, now) = (controller_of(&old.metadata), controller_of(&new.metadata));
        let ref_changed = before != now;
        if ref_changed && let Some(owner) = before.and_then(|r| self.resolve(namespace(&old.metadata), r)) {
            self.enqueue(&owner);
        }
        if let Some(r) = now {
            let Some(owner) = self.resolve(namespace(&new.metadata), r) else { return };
            self.enqueue(&owner);
            // Availability comes later than readiness, with no event of its own.
            let seconds = owner.min_ready_seconds();
            if seconds > 0 && !pods::is_ready(old) && pods::is_ready(new) {
                let key = object_key(owner.metadata());
                self.queue.add_after(key, Duration::from_secs(seconds.unsigned_abs().into()));
            }
            return;
        }
        if labels_changed || ref_changed {
            self.matching(new).iter().for_each(|o| self.enqueue(o));
        }
    }

    fn delete_pod(&self, pod: &Rc<Pod>) {
        let Some(owner) = controller_of(&pod.metadata).and_then(|r| self.resolve(namespace(&pod.metadata), r)) else {
            return;
        };
        let key = object_key(owner.metadata());
        self.expectations.deletion_observed(&key, &object_key(&pod.metadata));
        self.queue.add(key);
    }

    async fn sync_replica_set(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let sim = self.client.sim();
        if let Some(rs) = self.owners.get_named(ns, n) {
            let count = self.pods.count_by_index(pods::CONTROLLER_INDEX, uid(rs.metadata()));
            sim.sleep(SYNC_COST + SYNC_COST_PER_POD * u32::try_from(count).unwrap_or(u32::MAX)).await;
        }
        let Some(rs) = self.owners.get_named(ns, n) else {
            self.expectations.delete(key);
            return Ok(());
        };
        let needs_sync = self.expectations.satisfied(key);
        // A selector that can't be read selects nothing and never will.
        let Ok(selector) = rs.selector() else { return Ok(()) };
        let seen = match Counts::by_tally(&*rs, &selector, &self.tally) {
            Some(counts) => Seen::Counted(counts),
            None => {
                let (active, terminating) = self.list_pods(&rs, &selector, true);
                let claim = RefManager { client: &self.client, owner: &*rs, selector: &selector };
                Seen::Listed(claim.claim(active, |_| true).await?, terminating)
            }
        };
        let mut manage = Ok(());
        if needs_sync && rs.metadata().deletion_timestamp.is_none() {
            manage = self.manage_replicas(key, &seen, &rs, &selector).await;
        }
        let now = sim.timestamp();
        let new = status::calculate(&*rs, seen.counts(&*rs, now), manage.as_ref().err(), now);
        let updated = status::update(&self.client, &rs, new).await?;
        manage?;
        let s = updated.status();
        if rs.min_ready_seconds() > 0 && s.ready_replicas != s.available_replicas {
            let fallback = Duration::from_secs(rs.min_ready_seconds().unsigned_abs().into());
            let next = pods::next_availability(seen.listed(), rs.min_ready_seconds(), now);
            self.queue.add_after(key.clone(), next.map_or(fallback, |at| time::until(sim, at)));
        }
        Ok(())
    }

    /// The owner's active pods, with `orphans` also those that nobody controls, and how many of its own are going.
    fn list_pods(&self, rs: &K, selector: &Selector, orphans: bool) -> (Vec<Rc<Pod>>, usize) {
        let m = rs.metadata();
        let all = pods::by_controller(&self.pods, namespace(m), uid(m), orphans);
        let (mut active, mut terminating) = (Vec::with_capacity(all.len()), 0);
        for pod in all {
            if pods::is_active(&pod) {
                active.push(pod);
            } else if pods::is_terminating(&pod)
                && controller_of(&pod.metadata).is_some_and(|r| r.uid == uid(m))
                && selector.matches_meta(&pod.metadata)
            {
                terminating += 1;
            }
        }
        (active, terminating)
    }

    /// Creates or deletes pods until there are as many as wanted, at most [`BURST_REPLICAS`] at a time.
    async fn manage_replicas(&self, key: &Rc<str>, seen: &Seen, rs: &Rc<K>, selector: &Selector) -> SyncResult {
        let diff = seen.active() as i64 - i64::from(rs.replicas());
        let count = usize::try_from(diff.unsigned_abs()).unwrap_or(usize::MAX).min(BURST_REPLICAS);
        if diff < 0 {
            self.create_replicas(key, rs, count).await
        } else if diff > 0 {
            match seen {
                Seen::Listed(active, _) => self.delete_replicas(key, active, rs, count).await,
                // All of them are its own, so these are they.
                Seen::Counted(_) => {
                    let (active, _) = self.list_pods(rs, selector, false);
                    self.delete_replicas(key, &active, rs, count).await
                }
            }
        } else {
            Ok(())
        }
    }

    async fn create_replicas(&self, key: &Rc<str>, rs: &Rc<K>, count: usize) -> SyncResult {
        self.expectations.expect_creations(key, count);
        let Some(template) = rs.template() else { return Ok(()) };
        let pod = Rc::new(pod_from_template(template, rs.metadata(), Some(new_controller_ref(&**rs))));
        let (created, outcome) = slow_start_batch(&self.client, count, |_| {
            let (control, pod, rs) = (self.pod_control.clone(), pod.clone(), rs.clone());
            async move {
                match control.create_pod(Rc::new((*pod).clone()), &*rs).await {
                    // The owner goes with its namespace: nothing is left to do.
                    Err(SyncError::Client(e)) if is_namespace_terminating(&e) => Ok(()),
                    other => other.map(|_| ()),
                }
            }
        })
        .await;
        // Pods that were never made won't be seen.
        for _ in created..count {
            self.expectations.creation_observed(key);
        }
        outcome
    }

    async fn delete_replicas(&self, key: &Rc<str>, active: &[Rc<Pod>], rs: &Rc<K>, count: usize) -> SyncResult {
        let doomed = self.pods_to_delete(active, rs, count);
        self.expectations.expect_deletions(key, doomed.iter().map(|p| object_key(&p.metadata)));
        let errors = in_parallel(&self.client, doomed.len(), |i| {
            let (control, pod, rs) = (self.pod_control.clone(), doomed[i].clone(), rs.clone());
            let (expectations, key) = (self.expectations.clone(), key.clone());
            async move {
                let Err(e) = control.delete_pod(&pod, &*rs).await else { return Ok(()) };
                expectations.deletion_observed(&key, &object_key(&pod.metadata));
                if e.is_not_found() { Ok(()) } else { Err(e.into()) }
            }
        })
        .await;
        errors.into_iter().next().map_or(Ok(()), Err)
    }

    /// Models getPodsToDelete.
    fn pods_to_delete(&self, active: &[Rc<Pod>], rs: &K, count: usize) -> Vec<Rc<Pod>> {
        if count >= active.len() {
            return active.to_vec();
        }
        let mut on_node: BTreeMap<String, usize> = BTreeMap::new();
        for pod in self.indirectly_related_pods(rs).iter().filter(|p| pods::is_active(p)) {
            *on_node.entry(pods::node_name(pod).to_owned()).or_default() += 1;
        }
        let rank = |p: &Pod| on_node.get(pods::node_name(p)).copied().unwrap_or(0);
        let mut sorted = rank::sort_for_deletion(active, rank, time::now(self.client.sim()).0);
        sorted.truncate(count);
        sorted
    }

    /// The pods of all owners that are controlled by whoever controls this one. Models getIndirectlyRelatedPods.
    fn indirectly_related_pods(&self, rs: &K) -> Vec<Rc<Pod>> {
        let m = rs.metadata();
        let relatives = match controller_of(m) {
            Some(r) => self.owners.by_index(OWNER_INDEX, &r.uid),
            None => self.owners.get_named(namespace(m), name(m)).into_iter().collect(),
        };
        let mut seen = BTreeSet::new();
        let mut related = Vec::new();
        for relative in relatives {
            let Ok(selector) = relative.selector() else { continue };
            let m = relative.metadata();
            for pod in self.pods.list_namespace(namespace(m)) {
                if selector.matches_meta(&pod.metadata) && seen.insert(pod.metadata.uid.clone()) {
                    related.push(pod);
                }
            }
        }
        related
    }
}
