//! ServiceAccounts. Models `pkg/registry/core/serviceaccount/strategy.go`.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::prelude::*;

/// The strategy of ServiceAccounts.
pub struct ServiceAccounts;

impl KindStrategy for ServiceAccounts {
    type Kind = ServiceAccount;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount")
            .short(&["sa"])
            .subresources(&["token"])
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
