//! Ingresses. Models `pkg/registry/networking/ingress/strategy.go`.

use k8s_openapi::api::networking::v1::{Ingress, IngressStatus};

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of Ingresses.
pub struct Ingresses;

impl KindStrategy for Ingresses {
    type Kind = Ingress;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("networking.k8s.io", "v1", "ingresses", "ingress", "Ingress")
            .short(&["ing"])
            .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::networking::ingress(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::networking::validate_ingress_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::networking::validate_ingress_status_update(new, old);
        }
        validation::networking::validate_ingress_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        validation::networking::ingress_warnings(o, old)
    }

    fn status_warnings(&self, o: &Self::Kind) -> Vec<String> {
        let status = o.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
        warnings::of_balancers(status.into_iter().flatten().map(|i| i.ip.as_deref()))
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(IngressStatus { load_balancer: Some(Default::default()) });
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
