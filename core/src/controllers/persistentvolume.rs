//! The persistent volume binder, and the controllers that keep claims and volumes while they are in use.
//! Models `pkg/controller/volume`.

mod binder;
mod claim;
mod matching;
mod protection;
mod reclaim;
mod volume;

pub use binder::start;
pub use protection::start as start_protection;
