//! The tank: a canvas that shows the cluster, and over it what keyboards, screen readers and tests hold on to.

pub mod draw;
pub mod layout;
mod view;

pub use view::Tank;
