//! The EndpointSlice controller: which pods answer for a Service. Models `pkg/controller/endpointslice` and
//! `staging/src/k8s.io/endpointslice`.

mod controller;
mod reconciler;
mod tracker;

pub use controller::start;
