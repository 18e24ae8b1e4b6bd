//! Scenario, client and browser tests: what they share.

pub mod bench;
pub mod browser;
pub mod served;
pub mod tank;
pub mod wasm;
