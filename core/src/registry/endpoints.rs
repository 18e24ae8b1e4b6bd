//! Endpoints. Models `pkg/registry/core/endpoint/strategy.go`.

use k8s_openapi::api::core::v1::Endpoints;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

mod md5;
mod subsets;

pub(crate) use subsets::repack;

/// The strategy of Endpoints.
pub struct EndpointsKind;

impl KindStrategy for EndpointsKind {
    type Kind = Endpoints;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "endpoints", "endpoints", "Endpoints").short(&["ep"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::endpoints(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::endpoints::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::endpoints::validate_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::endpoints::of(o)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
