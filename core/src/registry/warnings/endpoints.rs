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

/// What is odd about an EndpointSlice.
pub(in crate::registry) fn of_slice(slice: &EndpointSlice) -> Vec<String> {
    let mut all = Vec::new();
    if slice.address_type == "FQDN" {
        all.push("addressType: FQDN endpoints are deprecated".to_owned());
        return all;
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
