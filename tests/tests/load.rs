//! The server under load: no event is lost, doubled or out of order, and memory is flat afterwards.

use std::time::Duration;

use peak_alloc::PeakAlloc;
use podarium_server::pace::Speed;
use podarium_tests::client::Failure;
use podarium_tests::load::{compacted, run};
use podarium_tests::server::start;

/// How long the load lasts, in seconds: the variable for continuous integration says 60.
const SECONDS: u64 = 5;

/// By how much memory may have grown after twice the load, in MiB.
const GROWTH_MAX_MB: f32 = 16.0;

/// Counts what is used: what is resident depends on when free memory goes back to the system.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[tokio::test(flavor = "multi_thread")]
async fn watchers_see_every_write_in_order() -> Result<(), Failure> {
    let seconds = std::env::var("PODARIUM_LOAD_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(SECONDS);
    let span = Duration::from_secs(seconds);
    let running = start(|o| {
        o.nodes = 1;
        o.speed = Speed::Times(600.0);
    })
    .await?;
    // etcd keeps what was written in the last minutes of the cluster's time, which a busy machine lets go slowly: what is
    // compared is what stays once that is forgotten.
    run(&running, 200, 50, span / 2).await?;
    compacted(&running).await?;
    let before = ALLOCATOR.current_usage_as_mb();
    let load = run(&running, 200, 50, span / 2).await?;
    compacted(&running).await?;
    let after = ALLOCATOR.current_usage_as_mb();
    println!("{load:?} in {seconds} s; in use before and after, in MiB: {before:.1}, {after:.1}");
    assert!(load.writes > 0 && load.events >= load.writes * 200, "{load:?}");
    assert!(after - before < GROWTH_MAX_MB, "grew from {before} to {after} MiB");
    Ok(())
}
