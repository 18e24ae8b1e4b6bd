//! The page: a Yew app on the main thread, and the worker that holds the cluster. They share the protocol and nothing else.

pub mod bench;
pub mod halves;
pub mod page;
pub mod protocol;
pub mod worker;
