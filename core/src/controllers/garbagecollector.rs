//! The garbage collector: deletes objects whose owners are gone, and carries out foreground and orphaning deletions.
//! Models `pkg/controller/garbagecollector`.

mod collector;
mod graph;

pub use collector::start;
