//! What wakes the controller, and a sync. Models `pkg/controller/daemon/daemon_controller.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, DaemonSetStatus};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};

use super::history::hash_of;
use super::nodes::{Daemon, for_node, pod_template};
use super::update::{ByNode, allows_surge, is_updated};
use crate::api::labels::Selector;
use crate::client::{Client, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key, split_key};
use crate::controllers::ControllerContext;
use crate::controllers::util::expectations::Expectations;
use crate::controllers::util::pod_control::{
    PodControl, in_parallel, is_namespace_terminating, pod_from_template, slow_start_batch,
};
use crate::controllers::util::ref_manager::RefManager;
use crate::controllers::util::worker::{SyncError, SyncResult, run_workers};
use crate::controllers::util::{controller_of, history, name, namespace, new_controller_ref, pods, ref_is, time, uid};
use crate::registry::TEMPLATE_GENERATION;

/// `--concurrent-daemonset-syncs`.
const WORKERS: usize = 2;
/// How many pods one sync creates or deletes at most.
const BURST_REPLICAS: usize = 250;
/// How long a daemon whose pod failed is left alone: from a second, doubling, to a quarter of an hour.
const BACKOFF_MAX: Duration = Duration::from_secs(15 * 60);

#[derive(Clone)]
pub(super) struct DaemonSetsController {
    pub client: Client,
    pod_control: PodControl,
    sets: Informer<DaemonSet>,
    pub pods: Informer<Pod>,
    nodes: Informer<Node>,
    pub revisions: Informer<ControllerRevision>,
    expectations: Expectations,
    queue: WorkQueue<Rc<str>>,
    /// Failures by DaemonSet and node: how many, and until when it waits.
    failures: Rc<std::cell::RefCell<std::collections::BTreeMap<(Rc<str>, String), (u32, crate::sim::SimTime)>>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("daemon-set-controller");
    let c = DaemonSetsController {
        pod_control: PodControl { recorder: ctx.recorder(&client, "daemonset-controller"), client: client.clone() },
        sets: ctx.informer(),
        pods: ctx.informer(),
        nodes: ctx.informer(),
        revisions: ctx.informer(),
        expectations: Expectations::new(ctx.sim()),
        queue: WorkQueue::new(ctx.sim(), client.process(), RateLimits::default()),
        failures: Rc::default(),
        client,
    };
    pods::add_controller_index(&c.pods);
    history::add_index(&c.revisions);
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.sets.wait_synced().await;
        c.pods.wait_synced().await;
        c.nodes.wait_synced().await;
        c.revisions.wait_synced().await;
        let queue = c.queue.clone();
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let c = c.clone();
            async move { c.sync_daemon_set(&key).await }
        });
    });
}

pub(super) fn selector(ds: &DaemonSet) -> Result<Selector, String> {
    Selector::from_label_selector(ds.spec.as_ref().map(|s| &s.selector))
}

/// The node that a pod runs on or is meant for.
fn target_node(pod: &Pod) -> Option<String> {
    let bound = pods::node_name(pod);
    if !bound.is_empty() {
        return Some(bound.to_owned());
    }
    let affinity = pod.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    let fields = terms.iter().flat_map(|t| t.match_fields.iter().flatten());
    fields.filter(|f| f.key == "metadata.name" && f.operator == "In").find_map(|f| f.values.as_ref()?.first().cloned())
}

impl DaemonSetsController {
    fn watch(&self) {
        let c = self.clone();
        self.sets.on_event(move |e| match e {
            InformerEvent::Added(ds) => c.queue.add(object_key(&ds.metadata)),
            InformerEvent::Updated { old, new } => {
                if old.metadata.uid != new.metadata.uid {
                    c.expectations.delete(&object_key(&old.metadata));
                }
                c.queue.add(object_key(&new.metadata));
            }
            InformerEvent::Deleted(ds) => {
                let key = object_key(&ds.metadata);
                c.expectations.delete(&key);
                c.queue.add(key);
            }
        });
        let c = self.clone();
        self.pods.on_event(move |e| match e {
            InformerEvent::Added(p) if p.metadata.deletion_timestamp.is_some() => c.pod_gone(p),
            InformerEvent::Added(p) => {
                if let Some(ds) = c.owner(p) {
                    let key = object_key(&ds.metadata);
                    c.expectations.creation_observed(&key);
                    c.queue.add(key);
                } else if controller_of(&p.metadata).is_none() {
                    c.enqueue_matching(p);
                }
            }
            InformerEvent::Updated { old, new } => {
                if old.metadata.resource_version == new.metadata.resource_version {
                    return;
                }
                if new.metadata.deletion_timestamp.is_some() {
                    return c.pod_gone(new);
                }
                let changed = controller_of(&old.metadata) != controller_of(&new.metadata);
                if changed && let Some(ds) = c.owner(old) {
                    c.queue.add(object_key(&ds.metadata));
                }
                if let Some(ds) = c.owner(new) {
                    let key = object_key(&ds.metadata);
                    let min_ready = ds.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0);
                    if min_ready > 0 && !pods::is_ready(old) && pods::is_ready(new) {
                        c.queue.add_after(key.clone(), Duration::from_secs(min_ready.unsigned_abs().into()));
                    }
                    c.queue.add(key);
                } else if controller_of(&new.metadata).is_none()
                    && (changed || old.metadata.labels != new.metadata.labels)
                {
                    c.enqueue_matching(new);
                }
            }
            InformerEvent::Deleted(p) => c.pod_gone(p),
        });
        let c = self.clone();
        self.nodes.on_event(move |e| match e {
            InformerEvent::Added(n) => {
                for ds in c.sets.list() {
                    if Daemon::of(&ds).should_run(n).0 {
                        c.queue.add(object_key(&ds.metadata));
                    }
                }
            }
            // Heartbeats say nothing that daemons ask for.
            InformerEvent::Updated { old, new } => {
                if old.metadata.labels == new.metadata.labels && old.spec == new.spec {
                    return;
                }
                for ds in c.sets.list() {
                    let daemon = Daemon::of(&ds);
                    if daemon.should_run(old) != daemon.should_run(new) {
                        c.queue.add(object_key(&ds.metadata));
                    }
                }
            }
            InformerEvent::Deleted(_) => {}
        });
    }

    fn owner(&self, pod: &Pod) -> Option<Rc<DaemonSet>> {
        let r: &OwnerReference = controller_of(&pod.metadata).filter(|r| ref_is::<DaemonSet>(r))?;
        self.sets.get_named(namespace(&pod.metadata), &r.name).filter(|ds| uid(&ds.metadata) == r.uid)
    }

    fn enqueue_matching(&self, pod: &Pod) {
        for ds in self.sets.list_namespace(namespace(&pod.metadata)) {
            if selector(&ds).is_ok_and(|s| !s.is_empty() && s.matches_meta(&pod.metadata)) {
                self.queue.add(object_key(&ds.metadata));
            }
        }
    }

    fn pod_gone(&self, pod: &Pod) {
        let Some(ds) = self.owner(pod) else { return };
        let key = object_key(&ds.metadata);
        self.expectations.any_deletion_observed(&key);
        self.queue.add(key);
    }

    async fn sync_daemon_set(&self, key: &Rc<str>) -> SyncResult {
        let (ns, n) = split_key(key);
        let Some(found) = self.sets.get_named(ns, n) else {
            self.expectations.delete(key);
            return Ok(());
        };
        if found.spec.as_ref().is_some_and(|s| s.selector == LabelSelector::default()) {
            self.pod_control.recorder.event(
                &*found,
                EventType::Warning,
                "SelectingAll",
                "This daemon set is selecting all pods. A non-empty selector is required.",
            );
            return Ok(());
        }
        if found.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let nodes = self.nodes.list();
        let mut ds = (*found).clone();
        let (current, old) = self.construct_history(&mut ds).await?;
        let hash = hash_of(&current).to_owned();
        let ds = Rc::new(ds);
        if !self.expectations.satisfied(key) {
            return self.update_status(&ds, &nodes, &hash, false).await;
        }
        let mut outcome = self.manage(key, &ds, &nodes, &hash).await;
        if outcome.is_ok() && self.expectations.satisfied(key) {
            let strategy = ds.spec.as_ref().and_then(|s| s.update_strategy.as_ref()).and_then(|s| s.type_.as_deref());
            if strategy != Some("OnDelete") {
                let by_node = self.nodes_to_pods(&ds).await?;
                outcome = self.rolling_update(&ds, &nodes, &by_node, &hash).await;
            }
        }
        if outcome.is_ok() {
            self.cleanup_history(&ds, old).await?;
        }
        self.update_status(&ds, &nodes, &hash, true).await?;
        outcome
    }

    async fn nodes_to_pods(&self, ds: &DaemonSet) -> Result<ByNode, SyncError> {
        let selector = selector(ds).map_err(SyncError::message)?;
        let all = pods::by_controller(&self.pods, namespace(&ds.metadata), uid(&ds.metadata), true);
        let claim = RefManager { client: &self.client, owner: ds, selector: &selector };
        let mut by_node = ByNode::new();
        for pod in claim.claim(all, |_| true).await? {
            // What has ended and is going is somebody else's to finish.
            if pods::is_terminal(&pod) && pod.metadata.deletion_timestamp.is_some() {
                continue;
            }
            if let Some(node) = target_node(&pod) {
                by_node.entry(node).or_default().push(pod);
            }
        }
        Ok(by_node)
    }

    async fn manage(&self, key: &Rc<str>, ds: &Rc<DaemonSet>, nodes: &[Rc<Node>], hash: &str) -> SyncResult {
        let by_node = self.nodes_to_pods(ds).await?;
        let (mut needing, mut doomed) = (Vec::new(), Vec::new());
        let daemon = Daemon::of(ds);
        for node in nodes {
            let n = name(&node.metadata);
            let none = Vec::new();
            let there = by_node.get(n).unwrap_or(&none);
            let (run, stay) = daemon.should_run(node);
            if run && there.is_empty() {
                needing.push(n.to_owned());
            } else if stay {
                self.judge((key, n, hash), ds, there, &mut doomed);
            } else {
                doomed.extend(there.iter().filter(|p| p.metadata.deletion_timestamp.is_none()).cloned());
            }
        }
        // Pods meant for nodes that are gone and never bound would wait for ever.
        let known = |n: &String| self.nodes.get(n).is_some();
        for (_, there) in by_node.iter().filter(|(n, _)| !known(n)) {
            doomed.extend(
                there
                    .iter()
                    .filter(|p| pods::node_name(p).is_empty() && p.metadata.deletion_timestamp.is_none())
                    .cloned(),
            );
        }
        self.sync_nodes(ds, doomed, needing, hash).await
    }

    /// Looks at the pods on one node that may stay: ended ones go, and of several all but the eldest.
    fn judge(
        &self,
        (key, node, hash): (&Rc<str>, &str, &str),
        ds: &DaemonSet,
        there: &[Rc<Pod>],
        doomed: &mut Vec<Rc<Pod>>,
    ) {
        let sim = self.client.sim();
        let mut running = Vec::new();
        for pod in there.iter().filter(|p| p.metadata.deletion_timestamp.is_none()) {
            let about = format!("daemon pod {}/{} on node {node}", namespace(&pod.metadata), name(&pod.metadata));
            match pods::phase(pod) {
                "Failed" => {
                    let mut failures = self.failures.borrow_mut();
                    let (n, until) = failures.entry((key.clone(), node.to_owned())).or_insert((0, sim.now()));
                    if sim.now() < *until {
                        self.queue.add_after(key.clone(), until.since(sim.now()));
                        continue;
                    }
                    let wait = Duration::from_secs(1).saturating_mul(2u32.saturating_pow(*n)).min(BACKOFF_MAX);
                    *n += 1;
                    *until = sim.now() + wait;
                    let message = format!("Found failed {about}, will try to kill it");
                    self.pod_control.recorder.event(ds, EventType::Warning, "FailedDaemonPod", &message);
                    doomed.push(pod.clone());
                }
                "Succeeded" => {
                    let message = format!("Found succeeded {about}, will try to delete it");
                    self.pod_control.recorder.event(ds, EventType::Normal, "SucceededDaemonPod", &message);
                    doomed.push(pod.clone());
                }
                _ => running.push(pod.clone()),
            }
        }
        let age = |p: &Pod| p.metadata.creation_timestamp.as_ref().map(|t| t.0.as_second());
        running.sort_by(|a, b| {
            let bound = |p: &Pod| pods::node_name(p).is_empty();
            bound(a).cmp(&bound(b)).then(age(a).cmp(&age(b))).then_with(|| name(&a.metadata).cmp(name(&b.metadata)))
        });
        if !allows_surge(ds) {
            return doomed.extend(running.into_iter().skip(1));
        }
        if running.len() < 2 {
            return;
        }
        // An old pod stays beside a new one as long as it serves and the new one doesn't yet.
        let (mut new, mut old) = (None, None);
        for pod in running {
            let slot = if is_updated(&pod, hash) { &mut new } else { &mut old };
            match slot {
                None => *slot = Some(pod),
                Some(_) => doomed.push(pod),
            }
        }
        let min_ready = ds.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0);
        if let (Some(new), Some(old)) = (new, old)
            && (!pods::is_ready(&old) || pods::is_available(&new, min_ready, sim.timestamp()))
        {
            doomed.push(old);
        }
    }

    /// Deletes pods and creates one on each node named.
    pub(super) async fn sync_nodes(
        &self,
        ds: &Rc<DaemonSet>,
        mut doomed: Vec<Rc<Pod>>,
        mut needing: Vec<String>,
        hash: &str,
    ) -> SyncResult {
        doomed.truncate(BURST_REPLICAS);
        needing.truncate(BURST_REPLICAS);
        let key = object_key(&ds.metadata);
        self.expectations.set_expectations(&key, needing.len(), doomed.len());
        let generation = ds.metadata.annotations.as_ref().and_then(|a| a.get(TEMPLATE_GENERATION));
        let template = Rc::new(pod_template(ds, generation.and_then(|g| g.parse().ok()), hash));
        let (created, outcome) = slow_start_batch(&self.client, needing.len(), |i| {
            let (control, ds, template, node) =
                (self.pod_control.clone(), ds.clone(), template.clone(), needing[i].clone());
            async move {
                let pod = pod_from_template(&for_node(&template, &node), &ds.metadata, Some(new_controller_ref(&*ds)));
                match control.create_pod(Rc::new(pod), &*ds).await {
                    Err(SyncError::Client(e)) if is_namespace_terminating(&e) => Ok(()),
                    other => other.map(|_| ()),
                }
            }
        })
        .await;
        for _ in created..needing.len() {
            self.expectations.creation_observed(&key);
        }
        let errors = in_parallel(&self.client, doomed.len(), |i| {
            let (control, ds, pod) = (self.pod_control.clone(), ds.clone(), doomed[i].clone());
            let (expectations, key) = (self.expectations.clone(), key.clone());
            async move {
                let Err(e) = control.delete_pod(&pod, &*ds).await else { return Ok(()) };
                expectations.any_deletion_observed(&key);
                if e.is_not_found() { Ok(()) } else { Err(e.into()) }
            }
        })
        .await;
        outcome?;
        errors.into_iter().next().map_or(Ok(()), Err)
    }

    async fn update_status(&self, ds: &DaemonSet, nodes: &[Rc<Node>], hash: &str, observed: bool) -> SyncResult {
        let by_node = self.nodes_to_pods(ds).await?;
        let now = self.client.sim().timestamp();
        let min_ready = ds.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0);
        let mut s = DaemonSetStatus {
            observed_generation: ds.status.as_ref().and_then(|s| s.observed_generation),
            collision_count: ds.status.as_ref().and_then(|s| s.collision_count),
            conditions: ds.status.as_ref().and_then(|s| s.conditions.clone()),
            ..DaemonSetStatus::default()
        };
        let (mut updated, mut available) = (0, 0);
        let mut ready_pods = Vec::new();
        let daemon = Daemon::of(ds);
        for node in nodes {
            let (run, _) = daemon.should_run(node);
            let there = by_node.get(name(&node.metadata));
            if !run {
                s.number_misscheduled += i32::from(there.is_some());
                continue;
            }
            s.desired_number_scheduled += 1;
            let age = |p: &Rc<Pod>| p.metadata.creation_timestamp.as_ref().map(|t| t.0.as_second());
            let Some(pod) = there.and_then(|t| t.iter().min_by_key(|p| age(p))) else { continue };
            s.current_number_scheduled += 1;
            if pods::is_ready(pod) {
                s.number_ready += 1;
                available += i32::from(pods::is_available(pod, min_ready, now));
                ready_pods.push(pod.clone());
            }
            updated += i32::from(is_updated(pod, hash));
        }
        let some = |n: i32| (n != 0).then_some(n);
        s.updated_number_scheduled = some(updated);
        s.number_available = some(available);
        s.number_unavailable = some(s.desired_number_scheduled - available);
        if observed {
            s.observed_generation = ds.metadata.generation;
        }
        if min_ready > 0 && s.number_ready != available {
            let next = pods::next_availability(&ready_pods, min_ready, now);
            let wait = next
                .map_or(Duration::from_secs(min_ready.unsigned_abs().into()), |at| time::until(self.client.sim(), at));
            self.queue.add_after(object_key(&ds.metadata), wait);
        }
        if ds.status.as_ref() == Some(&s) {
            return Ok(());
        }
        let mut changed = ds.clone();
        changed.status = Some(s.clone());
        if self.client.update_status(changed).await.is_err() {
            // Once more, from the newest version.
            let mut fresh = (*self.client.get::<DaemonSet>(namespace(&ds.metadata), name(&ds.metadata)).await?).clone();
            fresh.status = Some(s);
            self.client.update_status(fresh).await?;
        }
        Ok(())
    }
}
