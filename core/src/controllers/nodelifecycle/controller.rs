//! The loops of the controller. Models `pkg/controller/nodelifecycle/node_lifecycle_controller.go`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod};
use rustc_hash::FxBuildHasher;

use super::disruption::{self, EVICTION_QPS, Mode, ZoneCount, ZoneState};
use super::health::{self, NodeHealth, Observation};
use super::queue::RateLimitedQueue;
use super::taints::{NOT_READY, UNREACHABLE, present, wanted};
use super::{condition, zone_key};
use crate::client::{
    Client, ClientError, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue, object_key,
};
use crate::controllers::ControllerContext;
use crate::controllers::util::pod_control::in_parallel;
use crate::controllers::util::taints::{diff, exists, of, remove, swap, taint};
use crate::controllers::util::worker::{SyncError, run_workers};
use crate::controllers::util::{name, pods, time};
use crate::sim::{Notify, SimTime};

/// `--node-monitor-period`.
const MONITOR_PERIOD: Duration = Duration::from_secs(5);
/// What a look at all nodes takes in life. The period counts from its end (wait.UntilWithContext), so that looks drift: ten of them
/// span a little more than the 50 s of grace, and the tenth look after a renewal, not the eleventh, finds the node silent.
const LOOK_TIME: Duration = Duration::from_millis(4);
/// How often the queues of nodes to taint are looked at. Models NodeEvictionPeriod.
const EVICTION_PERIOD: Duration = Duration::from_millis(100);
/// A status update that conflicts is tried again so often, so far apart.
const HEALTH_UPDATE_RETRIES: usize = 5;
const RETRY_SLEEP: Duration = Duration::from_millis(20);
/// How many nodes are worked on at once.
const NODE_WORKERS: usize = 8;
const POD_WORKERS: usize = 4;
const NAMESPACE_NODE_LEASE: &str = "kube-node-lease";
const EXCLUDE_DISRUPTION: &str = "node.kubernetes.io/exclude-disruption";

/// A node that the controller has registered.
struct Known {
    /// As it was then.
    registered: Rc<Node>,
    /// As it was looked at last, and what its labels said.
    node: Rc<Node>,
    zone: Rc<str>,
    excluded: bool,
    health: Option<NodeHealth>,
}

impl Known {
    fn new(node: &Rc<Node>, zone: Rc<str>) -> Self {
        let (registered, node, excluded) = (node.clone(), node.clone(), is_excluded(node));
        Known { registered, node, zone, excluded, health: None }
    }

    /// Counts the node to its zone.
    fn count(&self, counts: &RefCell<Counts>, ready: bool) {
        if self.excluded {
            return;
        }
        let mut counts = counts.borrow_mut();
        let zone = match counts.get_mut(&self.zone) {
            Some(zone) => zone,
            None => counts.entry(self.zone.clone()).or_default(),
        };
        *if ready { &mut zone.ready } else { &mut zone.not_ready } += 1;
    }

    fn look_at(&mut self, node: &Rc<Node>, zone: Rc<str>) {
        self.excluded = is_excluded(node);
        self.node = node.clone();
        self.zone = zone;
    }
}

/// Whether a node does not count where it is asked how much of a zone is down.
fn is_excluded(node: &Node) -> bool {
    node.metadata.labels.as_ref().is_some_and(|l| l.contains_key(EXCLUDE_DISRUPTION))
}

/// Nodes by zone, as one pass found them.
type Counts = BTreeMap<Rc<str>, ZoneCount>;

#[derive(Default)]
struct State {
    known: IndexMap<String, Known, FxBuildHasher>,
    /// Nodes whose pods could not all be marked.
    retry: BTreeSet<String>,
    zones: BTreeMap<Rc<str>, ZoneState>,
    tainters: BTreeMap<Rc<str>, RateLimitedQueue>,
}

impl State {
    fn health(&self, node: &str) -> Option<&NodeHealth> {
        self.known.get(node)?.health.as_ref()
    }

    /// A node that is known and that `well` finds to be so is to be neither tainted nor tried again; whether that is the case.
    fn leave_in_peace(&mut self, node: &str, well: impl FnOnce(&mut Known) -> bool) -> bool {
        let Some(known) = self.known.get_mut(node) else { return false };
        if !well(known) {
            return false;
        }
        if let Some(queue) = self.tainters.get_mut(&known.zone).filter(|queue| !queue.is_empty()) {
            queue.remove(node);
        }
        if !self.retry.is_empty() {
            self.retry.remove(node);
        }
        true
    }
}

#[derive(Clone)]
struct Controller {
    client: Client,
    recorder: EventRecorder,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    leases: Informer<Lease>,
    node_queue: WorkQueue<Rc<str>>,
    pod_queue: WorkQueue<Rc<str>>,
    state: Rc<RefCell<State>>,
    /// A node waits to be tainted.
    tainting: Notify,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("node-controller");
    let recorder = ctx.recorder(&client, "node-controller");
    let queue = || WorkQueue::new(ctx.sim(), client.process(), RateLimits::default());
    let c = Controller {
        recorder,
        nodes: ctx.informer(),
        pods: ctx.informer(),
        leases: ctx.informer(),
        node_queue: queue(),
        pod_queue: queue(),
        state: Rc::default(),
        tainting: Notify::new(ctx.sim()),
        client,
    };
    pods::add_node_index(&c.pods);
    c.watch();
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        c.leases.wait_synced().await;
        c.nodes.wait_synced().await;
        c.pods.wait_synced().await;
        c.run(&ctx);
    });
}

impl Controller {
    fn watch(&self) {
        let c = self.clone();
        self.nodes.on_event(move |e| match e {
            InformerEvent::Added(n) => c.node_queue.add(object_key(&n.metadata)),
            InformerEvent::Updated { new, .. } => {
                // Most updates are heartbeats: only what may call for other taints or labels is looked at.
                if wanted(new) != present(new) || !label_changes(new).is_empty() {
                    c.node_queue.add(object_key(&new.metadata));
                }
            }
            InformerEvent::Deleted(n) => {
                c.state.borrow_mut().retry.remove(name(&n.metadata));
            }
        });
        let c = self.clone();
        self.pods.on_event(move |e| {
            let (before, pod) = match e {
                InformerEvent::Added(p) => ("", p),
                InformerEvent::Updated { old, new } => (pods::node_name(old), new),
                InformerEvent::Deleted(_) => return,
            };
            let node = pods::node_name(pod);
            // A pod on a healthy node needs nothing.
            if !node.is_empty() && node != before && c.is_not_ready(node) {
                c.pod_queue.add(object_key(&pod.metadata));
            }
        });
    }

    fn is_not_ready(&self, node: &str) -> bool {
        let state = self.state.borrow();
        state.health(node).and_then(|h| h.ready.as_ref()).is_some_and(|r| r.status != "True")
    }

    fn run(&self, ctx: &ControllerContext) {
        let c = self.clone();
        run_workers(ctx, &self.node_queue, NODE_WORKERS, move |key| {
            let c = c.clone();
            async move {
                let Some(node) = c.nodes.get(&key) else { return Ok(()) };
                // Failures are looked at again at the node's next update.
                let _ = c.no_schedule_tainting_pass(&node).await;
                let _ = c.reconcile_labels(&node).await;
                Ok(())
            }
        });
        let c = self.clone();
        run_workers(ctx, &self.pod_queue, POD_WORKERS, move |key| {
            let c = c.clone();
            async move { c.process_pod(&key).await }
        });
        let c = self.clone();
        ctx.spawn(async move { c.no_execute_tainting_loop().await });
        let c = self.clone();
        ctx.spawn(async move {
            loop {
                c.monitor_node_health().await;
                c.client.sim().sleep(MONITOR_PERIOD + LOOK_TIME).await;
            }
        });
    }

    async fn no_schedule_tainting_pass(&self, node: &Node) -> Result<(), SyncError> {
        let (add, off) = diff(&wanted(node), &present(node));
        if add.is_empty() && off.is_empty() {
            return Ok(());
        }
        swap(&self.client, &add, &off, node).await
    }

    /// Keeps the beta labels of system and architecture equal to the stable ones. Models reconcileNodeLabels.
    async fn reconcile_labels(&self, node: &Node) -> Result<(), ClientError> {
        let changes = label_changes(node);
        if changes.is_empty() {
            return Ok(());
        }
        self.client
            .patch::<Node>("", name(&node.metadata), "", |n| {
                n.metadata.labels.get_or_insert_default().extend(changes.iter().cloned());
            })
            .await
            .map(|_| ())
    }

    /// Marks a pod that came to a node that isn't ready.
    async fn process_pod(&self, key: &str) -> Result<(), SyncError> {
        let Some(pod) = self.pods.get(key) else { return Ok(()) };
        let node = pods::node_name(&pod).to_owned();
        if !self.is_not_ready(&node) {
            return Ok(());
        }
        if self.nodes.get(&node).is_none() {
            return Err(SyncError::message(format!("node {node:?} not found")));
        }
        self.mark_pods_not_ready(vec![pod], &node).await
    }

    async fn no_execute_tainting_loop(&self) {
        let sim = self.client.sim();
        let started = sim.now();
        loop {
            // Looked at every 100 ms; while nobody waits the looking is left out.
            while self.state.borrow().tainters.values().all(RateLimitedQueue::is_idle) {
                self.tainting.notified().await;
            }
            let past = sim.now().since(started).as_nanos() % EVICTION_PERIOD.as_nanos();
            let rest = EVICTION_PERIOD.saturating_sub(Duration::from_nanos(u64::try_from(past).unwrap_or(0)));
            sim.sleep(rest).await;
            self.no_execute_tainting_pass().await;
        }
    }

    async fn no_execute_tainting_pass(&self) {
        let zones: Vec<Rc<str>> = self.state.borrow().tainters.keys().cloned().collect();
        for zone in zones {
            loop {
                let now = self.client.sim().now();
                let Some(node) = self.state.borrow_mut().tainters.get_mut(&zone).and_then(|q| q.take(now)) else {
                    break;
                };
                let retry = self.taint_no_execute(&node).await;
                if let Some(q) = self.state.borrow_mut().tainters.get_mut(&zone) {
                    q.worked(&node, retry);
                }
            }
        }
    }

    /// Taints a node as its readiness calls for; when to try again if that failed.
    async fn taint_no_execute(&self, node: &str) -> Option<SimTime> {
        let again = |after: Duration| Some(self.client.sim().now() + after);
        let node = self.nodes.get(node)?;
        let Some(ready) = condition(&node, "Ready") else { return again(Duration::from_millis(50)) };
        let (add, off) = match ready.status.as_str() {
            "False" => (NOT_READY, UNREACHABLE),
            "Unknown" => (UNREACHABLE, NOT_READY),
            _ => return None,
        };
        match swap(&self.client, &[no_execute(add)], &[no_execute(off)], &node).await {
            Ok(()) => None,
            Err(_) => again(Duration::from_nanos(1)),
        }
    }

    /// One look at all nodes. Models monitorNodeHealth.
    async fn monitor_node_health(&self) {
        let nodes = self.nodes.list();
        self.register(&nodes).await;
        let counts: Rc<RefCell<Counts>> = Rc::default();
        let mut busy = Vec::new();
        for node in &nodes {
            if self.stays_well(node, &counts) {
                continue;
            }
            let seen = self.observe(node);
            if seen.silent.is_none() && self.needs_nothing(node, &seen) {
                self.count(&counts, node, &seen);
                self.remember(node, seen);
            } else {
                busy.push((node.clone(), seen));
            }
        }
        if !busy.is_empty() {
            let busy: Rc<Vec<_>> = Rc::new(busy.into_iter().map(|(n, s)| RefCell::new(Some((n, s)))).collect());
            let next = Rc::new(std::cell::Cell::new(0));
            in_parallel(&self.client, NODE_WORKERS.min(busy.len()), |_| {
                let (c, busy, next, counts) = (self.clone(), busy.clone(), next.clone(), counts.clone());
                async move {
                    while let Some(slot) = busy.get(next.replace(next.get() + 1)) {
                        let taken = slot.borrow_mut().take();
                        if let Some((node, seen)) = taken {
                            c.update_node(node, seen, &counts).await;
                        }
                    }
                    Ok(())
                }
            })
            .await;
        }
        let counts = counts.take();
        self.handle_disruption(&counts, &nodes).await;
    }

    /// Takes note of nodes that came and went.
    async fn register(&self, nodes: &[Rc<Node>]) {
        let mut added = Vec::new();
        let mut gone: Vec<Rc<Node>> = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            for node in nodes {
                let known = state.known.get_mut(name(&node.metadata));
                let same = known.as_ref().filter(|known| Rc::ptr_eq(&known.node, node));
                if same.is_some_and(|known| state.zones.contains_key(&known.zone)) {
                    continue;
                }
                let zone: Rc<str> = zone_key(node).into();
                if !state.zones.contains_key(&zone) {
                    state.zones.insert(zone.clone(), ZoneState::Initial);
                    state.tainters.insert(zone.clone(), RateLimitedQueue::new(EVICTION_QPS));
                }
                if let Some(known) = known {
                    known.look_at(node, zone);
                } else {
                    state.known.insert(name(&node.metadata).to_owned(), Known::new(node, zone));
                    added.push(node.clone());
                }
            }
            if state.known.len() != nodes.len() {
                let there: BTreeSet<&str> = nodes.iter().map(|n| name(&n.metadata)).collect();
                state.known.retain(|n, known| {
                    let stays = there.contains(n.as_str());
                    if !stays {
                        gone.push(known.registered.clone());
                    }
                    stays
                });
                gone.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
            }
        }
        for node in added {
            let n = name(&node.metadata);
            self.node_event(&node, "RegisteredNode", &format!("Node {n} event: Registered Node {n} in Controller"));
            self.mark_node_as_reachable(&node).await;
        }
        for node in gone {
            let n = name(&node.metadata);
            self.node_event(&node, "RemovingNode", &format!("Node {n} event: Removing Node {n} from Controller"));
        }
    }

    fn node_event(&self, node: &Node, reason: &str, message: &str) {
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Node".into()),
            name: node.metadata.name.clone(),
            uid: node.metadata.uid.clone(),
            ..ObjectReference::default()
        };
        self.recorder.event_about(about, EventType::Normal, reason, message);
    }

    fn observe(&self, node: &Node) -> Observation {
        let n = name(&node.metadata);
        let saved = self.state.borrow().health(n).cloned();
        let lease = self.leases.get_named(NAMESPACE_NODE_LEASE, n);
        health::observe(node, saved, lease, self.client.sim().timestamp())
    }

    fn remember(&self, node: &Node, seen: Observation) {
        if let Some(known) = self.state.borrow_mut().known.get_mut(name(&node.metadata)) {
            known.health = Some(seen.health);
        }
    }

    fn count(&self, counts: &RefCell<Counts>, node: &Node, seen: &Observation) {
        let ready = seen.current.as_ref().is_some_and(|c| c.status == "True");
        if let Some(known) = self.state.borrow().known.get(name(&node.metadata)) {
            known.count(counts, ready);
        }
    }

    /// Whether a node that was well is so still, by its lease alone: true of nearly all nodes at nearly all looks.
    fn stays_well(&self, node: &Node, counts: &RefCell<Counts>) -> bool {
        let n = name(&node.metadata);
        let ready = condition(node, "Ready").filter(|c| c.status == "True");
        let Some(ready) = ready.filter(|_| !of(node).iter().any(|t| t.effect == "NoExecute")) else { return false };
        self.state.borrow_mut().leave_in_peace(n, |known| {
            let Some(health) = known.health.as_mut() else { return false };
            let lease = self.leases.get_named(NAMESPACE_NODE_LEASE, n);
            let well = health::stays_well(ready, health, lease, self.client.sim().timestamp());
            if well {
                known.count(counts, true);
            }
            well
        })
    }

    /// Whether a node is ready, was ready, and carries no taint that says otherwise.
    fn needs_nothing(&self, node: &Node, seen: &Observation) -> bool {
        let ready = seen.observed.status == "True" && seen.current.as_ref().is_some_and(|c| c.status == "True");
        if !ready || of(node).iter().any(|t| t.effect == "NoExecute") {
            return false;
        }
        self.state.borrow_mut().leave_in_peace(name(&node.metadata), |_| true);
        true
    }

    /// Writes down what became of a node, and tells whom it concerns.
    async fn update_node(&self, mut node: Rc<Node>, mut seen: Observation, counts: &RefCell<Counts>) {
        let n = name(&node.metadata).to_owned();
        let sim = self.client.sim();
        let mut attempt = 0;
        while let Some(changed) = seen.silent.take() {
            match self.client.update_status(changed).await {
                Ok(updated) => {
                    seen.health.ready = condition(&updated, "Ready").cloned();
                    seen.health.ready_transition = sim.timestamp();
                    node = updated;
                }
                Err(_) => {
                    self.remember(&node, seen);
                    attempt += 1;
                    // Deleted, or past help: its pods are left alone until the next look.
                    let Ok(read) = self.client.get::<Node>("", &n).await else { return };
                    if attempt > HEALTH_UPDATE_RETRIES {
                        return;
                    }
                    sim.sleep(RETRY_SLEEP).await;
                    seen = self.observe(&read);
                    node = read;
                }
            }
        }
        self.count(counts, &node, &seen);
        let (observed, current) = (seen.observed.clone(), seen.current.clone());
        self.remember(&node, seen);
        if let Some(current) = current {
            // By what the node is said to be from now on, so that the taint follows at once.
            self.process_taint_based_eviction(&node, &current.status).await;
            let fell = current.status != "True" && observed.status == "True";
            let again = self.state.borrow().retry.contains(&n) && observed.status != "True";
            if fell {
                let message = format!("Node {n} status is now: NodeNotReady");
                self.node_event(&node, "NodeNotReady", &message);
            }
            if fell || again {
                let on_node = self.pods.by_index(pods::NODE_INDEX, &n);
                if self.mark_pods_not_ready(on_node, &n).await.is_err() {
                    self.state.borrow_mut().retry.insert(n);
                    return;
                }
            }
        }
        self.state.borrow_mut().retry.remove(&n);
    }

    async fn process_taint_based_eviction(&self, node: &Rc<Node>, observed: &str) {
        let (wanted, opposite) = match observed {
            "False" => (NOT_READY, UNREACHABLE),
            "Unknown" => (UNREACHABLE, NOT_READY),
            _ => return self.mark_node_as_reachable(node).await,
        };
        if exists(of(node), &no_execute(opposite)) {
            // Tainted already for the other reason: swapped at once. A failure is tried again at the next look.
            let _ = swap(&self.client, &[no_execute(wanted)], &[no_execute(opposite)], node).await;
            return;
        }
        let now = self.client.sim().now();
        let mut state = self.state.borrow_mut();
        if let Some(q) = state.tainters.get_mut(&*zone_key(node)) {
            let n = name(&node.metadata);
            if !exists(of(node), &no_execute(wanted)) {
                q.remove(n);
            }
            if q.add(n, now) {
                self.tainting.notify();
            }
        }
    }

    /// Takes the NoExecute taints off a node that is back.
    async fn mark_node_as_reachable(&self, node: &Node) {
        for key in [UNREACHABLE, NOT_READY] {
            if remove(&self.client, node, &[no_execute(key)]).await.is_err() {
                return;
            }
        }
        if let Some(q) = self.state.borrow_mut().tainters.get_mut(&*zone_key(node)) {
            q.remove(name(&node.metadata));
        }
    }

    /// Models MarkPodsNotReady.
    async fn mark_pods_not_ready(&self, on_node: Vec<Rc<Pod>>, node: &str) -> Result<(), SyncError> {
        let mut failed = Ok(());
        for pod in on_node {
            if pods::node_name(&pod) != node || pods::ready_condition(&pod).is_none_or(|c| c.status == "False") {
                continue;
            }
            let mut changed = (*pod).clone();
            let now = time::now(self.client.sim());
            for c in changed.status.iter_mut().flat_map(|s| s.conditions.iter_mut().flatten()) {
                if c.type_ == "Ready" {
                    c.status = "False".into();
                    c.last_transition_time = Some(now.clone());
                }
            }
            match self.client.update_status(changed).await {
                Err(e) if e.is_not_found() => continue,
                Err(e) => failed = Err(e.into()),
                Ok(_) => {}
            }
            // After the update, to be sure that the pod still exists.
            self.recorder.event(&*pod, EventType::Warning, "NodeNotReady", "Node is not ready");
        }
        failed
    }

    async fn handle_disruption(&self, counts: &Counts, nodes: &[Rc<Node>]) {
        let now = self.client.sim().now();
        let mode = {
            let mut state = self.state.borrow_mut();
            let (mode, rates) = disruption::handle(&mut state.zones, counts);
            for (zone, qps) in rates {
                if let Some(q) = state.tainters.get_mut(&zone) {
                    q.swap_limiter(qps, now);
                }
            }
            mode
        };
        match mode {
            Mode::Usual => {}
            Mode::EnterMasterDisruption => {
                for node in nodes {
                    self.mark_node_as_reachable(node).await;
                }
            }
            Mode::ExitMasterDisruption => {
                let at = self.client.sim().timestamp();
                for h in self.state.borrow_mut().known.values_mut().filter_map(|known| known.health.as_mut()) {
                    h.probe = at;
                    h.ready_transition = at;
                }
            }
        }
    }
}

fn no_execute(key: &str) -> k8s_openapi::api::core::v1::Taint {
    taint(key, "NoExecute")
}

/// The beta labels that don't say what the stable ones say.
fn label_changes(node: &Node) -> Vec<(String, String)> {
    let Some(labels) = &node.metadata.labels else { return Vec::new() };
    [("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch")]
        .into_iter()
        .filter_map(|(stable, beta)| {
            let value = labels.get(stable)?;
            (labels.get(beta) != Some(value)).then(|| (beta.to_owned(), value.clone()))
        })
        .collect()
}
