//! kube-controller-manager: the control loops, one folder a controller, by upstream's names.
//!
//! Each controller has a client of its own (its own service account and its own QPS limit) and shares the process's informers.
//! Nothing here reaches past the api-server. Models `cmd/kube-controller-manager`.

mod clusterroleaggregation;
mod context;
mod cronjob;
mod daemon;
mod deployment;
mod disruption;
mod endpoints;
mod endpointslice;
mod endpointslicemirroring;
mod ephemeralvolume;
mod garbagecollector;
mod job;
mod namespace;
mod nodeipam;
pub mod nodelifecycle;
mod persistentvolume;
mod podautoscaler;
mod podgc;
pub mod replicaset;
mod replication;
mod resourcequota;
mod rootcacertpublisher;
mod serviceaccount;
mod statefulset;
mod tainteviction;
mod ttl;
mod ttlafterfinished;
pub mod util;
mod validatingadmissionpolicystatus;

pub use context::{ControllerContext, start};
pub(crate) use rootcacertpublisher::ROOT_CA;
