//! The server under load: no event is lost, doubled or out of order, and memory is flat afterwards.

use std::time::Duration;

use podarium_server::pace::Speed;
use podarium_tests::client::Failure;
use podarium_tests::load::{compacted, resident_mb, run};
use podarium_tests::server::start;

/// How long the load lasts, in seconds: the variable for continuous integration says 60.
const SECONDS: u64 = 5;

/// By how much more memory may be taken after half the load again than after the load, in MiB: what etcd keeps of the some
/// thousand writes that may lie between two compactions, 10 to 15 kB each.
const GROWTH_MAX_MB: f64 = 64.0;

#[tokio::test(flavor = "multi_thread")]
async fn watchers_see_every_write_in_order() -> Result<(), Failure> {
    let seconds = std::env::var("PODARIUM_LOAD_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(SECONDS);
    let span = Duration::from_secs(seconds);
    let running = start(|o| {
        o.nodes = 1;
        o.speed = Speed::Times(600.0);
    })
    .await?;
    // etcd keeps what was written in the last minutes of the cluster's time, and a busy machine lets that time go slowly. So
    // the load before is twice what follows, and forgotten by then: only with a leak is there more in the end than before.
    run(&running, 200, 50, span * 2 / 3).await?;
    let before = resident_mb("self");
    compacted(&running).await?;
    let load = run(&running, 200, 50, span / 3).await?;
    let after = resident_mb("self");
    println!("{load:?} in {seconds} s; resident before and after, in MiB: {before:?}, {after:?}");
    assert!(load.writes > 0 && load.events >= load.writes * 200, "{load:?}");
    if let (Some(before), Some(after)) = (before, after) {
        assert!(after - before < GROWTH_MAX_MB, "grew from {before} to {after} MiB");
    }
    Ok(())
}
