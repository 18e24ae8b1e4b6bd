//! ServiceAccounts. Models `pkg/registry/core/serviceaccount/strategy.go`.

use k8s_openapi::api::core::v1::{ObjectReference, ServiceAccount};

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

/// Limits pods to the Secrets that their account names.
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

/// References to Secrets are names and nothing else.
fn only_names(account: &mut ServiceAccount) {
    for secret in account.secrets.iter_mut().flatten() {
        *secret = ObjectReference { name: secret.name.take(), ..ObjectReference::default() };
    }
}

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

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        let enforces = |o: &Self::Kind| o.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ENFORCE));
        if !enforces(o) || old.is_some_and(enforces) {
            return Vec::new();
        }
        vec![format!(
            "metadata.annotations[{ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        )]
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        only_names(o);
    }

    fn prepare_for_update(&self, _cx: &StrategyContext<'_>, new: &mut Self::Kind, _old: &Self::Kind) {
        only_names(new);
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
