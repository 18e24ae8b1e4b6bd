//! Which pods a Service means and what it says of them. Models `pkg/controller/util/endpoint` and
//! `staging/src/k8s.io/endpointslice/utils.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{name, namespace, pods};
use crate::api::labels::Selector;
use crate::client::Informer;

/// A Service's selector, if it selects pods at all.
pub fn service_selector(s: &Service) -> Option<Selector> {
    let spec = s.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    spec.selector.as_ref().filter(|l| !l.is_empty()).map(Selector::from_map)
}

/// The Services that mean a pod.
pub fn matching_services(services: &Informer<Service>, pod: &Pod) -> Vec<Rc<Service>> {
    let means = |s: &Rc<Service>| service_selector(s).is_some_and(|sel| sel.matches_meta(&pod.metadata));
    services.list_namespace(namespace(&pod.metadata)).into_iter().filter(means).collect()
}

fn pod_ips(p: &Pod) -> Vec<&str> {
    let Some(s) = &p.status else { return Vec::new() };
    match s.pod_ips.as_deref() {
        Some(ips) if !ips.is_empty() => ips.iter().map(|i| i.ip.as_str()).collect(),
        _ => s.pod_ip.as_deref().filter(|i| !i.is_empty()).into_iter().collect(),
    }
}

fn host_names(p: &Pod) -> (Option<&str>, Option<&str>) {
    let spec = p.spec.as_ref();
    (spec.and_then(|s| s.hostname.as_deref()), spec.and_then(|s| s.subdomain.as_deref()))
}

/// Whether a pod's change concerns its endpoints, and whether it concerns which Services mean it. Models podEndpointsChanged.
pub fn pod_changed(old: &Pod, new: &Pod) -> (bool, bool) {
    let labels = old.metadata.labels != new.metadata.labels || host_names(old) != host_names(new);
    let pod = old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        || pods::is_ready(old) != pods::is_ready(new)
        || pods::is_terminal(old) != pods::is_terminal(new)
        || pod_ips(old) != pod_ips(new)
        || pods::node_name(old) != pods::node_name(new);
    (pod, labels)
}

/// Whether a pod can be an endpoint at all.
pub fn serves(p: &Pod) -> bool {
    !pods::is_terminal(p) && !pod_ips(p).is_empty()
}

/// The ports that a pod has for a Service.
pub fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let spec = service.spec.as_ref();
    let of = |p: &ServicePort| {
        let port = find_port(pod, p)?;
        Some(EndpointPort {
            name: Some(p.name.clone().unwrap_or_default()),
            port: Some(port),
            protocol: Some(p.protocol.clone().unwrap_or_else(|| "TCP".into())),
            app_protocol: p.app_protocol.clone(),
        })
    };
    let mut found: Vec<EndpointPort> = spec.iter().flat_map(|s| s.ports.iter().flatten()).filter_map(of).collect();
    found.sort_by(|a, b| (&a.name, a.port, &a.protocol).cmp(&(&b.name, b.port, &b.protocol)));
    found
}

/// The number of a Service's port on a pod. Models FindPort.
fn find_port(pod: &Pod, p: &ServicePort) -> Option<i32> {
    match &p.target_port {
        Some(IntOrString::String(wanted)) if !wanted.is_empty() => {
            let spec = pod.spec.as_ref()?;
            let sidecars =
                spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
            let protocol = p.protocol.as_deref().unwrap_or("TCP");
            spec.containers.iter().chain(sidecars).flat_map(|c| c.ports.iter().flatten()).find_map(|c| {
                let same = c.name.as_deref() == Some(wanted) && c.protocol.as_deref().unwrap_or("TCP") == protocol;
                same.then_some(c.container_port)
            })
        }
        Some(IntOrString::Int(n)) if *n != 0 => Some(*n),
        _ => Some(p.port),
    }
}

/// A pod as an endpoint of one family of addresses; `None` when it has no address of it.
pub fn endpoint(pod: &Pod, node: Option<&Node>, service: &Service, ipv6: bool) -> Option<Endpoint> {
    let addresses: Vec<String> =
        pod_ips(pod).into_iter().filter(|ip| ip.contains(':') == ipv6).map(str::to_owned).collect();
    if addresses.is_empty() {
        return None;
    }
    let serving = pods::is_ready(pod);
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let publish = service.spec.as_ref().and_then(|s| s.publish_not_ready_addresses) == Some(true);
    let zone = node.and_then(|n| n.metadata.labels.as_ref()?.get("topology.kubernetes.io/zone").cloned());
    let (hostname, subdomain) = host_names(pod);
    let hostname = hostname.filter(|h| !h.is_empty() && subdomain == Some(name(&service.metadata)));
    let node_name = pods::node_name(pod);
    Some(Endpoint {
        addresses,
        conditions: Some(EndpointConditions {
            ready: Some(publish || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".into()),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        node_name: (!node_name.is_empty()).then(|| node_name.to_owned()),
        zone,
        hostname: hostname.map(str::to_owned),
        ..Endpoint::default()
    })
}

/// The families of addresses that a Service has: `true` for IPv6.
pub fn families(service: &Service) -> Vec<bool> {
    let families = service.spec.as_ref().and_then(|s| s.ip_families.as_deref()).unwrap_or_default();
    if families.is_empty() {
        return vec![false];
    }
    families.iter().map(|f| f == "IPv6").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_by_number_and_by_name() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [
            {"name": "c", "ports": [{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]}]}}))
        .expect("a pod");
        let service: Service = serde_json::from_value(json!({"metadata": {}, "spec": {"ports": [
            {"name": "a", "port": 80, "targetPort": "http"}, {"name": "b", "port": 81, "targetPort": 9000},
            {"name": "c", "port": 82}, {"name": "d", "port": 53, "targetPort": "dns"},
            {"name": "e", "port": 54, "targetPort": "dns", "protocol": "UDP"}]}}))
        .expect("a Service");
        let found: Vec<_> =
            ports(&service, &pod).iter().map(|p| (p.name.clone().unwrap_or_default(), p.port)).collect();
        let want = [("a", 8080), ("b", 9000), ("c", 82), ("e", 53)];
        assert_eq!(found, want.map(|(n, p)| (n.to_owned(), Some(p))));
    }
}
