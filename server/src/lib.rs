//! The cluster behind a real Kubernetes API: HTTP and TLS for clients that others wrote.
//!
//! Owns sockets, threads and the real clock, none of which `core` knows. Turns bytes into requests and virtual time into real.

pub mod allocator;
mod apply;
mod channels;
pub mod containers;
mod forward;
mod gzip;
mod http;
mod kubeconfig;
mod kubelet;
mod listen;
pub mod options;
pub mod pace;
mod pipe;
mod proxy;
mod remote;
pub mod server;
mod spdy;
mod tank;
mod tls;
mod tunnel;
mod upgrade;
mod watch;
