//! The families of a Service's addresses, as far as the client left them open, and whether the cluster has them.
//! Models `pkg/registry/core/service/storage/alloc.go` (initIPFamilyFields), of a cluster with one family.

use k8s_openapi::api::core::v1::ServiceSpec;
use serde_json::json;

use super::{FAMILY, kind, list, needs_cluster_ip};
use crate::api::field::{Error, ErrorList, Path};
use crate::api::validation::{is_ipv4_string, is_ipv6_string};
use crate::registry::validation::service::cluster_ips_related;

const SINGLE: &str = "SingleStack";
const PREFER: &str = "PreferDualStack";
const REQUIRE: &str = "RequireDualStack";

fn policy(spec: &ServiceSpec) -> &str {
    spec.ip_family_policy.as_deref().unwrap_or_default()
}

fn family_of(ip: &str) -> &'static str {
    match () {
        () if is_ipv4_string(ip) => "IPv4",
        () if is_ipv6_string(ip) => "IPv6",
        () => "unknown",
    }
}

fn is_headless_without_selector(spec: &ServiceSpec) -> bool {
    spec.cluster_ip.as_deref() == Some("None") && spec.selector.as_ref().is_none_or(|s| s.is_empty())
}

/// Whether a Service that prefers two families stays as it is: a cluster that gained or lost one doesn't change it.
fn stays(spec: &ServiceSpec, was: &ServiceSpec) -> bool {
    kind(spec) == kind(was)
        && matches!(kind(spec), "ClusterIP" | "NodePort" | "LoadBalancer")
        && spec.ip_family_policy.as_deref() == Some(PREFER)
        && was.ip_family_policy.as_deref().is_none_or(|p| p == PREFER)
        && list(&spec.cluster_ips) == list(&was.cluster_ips)
        && list(&spec.ip_families) == list(&was.ip_families)
}

/// Fills in policy and families, or says what is wrong with them.
pub(super) fn init(spec: &mut ServiceSpec, was: Option<&ServiceSpec>) -> ErrorList {
    let mut errors = ErrorList::new();
    if !needs_cluster_ip(spec) || was.is_some_and(|was| stays(spec, was)) {
        return errors;
    }
    if spec.ip_family_policy.is_none() {
        let inherited = was.and_then(|was| was.ip_family_policy.clone());
        let default = if is_headless_without_selector(spec) { REQUIRE } else { SINGLE };
        spec.ip_family_policy = Some(inherited.unwrap_or_else(|| default.to_owned()));
    }
    cluster_ips_related(spec, None, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    if let Some(was) = was {
        release(spec, was, &mut errors);
    }
    not_two_of_one(spec, &mut errors);
    infer(spec, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    if is_headless_without_selector(spec) {
        let families = spec.ip_families.get_or_insert_default();
        if families.is_empty() {
            families.push(FAMILY.to_owned());
        }
        if let [only] = families.as_slice()
            && policy_of(&spec.ip_family_policy) != SINGLE
        {
            let other = if only == "IPv4" { "IPv6" } else { "IPv4" };
            families.push(other.to_owned());
        }
        return errors;
    }
    if policy(spec) == REQUIRE {
        errors.push(Error::invalid_str(
            &Path::new("spec.ipFamilyPolicy"),
            REQUIRE,
            "this cluster is not configured for dual-stack services",
        ));
    }
    let path = Path::new("spec.ipFamilies");
    for (i, family) in list(&spec.ip_families).iter().enumerate().filter(|(_, f)| *f != FAMILY) {
        errors.push(Error::invalid_str(&path.index(i), family, "not configured on this cluster"));
    }
    if errors.is_empty() && list(&spec.ip_families).is_empty() {
        spec.ip_families = Some(vec![FAMILY.to_owned()]);
    }
    errors
}

fn policy_of(policy: &Option<String>) -> &str {
    policy.as_deref().unwrap_or_default()
}

/// The second address goes when the policy says that there is but one, and only then.
fn release(spec: &mut ServiceSpec, was: &ServiceSpec, errors: &mut ErrorList) {
    if policy(spec) == SINGLE {
        if list(&spec.cluster_ips) == list(&was.cluster_ips) {
            spec.cluster_ips.iter_mut().for_each(|ips| ips.truncate(1));
        }
        if list(&spec.ip_families) == list(&was.ip_families) {
            spec.ip_families.iter_mut().for_each(|families| families.truncate(1));
        }
        return;
    }
    let reduced = |new: &[String], old: &[String]| !new.is_empty() && new.len() < old.len();
    let mut refuse = |what: &str| {
        let detail = format!("must be 'SingleStack' to release the secondary {what}");
        errors.push(Error::invalid_str(&Path::new("spec.ipFamilyPolicy"), policy(spec), detail));
    };
    if reduced(list(&spec.cluster_ips), list(&was.cluster_ips)) {
        refuse("cluster IP");
    }
    if reduced(list(&spec.ip_families), list(&was.ip_families)) {
        refuse("IP family");
    }
}

fn not_two_of_one(spec: &ServiceSpec, errors: &mut ErrorList) {
    if policy(spec) != SINGLE {
        return;
    }
    for (two, what) in [(&spec.cluster_ips, "cluster IPs"), (&spec.ip_families, "IP families")] {
        if list(two).len() == 2 {
            let detail = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.push(Error::invalid_str(&Path::new("spec.ipFamilyPolicy"), SINGLE, detail));
        }
    }
}

/// The families of the addresses that the client chose.
fn infer(spec: &mut ServiceSpec, errors: &mut ErrorList) {
    let ips = list(&spec.cluster_ips).to_vec();
    let path = Path::new("spec.clusterIPs");
    for (i, ip) in ips.iter().enumerate().take_while(|(_, ip)| *ip != "None") {
        if i < list(&spec.ip_families).len() {
            continue;
        }
        match family_of(ip) {
            FAMILY => spec.ip_families.get_or_insert_default().push(FAMILY.to_owned()),
            other => {
                let detail = format!("{other} is not configured on this cluster");
                errors.push(Error::invalid(&path.index(i), &json!(ips), detail));
            }
        }
    }
}
