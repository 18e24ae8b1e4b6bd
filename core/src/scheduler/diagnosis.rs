//! Why a pod fits nowhere, and the sentence that says so.
//! Models kube-scheduler `framework/types.go` (Diagnosis, FitError) and `framework/node_to_status.go`.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::framework::node_info::NodeId;
use super::framework::status::{Code, Status};

/// Verdicts on nodes; nodes without one of their own share one.
#[derive(Clone, Debug)]
pub struct NodeToStatus {
    statuses: IndexMap<NodeId, Status, FxBuildHasher>,
    absent: Status,
}

impl Default for NodeToStatus {
    fn default() -> Self {
        NodeToStatus { statuses: IndexMap::default(), absent: Status::bare(Code::UnschedulableAndUnresolvable) }
    }
}

impl NodeToStatus {
    /// Notes the verdict on a node.
    pub fn set(&mut self, node: NodeId, status: Status) {
        self.statuses.insert(node, status);
    }
    /// The verdict on all nodes without one of their own.
    pub fn set_absent(&mut self, status: Status) {
        self.absent = status;
    }
    /// The verdict on a node.
    pub fn get(&self, node: NodeId) -> &Status {
        self.statuses.get(&node).unwrap_or(&self.absent)
    }
    /// The number of nodes with a verdict of their own.
    pub fn len(&self) -> usize {
        self.statuses.len()
    }
    /// Whether no node has a verdict of its own.
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty()
    }
    /// The nodes with a verdict of their own.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Status)> {
        self.statuses.iter().map(|(id, s)| (*id, s))
    }
    /// Of `nodes`, those whose verdict has this code.
    pub fn nodes_with_code(&self, nodes: &[NodeId], code: Code) -> Vec<NodeId> {
        if self.absent.code() != code {
            let mut found: Vec<NodeId> = self.iter().filter(|(_, s)| s.code() == code).map(|(id, _)| id).collect();
            found.retain(|id| nodes.contains(id));
            return found;
        }
        nodes.iter().copied().filter(|id| self.get(*id).code() == code).collect()
    }
}

/// Why no node fits.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    pub node_to_status: NodeToStatus,
    pub unschedulable_plugins: BTreeSet<&'static str>,
    pub pending_plugins: BTreeSet<&'static str>,
    pub pre_filter_message: String,
    pub post_filter_message: String,
}

impl Diagnosis {
    /// Remembers which plugin turned the pod down.
    pub fn add_plugin_status(&mut self, status: &Status) {
        if status.plugin().is_empty() {
            return;
        }
        if status.is_rejected() {
            self.unschedulable_plugins.insert(status.plugin());
        }
        if status.code() == Code::Pending {
            self.pending_plugins.insert(status.plugin());
        }
    }
    /// Upstream's `FitError.Error()`.
    pub fn message(&self, all_nodes: usize) -> String {
        let mut message = format!("0/{all_nodes} nodes are available:");
        if self.pre_filter_message.is_empty() {
            let mut histogram: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, status) in self.node_to_status.iter() {
                status.reasons().for_each(|r| *histogram.entry(r).or_default() += 1);
            }
            let absent = all_nodes.saturating_sub(self.node_to_status.len());
            if absent > 0 {
                self.node_to_status.absent.reasons().for_each(|r| *histogram.entry(r).or_default() += absent);
            }
            // Sorted as text, so that "10 .." comes before "2 ..".
            let mut reasons: Vec<String> =
                histogram.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            reasons.sort();
            if !reasons.is_empty() {
                message.push_str(&format!(" {}.", reasons.join(", ")));
            }
        } else {
            message.push_str(&format!(" {}.", self.pre_filter_message));
        }
        if !self.post_filter_message.is_empty() {
            message.push_str(&format!(" {}", self.post_filter_message));
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let check = |statuses: &[(u32, &'static str)],
                     absent: Option<&'static str>,
                     pre: &str,
                     post: &str,
                     want: &str| {
            let mut d =
                Diagnosis { pre_filter_message: pre.into(), post_filter_message: post.into(), ..Default::default() };
            for (id, reason) in statuses {
                d.node_to_status.set(NodeId(*id), Status::new(Code::Unschedulable, reason));
            }
            if let Some(reason) = absent {
                d.node_to_status.set_absent(Status::new(Code::UnschedulableAndUnresolvable, reason));
            }
            assert_eq!(d.message(12), want);
        };
        let many: Vec<(u32, &str)> =
            (0..12).map(|i| (i, if i < 2 { "node(s) had untolerated taint(s)" } else { "Insufficient cpu" })).collect();
        check(
            &many,
            None,
            "",
            "",
            "0/12 nodes are available: 10 Insufficient cpu, 2 node(s) had untolerated taint(s).",
        );
        check(
            &many[..3],
            Some("gone"),
            "",
            "preemption: x.",
            "0/12 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s), 9 gone. preemption: x.",
        );
        check(&many, None, "stop", "", "0/12 nodes are available: stop.");
        check(&[], None, "", "later.", "0/12 nodes are available: later.");
    }
}
