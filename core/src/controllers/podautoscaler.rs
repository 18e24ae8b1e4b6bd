//! The HorizontalPodAutoscaler controller: as many pods as their metrics ask for. Models `pkg/controller/podautoscaler`.

mod calculator;
mod conditions;
mod controller;
mod metrics;
mod normalize;
mod proposal;

pub use controller::start;
