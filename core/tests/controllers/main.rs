//! The controllers against an api-server with fake nodes.

mod disruption;
mod harness;
mod resourcequota;
mod speed;
mod statefulset;
mod timeline;
