//! What may change of a Service's addresses and families.
//! Models `pkg/apis/core/validation/validation.go` (validateUpgradeDowngradeClusterIPs and its like for families).

use k8s_openapi::api::core::v1::ServiceSpec;

use super::{is_headless, kind};
use crate::registry::validation::prelude::*;

const ONCE_SET: &str = "may not change once set";

fn external(new: &ServiceSpec, old: &ServiceSpec) -> bool {
    kind(new) == "ExternalName" || kind(old) == "ExternalName"
}

fn not_single(spec: &ServiceSpec, what: &str, errs: &mut ErrorList) {
    if spec.ip_family_policy.as_deref() != Some("SingleStack") {
        errs.push(Error::invalid(
            &Path::new("spec.ipFamilyPolicy"),
            &json!(spec.ip_family_policy),
            format!("must be set to 'SingleStack' when releasing the secondary {what}"),
        ));
    }
}

/// Addresses stay; a second one may come and go.
pub(super) fn cluster_ips(new: &ServiceSpec, old: &ServiceSpec, errs: &mut ErrorList) {
    if external(new, old) || (is_headless(new) && is_headless(old)) {
        return;
    }
    let (is, was) = (list(&new.cluster_ips), list(&old.cluster_ips));
    let path = Path::new("spec.clusterIPs");
    let primary_changed = matches!((is.first(), was.first()), (Some(a), Some(b)) if a != b);
    if is.len() == was.len() {
        for (i, _) in was.iter().zip(is).enumerate().filter(|(_, (a, b))| a != b) {
            errs.push(Error::invalid(&path.index(i), &json!(is), ONCE_SET));
        }
        return;
    }
    if was.len() > is.len() && is.is_empty() {
        let shown = json!(new.cluster_ips);
        errs.push(Error::invalid(&path.index(0), &shown, "primary clusterIP can not be unset"));
    }
    if primary_changed {
        errs.push(Error::invalid(&path.index(0), &json!(is), ONCE_SET));
    }
    if was.len() > is.len() && is.len() == 1 {
        not_single(new, "clusterIP", errs);
    }
}

/// Families likewise.
pub(super) fn ip_families(new: &ServiceSpec, old: &ServiceSpec, errs: &mut ErrorList) {
    // To, from or on a headless Service families may change.
    if external(new, old) || is_headless(new) != is_headless(old) || is_headless(new) {
        return;
    }
    let (is, was) = (list(&new.ip_families), list(&old.ip_families));
    let path = Path::new("spec.ipFamilies");
    let first = path.index(0);
    let primary_changed = matches!((is.first(), was.first()), (Some(a), Some(b)) if a != b);
    if is.len() == was.len() {
        for _ in was.iter().zip(is).filter(|(a, b)| a != b) {
            errs.push(Error::invalid(&first, &json!(is), ONCE_SET));
        }
        return;
    }
    if was.len() > is.len() && list(&new.cluster_ips).is_empty() {
        errs.push(Error::invalid(&first, &json!(new.ip_families), "primary ipFamily can not be unset"));
    }
    if primary_changed {
        // Upstream shows the addresses here, not the families.
        errs.push(Error::invalid(&first, &json!(new.cluster_ips), ONCE_SET));
    }
    if was.len() > is.len() && is.len() == 1 {
        not_single(new, "ipFamily", errs);
    }
}
