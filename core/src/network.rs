//! The pod network, kube-proxy and DNS: who can talk to whom, and how packets get there.
