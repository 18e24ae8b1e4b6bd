//! The DaemonSet controller: one pod on each node that fits. Models `pkg/controller/daemon`.

mod controller;
mod history;
mod nodes;
mod update;

pub use controller::start;
