//! HorizontalPodAutoscalers. Models `pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go`.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of HorizontalPodAutoscalers.
pub struct HorizontalPodAutoscalers;

impl KindStrategy for HorizontalPodAutoscalers {
    type Kind = HorizontalPodAutoscaler;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced(
            "autoscaling",
            "v2",
            "horizontalpodautoscalers",
            "horizontalpodautoscaler",
            "HorizontalPodAutoscaler",
        )
        .short(&["hpa"])
        .categories(&["all"])
        .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::autoscaling::horizontal_pod_autoscaler(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::autoscaling::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::autoscaling::validate_status_update(new, old);
        }
        validation::autoscaling::validate_update(new, old)
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
