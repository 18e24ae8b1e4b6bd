//! The API's mechanisms, each as a script: requests one after another, and what of each answer matters.

#[path = "api/bindings.rs"]
mod bindings;
#[path = "api/custom.rs"]
mod custom;
#[path = "api/definitions.rs"]
mod definitions;
#[path = "api/devices.rs"]
mod devices;
#[path = "api/owners.rs"]
mod owners;
#[path = "api/pods.rs"]
mod pods;
#[path = "api/policies.rs"]
mod policies;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "api/requests.rs"]
mod requests;
#[path = "api/rules.rs"]
mod rules;
#[path = "support/script.rs"]
mod script;
#[path = "support/server.rs"]
#[allow(dead_code, reason = "every test program uses another part of it")]
mod server;
#[path = "api/tables.rs"]
mod tables;
#[path = "api/updates.rs"]
mod updates;
#[path = "api/warnings.rs"]
mod warnings;
