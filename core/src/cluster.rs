//! The cluster: machines, the processes on them, and how they start and die. What the owner holds and moves through time.

mod answer;
mod component;
mod health;
mod input;
mod kubeadm;
mod kubelet_unit;
mod kubelets;
mod machine;
mod machines;
pub mod manifests;
mod outside;
mod person;
mod programs;
mod visit;
mod whole;

pub use component::ComponentContext;
pub use kubelets::Kubelets;
pub(crate) use machine::description;
pub use machine::{JournalLine, Machine, MachineShape, Unit};
pub use machines::{Login, Machines};
pub use person::{Output, Outputs};
pub use programs::{Programs, Started};
pub use whole::{COMPONENTS, Cluster};
