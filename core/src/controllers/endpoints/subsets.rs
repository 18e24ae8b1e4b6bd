//! The subsets of a Service: addresses that have the same ports together. Models podToEndpointAddressForService and
//! RepackSubsets of `pkg/api/v1/endpoints/util.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Pod, Service};

use crate::controllers::util::endpoint::{endpoint, families, ports, serves};
use crate::controllers::util::pods;

/// An address, by what sorts it: its bytes and the pod's uid.
type AddressKey = (String, String);
/// A port, by what sorts it.
type PortKey = (String, i32, String, Option<String>);

/// A pod's address of the Service's first family.
fn address(service: &Service, pod: &Pod) -> Option<EndpointAddress> {
    let ipv6 = families(service).first().copied().unwrap_or(false);
    let e = endpoint(pod, None, service, ipv6)?;
    Some(EndpointAddress {
        ip: e.addresses.into_iter().next()?,
        hostname: e.hostname,
        node_name: e.node_name,
        target_ref: e.target_ref,
    })
}

/// The subsets that these pods make.
pub fn of(service: &Service, matching: &[Rc<Pod>]) -> Vec<EndpointSubset> {
    let spec = service.spec.as_ref();
    let publish = spec.and_then(|s| s.publish_not_ready_addresses) == Some(true);
    let portless = spec.is_none_or(|s| s.ports.as_ref().is_none_or(Vec::is_empty));
    let mut addresses: BTreeMap<AddressKey, EndpointAddress> = BTreeMap::new();
    // Which addresses each port has, and whether they are ready.
    let mut by_port: BTreeMap<Option<PortKey>, BTreeMap<AddressKey, bool>> = BTreeMap::new();
    for pod in matching.iter().filter(|p| serves(p)) {
        if pod.metadata.deletion_timestamp.is_some() && !publish {
            continue;
        }
        let Some(a) = address(service, pod) else { continue };
        let key = (a.ip.clone(), a.target_ref.as_ref().and_then(|r| r.uid.clone()).unwrap_or_default());
        let ready = publish || pods::is_ready(pod);
        let mut on = |port: Option<PortKey>| {
            by_port.entry(port).or_default().insert(key.clone(), ready);
        };
        if portless {
            on(None);
        }
        for p in ports(service, pod) {
            let name = p.name.unwrap_or_default();
            on(Some((name, p.port.unwrap_or(0), p.protocol.unwrap_or_default(), p.app_protocol)));
        }
        addresses.insert(key, a);
    }
    // Ports with the same addresses share a subset.
    let mut grouped: BTreeMap<Vec<(AddressKey, bool)>, Vec<PortKey>> = BTreeMap::new();
    for (port, on) in by_port {
        grouped.entry(on.into_iter().collect()).or_default().extend(port);
    }
    let subset = |(on, ports): (Vec<(AddressKey, bool)>, Vec<PortKey>)| {
        let pick = |wanted: bool| {
            let all: Vec<EndpointAddress> =
                on.iter().filter(|(_, r)| *r == wanted).filter_map(|(k, _)| addresses.get(k).cloned()).collect();
            (!all.is_empty()).then_some(all)
        };
        let port = |(name, port, protocol, app_protocol): PortKey| EndpointPort {
            name: (!name.is_empty()).then_some(name),
            port,
            protocol: Some(protocol),
            app_protocol,
        };
        let ports: Vec<EndpointPort> = ports.into_iter().map(port).collect();
        EndpointSubset {
            addresses: pick(true),
            not_ready_addresses: pick(false),
            ports: (!ports.is_empty()).then_some(ports),
        }
    };
    grouped.into_iter().map(subset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, ip: &str, ready: bool, port: i32) -> Rc<Pod> {
        let status = if ready { "True" } else { "False" };
        Rc::new(
            serde_json::from_value(json!({"metadata": {"name": name, "namespace": "d", "uid": name},
                "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": port}]}]},
                "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": status}]}}))
            .expect("a pod"),
        )
    }

    #[test]
    fn addresses_with_the_same_ports_are_together() {
        let service: Service =
            serde_json::from_value(json!({"metadata": {"name": "s", "namespace": "d"}, "spec": {"ports": [
            {"name": "a", "port": 80, "targetPort": "web"}, {"name": "b", "port": 81, "targetPort": 9000}]}}))
            .expect("a Service");
        let pods =
            [pod("p1", "10.0.0.1", true, 8080), pod("p2", "10.0.0.2", false, 8080), pod("p3", "10.0.0.3", true, 8081)];
        let print = |s: &EndpointSubset| {
            let ips = |a: &Option<Vec<EndpointAddress>>| {
                a.iter().flatten().map(|a| a.ip.clone()).collect::<Vec<_>>().join(",")
            };
            let ports: Vec<String> = s
                .ports
                .iter()
                .flatten()
                .map(|p| format!("{}:{}", p.name.clone().unwrap_or_default(), p.port))
                .collect();
            format!("{} not {} at {}", ips(&s.addresses), ips(&s.not_ready_addresses), ports.join(","))
        };
        let got: Vec<String> = of(&service, &pods).iter().map(print).collect();
        assert_eq!(
            got,
            ["10.0.0.1 not 10.0.0.2 at a:8080", "10.0.0.1,10.0.0.3 not 10.0.0.2 at b:9000", "10.0.0.3 not  at a:8081"]
        );
    }
}
