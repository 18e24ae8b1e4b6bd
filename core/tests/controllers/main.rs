//! The controllers against an api-server with fake nodes.

mod harness;
mod speed;
mod timeline;
