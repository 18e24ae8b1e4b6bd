//! The taint eviction controller: deletes pods from nodes with NoExecute taints when their tolerations run out.
//! Models `pkg/controller/tainteviction`. The timers live in this process's memory, as upstream's do.

mod controller;
mod timed_workers;

pub use controller::{start, tolerates};
