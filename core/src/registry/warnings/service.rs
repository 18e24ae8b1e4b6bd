//! Warnings about Services. Models `pkg/api/service/warnings.go`.

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use crate::api::field::Path;
use crate::api::validation::{cidr_warnings, ip_warnings};
use crate::registry::validation::service::{TOPOLOGY_HINTS, TOPOLOGY_MODE, kind};

/// What is odd about a Service.
pub(in crate::registry) fn of(service: &Service) -> Vec<String> {
    let mut all = Vec::new();
    let annotations = service.metadata.annotations.as_ref();
    if annotations.is_some_and(|a| a.contains_key(TOPOLOGY_HINTS)) {
        all.push(format!("annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"));
    }
    if let Some(spec) = &service.spec {
        of_spec(spec, &mut all);
    }
    all
}

fn of_spec(spec: &ServiceSpec, all: &mut Vec<String>) {
    let path = Path::new("spec");
    let ip = spec.cluster_ip.as_deref().unwrap_or_default();
    let headless = kind(spec) == "ClusterIP" && ip == "None";
    let external = kind(spec) == "ExternalName";
    let external_ips = spec.external_ips.as_deref().unwrap_or_default();
    let balancer_ip = spec.load_balancer_ip.as_deref().unwrap_or_default();
    let each = |field: &str, values: &[String], of: fn(&Path, &str) -> Vec<String>| -> Vec<String> {
        let at = path.child(field);
        values.iter().enumerate().flat_map(|(i, value)| of(&at.index(i), value)).collect()
    };
    if !ip.is_empty() && ip != "None" {
        all.extend(each("clusterIPs", spec.cluster_ips.as_deref().unwrap_or_default(), ip_warnings));
    }
    if headless {
        let ignored = [
            ("loadBalancerIP", !balancer_ip.is_empty()),
            ("externalIPs", !external_ips.is_empty()),
            ("SessionAffinity", spec.session_affinity.as_deref() != Some("None")),
        ];
        let ignored = ignored.iter().filter(|(_, is_set)| *is_set);
        all.extend(ignored.map(|(field, _)| format!("spec.{field} is ignored for headless services")));
    }
    all.extend(each("externalIPs", external_ips, ip_warnings));
    if !external_ips.is_empty() && !headless && !external {
        all.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned());
    }
    if !balancer_ip.is_empty() {
        all.extend(ip_warnings(&path.child("loadBalancerIP"), balancer_ip));
    }
    let ranges = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    all.extend(each("loadBalancerSourceRanges", ranges, cidr_warnings));
    if external && !external_ips.is_empty() {
        all.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if !external && spec.external_name.as_deref().is_some_and(|n| !n.is_empty()) {
        all.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.traffic_distribution.as_deref() == Some("PreferClose") {
        all.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
    }
}
