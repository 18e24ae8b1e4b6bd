//! IngressClasses. Models `pkg/registry/networking/ingressclass/strategy.go`.

use k8s_openapi::api::networking::v1::IngressClass;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of IngressClasses.
pub struct IngressClasses;

impl KindStrategy for IngressClasses {
    type Kind = IngressClass;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("networking.k8s.io", "v1", "ingressclasses", "ingressclass", "IngressClass")
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::networking::ingress_class(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::networking::validate_ingress_class_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::networking::validate_ingress_class_update(new, old)
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
