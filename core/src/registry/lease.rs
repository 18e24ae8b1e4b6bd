//! Leases. Models `pkg/registry/coordination/lease/strategy.go`.

use k8s_openapi::api::coordination::v1::Lease;

use super::prelude::*;

/// The strategy of Leases.
pub struct Leases;

impl KindStrategy for Leases {
    type Kind = Lease;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("coordination.k8s.io", "v1", "leases", "lease", "Lease")
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }
}
