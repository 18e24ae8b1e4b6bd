//! The filter and score tables of the latest scheduling cycles: the answer to "why there?" and "why not?".

use std::collections::VecDeque;
use std::rc::Rc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::diagnosis::NodeToStatus;
use super::framework::ScoreColumn;
use super::framework::node_info::NodeId;

/// Rows that are kept in all, over all decisions.
const ROWS_KEPT: usize = 200_000;
/// Decisions that are kept.
const DECISIONS_KEPT: usize = 20_000;

/// What a cycle thought of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeVerdict {
    pub node: Rc<str>,
    pub outcome: NodeOutcome,
}

/// Turned down, or scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeOutcome {
    Rejected {
        plugin: &'static str,
        reasons: Vec<String>,
    },
    /// Fits. Without scores when it was the only one.
    Feasible {
        scores: Vec<PluginScore>,
        total: i64,
    },
}

/// One plugin's opinion of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginScore {
    pub plugin: &'static str,
    /// As the plugin counted.
    pub raw: i64,
    /// 0..=100.
    pub normalized: i64,
    /// Times the plugin's weight.
    pub weighted: i64,
}

/// A pod's latest scheduling cycle.
#[derive(Clone, Debug)]
pub struct Decision {
    /// When, in virtual nanoseconds.
    pub at: u64,
    /// The node, or `None` with a message.
    pub chosen: Option<Rc<str>>,
    /// Upstream's sentence when no node fits.
    pub message: String,
    /// Nodes in the cluster; those that were not looked at appear in no row.
    pub all_nodes: usize,
    names: Rc<Vec<Rc<str>>>,
    feasible: Rc<[NodeId]>,
    columns: Vec<PackedColumn>,
    statuses: NodeToStatus,
}

/// A plugin's scores, packed.
#[derive(Clone, Debug)]
struct PackedColumn {
    plugin: &'static str,
    weight: i64,
    raw: Option<Numbers>,
    scores: Numbers,
}

/// Numbers of which most are small, and often all the same.
#[derive(Clone, Debug)]
enum Numbers {
    Same(i64),
    Small(Box<[i8]>),
    Any(Box<[i64]>),
}

impl Numbers {
    fn pack(numbers: &[i64]) -> Self {
        let first = numbers.first().copied().unwrap_or(0);
        if numbers.iter().all(|n| *n == first) {
            return Numbers::Same(first);
        }
        let small = numbers.iter().map(|n| i8::try_from(*n).ok()).collect::<Option<Box<[i8]>>>();
        small.map_or_else(|| Numbers::Any(numbers.into()), Numbers::Small)
    }

    fn get(&self, at: usize) -> i64 {
        match self {
            Numbers::Same(n) => *n,
            Numbers::Small(all) => all.get(at).copied().unwrap_or(0).into(),
            Numbers::Any(all) => all.get(at).copied().unwrap_or(0),
        }
    }
}

impl Decision {
    pub(super) fn new(at: u64, all_nodes: usize, names: Rc<Vec<Rc<str>>>) -> Self {
        Decision {
            at,
            chosen: None,
            message: String::new(),
            all_nodes,
            names,
            feasible: Rc::default(),
            columns: Vec::new(),
            statuses: NodeToStatus::default(),
        }
    }
    pub(super) fn set_feasible(&mut self, feasible: &[NodeId], columns: &[ScoreColumn]) {
        self.feasible = feasible.into();
        let pack = |c: &ScoreColumn| PackedColumn {
            plugin: c.plugin,
            weight: c.weight,
            raw: c.raw.as_deref().map(Numbers::pack),
            scores: Numbers::pack(&c.scores),
        };
        self.columns = columns.iter().map(pack).collect();
    }
    pub(super) fn set_rejected(&mut self, statuses: NodeToStatus) {
        self.statuses = statuses;
    }
    fn name(&self, id: NodeId) -> Rc<str> {
        self.names.get(id.index()).map_or_else(|| "".into(), Rc::clone)
    }
    fn rows(&self) -> usize {
        self.feasible.len() + self.statuses.len() + 1
    }
    /// The table: nodes that fit first.
    pub fn verdicts(&self) -> impl Iterator<Item = NodeVerdict> {
        let feasible = self.feasible.iter().enumerate().map(|(at, id)| {
            let scores: Vec<PluginScore> = self
                .columns
                .iter()
                .map(|c| {
                    let normalized = c.scores.get(at);
                    let raw = c.raw.as_ref().map_or(normalized, |raw| raw.get(at));
                    PluginScore { plugin: c.plugin, raw, normalized, weighted: normalized * c.weight }
                })
                .collect();
            let total = scores.iter().map(|s| s.weighted).sum();
            NodeVerdict { node: self.name(*id), outcome: NodeOutcome::Feasible { scores, total } }
        });
        let rejected = self.statuses.iter().map(|(id, status)| NodeVerdict {
            node: self.name(id),
            outcome: NodeOutcome::Rejected {
                plugin: status.plugin(),
                reasons: status.reasons().map(str::to_owned).collect(),
            },
        });
        feasible.chain(rejected)
    }
}

/// The latest decision of each pod, oldest dropped first.
#[derive(Debug, Default)]
pub struct Decisions {
    by_pod: IndexMap<Rc<str>, (u64, Decision), FxBuildHasher>,
    ages: VecDeque<(u64, Rc<str>)>,
    made: u64,
    rows: usize,
    /// The nodes that the last pod fitted: mostly those that the next one fits.
    feasible: Rc<[NodeId]>,
}

impl Decisions {
    /// Keeps a decision in place of the pod's earlier one.
    pub(super) fn keep(&mut self, uid: &Rc<str>, mut decision: Decision) {
        if decision.feasible == self.feasible {
            decision.feasible = self.feasible.clone();
        } else {
            self.feasible = decision.feasible.clone();
        }
        self.made += 1;
        self.rows += decision.rows();
        self.ages.push_back((self.made, Rc::clone(uid)));
        if let Some((_, old)) = self.by_pod.insert(Rc::clone(uid), (self.made, decision)) {
            self.rows -= old.rows();
        }
        while self.rows > ROWS_KEPT || self.by_pod.len() > DECISIONS_KEPT || self.ages.len() > 2 * DECISIONS_KEPT {
            let Some((made, uid)) = self.ages.pop_front() else { break };
            if self.by_pod.get(&uid).is_some_and(|(m, _)| *m == made)
                && let Some((_, old)) = self.by_pod.swap_remove(&uid)
            {
                self.rows -= old.rows();
            }
        }
    }
    /// The pod's latest decision.
    pub fn get(&self, uid: &str) -> Option<&Decision> {
        self.by_pod.get(uid).map(|(_, d)| d)
    }
    /// How many were ever made.
    pub fn made(&self) -> u64 {
        self.made
    }
}
