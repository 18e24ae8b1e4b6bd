//! PodDisruptionBudgets. Models `pkg/registry/policy/poddisruptionbudget/strategy.go`.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The condition that says whether a pod may be disrupted, and why not.
pub const DISRUPTION_ALLOWED: &str = "DisruptionAllowed";

/// The condition's status and reason for a number of disruptions that are allowed.
pub fn disruption_allowed(allowed: i32) -> (&'static str, &'static str) {
    if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") }
}

/// Sets the condition; its time stays while its status does. Models component-helpers' UpdateDisruptionAllowedCondition.
pub fn set_disruption_allowed(
    status: &mut PodDisruptionBudgetStatus,
    (value, reason): (&str, &str),
    message: &str,
    now: &Time,
) {
    let generation = status.observed_generation;
    let conditions = status.conditions.get_or_insert_default();
    let new = Condition {
        type_: DISRUPTION_ALLOWED.into(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: now.clone(),
    };
    match conditions.iter_mut().find(|c| c.type_ == DISRUPTION_ALLOWED) {
        Some(c) => {
            let since = if c.status == new.status { c.last_transition_time.clone() } else { new.last_transition_time };
            *c = Condition { last_transition_time: since, ..new };
        }
        None => conditions.push(new),
    }
}

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

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::policy::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::policy::validate_status_update(new);
        }
        validation::policy::validate_update(new, old)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
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
        if differs(&new.spec, &old.spec) {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
}
