//! The cluster: a pure function of a seed and a list of timed inputs.

pub mod api;
pub mod etcd;
pub mod runtime;
pub mod sim;
