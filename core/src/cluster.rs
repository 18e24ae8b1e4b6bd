//! The cluster: machines, the processes on them, and how they start and die. What the owner holds and moves through time.

mod component;
mod machine;

pub use component::ComponentContext;
pub use machine::{Machine, MachineShape, Unit};
