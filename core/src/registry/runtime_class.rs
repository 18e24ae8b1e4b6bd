//! RuntimeClasses. Models `pkg/registry/node/runtimeclass/strategy.go`.

use k8s_openapi::api::node::v1::RuntimeClass;

use super::prelude::*;
use super::{validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of RuntimeClasses.
pub struct RuntimeClasses;

impl KindStrategy for RuntimeClasses {
    type Kind = RuntimeClass;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("node.k8s.io", "v1", "runtimeclasses", "runtimeclass", "RuntimeClass")
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::runtime_class::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::runtime_class::validate_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::storage::of_runtime(o)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }
}
