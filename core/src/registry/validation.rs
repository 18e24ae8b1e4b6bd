//! Validation of every kind, in upstream's words and order, all errors at once.
//! Models `pkg/apis/*/validation`. Objects are validated after defaulting, as the api-server does.

pub(crate) mod names;
mod prelude;

mod go;
mod go_diff;
mod go_struct;
pub mod persistent_volume_claim;
pub mod pod;
mod selector;
pub mod workloads;

#[cfg(test)]
mod golden_tests;

pub(crate) use pod::{aggregate_limits as pod_limits, aggregate_requests as pod_requests};
