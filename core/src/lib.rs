//! The cluster: a pure function of a seed and a list of timed inputs.

pub mod api;
pub mod apiserver;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod controllers;
pub mod etcd;
pub mod kubelet;
mod late_order;
pub mod network;
pub mod observe;
pub mod registry;
pub mod runtime;
pub mod scheduler;
pub mod session;
pub mod sim;
