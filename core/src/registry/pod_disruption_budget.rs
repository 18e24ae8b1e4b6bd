//! PodDisruptionBudgets. Models `pkg/registry/policy/poddisruptionbudget/strategy.go`.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::defaults;
use super::prelude::*;

/// The strategy of PodDisruptionBudgets.
pub struct PodDisruptionBudgets;

impl KindStrategy for PodDisruptionBudgets {
    type Kind = PodDisruptionBudget;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget")
            .short(&["pdb"])
            .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::autoscaling::pod_disruption_budget(o);
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
        o.metadata.generation = Some(1);
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        if new.spec != old.spec {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
}
