//! Node names by zone, and the order in which the nodes are tried: zone by zone in turn.
//! Models kube-scheduler `backend/cache/node_tree.go`.

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::Node;
use rustc_hash::FxBuildHasher;

use crate::scheduler::framework::node_info::NodeId;

/// Nodes by zone, zones and nodes in order of arrival.
#[derive(Debug, Default)]
pub struct NodeTree {
    zones: IndexMap<String, Vec<NodeId>, FxBuildHasher>,
}

impl NodeTree {
    /// Adds a node to its zone.
    pub fn add(&mut self, id: NodeId, node: &Node) {
        let zone = self.zones.entry(zone_key(node)).or_default();
        if !zone.contains(&id) {
            zone.push(id);
        }
    }
    /// Takes a node out of its zone.
    pub fn remove(&mut self, id: NodeId, node: &Node) {
        let key = zone_key(node);
        if let Some(zone) = self.zones.get_mut(&key) {
            zone.retain(|n| *n != id);
            if zone.is_empty() {
                self.zones.shift_remove(&key);
            }
        }
    }
    /// The first of each zone, then the second of each zone, and so on.
    pub fn list(&self) -> Vec<NodeId> {
        let longest = self.zones.values().map(Vec::len).max().unwrap_or(0);
        (0..longest).flat_map(|i| self.zones.values().filter_map(move |zone| zone.get(i).copied())).collect()
    }
}

/// Region and zone together; empty when the node says neither.
pub fn zone_key(node: &Node) -> String {
    let Some(labels) = &node.metadata.labels else { return String::new() };
    let get =
        |key: &str, old: &str| labels.get(key).or_else(|| labels.get(old)).map(String::as_str).unwrap_or_default();
    let region = get("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region");
    let zone = get("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone");
    if region.is_empty() && zone.is_empty() { String::new() } else { format!("{region}:\0:{zone}") }
}
