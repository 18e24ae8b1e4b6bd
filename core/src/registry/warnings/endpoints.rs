//! Warnings about Endpoints and EndpointSlices: addresses that are better written otherwise. What the controllers of the
//! control plane write is right already. Models `pkg/registry/{core/endpoint,discovery/endpointslice}/strategy.go`.

use k8s_openapi::api::core::v1::Endpoints;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::field::Path;
use crate::api::validation::ip_warnings;

fn managed(meta: &ObjectMeta, label: &str, by: &[&str]) -> bool {
    meta.labels.as_ref().and_then(|l| l.get(label)).is_some_and(|value| by.contains(&value.as_str()))
}

/// What is odd about Endpoints.
pub(in crate::registry) fn of(endpoints: &Endpoints) -> Vec<String> {
    let mut all = Vec::new();
    if managed(&endpoints.metadata, "endpoints.kubernetes.io/managed-by", &["endpoint-controller"]) {
        return all;
    }
    let path = Path::new("subsets");
    for (i, subset) in endpoints.subsets.iter().flatten().enumerate() {
        let at = path.index(i);
        for (field, addresses) in [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            let at = at.child(field);
            for (j, address) in addresses.iter().flatten().enumerate() {
                all.extend(ip_warnings(&at.index(j).child("ip"), &address.ip));
            }
        }
    }
    all
}

/// What is odd about an EndpointSlice, which may be a new one.
pub(in crate::registry) fn of_slice(slice: &EndpointSlice, is_new: bool) -> Vec<String> {
    let mut all = Vec::new();
    if is_new && slice.address_type == "FQDN" {
        // A slice has no spec; upstream's words have.
        all.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    let controllers = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];
    if managed(&slice.metadata, "endpointslice.kubernetes.io/managed-by", &controllers) {
        return all;
    }
    let path = Path::new("endpoints");
    for (i, endpoint) in slice.endpoints.iter().flatten().enumerate() {
        let at = path.index(i);
        let at = at.child("addresses");
        for (j, address) in endpoint.addresses.iter().enumerate() {
            all.extend(ip_warnings(&at.index(j), address));
        }
    }
    all
}
