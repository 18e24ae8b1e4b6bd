//! Which conditions of a node call for which taints. Models the maps at the top of `node_lifecycle_controller.go`.

use k8s_openapi::api::core::v1::{Node, Taint};

use crate::controllers::util::taints::{of, taint};

pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Condition, its status, and the key of the taint that it calls for.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// The NoSchedule taints that a node's conditions and its cordon call for.
pub fn wanted(node: &Node) -> Vec<Taint> {
    let mut taints = Vec::new();
    for c in node.status.iter().flat_map(|s| s.conditions.iter().flatten()) {
        if let Some((_, _, key)) = BY_CONDITION.iter().find(|(t, s, _)| *t == c.type_ && *s == c.status) {
            taints.push(taint(key, "NoSchedule"));
        }
    }
    if node.spec.as_ref().and_then(|s| s.unschedulable) == Some(true) {
        taints.push(taint(UNSCHEDULABLE, "NoSchedule"));
    }
    taints
}

/// The NoSchedule taints on a node that are this controller's business.
pub fn present(node: &Node) -> Vec<Taint> {
    let ours = |t: &&Taint| {
        t.effect == "NoSchedule" && (t.key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(_, _, key)| *key == t.key))
    };
    of(node).iter().filter(ours).cloned().collect()
}
