//! Services. Models `pkg/registry/core/service/strategy.go`.

use k8s_openapi::api::core::v1::{Service, ServiceStatus};

use super::defaults;
use super::prelude::*;

/// The strategy of Services.
pub struct Services;

impl KindStrategy for Services {
    type Kind = Service;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "services", "service", "Service")
            .short(&["svc"])
            .categories(&["all"])
            .subresources(&["proxy", "status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::service(o);
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(ServiceStatus { load_balancer: Some(Default::default()), conditions: None });
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
        } else {
            keep(&mut new.status, &old.status);
        }
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        let spec = o.spec.as_ref();
        match path {
            "spec.clusterIP" => Some(spec.map_or(Cow::Borrowed(""), |s| text(&s.cluster_ip))),
            "spec.type" => Some(spec.map_or(Cow::Borrowed(""), |s| text(&s.type_))),
            _ => None,
        }
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["spec.clusterIP", "spec.type"]
    }
}
