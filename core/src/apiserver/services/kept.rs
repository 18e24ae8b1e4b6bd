//! What a write leaves out of what was given out before stays as it was, and the two ways to say an address agree.
//! Models `pkg/registry/core/service/storage/storage.go` (patchAllocatedValues, normalizeClusterIPs).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ServiceSpec;

use super::{kind, list, needs_cluster_ip};
use crate::registry::validation::service::needs_health_check;

fn ip(spec: &ServiceSpec) -> &str {
    spec.cluster_ip.as_deref().unwrap_or_default()
}

/// A new Service of somebody who knows but one address has that one.
pub(super) fn normalize_new(spec: &mut ServiceSpec) {
    if !ip(spec).is_empty() && list(&spec.cluster_ips).is_empty() {
        spec.cluster_ips = Some(vec![ip(spec).to_owned()]);
    }
}

/// Whoever changes `clusterIP` alone means `clusterIPs` too.
pub(super) fn normalize(spec: &mut ServiceSpec, was: &ServiceSpec) {
    let same = list(&spec.cluster_ips) == list(&was.cluster_ips);
    if ip(spec) == ip(was) {
        if list(&spec.cluster_ips).is_empty() && !list(&was.cluster_ips).is_empty() {
            spec.cluster_ips.clone_from(&was.cluster_ips);
        }
    } else if same {
        let cleared = !ip(was).is_empty() && ip(spec).is_empty();
        spec.cluster_ips = (!cleared).then(|| vec![ip(spec).to_owned()]);
    }
}

fn has_node_ports(spec: &ServiceSpec) -> bool {
    match kind(spec) {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

fn node_ports(spec: &ServiceSpec) -> BTreeSet<i32> {
    list(&spec.ports).iter().filter_map(|p| p.node_port).filter(|p| *p != 0).collect()
}

/// Fills in what the client need not know.
pub(super) fn patch(spec: &mut ServiceSpec, was: &ServiceSpec) {
    if needs_cluster_ip(was) && needs_cluster_ip(spec) {
        if ip(spec).is_empty() {
            spec.cluster_ip.clone_from(&was.cluster_ip);
        }
        if list(&spec.cluster_ips).is_empty() && !list(&was.cluster_ips).is_empty() {
            spec.cluster_ips.clone_from(&was.cluster_ips);
        }
    }
    if has_node_ports(was) && has_node_ports(spec) {
        let used: BTreeSet<i32> = node_ports(was).intersection(&node_ports(spec)).copied().collect();
        let by_name: BTreeMap<Option<&String>, i32> =
            list(&was.ports).iter().map(|p| (name(&p.name), p.node_port.unwrap_or(0))).collect();
        for port in spec.ports.iter_mut().flatten().filter(|p| p.node_port.unwrap_or(0) == 0) {
            let had = by_name.get(&name(&port.name)).copied().unwrap_or(0);
            if had != 0 && !used.contains(&had) {
                port.node_port = Some(had);
            }
        }
    }
    if needs_health_check(was) && needs_health_check(spec) && spec.health_check_node_port.unwrap_or(0) == 0 {
        spec.health_check_node_port = was.health_check_node_port;
    }
}

fn name(name: &Option<String>) -> Option<&String> {
    name.as_ref().filter(|n| !n.is_empty())
}
