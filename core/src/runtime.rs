//! What the kubelet drives on a machine: images, containers, and the engine that runs them.

pub mod engine;
pub mod images;
