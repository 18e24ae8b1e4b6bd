//! Runs a profile's plugins at the extension points.
//! Models kube-scheduler `framework/runtime/framework.go`.

pub mod cycle_state;
pub mod events;
pub mod labels;
pub mod node_info;
pub mod plugin;
pub mod pod_info;
pub mod resource;
pub mod status;

use std::collections::BTreeSet;
use std::rc::Rc;

use self::cycle_state::CycleState;
use self::node_info::{NodeId, NodeInfo};
use self::plugin::{
    Bind, Filter, Handle, Permit, Plugin, PostFilter, PostFilterContext, PostFilterResult, PreBind, PreBindAction,
    PreEnqueue, PreFilter, PreFilterResult, QueueSort, Reserve, Score,
};
use self::pod_info::PodInfo;
use self::status::{Code, Status};

/// A profile: plugins by extension point, in the order in which they run.
pub struct Framework {
    pub pre_enqueue: Vec<Rc<dyn PreEnqueue>>,
    pub queue_sort: Rc<dyn QueueSort>,
    pub pre_filter: Vec<Rc<dyn PreFilter>>,
    pub filter: Vec<Rc<dyn Filter>>,
    pub post_filter: Vec<Rc<dyn PostFilter>>,
    pub score: Vec<(Rc<dyn Score>, i64)>,
    pub reserve: Vec<Rc<dyn Reserve>>,
    pub permit: Vec<Rc<dyn Permit>>,
    pub pre_bind: Vec<Rc<dyn PreBind>>,
    pub bind: Vec<Rc<dyn Bind>>,
    /// Every plugin once, for its events.
    pub plugins: Vec<Rc<dyn Plugin>>,
}

/// One plugin's scores of the nodes that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreColumn {
    pub plugin: &'static str,
    pub weight: i64,
    /// Before normalizing, if that changed anything.
    pub raw: Option<Vec<i64>>,
    /// 0..=100, not yet times the weight.
    pub scores: Vec<i64>,
}

/// What PreFilter left over.
pub struct PreFilterOutcome {
    /// The nodes to look at; `None` for all.
    pub nodes: PreFilterResult,
    pub status: Status,
    /// Plugins that restricted the nodes, sorted.
    pub restricting: BTreeSet<&'static str>,
}

impl Framework {
    /// Runs PreEnqueue until a plugin objects.
    pub fn run_pre_enqueue(&self, pod: &PodInfo) -> Status {
        for plugin in &self.pre_enqueue {
            let status = plugin.pre_enqueue(pod);
            if !status.is_success() {
                return status.by(plugin.name());
            }
        }
        Status::SUCCESS
    }

    /// Runs PreFilter, noting which Filter plugins have nothing to do.
    pub fn run_pre_filter(&self, handle: &Handle, state: &mut CycleState, pod: &PodInfo) -> PreFilterOutcome {
        let mut nodes: PreFilterResult = None;
        let mut restricting = BTreeSet::new();
        let mut skip = 0;
        for plugin in &self.pre_filter {
            let (restriction, status) = plugin.pre_filter(handle, state, pod);
            match status.code() {
                Code::Success => {}
                Code::Skip => {
                    if let Some(at) = self.filter.iter().position(|f| f.name() == plugin.name()) {
                        skip |= 1 << at;
                    }
                    continue;
                }
                _ if status.is_rejected() => {
                    return PreFilterOutcome { nodes: None, status: status.by(plugin.name()), restricting };
                }
                _ => {
                    let message = format!("running PreFilter plugin {:?}: {}", plugin.name(), status.message());
                    return PreFilterOutcome {
                        nodes: None,
                        status: Status::error(message).by(plugin.name()),
                        restricting,
                    };
                }
            }
            if let Some(names) = restriction {
                restricting.insert(plugin.name());
                let merged: Vec<Rc<str>> = match nodes {
                    None => names,
                    Some(before) => before.into_iter().filter(|n| names.contains(n)).collect(),
                };
                if merged.is_empty() {
                    let who = restricting.iter().copied().collect::<Vec<_>>().join(" ");
                    let mut message = format!("node(s) didn't satisfy plugin(s) [{who}] simultaneously");
                    if restricting.len() == 1 {
                        message = format!("node(s) didn't satisfy plugin {who}");
                    }
                    let status = Status::with_reason(Code::UnschedulableAndUnresolvable, message);
                    return PreFilterOutcome { nodes: Some(merged), status, restricting };
                }
                nodes = Some(merged);
            }
        }
        state.skip_filter = skip;
        PreFilterOutcome { nodes, status: Status::SUCCESS, restricting }
    }

    /// Runs Filter on a node until a plugin objects.
    pub fn run_filter(&self, handle: &Handle, state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Status {
        for (at, plugin) in self.filter.iter().enumerate() {
            if state.skip_filter & (1 << at) != 0 {
                continue;
            }
            let status = plugin.filter(handle, state, pod, node);
            if !status.is_success() {
                if !status.is_rejected() {
                    let message = format!("running {:?} filter plugin: {}", plugin.name(), status.message());
                    return Status::error(message).by(plugin.name());
                }
                return status.by(plugin.name());
            }
        }
        Status::SUCCESS
    }

    /// Runs Filter twice if pods of at least this priority are nominated for the node: with and without them.
    pub fn run_filter_with_nominated_pods(
        &self,
        handle: &Handle,
        state: &CycleState,
        pod: &PodInfo,
        node: &NodeInfo,
    ) -> Status {
        let nominated = handle.nominator.on(&node.name);
        let mut rivals = nominated.iter().filter(|p| p.priority >= pod.priority && p.uid != pod.uid).peekable();
        if rivals.peek().is_some() {
            let mut state = state.clone();
            let mut node = node.clone();
            for rival in rivals {
                node.add_pod(Rc::clone(rival));
                self.run_add_pod(handle, &mut state, pod, rival, &node);
            }
            let status = self.run_filter(handle, &state, pod, &node);
            if !status.is_success() {
                return status;
            }
        }
        self.run_filter(handle, state, pod, node)
    }

    /// Tells PreFilter plugins that a pod is on the node as well.
    pub fn run_add_pod(
        &self,
        handle: &Handle,
        state: &mut CycleState,
        pod: &PodInfo,
        other: &PodInfo,
        node: &NodeInfo,
    ) {
        self.pre_filter.iter().for_each(|p| p.add_pod(handle, state, pod, other, node));
    }
    /// Tells PreFilter plugins that a pod is no longer on the node.
    pub fn run_remove_pod(
        &self,
        handle: &Handle,
        state: &mut CycleState,
        pod: &PodInfo,
        other: &PodInfo,
        node: &NodeInfo,
    ) {
        self.pre_filter.iter().for_each(|p| p.remove_pod(handle, state, pod, other, node));
    }

    /// Runs PostFilter until a plugin helps.
    pub fn run_post_filter(&self, cx: &mut PostFilterContext, pod: &PodInfo) -> (Option<PostFilterResult>, Status) {
        let mut result = None;
        let mut code = Code::Unschedulable;
        let mut reasons = Vec::new();
        for plugin in &self.post_filter {
            let (r, status) = plugin.post_filter(cx, pod);
            if status.is_success() {
                return (r, status);
            }
            if !status.is_rejected() {
                return (None, Status::error(status.message()).by(plugin.name()));
            }
            if r.as_ref().is_some_and(|r| r.nominated_node_name.is_some()) {
                result = r;
            }
            reasons.extend(status.reasons().map(str::to_owned));
            if status.code() == Code::UnschedulableAndUnresolvable {
                code = status.code();
            }
        }
        (result, Status::with_reasons(code, reasons))
    }

    /// Runs PreScore and Score: a column for each plugin that has something to say.
    pub fn run_score(
        &self,
        handle: &Handle,
        state: &mut CycleState,
        pod: &PodInfo,
        nodes: &[NodeId],
    ) -> Result<Vec<ScoreColumn>, Status> {
        for (at, (plugin, _)) in self.score.iter().enumerate() {
            let status = plugin.pre_score(handle, state, pod, nodes);
            if status.is_skip() {
                state.skip_score |= 1 << at;
            } else if !status.is_success() {
                let message = format!("running PreScore plugin {:?}: {}", plugin.name(), status.message());
                return Err(Status::error(message).by(plugin.name()));
            }
        }
        let mut columns = Vec::with_capacity(self.score.len());
        for (at, (plugin, weight)) in self.score.iter().enumerate() {
            if state.skip_score & (1 << at) != 0 {
                continue;
            }
            let mut scores: Vec<i64> = nodes
                .iter()
                .map(|id| handle.cache.node(*id).map_or(0, |node| plugin.score(handle, state, pod, node)))
                .collect();
            let raw = plugin.normalizes().then(|| scores.clone());
            if raw.is_some() {
                plugin.normalize(state, nodes, &mut scores);
            }
            columns.push(ScoreColumn { plugin: plugin.name(), weight: *weight, raw, scores });
        }
        Ok(columns)
    }

    /// Runs Reserve; on failure what was reserved is given back.
    pub fn run_reserve(&self, pod: &PodInfo, node: &str) -> Status {
        for plugin in &self.reserve {
            let status = plugin.reserve(pod, node);
            if !status.is_success() {
                self.run_unreserve(pod, node);
                return status.by(plugin.name());
            }
        }
        Status::SUCCESS
    }
    /// Gives back what was reserved.
    pub fn run_unreserve(&self, pod: &PodInfo, node: &str) {
        self.reserve.iter().rev().for_each(|p| p.unreserve(pod, node));
    }
    /// Runs Permit.
    pub fn run_permit(&self, pod: &PodInfo, node: &str) -> Status {
        for plugin in &self.permit {
            let status = plugin.permit(pod, node);
            if !status.is_success() {
                return status.by(plugin.name());
            }
        }
        Status::SUCCESS
    }
    /// What must be done before the pod may be bound.
    pub fn run_pre_bind(
        &self,
        handle: &Handle,
        state: &CycleState,
        pod: &PodInfo,
        node: &NodeInfo,
    ) -> Vec<PreBindAction> {
        self.pre_bind.iter().flat_map(|p| p.pre_bind(handle, state, pod, node)).collect()
    }
    /// The binding that the first willing plugin makes.
    pub fn run_bind(&self, pod: &PodInfo, node: &str) -> Option<k8s_openapi::api::core::v1::Binding> {
        self.bind.iter().find_map(|p| p.bind(pod, node))
    }
}
