//! NetworkPolicies.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::validation::{
    cidr_warnings, is_strict_subset, is_valid_cidr_for_legacy_field, is_valid_port_name, is_valid_port_num,
    name_is_dns_subdomain, parse_cidr_sloppy,
};
use crate::registry::validation::prelude::*;
use crate::registry::validation::selector;

/// Checks a new NetworkPolicy.
pub fn validate_create(policy: &NetworkPolicy) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&policy.metadata, true, name_is_dns_subdomain, &mut errs);
    spec(policy, &[], &mut errs);
    errs
}

/// Checks a changed NetworkPolicy. Blocks that it had before, wherever, may stay as they are.
pub fn validate_update(new: &NetworkPolicy, old: &NetworkPolicy) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    let mut had = Vec::new();
    visit_blocks(old, |block, _| {
        had.push(block.cidr.clone());
        had.extend(list(&block.except).iter().cloned());
    });
    spec(new, &had, &mut errs);
    errs
}

/// One direction's rules: its field, its peers' field, and each rule's ports and peers.
type Rule<'a> = (&'a [NetworkPolicyPort], &'a [NetworkPolicyPeer]);
type Direction<'a> = (&'static str, &'static str, Vec<Rule<'a>>);

fn directions(spec: &NetworkPolicySpec) -> [Direction<'_>; 2] {
    let ingress = list(&spec.ingress).iter().map(|r| (list(&r.ports), list(&r.from)));
    let egress = list(&spec.egress).iter().map(|r| (list(&r.ports), list(&r.to)));
    [("ingress", "from", ingress.collect()), ("egress", "to", egress.collect())]
}

fn visit_blocks(policy: &NetworkPolicy, mut visit: impl FnMut(&IPBlock, &Path)) {
    let path = Path::new("spec");
    let Some(spec) = &policy.spec else { return };
    for (direction, field, rules) in directions(spec) {
        let rules_path = path.child(direction);
        for (i, (_, peers)) in rules.iter().enumerate() {
            let rule_path = rules_path.index(i);
            let peers_path = rule_path.child(field);
            for (j, peer) in peers.iter().enumerate() {
                if let Some(block) = &peer.ip_block {
                    visit(block, &peers_path.index(j).child("ipBlock"));
                }
            }
        }
    }
}

fn spec(policy: &NetworkPolicy, had: &[String], errs: &mut ErrorList) {
    let default = NetworkPolicySpec::default();
    let spec = policy.spec.as_ref().unwrap_or(&default);
    let path = Path::new("spec");
    selector::validate(spec.pod_selector.as_ref(), &path.child("podSelector"), errs);
    for (direction, field, rules) in directions(spec) {
        let rules_path = path.child(direction);
        for (i, (ports, peers)) in rules.iter().enumerate() {
            let rule_path = rules_path.index(i);
            let (ports_path, peers_path) = (rule_path.child("ports"), rule_path.child(field));
            for (j, p) in ports.iter().enumerate() {
                port(p, &ports_path.index(j), errs);
            }
            for (j, p) in peers.iter().enumerate() {
                peer(p, had, &peers_path.index(j), errs);
            }
        }
    }
    let types = list(&spec.policy_types);
    let types_path = path.child("policyTypes");
    if types.len() > 2 {
        errs.push(Error::invalid(&types_path, &json!(types), "may not specify more than two policyTypes"));
        return;
    }
    for (i, policy_type) in types.iter().enumerate() {
        one_of(policy_type, &["Ingress", "Egress"], &types_path.index(i), errs);
    }
}

fn port(port: &NetworkPolicyPort, path: &Path, errs: &mut ErrorList) {
    if let Some(protocol) = &port.protocol {
        one_of(protocol, &["TCP", "UDP", "SCTP"], &path.child("protocol"), errs);
    }
    let number = |value: i32, at: &Path, errs: &mut ErrorList| {
        for message in is_valid_port_num(value.into()) {
            errs.push(Error::invalid(at, &json!(value), message));
        }
    };
    let (port_path, end_path) = (path.child("port"), path.child("endPort"));
    match (&port.port, port.end_port) {
        (Some(IntOrString::Int(from)), end) => {
            number(*from, &port_path, errs);
            if let Some(end) = end {
                if end < *from {
                    errs.push(Error::invalid(&end_path, &json!(from), "must be greater than or equal to `port`"));
                }
                number(end, &end_path, errs);
            }
        }
        (Some(IntOrString::String(name)), end) => {
            if let Some(end) = end {
                let detail = "may not be specified when `port` is non-numeric";
                errs.push(Error::invalid(&end_path, &json!(end), detail));
            }
            invalid_each(is_valid_port_name(name), name, &port_path, errs);
        }
        (None, Some(end)) => {
            errs.push(Error::invalid(&end_path, &json!(end), "may not be specified when `port` is not specified"));
        }
        (None, None) => {}
    }
}

fn peer(peer: &NetworkPolicyPeer, had: &[String], path: &Path, errs: &mut ErrorList) {
    selector::validate(peer.pod_selector.as_ref(), &path.child("podSelector"), errs);
    selector::validate(peer.namespace_selector.as_ref(), &path.child("namespaceSelector"), errs);
    if let Some(block) = &peer.ip_block {
        ip_block(block, had, &path.child("ipBlock"), errs);
    }
    let selects = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
    match (selects, peer.ip_block.is_some()) {
        (false, false) => errs.push(Error::required(path, "must specify a peer")),
        (true, true) => errs.push(Error::forbidden(path, "may not specify both ipBlock and another peer")),
        _ => {}
    }
}

fn ip_block(block: &IPBlock, had: &[String], path: &Path, errs: &mut ErrorList) {
    let at = path.child("cidr");
    if block.cidr.is_empty() {
        errs.push(Error::required(&at, ""));
        return;
    }
    errs.extend(is_valid_cidr_for_legacy_field(&at, &block.cidr, true, had));
    let Some(cidr) = parse_cidr_sloppy(&block.cidr) else { return };
    let except_path = path.child("except");
    for (i, except) in list(&block.except).iter().enumerate() {
        let at = except_path.index(i);
        errs.extend(is_valid_cidr_for_legacy_field(&at, except, true, had));
        if parse_cidr_sloppy(except).is_some_and(|except| !is_strict_subset(except, cidr)) {
            errs.push(Error::invalid_str(&at, except, "must be a strict subset of `cidr`"));
        }
    }
}

/// What a person should know of the blocks' notation.
pub fn warnings(policy: &NetworkPolicy) -> Vec<String> {
    let mut warnings = Vec::new();
    visit_blocks(policy, |block, path| {
        warnings.extend(cidr_warnings(&path.child("cidr"), &block.cidr));
        let except_path = path.child("except");
        for (i, except) in list(&block.except).iter().enumerate() {
            warnings.extend(cidr_warnings(&except_path.index(i), except));
        }
    });
    warnings
}
