//! Scenario, client and browser tests: what they share.

pub mod browser;
pub mod wasm;
