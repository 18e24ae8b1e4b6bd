//! Every door that takes other people's text or bytes, under random input: no panic, and time and memory stay within bounds.

use podarium_tests::fuzz::{self, Modules, Requests, Sessions, Texts};

#[global_allocator]
static COUNTING: fuzz::alloc::Counting = fuzz::alloc::Counting;

#[test]
fn texts() {
    fuzz::run::<Texts>();
}

#[test]
fn requests() {
    fuzz::run::<Requests>();
}

#[test]
fn modules() {
    fuzz::run::<Modules>();
}

#[test]
fn sessions() {
    fuzz::run::<Sessions>();
}
