//! Validation of Endpoints.
//! Models `pkg/apis/core/validation/validation.go` (ValidateEndpoints and kin).

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, Endpoints};

use super::prelude::*;
use super::service::protocol;
use crate::api::validation::name_is_dns_subdomain;

/// Checks new Endpoints.
pub fn validate_create(endpoints: &Endpoints) -> ErrorList {
    let mut errs = ErrorList::new();
    create_into(endpoints, None, &mut errs);
    errs
}

/// Checks changed Endpoints.
pub fn validate_update(new: &Endpoints, old: &Endpoints) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    create_into(new, Some(old), &mut errs);
    errs
}

fn create_into(endpoints: &Endpoints, old: Option<&Endpoints>, errs: &mut ErrorList) {
    names::object_meta(&endpoints.metadata, true, name_is_dns_subdomain, errs);
    // What was let in by older rules stays in.
    if old.is_some_and(|old| list(&old.subsets) == list(&endpoints.subsets)) {
        return;
    }
    let path = Path::new("subsets");
    for (i, subset) in list(&endpoints.subsets).iter().enumerate() {
        let at = path.index(i);
        let (ready, waiting) = (list(&subset.addresses), list(&subset.not_ready_addresses));
        if ready.is_empty() && waiting.is_empty() {
            errs.push(Error::required(&at, "must specify `addresses` or `notReadyAddresses`"));
        }
        for (field, addresses) in [("addresses", ready), ("notReadyAddresses", waiting)] {
            let at = at.child(field);
            for (j, a) in addresses.iter().enumerate() {
                address(a, &at.index(j), errs);
            }
        }
        let ports = list(&subset.ports);
        let at = at.child("ports");
        for (j, p) in ports.iter().enumerate() {
            port(p, ports.len() > 1, &at.index(j), errs);
        }
    }
}

fn address(a: &EndpointAddress, path: &Path, errs: &mut ErrorList) {
    names::legacy_ip(&a.ip, &[], &path.child("ip"), errs);
    let hostname = text(&a.hostname);
    if !hostname.is_empty() {
        names::dns_label(hostname, &path.child("hostname"), errs);
    }
    if let Some(node) = &a.node_name {
        names::dns_subdomain(node, &path.child("nodeName"), errs);
    }
    names::endpoint_ip(&a.ip, &path.child("ip"), errs);
}

fn port(p: &EndpointPort, named: bool, path: &Path, errs: &mut ErrorList) {
    let name = text(&p.name);
    if !name.is_empty() {
        names::dns_label(name, &path.child("name"), errs);
    } else if named {
        errs.push(Error::required(&path.child("name"), ""));
    }
    names::port_number(p.port, &path.child("port"), errs);
    protocol(text(&p.protocol), &path.child("protocol"), errs);
    if let Some(protocol) = &p.app_protocol {
        names::qualified_name(protocol, &path.child("appProtocol"), errs);
    }
}
