//! PriorityClasses. Models `pkg/registry/scheduling/priorityclass/strategy.go`.

use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of PriorityClasses.
pub struct PriorityClasses;

impl KindStrategy for PriorityClasses {
    type Kind = PriorityClass;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("scheduling.k8s.io", "v1", "priorityclasses", "priorityclass", "PriorityClass")
            .short(&["pc"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::storage::priority_class(o);
    }

    fn undeletable(&self, name: &str) -> Option<&'static str> {
        let system = matches!(name, "system-cluster-critical" | "system-node-critical");
        system.then_some("this is a system priority class and cannot be deleted")
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::scheduling::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::scheduling::validate_update(new, old)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.metadata.generation = Some(1);
    }
}
