//! Scenario, client and browser tests: what they share.

pub mod bench;
pub mod browser;
pub mod client;
pub mod load;
pub mod served;
pub mod server;
pub mod tank;
pub mod wasm;
