//! The StatefulSet controller: pods with names and storage that stay theirs. Models `pkg/controller/statefulset`.

mod claims;
mod control;
mod controller;
mod identity;
mod pod_control;
mod revisions;
mod status;

pub use controller::start;
