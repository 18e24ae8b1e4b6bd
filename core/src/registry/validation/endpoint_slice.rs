//! Validation of EndpointSlices.
//! Models `pkg/apis/discovery/validation/validation.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, EndpointPort, EndpointSlice};

use super::prelude::*;
use super::service::PROTOCOLS;
use crate::api::validation::{is_fully_qualified_domain_name, is_ipv4_string, is_ipv6_string, name_is_dns_subdomain};

const TOPOLOGY_LABELS_MAX: usize = 16;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const ENDPOINTS_MAX: usize = 1000;
const HINTS_MAX: usize = 8;

/// Checks a new EndpointSlice.
pub fn validate_create(slice: &EndpointSlice) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(slice, None, &mut errs);
    errs
}

/// Checks a changed EndpointSlice.
pub fn validate_update(new: &EndpointSlice, old: &EndpointSlice) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(new, Some(old), &mut errs);
    if new.address_type != old.address_type {
        errs.push(Error::invalid_str(&Path::new("addressType"), &new.address_type, "field is immutable"));
    }
    errs
}

fn create_into(slice: &EndpointSlice, old: Option<&EndpointSlice>, errs: &mut ErrorList) {
    names::object_meta(&slice.metadata, true, name_is_dns_subdomain, errs);
    let at = Path::new("addressType");
    match slice.address_type.as_str() {
        "" => errs.push(Error::required(&at, "")),
        kind => one_of(kind, &["FQDN", "IPv4", "IPv6"], &at, errs),
    }
    ports(list(&slice.ports), &Path::new("ports"), errs);
    // What was let in by older rules stays in.
    if old.is_some_and(|old| old.endpoints == slice.endpoints) {
        return;
    }
    let path = Path::new("endpoints");
    let all = list(&slice.endpoints);
    if all.len() > ENDPOINTS_MAX {
        errs.push(Error::too_many(&path, all.len(), ENDPOINTS_MAX));
        return;
    }
    for (i, e) in all.iter().enumerate() {
        endpoint(e, &slice.address_type, &path.index(i), errs);
    }
}

fn endpoint(e: &Endpoint, kind: &str, path: &Path, errs: &mut ErrorList) {
    let at = path.child("addresses");
    match e.addresses.len() {
        0 => errs.push(Error::required(&at, "must contain at least 1 address")),
        n if n > ADDRESSES_MAX => errs.push(Error::too_many(&at, n, ADDRESSES_MAX)),
        _ => {}
    }
    for (i, a) in e.addresses.iter().enumerate() {
        address(a, kind, &at, i, errs);
    }
    if let Some(node) = &e.node_name {
        names::dns_subdomain(node, &path.child("nodeName"), errs);
    }
    let topology = path.child("deprecatedTopology");
    let labels = e.deprecated_topology.as_ref().map_or(0, |t| t.len());
    if labels > TOPOLOGY_LABELS_MAX {
        errs.push(Error::too_many(&topology, labels, TOPOLOGY_LABELS_MAX));
    }
    names::labels(&e.deprecated_topology, &topology, errs);
    if let Some(hostname) = &e.hostname {
        names::dns_label(hostname, &path.child("hostname"), errs);
    }
    if let Some(h) = &e.hints {
        hints(h, &path.child("hints"), errs);
    }
}

fn address(value: &str, kind: &str, path: &Path, index: usize, errs: &mut ErrorList) {
    let at = path.index(index);
    let (is_of_kind, complaint): (fn(&str) -> bool, _) = match kind {
        "IPv4" => (is_ipv4_string, "must be an IPv4 address"),
        "IPv6" => (is_ipv6_string, "must be an IPv6 address"),
        "FQDN" => {
            errs.extend(is_fully_qualified_domain_name(&at, value));
            return;
        }
        _ => return,
    };
    let before = errs.len();
    names::legacy_ip(value, &[], &at, errs);
    if errs.len() == before {
        if !is_of_kind(value) {
            errs.push(Error::invalid_str(path, value, complaint));
        }
        names::endpoint_ip(value, &at, errs);
    }
}

fn hints(hints: &EndpointHints, path: &Path, errs: &mut ErrorList) {
    let (zones, nodes) = (list(&hints.for_zones), list(&hints.for_nodes));
    let at = path.child("forZones");
    if zones.len() > HINTS_MAX {
        errs.push(Error::too_many(&at, zones.len(), HINTS_MAX));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, zone) in zones.iter().enumerate() {
        let at = at.index(i);
        let at = at.child("name");
        if !seen.insert(&zone.name) {
            errs.push(Error::duplicate(&at, &json!(zone.name)));
        }
        invalid_each(names::label_value_messages(&zone.name), &zone.name, &at, errs);
    }
    let at = path.child("forNodes");
    if nodes.len() > HINTS_MAX {
        errs.push(Error::too_many(&at, nodes.len(), HINTS_MAX));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, node) in nodes.iter().enumerate() {
        let at = at.index(i);
        let at = at.child("name");
        if !seen.insert(&node.name) {
            errs.push(Error::duplicate(&at, &json!(node.name)));
        }
        names::dns_subdomain(&node.name, &at, errs);
    }
}

fn ports(ports: &[EndpointPort], path: &Path, errs: &mut ErrorList) {
    if ports.len() > PORTS_MAX {
        errs.push(Error::too_many(path, ports.len(), PORTS_MAX));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, p) in ports.iter().enumerate() {
        let at = path.index(i);
        let name = text(&p.name);
        if !name.is_empty() {
            names::dns_label(name, &at.child("name"), errs);
        }
        if !seen.insert(name) {
            errs.push(Error::duplicate(&at.child("name"), &json!(name)));
        }
        match p.protocol.as_deref() {
            None => errs.push(Error::required(&at.child("protocol"), "")),
            Some(protocol) => one_of(protocol, &PROTOCOLS, &at.child("protocol"), errs),
        }
        if let Some(protocol) = &p.app_protocol {
            names::qualified_name(protocol, &at.child("appProtocol"), errs);
        }
    }
}
