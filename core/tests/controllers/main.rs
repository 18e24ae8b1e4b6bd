//! The controllers against an api-server with fake nodes.

mod autoscaler;
mod cleanup;
mod cronjob;
mod daemonset;
mod deployment;
mod disruption;
mod endpoints;
mod harness;
mod job;
mod policies;
mod resourcequota;
mod speed;
mod statefulset;
mod timeline;
mod volumes;
