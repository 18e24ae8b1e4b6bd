//! A Service's addresses, their families and the policy between them.
//! Models `pkg/apis/core/validation/validation.go` (ValidateServiceClusterIPsRelatedFields).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServiceSpec;

use super::{is_headless, kind};
use crate::api::validation::is_ipv6_string;
use crate::registry::validation::prelude::*;

/// The families of addresses, as upstream sorts them.
const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// Checks `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` against each other. Giving out addresses begins
/// with the same check.
pub(crate) fn related(spec: &ServiceSpec, was: Option<&ServiceSpec>, errs: &mut ErrorList) {
    if kind(spec) == "ExternalName" {
        return;
    }
    let path = Path::new("spec");
    let (ips_path, families_path) = (path.child("clusterIPs"), path.child("ipFamilies"));
    let (ips, families) = (list(&spec.cluster_ips), list(&spec.ip_families));
    match (text(&spec.cluster_ip), ips.first()) {
        ("", None) => {}
        ("", Some(_)) => {
            errs.push(Error::invalid(&ips_path, &json!(ips), "must be empty when `clusterIP` is not specified"));
        }
        (_, None) => errs.push(Error::required(&ips_path, "")),
        (ip, Some(first)) if ip != first => {
            errs.push(Error::invalid(&ips_path, &json!(ips), "first value must match `clusterIP`"));
        }
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (i, family) in families.iter().enumerate() {
        one_of(family, &FAMILIES, &families_path.index(i), errs);
        if !seen.insert(family) {
            errs.push(Error::duplicate(&families_path.index(i), &json!(family)));
        }
    }
    if let Some(policy) = &spec.ip_family_policy {
        let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        one_of(policy, &policies, &path.child("ipFamilyPolicy"), errs);
    }
    let known = was.map(|s| list(&s.cluster_ips)).unwrap_or_default();
    if !each_address(ips, known, &ips_path, errs) {
        return;
    }
    if ips.len() > 1 && !is_dual_stack(ips) {
        errs.push(Error::invalid(&ips_path, &json!(ips), "may specify no more than one IP for each IP family"));
    }
    if is_headless(spec) {
        return;
    }
    for (i, (ip, family)) in ips.iter().zip(families).enumerate() {
        let is_v6 = is_ipv6_string(ip);
        if (family == "IPv4" && is_v6) || (family == "IPv6" && !is_v6) {
            errs.push(Error::invalid_str(
                &ips_path.index(i),
                ip,
                format!("expected an {family} value as indicated by `ipFamilies[{i}]`"),
            ));
        }
    }
}

/// Each address by itself; whether all are sound.
fn each_address(ips: &[String], known: &[String], path: &Path, errs: &mut ErrorList) -> bool {
    let mut sound = true;
    for (i, ip) in ips.iter().enumerate() {
        if i == 0 && ip == "None" {
            if ips.len() > 1 {
                sound = false;
                errs.push(Error::invalid(path, &json!(ips), "'None' must be the first and only value"));
            }
            continue;
        }
        let before = errs.len();
        names::legacy_ip(ip, known, &path.index(i), errs);
        sound &= errs.len() == before;
    }
    if ips.len() > 2 {
        errs.push(Error::invalid(path, &json!(ips), "may only hold up to 2 values"));
    }
    sound
}

/// Upstream's `IsDualStackIPStrings`, of addresses that are known to be sound.
fn is_dual_stack(ips: &[String]) -> bool {
    ips.iter().any(|ip| is_ipv6_string(ip)) && ips.iter().any(|ip| !is_ipv6_string(ip))
}
