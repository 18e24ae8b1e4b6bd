//! ResourceQuotas. Models `pkg/registry/core/resourcequota/strategy.go`.

use k8s_openapi::api::core::v1::ResourceQuota;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of ResourceQuotas.
pub struct ResourceQuotas;

impl KindStrategy for ResourceQuotas {
    type Kind = ResourceQuota;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "resourcequotas", "resourcequota", "ResourceQuota")
            .short(&["quota"])
            .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::resource_quota(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::resource_quota::validate_create(o)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        if old.is_none() { crate::registry::warnings::quota::create(o) } else { Vec::new() }
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::resource_quota::validate_status_update(new, old);
        }
        validation::resource_quota::validate_update(new, old)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
    }
}
