//! Rows of what pods are reached by.

use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};
use serde_json::Value;

use super::{Printer, or};
use crate::api::labels::{format_label_selector, format_labels};
use crate::api::object::typed;

/// As many as fit, then a count.
fn few(all: &[String], max: usize) -> String {
    if all.is_empty() {
        return "<none>".into();
    }
    let shown = all.iter().take(max).cloned().collect::<Vec<_>>().join(",");
    if all.len() > max { format!("{shown} + {} more...", all.len() - max) } else { shown }
}

pub(super) fn cells(p: &Printer<'_>) -> Option<Vec<Value>> {
    let o = p.object;
    if let Some(x) = typed::<Service>(o) {
        return Some(service(p, x));
    }
    if let Some(x) = typed::<Ingress>(o) {
        let spec = x.spec.clone().unwrap_or_default();
        let hosts: Vec<String> =
            spec.rules.iter().flatten().filter_map(|r| r.host.clone().filter(|h| !h.is_empty())).collect();
        let hosts = if spec.rules.as_ref().is_none_or(Vec::is_empty) || hosts.is_empty() {
            "*".to_owned()
        } else {
            few(&hosts, 3)
        };
        let balancers = x.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
        let address: Vec<String> =
            balancers.into_iter().flatten().filter_map(|i| i.ip.clone().or_else(|| i.hostname.clone())).collect();
        let ports = if spec.tls.as_ref().is_some_and(|t| !t.is_empty()) { "80, 443" } else { "80" };
        return Some(vec![
            p.name(),
            or(spec.ingress_class_name.as_deref().unwrap_or_default(), "<none>").into(),
            hosts.into(),
            address.join(",").into(),
            ports.into(),
            p.age(),
        ]);
    }
    if let Some(x) = typed::<IngressClass>(o) {
        let spec = x.spec.clone().unwrap_or_default();
        let parameters = spec.parameters.map_or_else(
            || "<none>".to_owned(),
            |r| {
                let group = r.api_group.filter(|g| !g.is_empty()).map(|g| format!(".{g}")).unwrap_or_default();
                format!("{}{group}/{}", r.kind, r.name)
            },
        );
        return Some(vec![p.name(), spec.controller.unwrap_or_default().into(), parameters.into(), p.age()]);
    }
    if let Some(x) = typed::<NetworkPolicy>(o) {
        let selector = x.spec.as_ref().and_then(|s| s.pod_selector.as_ref());
        return Some(vec![p.name(), format_label_selector(selector).into(), p.age()]);
    }
    if let Some(x) = typed::<Endpoints>(o) {
        let mut all = Vec::new();
        for s in x.subsets.iter().flatten() {
            if s.ports.as_ref().is_none_or(Vec::is_empty) {
                all.extend(s.addresses.iter().flatten().map(|a| a.ip.clone()));
            }
            for port in s.ports.iter().flatten() {
                all.extend(s.addresses.iter().flatten().map(|a| format!("{}:{}", a.ip, port.port)));
            }
        }
        return Some(vec![p.name(), few(&all, 3).into(), p.age()]);
    }
    let x = typed::<EndpointSlice>(o)?;
    let ports: Vec<String> =
        x.ports.iter().flatten().map(|p| p.port.map_or_else(|| "*".into(), |n| n.to_string())).collect();
    let ports = if x.ports.is_none() { "<unset>".to_owned() } else { few(&ports, 3) };
    let addresses: Vec<String> = x.endpoints.iter().flatten().flat_map(|e| e.addresses.clone()).collect();
    let addresses = if addresses.is_empty() { "<unset>".to_owned() } else { few(&addresses, 3) };
    Some(vec![p.name(), x.address_type.clone().into(), ports.into(), addresses.into(), p.age()])
}

fn service(p: &Printer<'_>, x: &Service) -> Vec<Value> {
    let spec = x.spec.clone().unwrap_or_default();
    let kind = spec.type_.clone().unwrap_or_default();
    let cluster_ip = spec.cluster_ips.as_ref().and_then(|c| c.first()).cloned();
    let cluster_ip = cluster_ip.filter(|c| !c.is_empty()).or(spec.cluster_ip.filter(|c| !c.is_empty()));
    let given = spec.external_ips.clone().unwrap_or_default().join(",");
    let external = match kind.as_str() {
        "ExternalName" => spec.external_name.clone().unwrap_or_default(),
        "LoadBalancer" => {
            let balancers = x.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
            let mut all: Vec<String> =
                balancers.into_iter().flatten().filter_map(|i| i.ip.clone().or_else(|| i.hostname.clone())).collect();
            all.extend(spec.external_ips.clone().unwrap_or_default());
            if all.is_empty() { "<pending>".into() } else { all.join(",") }
        }
        _ => or(&given, "<none>").to_owned(),
    };
    let ports: Vec<String> = spec
        .ports
        .iter()
        .flatten()
        .map(|port| {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            match port.node_port.filter(|n| *n > 0) {
                Some(node) => format!("{}:{node}/{protocol}", port.port),
                None => format!("{}/{protocol}", port.port),
            }
        })
        .collect();
    vec![
        p.name(),
        kind.into(),
        cluster_ip.unwrap_or_else(|| "<none>".into()).into(),
        external.into(),
        or(&ports.join(","), "<none>").into(),
        p.age(),
        format_labels(spec.selector.as_ref()).into(),
    ]
}
