//! EndpointSlices. Models `pkg/registry/discovery/endpointslice/strategy.go`.

use std::collections::BTreeSet;

use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of EndpointSlices.
pub struct EndpointSlices;

impl KindStrategy for EndpointSlices {
    type Kind = EndpointSlice;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice")
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::networking::endpoint_slice(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::endpoint_slice::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::endpoint_slice::validate_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        warnings::endpoints::of_slice(o, old.is_none())
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.metadata.generation = Some(1);
        drop_topology(o, None);
    }

    fn prepare_for_update(&self, _cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        drop_topology(new, Some(old));
        if new.endpoints != old.endpoints
            || new.ports != old.ports
            || new.address_type != old.address_type
            || new.metadata.labels != old.metadata.labels
            || new.metadata.annotations != old.metadata.annotations
        {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }
}

/// Topology as labels is a thing of the past: whoever writes endpoints anew writes them without. A node that was named
/// there stays named. Models `dropTopologyOnV1`.
fn drop_topology(new: &mut EndpointSlice, old: Option<&EndpointSlice>) {
    const HOSTNAME: &str = "kubernetes.io/hostname";
    if old.is_some_and(|old| old.endpoints == new.endpoints) {
        return;
    }
    let before = old.iter().flat_map(|o| o.endpoints.iter().flatten());
    let known: BTreeSet<&String> =
        before.filter_map(|e| e.deprecated_topology.as_ref()?.get(HOSTNAME)).filter(|n| !n.is_empty()).collect();
    for e in new.endpoints.iter_mut().flatten() {
        let named = e.deprecated_topology.take().and_then(|mut t| t.remove(HOSTNAME));
        if let Some(node) = named.filter(|n| known.contains(n)) {
            e.node_name = Some(node);
        }
    }
}
