//! LimitRanges. Models `pkg/registry/core/limitrange/strategy.go`.

use k8s_openapi::api::core::v1::LimitRange;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of LimitRanges.
pub struct LimitRanges;

impl KindStrategy for LimitRanges {
    type Kind = LimitRange;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "limitranges", "limitrange", "LimitRange").short(&["limits"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::limit_range(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::limit_range::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, _old: &Self::Kind) -> ErrorList {
        validation::limit_range::validate_create(new)
    }

    fn prepare_for_create(&self, cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        // One that nobody named gets a name all the same.
        if o.metadata.name.as_deref().unwrap_or_default().is_empty() {
            o.metadata.name = Some(cx.sim.random_uuid());
        }
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
