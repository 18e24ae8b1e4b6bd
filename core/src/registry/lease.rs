//! Leases. Models `pkg/registry/coordination/lease/strategy.go`.

use k8s_openapi::api::coordination::v1::Lease;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

/// The strategy of Leases.
pub struct Leases;

impl KindStrategy for Leases {
    type Kind = Lease;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("coordination.k8s.io", "v1", "leases", "lease", "Lease")
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        drop_coordination(o, None);
    }

    fn prepare_for_update(&self, _cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        drop_coordination(new, Some(old));
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::coordination::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::coordination::validate_update(new, old)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }
}

/// Coordinated leader election is off: its fields are dropped unless the object had them.
fn drop_coordination(lease: &mut Lease, old: Option<&Lease>) {
    let had = old.and_then(|o| o.spec.as_ref());
    let Some(spec) = &mut lease.spec else { return };
    if had.is_none_or(|h| h.strategy.is_none()) {
        spec.strategy = None;
    }
    if had.is_none_or(|h| h.preferred_holder.is_none()) {
        spec.preferred_holder = None;
    }
}
