//! The EndpointSlice controller: which pods answer for a Service. Models `pkg/controller/endpointslice` and
//! `staging/src/k8s.io/endpointslice`.

mod controller;
pub(super) mod desired;
mod reconciler;
pub(super) mod tracker;

pub use controller::start;
