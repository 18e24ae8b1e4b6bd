//! Defaults of the networking and discovery groups.
//! Models `pkg/apis/networking/v1/defaults.go` and `pkg/apis/discovery/v1/defaults.go`.

use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy, NetworkPolicyPort};

use super::{pointer, text};

/// A NetworkPolicy.
pub fn network_policy(policy: &mut NetworkPolicy) {
    let spec = policy.spec.get_or_insert_default();
    spec.pod_selector.get_or_insert_default();
    if spec.policy_types.as_ref().is_none_or(|t| t.is_empty()) {
        let mut types = vec!["Ingress".to_owned()];
        if spec.egress.as_ref().is_some_and(|e| !e.is_empty()) {
            types.push("Egress".to_owned());
        }
        spec.policy_types = Some(types);
    }
    let protocol = |port: &mut NetworkPolicyPort| pointer(&mut port.protocol, "TCP".to_owned());
    spec.ingress.iter_mut().flatten().flat_map(|r| r.ports.iter_mut().flatten()).for_each(protocol);
    spec.egress.iter_mut().flatten().flat_map(|r| r.ports.iter_mut().flatten()).for_each(protocol);
}

/// An Ingress.
pub fn ingress(ingress: &mut Ingress) {
    ingress.spec.get_or_insert_default();
    ingress.status.get_or_insert_default().load_balancer.get_or_insert_default();
}

/// An IngressClass.
pub fn ingress_class(class: &mut IngressClass) {
    let spec = class.spec.get_or_insert_default();
    if let Some(parameters) = &mut spec.parameters {
        pointer(&mut parameters.scope, "Cluster".to_owned());
    }
}

/// An EndpointSlice.
pub fn endpoint_slice(slice: &mut EndpointSlice) {
    for port in slice.ports.iter_mut().flatten() {
        pointer(&mut port.name, String::new());
        text(&mut port.protocol, "TCP");
    }
    for endpoint in slice.endpoints.iter_mut().flatten() {
        endpoint.conditions.get_or_insert_default();
    }
}
