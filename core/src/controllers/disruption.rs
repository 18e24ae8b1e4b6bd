//! The disruption controller: how many pods of a PodDisruptionBudget may go. Models `pkg/controller/disruption`.

mod controller;
mod scale;
mod stale;

pub use controller::start;
