//! Whole cycles on nodes and pods given as data.

mod fixture;
mod indexes;
mod placement;
mod preemption;
mod process;
mod queueing;
mod scoring;
mod volumes;
