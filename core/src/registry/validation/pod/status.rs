//! What may change of a pod's status.
//! Models `pkg/apis/core/validation/validation.go` (ValidatePodStatusUpdate) and `pkg/api/v1/pod` (ContainerShouldRestart).

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus};

use super::{Options, update};
use crate::api::validation::parse_ip_sloppy;
use crate::registry::validation::prelude::*;

/// Checks a changed status.
pub fn validate_status_update(new: &Pod, old: &Pod) -> ErrorList {
    let mut errs = ErrorList::new();
    let opts = Options::for_pod_update(old);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if new.metadata.annotations != old.metadata.annotations {
        update::annotation_updates(new, old, &opts, &mut errs);
    }
    let (no_spec, no_status) = (PodSpec::default(), PodStatus::default());
    let (new_spec, old_spec) = (new.spec.as_ref().unwrap_or(&no_spec), old.spec.as_ref().unwrap_or(&no_spec));
    let (is, was) = (new.status.as_ref().unwrap_or(&no_status), old.status.as_ref().unwrap_or(&no_status));
    let path = Path::new("status");

    let conditions = path.child("conditions");
    for (i, c) in list(&is.conditions).iter().enumerate() {
        let at = conditions.index(i);
        observed_generation(c.observed_generation, &at.child("observedGeneration"), &mut errs);
        if !matches!(c.type_.as_str(), "PodScheduled" | "Ready" | "Initialized") {
            names::qualified_name(&c.type_, &at.child("Type"), &mut errs);
        }
    }
    if text(&new_spec.node_name) != text(&old_spec.node_name) {
        errs.push(Error::forbidden(&path.child("nodeName"), "may not be changed directly"));
    }
    let nominated = text(&is.nominated_node_name);
    if nominated != text(&was.nominated_node_name) && !nominated.is_empty() {
        let at = path.child("nominatedNodeName");
        names::dns_subdomain(nominated, &at, &mut errs);
        if !text(&old_spec.node_name).is_empty() {
            errs.push(Error::forbidden(&at, "may not be set on pods that are already bound to a node"));
        }
    }
    observed_generation(is.observed_generation, &path.child("observedGeneration"), &mut errs);
    if text(&is.qos_class) != text(&was.qos_class) {
        errs.push(Error::invalid_str(&path.child("qosClass"), text(&is.qos_class), "field is immutable"));
    }
    let spec = old_spec;
    let regular = path.child("containerStatuses");
    let (now, then) = (list(&is.container_statuses), list(&was.container_statuses));
    transitions(now, then, &spec.containers, spec, &regular, &mut errs);
    let init = path.child("initContainerStatuses");
    let (now, then) = (list(&is.init_container_statuses), list(&was.init_container_statuses));
    transitions(now, then, list(&spec.init_containers), spec, &init, &mut errs);
    let ephemeral = path.child("ephemeralContainerStatuses");
    let (now, then) = (list(&is.ephemeral_container_statuses), list(&was.ephemeral_container_statuses));
    for (i, _) in then.iter().enumerate().filter(|(_, old)| revived(old, now)) {
        errs.push(not_revived(&ephemeral.index(i)));
    }
    claims(new, is, &path.child("resourceClaimStatuses"), &mut errs);
    ips(is, was, &path, &mut errs);
    for (i, s) in list(&is.ephemeral_container_statuses).iter().enumerate() {
        if !list(&s.allocated_resources_status).is_empty() {
            errs.push(Error::forbidden(
                &ephemeral.index(i).child("allocatedResourcesStatus"),
                "must not be specified in container status",
            ));
        }
    }
    errs
}

fn observed_generation(generation: Option<i64>, path: &Path, errs: &mut ErrorList) {
    if let Some(generation) = generation.filter(|g| *g < 0) {
        errs.push(Error::invalid(path, &json!(generation), "must be a non-negative integer"));
    }
}

fn exit_code(status: &ContainerStatus) -> Option<i32> {
    status.state.as_ref().and_then(|s| s.terminated.as_ref()).map(|t| t.exit_code)
}

/// Whether a terminated container is no longer terminated.
fn revived(old: &ContainerStatus, new: &[ContainerStatus]) -> bool {
    exit_code(old).is_some() && new.iter().any(|n| n.name == old.name && exit_code(n).is_none())
}

fn not_revived(path: &Path) -> Error {
    Error::forbidden(&path.child("state"), "may not be transitioned to non-terminated state")
}

fn transitions(
    new: &[ContainerStatus],
    old: &[ContainerStatus],
    containers: &[Container],
    spec: &PodSpec,
    path: &Path,
    errs: &mut ErrorList,
) {
    let all_may_restart = spec
        .containers
        .iter()
        .chain(list(&spec.init_containers))
        .flat_map(|c| list(&c.restart_policy_rules))
        .any(|r| r.action == "RestartAllContainers");
    if all_may_restart {
        return;
    }
    for (i, old) in old.iter().enumerate() {
        let Some(code) = exit_code(old) else { continue };
        if !revived(old, new) {
            continue;
        }
        let of_spec = containers.iter().find(|c| c.name == old.name);
        if !of_spec.is_some_and(|c| should_restart(c, text(&spec.restart_policy), code)) {
            errs.push(not_revived(&path.index(i)));
        }
    }
}

/// Whether a container that ended with `exit_code` runs again: by its own rules, its own policy, its pod's policy.
pub(crate) fn should_restart(c: &Container, pod_policy: &str, exit_code: i32) -> bool {
    let by_policy = |policy: &str| match policy {
        "Always" => true,
        "OnFailure" => exit_code != 0,
        _ => false,
    };
    let Some(policy) = c.restart_policy.as_deref() else { return by_policy(pod_policy) };
    let matching = list(&c.restart_policy_rules).iter().find(|rule| {
        rule.exit_codes.as_ref().is_some_and(|codes| {
            let listed = list(&codes.values).contains(&exit_code);
            match codes.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                _ => false,
            }
        })
    });
    matching.is_some_and(|r| matches!(r.action.as_str(), "Restart" | "RestartAllContainers")) || by_policy(policy)
}

fn claims(pod: &Pod, status: &PodStatus, path: &Path, errs: &mut ErrorList) {
    let of_spec = pod.spec.as_ref().map(|s| list(&s.resource_claims)).unwrap_or_default();
    let statuses = list(&status.resource_claim_statuses);
    for (i, s) in statuses.iter().enumerate() {
        let at = path.index(i);
        if !of_spec.iter().any(|c| c.name == s.name) {
            errs.push(Error::invalid_str(
                &at.child("name"),
                &s.name,
                "must match the name of an entry in `spec.resourceClaims`",
            ));
        }
        if statuses.iter().take(i).any(|o| o.name == s.name) {
            errs.push(Error::duplicate(&at.child("name"), &json!(s.name)));
        }
        if let Some(name) = &s.resource_claim_name {
            names::dns_subdomain(name, &at.child("resourceClaimName"), errs);
        }
    }
}

fn ips(is: &PodStatus, was: &PodStatus, path: &Path, errs: &mut ErrorList) {
    let pod_path = path.child("podIPs");
    let now: Vec<&str> = list(&is.pod_ips).iter().map(|ip| ip.ip.as_str()).collect();
    let then: Vec<&str> = list(&was.pod_ips).iter().map(|ip| ip.ip.as_str()).collect();
    addresses(&now, &then, &pod_path, errs);
    let host_path = path.child("hostIPs");
    let now: Vec<&str> = list(&is.host_ips).iter().map(|ip| ip.ip.as_str()).collect();
    let then: Vec<&str> = list(&was.host_ips).iter().map(|ip| ip.ip.as_str()).collect();
    if let Some(first) = now.first().filter(|first| **first != text(&is.host_ip)) {
        errs.push(Error::invalid_str(&host_path.index(0).child("ip"), first, "must be equal to `hostIP`"));
    }
    addresses(&now, &then, &host_path, errs);
}

fn addresses(now: &[&str], then: &[&str], path: &Path, errs: &mut ErrorList) {
    for (i, ip) in now.iter().enumerate().filter(|(_, ip)| !then.contains(ip)) {
        names::legacy_ip(ip, &[], &path.index(i), errs);
    }
    if now.len() < 2 {
        return;
    }
    let parsed: Vec<Option<IpAddr>> = now.iter().map(|ip| parse_ip_sloppy(ip)).collect();
    let dual = parsed.iter().flatten().any(IpAddr::is_ipv4) && parsed.iter().flatten().any(IpAddr::is_ipv6);
    if parsed.iter().any(Option::is_none) {
        let bad = now.iter().zip(&parsed).find(|(_, p)| p.is_none()).map_or("", |(ip, _)| ip);
        errs.push(Error::internal(path, format!("failed to check for dual stack with error:invalid IP: {bad}")));
    }
    if !dual || now.len() > 2 {
        let shown: Vec<String> = now.iter().map(|ip| format!("{{\"IP\":{}}}", json!(ip))).collect();
        errs.push(Error::invalid_shown(
            path,
            format!("[{}]", shown.join(",")),
            "may specify no more than one IP for each IP family",
        ));
    }
}
