//! The EndpointSlice controller: which pods answer for a Service. Models `pkg/controller/endpointslice` and
//! `staging/src/k8s.io/endpointslice`.

mod controller;
mod desired;
mod reconciler;
mod tracker;

pub use controller::start;
pub(super) use desired::{matching_services, pod_changed, serves, service_selector};
