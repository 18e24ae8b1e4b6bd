//! The Deployment controller: rolls a template out over ReplicaSets. Models `pkg/controller/deployment`.

mod controller;
mod progress;
mod recreate;
mod rolling;
mod sync;
mod util;

pub use controller::start;
