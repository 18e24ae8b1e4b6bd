//! Random scenarios under the invariant checkers. `PODARIUM_SEED=7` replays one; `PODARIUM_SEEDS=0..20000` runs others than
//! the first thousand.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use podarium_tests::random;

/// How long the ordinary run goes on with new seeds.
const RUN_TIME_MAX: Duration = Duration::from_secs(120);

/// How many failures are told before the rest is not run any more.
const FAILURES_MAX: usize = 10;

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|e| panic!("a seed {text:?}: {e}"))
}

fn seeds() -> Range<u64> {
    if let Ok(seed) = std::env::var("PODARIUM_SEED") {
        let seed = number(&seed);
        return seed..seed + 1;
    }
    let Ok(range) = std::env::var("PODARIUM_SEEDS") else { return 0..1_000 };
    let (from, to) = range.split_once("..").unwrap_or(("0", &range));
    number(from)..number(to)
}

/// Why the scenario of a seed fails, if it does.
fn failure(seed: u64) -> Option<String> {
    let told = match catch_unwind(AssertUnwindSafe(|| random::run(seed))) {
        Ok(Ok(_)) => return None,
        Ok(Err(f)) => format!("at {}: {}\nafter\n  {}", f.at, f.why, f.acts.join("\n  ")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            format!("panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?"))
        }
    };
    Some(format!("seed {seed}\nreplay it: PODARIUM_SEED={seed} cargo test -p podarium-tests --test random\n{told}\n"))
}

#[test]
fn invariants_hold_under_random_faults() {
    let (seeds, begin) = (seeds(), Instant::now());
    let asked = std::env::vars().any(|(name, _)| name.starts_with("PODARIUM_SEED"));
    let next = AtomicU64::new(seeds.start);
    let failures: Mutex<Vec<u64>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let enough = failures.lock().map_or(true, |f| f.len() >= FAILURES_MAX);
                    let late = !asked && begin.elapsed() > RUN_TIME_MAX;
                    if seed >= seeds.end || enough || late {
                        break;
                    }
                    if let Some(told) = failure(seed) {
                        eprintln!("{told}");
                        if let Ok(mut all) = failures.lock() {
                            all.push(seed);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_default();
    let ran = next.into_inner().min(seeds.end) - seeds.start;
    println!("{ran} of the seeds {seeds:?} in {:.1} s on {threads} threads", begin.elapsed().as_secs_f64());
    assert!(failures.is_empty(), "seeds that fail: {failures:?}");
}
