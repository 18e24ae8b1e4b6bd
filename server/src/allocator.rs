//! What allocates memory natively: a cluster is millions of small strings and maps that come and go, which mimalloc gives and
//! takes back in half the time that glibc needs.

/// For a program's `#[global_allocator]`; the benches have the one that `podarium` has.
pub use mimalloc::MiMalloc as Allocator;
