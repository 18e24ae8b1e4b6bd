//! Validation of the coordination group: Leases.
//! Models `pkg/apis/coordination/validation/validation.go`. Coordinated leader election is off by default, so a lease's
//! strategy and preferred holder never get here but from an object that had them.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};

use super::prelude::*;
use crate::api::validation::{name_is_dns_subdomain, validate_object_meta, validate_object_meta_update};

/// Checks a new Lease.
pub fn validate_create(lease: &Lease) -> ErrorList {
    let mut errs = validate_object_meta(&lease.metadata, true, name_is_dns_subdomain, &Path::new("metadata"));
    spec(lease, &mut errs);
    errs
}

/// Checks a changed Lease.
pub fn validate_update(new: &Lease, old: &Lease) -> ErrorList {
    let mut errs = validate_object_meta_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    spec(new, &mut errs);
    errs
}

fn spec(lease: &Lease, errs: &mut ErrorList) {
    let default = LeaseSpec::default();
    let spec = lease.spec.as_ref().unwrap_or(&default);
    let path = Path::new("spec");
    if let Some(seconds) = spec.lease_duration_seconds.filter(|s| *s <= 0) {
        errs.push(Error::invalid(&path.child("leaseDurationSeconds"), &json!(seconds), "must be greater than 0"));
    }
    if let Some(count) = spec.lease_transitions.filter(|c| *c < 0) {
        let at = path.child("leaseTransitions");
        errs.push(Error::invalid(&at, &json!(count), "must be greater than or equal to 0"));
    }
    if let Some(strategy) = &spec.strategy {
        // The doubled field is upstream's.
        let at = path.child("strategy.strategy");
        if strategy.contains('/') {
            names::qualified_name(strategy, &at, errs);
        } else {
            one_of(strategy, &["OldestEmulationVersion"], &at, errs);
        }
    }
    if !text(&spec.preferred_holder).is_empty() && text(&spec.strategy).is_empty() {
        errs.push(Error::forbidden(&path.child("preferredHolder"), "may only be specified if `strategy` is defined"));
    }
}
