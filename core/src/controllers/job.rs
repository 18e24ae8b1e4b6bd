//! The Job controller: runs pods until enough have succeeded. Models `pkg/controller/job`.

mod controller;
mod indexes;
mod tracking;

pub(super) use controller::is_finished;
pub use controller::start;
