//! One pod's scheduling cycle, from filters to the assumption that it runs on the node.
//! Models kube-scheduler `schedule_one.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::Binding;

use super::Scheduler;
use super::decision::Decision;
use super::diagnosis::Diagnosis;
use super::framework::cycle_state::CycleState;
use super::framework::node_info::{NodeId, NodeInfo};
use super::framework::plugin::{Handle, PostFilterContext, PreBindAction, PreFilterResult, Victim};
use super::framework::pod_info::PodInfo;
use super::framework::status::{Code, Status};
use super::framework::{Framework, ScoreColumn};
use super::queue::QueuedPod;

/// Below this number of nodes all are tried, and never fewer than this.
const MIN_FEASIBLE_NODES: usize = 100;
/// The share of the nodes that is tried at least, in percent.
const MIN_FEASIBLE_PERCENTAGE: usize = 5;
/// An event's message is cut to this many bytes.
const NOTE_LENGTH_LIMIT: usize = 1024;
/// What a pod is told when there is no node at all.
pub const NO_NODES_AVAILABLE: &str = "no nodes available to schedule pods";

/// How a cycle ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The pod counts as running on the node; what is left is to bind it.
    Assumed(Box<Assignment>),
    /// No node; the pod is back in the queue.
    Failed(Failure),
    /// Nothing to do: the pod is being deleted, with the message of a Warning event.
    Skipped { pod: Rc<PodInfo>, message: String },
}

/// A decision to be bound.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub pod: QueuedPod,
    pub node: Rc<str>,
    /// To be done first.
    pub pre_bind: Vec<PreBindAction>,
    /// To be POSTed then.
    pub binding: Binding,
}

/// A decision that there is no node.
#[derive(Clone, Debug)]
pub struct Failure {
    pub pod: Rc<PodInfo>,
    /// The condition's reason: `Unschedulable` or `SchedulerError`.
    pub reason: &'static str,
    /// The condition's message.
    pub message: String,
    /// What to set `status.nominatedNodeName` to, if anything.
    pub nominate: Option<String>,
    /// Pods to evict for it, most important first.
    pub victims: Vec<Victim>,
    /// Less important pods whose nomination for the same node is void.
    pub demoted: Vec<Rc<PodInfo>>,
}

impl Failure {
    /// The Warning event's message.
    pub fn event_message(&self) -> String {
        truncate(&self.message)
    }
}

fn truncate(message: &str) -> String {
    const SUFFIX: &str = " ...";
    if message.len() <= NOTE_LENGTH_LIMIT {
        return message.to_owned();
    }
    let mut end = NOTE_LENGTH_LIMIT - SUFFIX.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{SUFFIX}", &message[..end])
}

/// How many nodes that fit are enough.
pub fn feasible_nodes_to_find(percentage_of_nodes_to_score: usize, nodes: usize) -> usize {
    if nodes < MIN_FEASIBLE_NODES {
        return nodes;
    }
    let percentage = match percentage_of_nodes_to_score {
        0 => 50usize.saturating_sub(nodes / 125).max(MIN_FEASIBLE_PERCENTAGE),
        set => set,
    };
    (nodes * percentage / 100).max(MIN_FEASIBLE_NODES)
}

/// The nodes that fit, or why none does.
struct Filtered {
    feasible: Vec<NodeId>,
    diagnosis: Diagnosis,
}

/// A search for nodes on which one pod fits.
struct Search<'a> {
    framework: &'a Framework,
    handle: Handle<'a>,
    state: &'a CycleState,
    pod: &'a PodInfo,
}

impl Search<'_> {
    /// Looks for `wanted` of `nodes` that pass all filters, from the one at `start` on.
    fn run(
        &self,
        nodes: &[NodeId],
        start: usize,
        wanted: usize,
        diagnosis: &mut Diagnosis,
    ) -> Result<Vec<NodeId>, Status> {
        let Search { framework, handle, state, pod } = self;
        let mut feasible = Vec::with_capacity(wanted);
        let (before, after) = nodes.split_at(start.min(nodes.len()));
        for id in after.iter().chain(before) {
            let Some(node) = handle.cache.node(*id) else { continue };
            let status = if handle.nominator.is_empty() {
                framework.run_filter(handle, state, pod, node)
            } else {
                framework.run_filter_with_nominated_pods(handle, state, pod, node)
            };
            if status.is_success() {
                feasible.push(*id);
                if feasible.len() >= wanted {
                    break;
                }
            } else if status.code() == Code::Error {
                return Err(status);
            } else {
                diagnosis.add_plugin_status(&status);
                diagnosis.node_to_status.set(*id, status);
            }
        }
        Ok(feasible)
    }
}

impl Scheduler {
    /// Tries the next pod, if any waits.
    pub fn schedule_one(&mut self, now: u64) -> Option<Outcome> {
        let pod = self.queue.pop(now)?;
        if pod.info.terminating {
            let message = format!("skip schedule deleting pod: {}/{}", pod.info.namespace(), pod.info.name());
            return Some(Outcome::Skipped { pod: pod.info, message });
        }
        if self.cache.is_assumed(&pod.info.uid) {
            return Some(Outcome::Skipped { pod: pod.info, message: String::new() });
        }
        self.cycles += 1;
        self.cache.update_order();
        let all_nodes = self.cache.order().len();
        let mut decision = Decision::new(now, all_nodes, self.cache.names());
        if all_nodes == 0 {
            let status = Status::new(Code::UnschedulableAndUnresolvable, NO_NODES_AVAILABLE);
            return Some(self.fail(pod, decision, status, Some(String::new()), Vec::new(), now));
        }
        let mut state = CycleState::default();
        match self.filter(&mut state, &pod.info) {
            Err(status) => Some(self.fail(pod, decision, status, Some(String::new()), Vec::new(), now)),
            Ok(Filtered { feasible, diagnosis }) if feasible.is_empty() => {
                Some(self.no_fit(pod, decision, state, diagnosis, now))
            }
            Ok(Filtered { feasible, diagnosis }) => {
                let columns = match self.score(&mut state, &pod.info, &feasible) {
                    Ok(columns) => columns,
                    Err(status) => return Some(self.fail(pod, decision, status, Some(String::new()), Vec::new(), now)),
                };
                let best = self.select_host(&columns, feasible.len());
                let id = *feasible.get(best)?;
                decision.set_feasible(&feasible, &columns);
                decision.set_rejected(diagnosis.node_to_status);
                Some(self.assume(pod, decision, &state, id, now))
            }
        }
    }

    fn handle(&self) -> Handle<'_> {
        Handle { cache: &self.cache, listers: &self.listers, nominator: &self.nominator }
    }

    fn filter(&mut self, state: &mut CycleState, pod: &PodInfo) -> Result<Filtered, Status> {
        let mut diagnosis = Diagnosis::default();
        let handle = Handle { cache: &self.cache, listers: &self.listers, nominator: &self.nominator };
        let framework = &self.framework;
        let all = self.cache.order();
        let pre = framework.run_pre_filter(&handle, state, pod);
        diagnosis.unschedulable_plugins = pre.restricting.clone();
        if !pre.status.is_success() {
            if !pre.status.is_rejected() {
                return Err(pre.status);
            }
            diagnosis.pre_filter_message = pre.status.message();
            diagnosis.add_plugin_status(&pre.status);
            diagnosis.node_to_status.set_absent(pre.status);
            return Ok(Filtered { feasible: Vec::new(), diagnosis });
        }
        let search = Search { framework, handle, state, pod };
        // The node that preemption has cleared is the likeliest, and tried alone first.
        if let Some(node) = handle.cache.node_named(pod.nominated_node_name()) {
            let feasible = search.run(&[node.id], 0, 1, &mut diagnosis)?;
            if !feasible.is_empty() {
                return Ok(Filtered { feasible, diagnosis });
            }
        }
        let restricted: Option<Vec<NodeId>> = restricted_nodes(&handle, &pre.nodes);
        if restricted.is_some() {
            let who = pre.restricting.iter().copied().collect::<Vec<_>>().join(" ");
            let reason = format!("node(s) didn't satisfy plugin(s) [{who}]");
            diagnosis.node_to_status.set_absent(Status::with_reason(Code::UnschedulableAndUnresolvable, reason));
        }
        let nodes = restricted.as_deref().unwrap_or(all);
        let wanted = feasible_nodes_to_find(self.percentage_of_nodes_to_score, nodes.len());
        let start = if nodes.is_empty() { 0 } else { self.next_start_node_index % nodes.len() };
        let found = search.run(nodes, start, wanted, &mut diagnosis);
        let tried = found.as_ref().map_or(0, Vec::len) + diagnosis.node_to_status.len();
        self.next_start_node_index = (self.next_start_node_index + tried) % all.len().max(1);
        Ok(Filtered { feasible: found?, diagnosis })
    }

    fn score(&self, state: &mut CycleState, pod: &PodInfo, feasible: &[NodeId]) -> Result<Vec<ScoreColumn>, Status> {
        // The only node needs no marks.
        if feasible.len() == 1 {
            return Ok(Vec::new());
        }
        self.framework.run_score(&self.handle(), state, pod, feasible)
    }

    /// The position of the best node; among equals each is as likely.
    fn select_host(&mut self, columns: &[ScoreColumn], nodes: usize) -> usize {
        let mut totals = vec![0i64; nodes];
        for column in columns {
            for (total, score) in totals.iter_mut().zip(&column.scores) {
                *total += score * column.weight;
            }
        }
        let (mut best, mut most, mut equals) = (0, i64::MIN, 0);
        for (at, total) in totals.into_iter().enumerate() {
            if total > most {
                (best, most, equals) = (at, total, 1);
            } else if total == most {
                equals += 1;
                if self.random_below(equals) == 0 {
                    best = at;
                }
            }
        }
        best
    }

    fn assume(&mut self, pod: QueuedPod, mut decision: Decision, state: &CycleState, id: NodeId, now: u64) -> Outcome {
        let node = self.cache.node(id).map(|n: &NodeInfo| Rc::clone(&n.name)).unwrap_or_else(|| "".into());
        let reserved = self.framework.run_reserve(&pod.info, &node);
        let permitted = if reserved.is_success() { self.framework.run_permit(&pod.info, &node) } else { reserved };
        if !permitted.is_success() {
            self.framework.run_unreserve(&pod.info, &node);
            return self.fail(pod, decision, permitted, Some(String::new()), Vec::new(), now);
        }
        let Some(binding) = self.framework.run_bind(&pod.info, &node) else {
            let status = Status::error("no bind plugin took the pod".to_owned());
            return self.fail(pod, decision, status, Some(String::new()), Vec::new(), now);
        };
        let info = self.cache.node(id);
        let pre_bind =
            info.map(|n| self.framework.run_pre_bind(&self.handle(), state, &pod.info, n)).unwrap_or_default();
        self.cache.assume(Rc::clone(&pod.info), id);
        self.nominator.remove(&pod.info.uid);
        decision.chosen = Some(Rc::clone(&node));
        self.decisions.keep(&pod.info.uid, decision);
        Outcome::Assumed(Box::new(Assignment { pod, node, pre_bind, binding }))
    }

    /// No node fits: perhaps one would without some of its pods.
    fn no_fit(
        &mut self,
        mut pod: QueuedPod,
        mut decision: Decision,
        state: CycleState,
        mut diagnosis: Diagnosis,
        now: u64,
    ) -> Outcome {
        let rng = &mut self.rng;
        let mut random_below = |n: u32| super::random_below(rng, n);
        let mut cx = PostFilterContext {
            handle: Handle { cache: &self.cache, listers: &self.listers, nominator: &self.nominator },
            framework: &self.framework,
            state: &state,
            statuses: &diagnosis.node_to_status,
            random_below: &mut random_below,
        };
        let (result, status) = self.framework.run_post_filter(&mut cx, &pod.info);
        diagnosis.post_filter_message = status.message();
        pod.unschedulable_plugins = diagnosis.unschedulable_plugins.clone();
        pod.pending_plugins = diagnosis.pending_plugins.clone();
        let message = diagnosis.message(self.cache.order().len());
        decision.set_rejected(diagnosis.node_to_status);
        let (nominate, victims) = result.map_or((None, Vec::new()), |r| (r.nominated_node_name, r.victims));
        self.fail(pod, decision, Status::with_reason(Code::Unschedulable, message), nominate, victims, now)
    }

    /// Requeues the pod and says what there is to tell and to do. Models `handleSchedulingFailure`.
    fn fail(
        &mut self,
        mut pod: QueuedPod,
        mut decision: Decision,
        status: Status,
        nominate: Option<String>,
        victims: Vec<Victim>,
        now: u64,
    ) -> Outcome {
        let reason = if status.is_rejected() { "Unschedulable" } else { "SchedulerError" };
        if !status.plugin().is_empty() && status.is_rejected() {
            pod.unschedulable_plugins.insert(status.plugin());
        } else if !status.is_rejected() || decision.all_nodes == 0 {
            pod.unschedulable_plugins.clear();
            pod.pending_plugins.clear();
        }
        let message = status.message();
        decision.message.clone_from(&message);
        self.decisions.keep(&pod.info.uid, decision);
        let info = Rc::clone(&pod.info);
        let mut demoted = Vec::new();
        if let Some(node) = nominate.as_deref().filter(|_| !victims.is_empty()) {
            demoted.extend(self.nominator.on(node).iter().filter(|p| p.priority < info.priority).cloned());
        }
        // Until its victims' deletion is under way the pod stays out of the active queue.
        if victims.iter().any(|v| !v.0.terminating) {
            self.preemption.begin(Rc::clone(&info.uid));
        }
        self.queue.add_unschedulable(&self.framework, pod, now);
        self.nominator.add(&info, nominate.as_deref());
        Outcome::Failed(Failure { pod: info, reason, message, nominate, victims, demoted })
    }

    /// The binding failed, `error` says at what: the pod counts no longer as running there, and is tried again.
    pub fn binding_failed(&mut self, assignment: Assignment, error: &str, now: u64) -> Option<Failure> {
        let Assignment { mut pod, node, .. } = assignment;
        self.framework.run_unreserve(&pod.info, &node);
        let info = Rc::clone(&pod.info);
        if self.cache.forget(&info.uid) {
            self.assigned_pod_deleted(&info, now);
        }
        // Seen bound or gone meanwhile: no reason to try again.
        let current = self.pending.get(&info.uid)?;
        pod.info = Rc::clone(current);
        let status = Status::error(error.to_owned());
        let decision = Decision::new(now, self.cache.order().len(), self.cache.names());
        match self.fail(pod, decision, status, Some(String::new()), Vec::new(), now) {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// The API calls that evict victims are through, or failed: the pod may be queued again when its plugins say so.
    pub fn preemption_done(&mut self, uid: &str, failed: bool) {
        self.preemption.end(uid);
        if failed {
            self.queue.activate(&self.framework, uid);
        }
    }
}

/// The nodes that PreFilter plugins restrict the pod to, those that exist; `None` for all.
fn restricted_nodes(handle: &Handle, names: &PreFilterResult) -> Option<Vec<NodeId>> {
    let names = names.as_ref()?;
    Some(names.iter().filter_map(|name| handle.cache.node_named(name).map(|n| n.id)).collect())
}
