//! The tank: a canvas that shows the cluster, and over it what keyboards, screen readers and tests hold on to.

mod cells;
mod dense;
mod draw;
pub mod holds;
pub mod layout;
pub mod motion;
mod overlay;
mod picture;
pub mod route;
mod view;

pub use view::Tank;
