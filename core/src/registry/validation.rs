//! Validation of every kind, in upstream's words and order, all errors at once.
//! Models `pkg/apis/*/validation`. Objects are validated after defaulting, as the api-server does.

mod names;
mod prelude;

pub mod pod;
