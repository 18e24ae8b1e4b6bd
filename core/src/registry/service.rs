//! Services. Models `pkg/registry/core/service/strategy.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Service, ServiceSpec, ServiceStatus};

use super::prelude::*;
use super::validation::service::{externally_accessible, kind, needs_health_check};
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

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

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::service::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::service::validate_status_update(new, old);
        }
        validation::service::validate_update(new, old)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(ServiceStatus { load_balancer: Some(Default::default()), conditions: None });
        o.spec.iter_mut().for_each(no_internal_policy);
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        if let (Some(spec), Some(was)) = (&mut new.spec, &old.spec) {
            drop_type_dependent(spec, was);
            no_internal_policy(spec);
            if kind(spec) != "LoadBalancer"
                && let Some(status) = &mut new.status
            {
                status.load_balancer = Some(Default::default());
            }
        }
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::service::of(o)
    }

    fn status_warnings(&self, o: &Self::Kind) -> Vec<String> {
        let status = o.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
        warnings::of_balancers(status.into_iter().flatten().map(|i| i.ip.as_deref()))
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

/// A name elsewhere has no traffic within the cluster, though it may once have been written that it has.
fn no_internal_policy(spec: &mut ServiceSpec) {
    if kind(spec) == "ExternalName" {
        spec.internal_traffic_policy.take_if(|p| matches!(p.as_str(), "Cluster" | "Local"));
    }
}

/// A Service that becomes another type loses what the old one had and the new one can't have, unless the client changed
/// it as well: then validation complains. Models `dropTypeDependentFields`.
fn drop_type_dependent(spec: &mut ServiceSpec, was: &ServiceSpec) {
    let had_ip = kind(was) != "ExternalName";
    if had_ip && kind(spec) == "ExternalName" {
        if spec.cluster_ip == was.cluster_ip && spec.cluster_ips == was.cluster_ips {
            spec.cluster_ip = None;
            spec.cluster_ips = None;
        }
        if spec.ip_families == was.ip_families {
            spec.ip_families = None;
        }
        if spec.ip_family_policy == was.ip_family_policy {
            spec.ip_family_policy = None;
        }
    }
    let has_node_ports = |s: &ServiceSpec| matches!(kind(s), "NodePort" | "LoadBalancer");
    let node_ports = |s: &ServiceSpec| -> BTreeSet<i32> {
        s.ports.iter().flatten().filter_map(|p| p.node_port).filter(|p| *p != 0).collect()
    };
    if has_node_ports(was) && !has_node_ports(spec) && node_ports(was).is_superset(&node_ports(spec)) {
        spec.ports.iter_mut().flatten().for_each(|p| p.node_port = None);
    }
    if needs_health_check(was) && !needs_health_check(spec) && spec.health_check_node_port == was.health_check_node_port
    {
        spec.health_check_node_port = None;
    }
    if kind(was) == "LoadBalancer" && kind(spec) != "LoadBalancer" {
        if spec.allocate_load_balancer_node_ports == was.allocate_load_balancer_node_ports {
            spec.allocate_load_balancer_node_ports = None;
        }
        if spec.load_balancer_class == was.load_balancer_class {
            spec.load_balancer_class = None;
        }
    }
    if externally_accessible(was)
        && !externally_accessible(spec)
        && spec.external_traffic_policy == was.external_traffic_policy
    {
        spec.external_traffic_policy = None;
    }
}
