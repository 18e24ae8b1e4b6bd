//! The controllers against an api-server with fake nodes.

mod autoscaler;
mod cleanup;
mod disruption;
mod endpoints;
mod harness;
mod resourcequota;
mod speed;
mod statefulset;
mod timeline;
mod volumes;
