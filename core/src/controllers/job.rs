//! The Job controller: runs pods until enough have succeeded. Models `pkg/controller/job`.

mod controller;
mod indexes;
mod tracking;

pub use controller::start;
