//! SPDY/3.1, as far as Kubernetes clients speak it: streams of a client's, with headers and data, over any connection.
//!
//! kubectl sends exec and attach over it before 1.30, and port-forward to this day, there within a WebSocket.
//! Models what moby/spdystream does with a connection: there is no flow control.

mod frame;
mod headers;
mod session;

pub use session::{Session, Stream, StreamSender};
