//! Endpoints. Models `pkg/registry/core/endpoint/strategy.go`.

use k8s_openapi::api::core::v1::Endpoints;

use super::defaults;
use super::prelude::*;

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

    fn allow_create_on_update(&self) -> bool {
        true
    }
}
