//! The cluster: machines, the processes on them, and how they start and die. What the owner holds and moves through time.

mod component;
mod machine;
mod person;

pub use component::ComponentContext;
pub use machine::{Machine, MachineShape, Unit};
pub use person::{Output, Outputs};
