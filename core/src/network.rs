//! The pod network: addresses, sockets and the connections between them, on one machine and across.
//!
//! Knows machines, network namespaces and ports; nothing of pods or Kubernetes objects, which is kube-proxy's affair
//! ([`proxy`]) and the DNS server's ([`dns`]).

mod conn;
pub mod dns;
pub mod http;
mod ipam;
mod namespace;
pub mod proxy;
mod serve;
mod stream;
mod tcp;
mod tls;

pub use conn::{ConnKey, Delivery, Peer, SocketOwner};
pub use http::{HttpError, HttpRequest, HttpResponse};
pub use ipam::HostLocal;
pub use namespace::{ListenError, NetnsId, Network, Protocol, Rewrite, Scope};
pub use serve::{Page, Site};
pub use stream::Stream;
