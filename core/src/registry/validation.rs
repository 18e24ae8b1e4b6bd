//! Validation of every kind, in upstream's words and order, all errors at once.
//! Models `pkg/apis/*/validation`. Objects are validated after defaulting, as the api-server does.

pub(crate) mod names;
mod prelude;

pub mod autoscaling;
pub mod batch;
pub mod config_map;
pub mod coordination;
pub(crate) mod dynamic;
pub mod endpoint_slice;
pub mod endpoints;
pub mod event;
mod go;
mod go_diff;
mod go_pod_volume;
pub(crate) mod go_schema;
mod go_struct;
mod go_volume;
pub(crate) mod json;
pub mod limit_range;
pub mod namespace;
pub mod networking;
pub mod node;
mod node_annotations;
pub mod persistent_volume;
pub mod persistent_volume_claim;
pub mod pod;
pub mod policy;
pub mod rbac;
pub mod resource_quota;
pub mod runtime_class;
pub mod scheduling;
pub mod secret;
mod selector;
pub mod service;
pub mod service_account;
pub mod storage_class;
pub mod workloads;

#[cfg(test)]
mod core_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod rules_tests;

use std::collections::BTreeMap;

/// Go's `reflect.DeepEqual` of maps that decoding leaves nil when they are absent: an absent and an empty one differ only
/// in memory, not after a round through storage.
fn same_entries<V: PartialEq>(a: &Option<BTreeMap<String, V>>, b: &Option<BTreeMap<String, V>>) -> bool {
    let size = |m: &Option<BTreeMap<String, V>>| m.as_ref().map_or(0, BTreeMap::len);
    (size(a) == 0 && size(b) == 0) || a == b
}

pub(crate) use pod::containers::as_container;
pub(crate) use pod::{aggregate_limits as pod_limits, aggregate_requests as pod_requests};
