//! Rows of what pods are reached by.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::{EndpointPort, EndpointSlice};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, IngressRule, NetworkPolicy};
use serde_json::Value;

use super::{Printer, default_name, or};
use crate::api::labels::{format_label_selector, format_labels};
use crate::api::object::typed;

/// How many are shown before those left are counted.
const SHOWN_MAX: usize = 3;

/// As many as fit, then a count.
fn few(all: &[String]) -> String {
    let shown = all.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(",");
    if all.len() > SHOWN_MAX { format!("{shown} + {} more...", all.len() - SHOWN_MAX) } else { shown }
}

/// The hosts of an ingress. Rules without a host aren't shown, and are among those that are counted.
fn hosts(rules: &[IngressRule]) -> String {
    let mut shown: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= shown.len() == SHOWN_MAX;
        if let Some(host) = rule.host.as_deref().filter(|h| !more && !h.is_empty()) {
            shown.push(host);
        }
    }
    let text = shown.join(",");
    match (shown.is_empty(), more) {
        (true, _) => "*".into(),
        (false, true) => format!("{text} + {} more...", rules.len() - SHOWN_MAX),
        (false, false) => text,
    }
}

/// Where balancers are reached, each once and in order.
fn balancers<'a>(all: impl Iterator<Item = (Option<&'a String>, Option<&'a String>)>) -> Vec<String> {
    let filled = |text: Option<&String>| text.filter(|t| !t.is_empty()).cloned();
    let all: BTreeSet<String> = all.filter_map(|(ip, name)| filled(ip).or_else(|| filled(name))).collect();
    all.into_iter().collect()
}

fn endpoints(x: &Endpoints) -> String {
    if x.subsets.as_ref().is_none_or(Vec::is_empty) {
        return "<none>".into();
    }
    let mut all = Vec::new();
    for s in x.subsets.iter().flatten() {
        if s.ports.as_ref().is_none_or(Vec::is_empty) {
            all.extend(s.addresses.iter().flatten().map(|a| a.ip.clone()));
        }
        for port in s.ports.iter().flatten() {
            // An IPv6 address stands in brackets before a port.
            let host = |ip: &str| if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
            all.extend(s.addresses.iter().flatten().map(|a| format!("{}:{}", host(&a.ip), port.port)));
        }
    }
    few(&all)
}

pub(super) fn cells(p: &Printer<'_>) -> Option<Vec<Value>> {
    let o = p.object;
    if let Some(x) = typed::<Service>(o) {
        return Some(service(p, x));
    }
    if let Some(x) = typed::<Ingress>(o) {
        let spec = x.spec.clone().unwrap_or_default();
        let status = x.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
        let address = balancers(status.into_iter().flatten().map(|i| (i.ip.as_ref(), i.hostname.as_ref())));
        let ports = if spec.tls.as_ref().is_some_and(|t| !t.is_empty()) { "80, 443" } else { "80" };
        return Some(vec![
            p.name(),
            spec.ingress_class_name.unwrap_or_else(|| "<none>".into()).into(),
            hosts(spec.rules.as_deref().unwrap_or_default()).into(),
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
                let group = r.api_group.map(|g| format!(".{g}")).unwrap_or_default();
                format!("{}{group}/{}", r.kind, r.name)
            },
        );
        let name = default_name(p, &["ingressclass.kubernetes.io/is-default-class"]);
        return Some(vec![name, spec.controller.unwrap_or_default().into(), parameters.into(), p.age()]);
    }
    if let Some(x) = typed::<NetworkPolicy>(o) {
        let selector = x.spec.as_ref().and_then(|s| s.pod_selector.as_ref());
        return Some(vec![p.name(), format_label_selector(selector).into(), p.age()]);
    }
    if let Some(x) = typed::<Endpoints>(o) {
        return Some(vec![p.name(), endpoints(x).into(), p.age()]);
    }
    let x = typed::<EndpointSlice>(o)?;
    let port = |p: &EndpointPort| {
        let number = p.port.map(|n| n.to_string());
        number.or_else(|| p.name.clone()).unwrap_or_else(|| "*".into())
    };
    let ports: Vec<String> = x.ports.iter().flatten().map(port).collect();
    let addresses: Vec<String> = x.endpoints.iter().flatten().flat_map(|e| e.addresses.clone()).collect();
    let shown = |all: &[String]| -> Value { or(&few(all), "<unset>").into() };
    Some(vec![p.name(), x.address_type.clone().into(), shown(&ports), shown(&addresses), p.age()])
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
            let status = x.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
            let mut all = balancers(status.into_iter().flatten().map(|i| (i.ip.as_ref(), i.hostname.as_ref())));
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
