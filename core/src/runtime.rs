//! What the kubelet drives on a machine: images, containers, and the engine that runs them.

pub mod containerd;
pub mod engine;
pub mod image_source;
pub mod images;
pub mod log;
pub mod shim;
pub mod system;
pub mod tty;

pub use containerd::{Containerd, CriError};
pub use shim::Shims;
