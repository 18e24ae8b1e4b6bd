//! The CronJob controller: Jobs at the times of a schedule. Models `pkg/controller/cronjob`.

mod controller;
mod schedule;
mod sync;
mod times;

pub use controller::start;
