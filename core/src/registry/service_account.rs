//! ServiceAccounts. Models `pkg/registry/core/serviceaccount/strategy.go`.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

/// The strategy of ServiceAccounts.
pub struct ServiceAccounts;

impl KindStrategy for ServiceAccounts {
    type Kind = ServiceAccount;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount")
            .short(&["sa"])
            .subresources(&["token"])
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::service_account::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::service_account::validate_update(new, old)
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
