//! Validation of Services.
//! Models `pkg/apis/core/validation/validation.go` (ValidateServiceCreate, ValidateServiceUpdate and kin).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{LoadBalancerStatus, Service, ServicePort, ServiceSpec, SessionAffinityConfig};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::go::{Go, fields};
use super::pod::probes::port_number_or_name;
use super::prelude::*;
use crate::api::validation::{name_is_dns_label, parse_ip_sloppy};

mod cluster_ips;
mod update;

pub(crate) use cluster_ips::related as cluster_ips_related;

/// The protocols of a port, as upstream sorts them.
pub(crate) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const LOAD_BALANCER_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// The annotation that says how topology counts, and the one that it replaced.
pub(crate) const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
pub(crate) const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";

/// The type of a Service.
pub(crate) fn kind(spec: &ServiceSpec) -> &str {
    text(&spec.type_)
}

/// Whether it has no address of its own.
pub(crate) fn is_headless(spec: &ServiceSpec) -> bool {
    matches!(list(&spec.cluster_ips), [only] if only == "None")
}

/// Upstream's `ExternallyAccessible`.
pub(crate) fn externally_accessible(spec: &ServiceSpec) -> bool {
    match kind(spec) {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !list(&spec.external_ips).is_empty(),
        _ => false,
    }
}

/// Upstream's `NeedsHealthCheck`.
pub(crate) fn needs_health_check(spec: &ServiceSpec) -> bool {
    kind(spec) == "LoadBalancer" && text(&spec.external_traffic_policy) == "Local"
}

/// A Service's spec, or an empty one.
fn spec_of(service: &Service) -> std::borrow::Cow<'_, ServiceSpec> {
    match &service.spec {
        Some(spec) => std::borrow::Cow::Borrowed(spec),
        None => std::borrow::Cow::Owned(ServiceSpec::default()),
    }
}

/// Checks a new Service, addresses and ports given out already.
pub fn validate_create(service: &Service) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&service.metadata, true, name_is_dns_label, &mut errs);
    validate(service, None, &mut errs);
    errs
}

/// Checks a changed Service.
pub fn validate_update(new: &Service, old: &Service) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let (is, was) = (spec_of(new), spec_of(old));
    update::cluster_ips(&is, &was, &mut errs);
    update::ip_families(&is, &was, &mut errs);
    load_balancer_class(&is, Some(&was), &mut errs);
    if needs_health_check(&was)
        && needs_health_check(&is)
        && is.health_check_node_port.unwrap_or(0) != was.health_check_node_port.unwrap_or(0)
    {
        errs.push(Error::forbidden(&Path::new("spec.healthCheckNodePort"), "field is immutable"));
    }
    validate(new, Some(old), &mut errs);
    errs
}

/// Checks a changed status.
pub fn validate_status_update(new: &Service, old: &Service) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let none = LoadBalancerStatus::default();
    let of = |s: &Service| s.status.as_ref().and_then(|s| s.load_balancer.clone()).unwrap_or_default();
    let (is, was) = (of(new), of(old));
    let path = Path::new("status.loadBalancer");
    if kind(&spec_of(new)) != "LoadBalancer" && is != none && !list(&is.ingress).is_empty() {
        errs.push(Error::forbidden(&path.child("ingress"), "may only be used when `spec.type` is 'LoadBalancer'"));
        return errs;
    }
    let known: Vec<String> =
        list(&was.ingress).iter().filter_map(|i| i.ip.clone()).filter(|ip| !ip.is_empty()).collect();
    load_balancer_status(&is, &known, &path, &mut errs);
    errs
}

fn load_balancer_status(status: &LoadBalancerStatus, known: &[String], path: &Path, errs: &mut ErrorList) {
    let ingress = path.child("ingress");
    for (i, entry) in list(&status.ingress).iter().enumerate() {
        let at = ingress.index(i);
        let ip = text(&entry.ip);
        if !ip.is_empty() {
            names::legacy_ip(ip, known, &at.child("ip"), errs);
        }
        let mode = at.child("ipMode");
        match &entry.ip_mode {
            None if !ip.is_empty() => errs.push(Error::required(&mode, "must be specified when `ip` is set")),
            None => {}
            Some(_) if ip.is_empty() => errs.push(Error::forbidden(&mode, "may not be specified when `ip` is not set")),
            Some(value) => one_of(value, &["Proxy", "VIP"], &mode, errs),
        }
        let name = text(&entry.hostname);
        if !name.is_empty() {
            names::dns_subdomain(name, &at.child("hostname"), errs);
            if parse_ip_sloppy(name).is_some() {
                errs.push(Error::invalid_str(&at.child("hostname"), name, "must be a DNS name, not an IP address"));
            }
        }
    }
}

/// Upstream's `validateService`: all but the metadata.
fn validate(service: &Service, old: Option<&Service>, errs: &mut ErrorList) {
    topology_annotations(&service.metadata, errs);
    let spec = spec_of(service);
    let was = old.map(spec_of);
    let path = Path::new("spec");
    if list(&spec.ports).is_empty() && !is_headless(&spec) && kind(&spec) != "ExternalName" {
        errs.push(Error::required(&path.child("ports"), ""));
    }
    by_type(&spec, &path, errs);
    let ports_path = path.child("ports");
    let mut seen = BTreeSet::new();
    let ports = list(&spec.ports);
    for (i, p) in ports.iter().enumerate() {
        port(p, ports.len() > 1, &mut seen, &ports_path.index(i), errs);
    }
    names::labels(&spec.selector, &path.child("selector"), errs);
    session_affinity(&spec, &path, errs);
    cluster_ips::related(&spec, was.as_deref(), errs);
    external_ips(&spec, was.as_deref(), &path, errs);
    match kind(&spec) {
        "" => errs.push(Error::required(&path.child("type"), "")),
        kind => one_of(kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], &path.child("type"), errs),
    }
    node_ports(&spec, &ports_path, errs);
    source_ranges(service, old, &path, errs);
    let balanced = kind(&spec) == "LoadBalancer";
    match spec.allocate_load_balancer_node_ports {
        Some(_) if !balanced => {
            errs.push(Error::forbidden(&path.child("allocateLoadBalancerNodePorts"), LOAD_BALANCER_ONLY));
        }
        None if balanced => errs.push(Error::required(&Path::new("allocateLoadBalancerNodePorts"), "")),
        _ => {}
    }
    load_balancer_class(&spec, None, errs);
    external_traffic(&spec, &path, errs);
    let at = path.child("internalTrafficPolicy");
    match spec.internal_traffic_policy.as_deref() {
        None if matches!(kind(&spec), "NodePort" | "LoadBalancer" | "ClusterIP") => errs.push(Error::required(&at, "")),
        None => {}
        Some(policy) => one_of(policy, &["Cluster", "Local"], &at, errs),
    }
    if let Some(distribution) = &spec.traffic_distribution {
        let known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
        one_of(distribution, &known, &path.child("trafficDistribution"), errs);
    }
}

fn topology_annotations(meta: &ObjectMeta, errs: &mut ErrorList) {
    let (mode, hints) = (entry(&meta.annotations, TOPOLOGY_MODE), entry(&meta.annotations, TOPOLOGY_HINTS));
    if let (Some(mode), Some(hints)) = (mode, hints)
        && mode != hints
    {
        errs.push(Error::invalid_str(
            &Path::new("metadata.annotations").key(TOPOLOGY_MODE),
            mode,
            format!("must match annotations[{TOPOLOGY_HINTS}] when both are specified"),
        ));
    }
}

/// What each type of Service must or must not have.
fn by_type(spec: &ServiceSpec, path: &Path, errs: &mut ErrorList) {
    const NOT_EXTERNAL: &str = "may not be set for ExternalName services";
    let addresses = path.child("clusterIPs");
    match kind(spec) {
        of @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            errs.push(Error::invalid_str(
                &addresses.index(0),
                "None",
                format!("may not be set to 'None' for {of} services"),
            ));
        }
        "ExternalName" => {
            if !list(&spec.cluster_ips).is_empty() {
                errs.push(Error::forbidden(&addresses, NOT_EXTERNAL));
            }
            if !list(&spec.ip_families).is_empty() {
                errs.push(Error::forbidden(&path.child("ipFamilies"), NOT_EXTERNAL));
            }
            if spec.ip_family_policy.is_some() {
                errs.push(Error::forbidden(&path.child("ipFamilyPolicy"), NOT_EXTERNAL));
            }
            // A trailing dot says that the name is fully qualified.
            let given = text(&spec.external_name);
            let name = given.strip_suffix('.').unwrap_or(given);
            if name.is_empty() {
                errs.push(Error::required(&path.child("externalName"), ""));
            } else {
                names::dns_subdomain(name, &path.child("externalName"), errs);
            }
        }
        _ => {}
    }
}

fn port<'a>(p: &'a ServicePort, named: bool, seen: &mut BTreeSet<&'a str>, path: &Path, errs: &mut ErrorList) {
    let name = text(&p.name);
    if !name.is_empty() {
        names::dns_label(name, &path.child("name"), errs);
        if !seen.insert(name) {
            errs.push(Error::duplicate(&path.child("name"), &json!(name)));
        }
    } else if named {
        errs.push(Error::required(&path.child("name"), ""));
    }
    names::port_number(p.port, &path.child("port"), errs);
    protocol(text(&p.protocol), &path.child("protocol"), errs);
    let target = p.target_port.clone().unwrap_or(IntOrString::Int(0));
    port_number_or_name(&target, &path.child("targetPort"), errs);
    if let Some(protocol) = &p.app_protocol {
        names::qualified_name(protocol, &path.child("appProtocol"), errs);
    }
}

/// A port's protocol: required, and known.
pub(super) fn protocol(value: &str, path: &Path, errs: &mut ErrorList) {
    match value {
        "" => errs.push(Error::required(path, "")),
        value => one_of(value, &PROTOCOLS, path, errs),
    }
}

fn session_affinity(spec: &ServiceSpec, path: &Path, errs: &mut ErrorList) {
    let affinity = text(&spec.session_affinity);
    match affinity {
        "" => errs.push(Error::required(&path.child("sessionAffinity"), "")),
        value => one_of(value, &["ClientIP", "None"], &path.child("sessionAffinity"), errs),
    }
    let at = path.child("sessionAffinityConfig");
    match (affinity, &spec.session_affinity_config) {
        ("ClientIP", config) => client_ip(config.as_ref(), &at, errs),
        ("None", Some(_)) => errs.push(Error::forbidden(&at, "must not be set when session affinity is None")),
        _ => {}
    }
}

fn client_ip(config: Option<&SessionAffinityConfig>, path: &Path, errs: &mut ErrorList) {
    let when = "when session affinity type is ClientIP";
    let Some(config) = config else {
        errs.push(Error::required(path, when));
        return;
    };
    let Some(client_ip) = &config.client_ip else {
        errs.push(Error::required(&path.child("clientIP"), when));
        return;
    };
    let at = path.child("clientIP.timeoutSeconds");
    match client_ip.timeout_seconds {
        None => errs.push(Error::required(&at, when)),
        Some(seconds) if !(1..=86_400).contains(&seconds) => {
            errs.push(Error::invalid(&at, &json!(seconds), "must be greater than 0 and less than 86400"));
        }
        Some(_) => {}
    }
}

fn external_ips(spec: &ServiceSpec, was: Option<&ServiceSpec>, path: &Path, errs: &mut ErrorList) {
    let known = was.map(|s| list(&s.external_ips)).unwrap_or_default();
    let path = path.child("externalIPs");
    for (i, ip) in list(&spec.external_ips).iter().enumerate() {
        let before = errs.len();
        names::legacy_ip(ip, known, &path.index(i), errs);
        if errs.len() == before {
            names::endpoint_ip(ip, &path.index(i), errs);
        }
    }
}

/// Node ports where none belong, and ports that are there twice.
fn node_ports(spec: &ServiceSpec, path: &Path, errs: &mut ErrorList) {
    let ports = list(&spec.ports);
    let node_port = |p: &ServicePort| p.node_port.unwrap_or(0);
    if kind(spec) == "ClusterIP" {
        for (i, _) in ports.iter().enumerate().filter(|(_, p)| node_port(p) != 0) {
            errs.push(Error::forbidden(&path.index(i).child("nodePort"), "may not be used when `type` is 'ClusterIP'"));
        }
    }
    let mut seen = BTreeSet::new();
    for (i, p) in ports.iter().enumerate().filter(|(_, p)| node_port(p) != 0) {
        if !seen.insert((text(&p.protocol), node_port(p))) {
            errs.push(Error::duplicate(&path.index(i).child("nodePort"), &json!(node_port(p))));
        }
    }
    let mut seen = BTreeSet::new();
    for (i, p) in ports.iter().enumerate() {
        if !seen.insert((text(&p.protocol), p.port)) {
            let shown = fields! {
                "Name": "", "Protocol": text(&p.protocol), "AppProtocol": Go::Null, "Port": p.port,
                "TargetPort": 0, "NodePort": 0,
            };
            errs.push(Error::duplicate_shown(&path.index(i), shown.compact()));
        }
    }
}

/// From whom a load balancer takes traffic: a field, or an annotation of old.
fn source_ranges(service: &Service, old: Option<&Service>, path: &Path, errs: &mut ErrorList) {
    let spec = spec_of(service);
    let balanced = kind(&spec) == "LoadBalancer";
    let ranges = list(&spec.load_balancer_source_ranges);
    if !ranges.is_empty() {
        let path = path.child("LoadBalancerSourceRanges");
        if !balanced {
            errs.push(Error::forbidden(&path, LOAD_BALANCER_ONLY));
        }
        let was = old.map(spec_of);
        let known: Vec<String> = was
            .iter()
            .flat_map(|s| list(&s.load_balancer_source_ranges))
            .map(|range| range.trim().to_owned())
            .collect();
        for (i, range) in ranges.iter().enumerate() {
            names::legacy_cidr(range.trim(), &known, &path.index(i), errs);
        }
        return;
    }
    let Some(given) = entry(&service.metadata.annotations, SOURCE_RANGES) else { return };
    let path = Path::new("metadata.annotations");
    let path = path.key(SOURCE_RANGES);
    if !balanced {
        errs.push(Error::forbidden(&path, LOAD_BALANCER_ONLY));
    }
    let unchanged = old.is_some_and(|o| entry(&o.metadata.annotations, SOURCE_RANGES) == Some(given));
    if !unchanged && !given.trim().is_empty() {
        for range in given.trim().split(',') {
            names::legacy_cidr(range.trim(), &[], &path, errs);
        }
    }
}

fn load_balancer_class(spec: &ServiceSpec, was: Option<&ServiceSpec>, errs: &mut ErrorList) {
    let path = Path::new("spec.loadBalancerClass");
    let balanced = kind(spec) == "LoadBalancer";
    if let Some(was) = was
        && balanced
        && kind(was) == "LoadBalancer"
        && spec.load_balancer_class != was.load_balancer_class
    {
        errs.push(Error::invalid(&path, &json!(spec.load_balancer_class), "may not change once set"));
    }
    match &spec.load_balancer_class {
        Some(class) if balanced => names::qualified_name(class, &path, errs),
        Some(_) => errs.push(Error::forbidden(&path, LOAD_BALANCER_ONLY)),
        None => {}
    }
}

fn external_traffic(spec: &ServiceSpec, path: &Path, errs: &mut ErrorList) {
    let policy = text(&spec.external_traffic_policy);
    let at = path.child("externalTrafficPolicy");
    if externally_accessible(spec) {
        match policy {
            "" => errs.push(Error::required(&at, "")),
            policy => one_of(policy, &["Cluster", "Local"], &at, errs),
        }
    } else if !policy.is_empty() {
        errs.push(Error::invalid_str(&at, policy, "may only be set for externally-accessible services"));
    }
    let at = path.child("healthCheckNodePort");
    let number = spec.health_check_node_port.unwrap_or(0);
    match (needs_health_check(spec), number) {
        (true, 0) => errs.push(Error::required(&at, "")),
        (true, number) => names::port_number(number, &at, errs),
        (false, 0) => {}
        (false, number) => errs.push(Error::invalid(
            &at,
            &json!(number),
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        )),
    }
}
