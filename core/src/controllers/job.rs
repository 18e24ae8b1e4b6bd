//! The Job controller: runs pods until enough have succeeded. Models `pkg/controller/job`.

mod controller;
mod finish;
mod indexes;
mod per_index;
mod policies;
mod tracking;

pub use controller::start;
