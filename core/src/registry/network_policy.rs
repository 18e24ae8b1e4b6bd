//! NetworkPolicies. Models `pkg/registry/networking/networkpolicy/strategy.go`.

use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of NetworkPolicies.
pub struct NetworkPolicies;

impl KindStrategy for NetworkPolicies {
    type Kind = NetworkPolicy;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "NetworkPolicy")
            .short(&["netpol"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::networking::network_policy(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::networking::validate_network_policy_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::networking::validate_network_policy_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        validation::networking::network_policy_warnings(o)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.metadata.generation = Some(1);
    }

    fn prepare_for_update(&self, _cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if differs(&new.spec, &old.spec) {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
}
