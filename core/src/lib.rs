//! The cluster: a pure function of a seed and a list of timed inputs.

pub mod api;
pub mod apiserver;
pub mod etcd;
pub mod registry;
pub mod runtime;
pub mod sim;
