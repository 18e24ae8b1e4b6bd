//! The node lifecycle controller: notices nodes that fell silent, says so in their conditions and taints, and marks their pods.
//! Models `pkg/controller/nodelifecycle`.

mod controller;
mod disruption;
mod health;
mod queue;
mod taints;

pub use controller::start;

use k8s_openapi::api::core::v1::{Node, NodeCondition};

/// A condition of a node.
pub fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

/// The zone of a node: region and zone, or empty when its labels say neither. Models GetZoneKey.
pub fn zone_key(node: &Node) -> String {
    let label = |stable: &str, beta: &str| {
        let labels = node.metadata.labels.as_ref();
        labels.and_then(|l| l.get(stable).or_else(|| l.get(beta))).cloned().unwrap_or_default()
    };
    let zone = label("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone");
    let region = label("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region");
    if zone.is_empty() && region.is_empty() { String::new() } else { format!("{region}:\0:{zone}") }
}
