//! Defaults of the core group's other kinds.
//! Models `pkg/apis/core/v1/defaults.go`.

use k8s_openapi::api::core::v1::{
    Endpoints, LimitRange, LimitRangeItem, Namespace, Node, PersistentVolume, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, ReplicationController, ResourceQuota, Secret, Service, SessionAffinityConfig,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{pointer, resource_list, text};

/// A ReplicationController: its selector and its labels are its template's unless it has its own.
pub fn replication_controller(rc: &mut ReplicationController) {
    rc.status.get_or_insert_default();
    let spec = rc.spec.get_or_insert_default();
    pointer(&mut spec.replicas, 1);
    if let Some(labels) = spec.template.as_ref().and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.as_ref()) {
        if spec.selector.as_ref().is_none_or(|s| s.is_empty()) {
            spec.selector = Some(labels.clone());
        }
        if rc.metadata.labels.as_ref().is_none_or(|l| l.is_empty()) {
            rc.metadata.labels = Some(labels.clone());
        }
    }
    if let Some(template) = &mut spec.template {
        super::pod::template_spec(template);
    }
}

/// Whether traffic from outside the cluster may reach it.
fn externally_accessible(spec: &k8s_openapi::api::core::v1::ServiceSpec) -> bool {
    match spec.type_.as_deref() {
        Some("LoadBalancer" | "NodePort") => true,
        Some("ClusterIP") => spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty()),
        _ => false,
    }
}

/// A Service.
pub fn service(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    text(&mut spec.session_affinity, "None");
    match spec.session_affinity.as_deref() {
        Some("None") => spec.session_affinity_config = None,
        Some("ClientIP") => {
            let timeout = spec
                .session_affinity_config
                .as_ref()
                .and_then(|c| c.client_ip.as_ref())
                .and_then(|c| c.timeout_seconds);
            if timeout.is_none() {
                let client_ip = k8s_openapi::api::core::v1::ClientIPConfig { timeout_seconds: Some(10_800) };
                spec.session_affinity_config = Some(SessionAffinityConfig { client_ip: Some(client_ip) });
            }
        }
        _ => {}
    }
    text(&mut spec.type_, "ClusterIP");
    for port in spec.ports.iter_mut().flatten() {
        text(&mut port.protocol, "TCP");
        let unset = match &port.target_port {
            None | Some(IntOrString::Int(0)) => true,
            Some(IntOrString::String(name)) => name.is_empty(),
            Some(IntOrString::Int(_)) => false,
        };
        if unset {
            port.target_port = Some(IntOrString::Int(port.port));
        }
    }
    if externally_accessible(spec) {
        text(&mut spec.external_traffic_policy, "Cluster");
    }
    if matches!(spec.type_.as_deref(), Some("ClusterIP" | "NodePort" | "LoadBalancer")) {
        pointer(&mut spec.internal_traffic_policy, "Cluster".to_owned());
    }
    let balanced = spec.type_.as_deref() == Some("LoadBalancer");
    if balanced {
        pointer(&mut spec.allocate_load_balancer_node_ports, true);
    }
    let status = service.status.get_or_insert_default();
    let balancer = status.load_balancer.get_or_insert_default();
    if balanced {
        for ingress in balancer.ingress.iter_mut().flatten() {
            if ingress.ip.as_deref().is_some_and(|ip| !ip.is_empty()) {
                pointer(&mut ingress.ip_mode, "VIP".to_owned());
            }
        }
    }
}

/// A Secret. What is written as text is data from then on, as upstream's conversion has it.
pub fn secret(secret: &mut Secret) {
    text(&mut secret.type_, "Opaque");
    if let Some(texts) = secret.string_data.take() {
        let data = secret.data.get_or_insert_default();
        data.extend(texts.into_iter().map(|(k, v)| (k, k8s_openapi::ByteString(v.into_bytes()))));
    }
}

/// A Namespace: it has its name as a label.
pub fn namespace(namespace: &mut Namespace) {
    namespace.spec.get_or_insert_default();
    text(&mut namespace.status.get_or_insert_default().phase, "Active");
    if let Some(name) = namespace.metadata.name.as_ref().filter(|n| !n.is_empty()) {
        let labels = namespace.metadata.labels.get_or_insert_default();
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
    }
}

/// A Node.
pub fn node(node: &mut Node) {
    let spec = node.spec.get_or_insert_default();
    // The older of the two fields for pods' addresses wins where they differ.
    let first = spec.pod_cidrs.as_ref().and_then(|all| all.first()).cloned().unwrap_or_default();
    let one = spec.pod_cidr.clone().unwrap_or_default();
    if one.is_empty() && !first.is_empty() {
        spec.pod_cidr = Some(first);
    } else if !one.is_empty() && one != first {
        spec.pod_cidrs = Some(vec![one]);
    }
    let status = node.status.get_or_insert_default();
    let endpoints = status.daemon_endpoints.get_or_insert_default();
    endpoints.kubelet_endpoint.get_or_insert_default();
    status.node_info.get_or_insert_default();
    resource_list(&mut status.capacity);
    resource_list(&mut status.allocatable);
    if status.allocatable.is_none() {
        status.allocatable.clone_from(&status.capacity);
    }
}

/// A PersistentVolume.
pub fn persistent_volume(volume: &mut PersistentVolume) {
    text(&mut volume.status.get_or_insert_default().phase, "Pending");
    let spec = volume.spec.get_or_insert_default();
    text(&mut spec.persistent_volume_reclaim_policy, "Retain");
    pointer(&mut spec.volume_mode, "Filesystem".to_owned());
    resource_list(&mut spec.capacity);
    if let Some(s) = &mut spec.host_path {
        pointer(&mut s.type_, String::new());
    }
    if let Some(s) = &mut spec.iscsi {
        text(&mut s.iscsi_interface, "default");
    }
    if let Some(s) = &mut spec.rbd {
        text(&mut s.pool, "rbd");
        text(&mut s.user, "admin");
        text(&mut s.keyring, "/etc/ceph/keyring");
    }
    if let Some(s) = &mut spec.azure_disk {
        pointer(&mut s.caching_mode, "ReadWrite".to_owned());
        pointer(&mut s.fs_type, "ext4".to_owned());
        pointer(&mut s.read_only, false);
        pointer(&mut s.kind, "Shared".to_owned());
    }
    if let Some(s) = &mut spec.scale_io {
        text(&mut s.storage_mode, "ThinProvisioned");
        text(&mut s.fs_type, "xfs");
    }
}

/// A PersistentVolumeClaim.
pub fn persistent_volume_claim(claim: &mut PersistentVolumeClaim) {
    let status = claim.status.get_or_insert_default();
    text(&mut status.phase, "Pending");
    resource_list(&mut status.capacity);
    claim_spec(claim.spec.get_or_insert_default());
}

pub(super) fn claim_spec(spec: &mut PersistentVolumeClaimSpec) {
    pointer(&mut spec.volume_mode, "Filesystem".to_owned());
    let resources = spec.resources.get_or_insert_default();
    resource_list(&mut resources.limits);
    resource_list(&mut resources.requests);
}

/// Endpoints.
pub fn endpoints(endpoints: &mut Endpoints) {
    for port in endpoints.subsets.iter_mut().flatten().flat_map(|s| s.ports.iter_mut().flatten()) {
        text(&mut port.protocol, "TCP");
    }
}

/// A LimitRange.
pub fn limit_range(range: &mut LimitRange) {
    for item in range.spec.iter_mut().flat_map(|s| s.limits.iter_mut()) {
        limit_range_item(item);
    }
}

fn limit_range_item(item: &mut LimitRangeItem) {
    if item.type_ == "Container" {
        let default = item.default.get_or_insert_default();
        for (name, max) in item.max.iter().flatten() {
            default.entry(name.clone()).or_insert_with(|| max.clone());
        }
        let request = item.default_request.get_or_insert_default();
        for (name, value) in item.default.iter().flatten().chain(item.min.iter().flatten()) {
            request.entry(name.clone()).or_insert_with(|| value.clone());
        }
        // Go leaves empty maps out.
        item.default.take_if(|m| m.is_empty());
        item.default_request.take_if(|m| m.is_empty());
    }
    resource_list(&mut item.max);
    resource_list(&mut item.min);
    resource_list(&mut item.default);
    resource_list(&mut item.default_request);
    resource_list(&mut item.max_limit_request_ratio);
}

/// A ResourceQuota.
pub fn resource_quota(quota: &mut ResourceQuota) {
    resource_list(&mut quota.spec.get_or_insert_default().hard);
    let status = quota.status.get_or_insert_default();
    resource_list(&mut status.hard);
    resource_list(&mut status.used);
}
