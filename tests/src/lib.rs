//! Scenario, client and browser tests: what they share.

pub mod bench;
pub mod browser;
pub mod client;
pub mod dice;
pub mod fuzz;
pub mod invariants;
pub mod load;
pub mod random;
pub mod served;
pub mod server;
pub mod tank;
pub mod timeline;
pub mod wasm;
