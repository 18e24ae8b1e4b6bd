//! Fuzzing: random input to every door that takes other people's text or bytes, seeded from what is known to be good.
//! A case is a number: the same number is the same input.

pub mod alloc;
mod mutate;
mod requests;
mod seeds;
mod sessions;
mod texts;
mod wasm;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub use requests::Requests;
pub use sessions::Sessions;
pub use texts::Texts;
pub use wasm::Modules;

/// Something that is fuzzed.
pub trait Target {
    /// Its name.
    const NAME: &'static str;
    /// How many cases the ordinary run has.
    const CASES: u64;
    /// How many cases run one after the other on what [`Target::new`] made; a case is replayed from its batch's first.
    const BATCH: u64;
    /// What one case may allocate at its peak.
    const BYTES_MAX: usize;

    /// What a batch runs on.
    fn new() -> Self;

    /// Runs a case. A panic is a failure; so is an `Err`.
    fn run(&mut self, case: u64) -> Result<(), String>;

    /// The input of a case in words, for whoever has to mend it.
    fn describe(&self, case: u64) -> String;
}

/// How much CPU time one case may take: far more than any should with little optimisation.
const CASE_TIME_MAX: Duration = Duration::from_secs(5);

/// How long the ordinary run may take at most; what is left then is not run.
const RUN_TIME_MAX: Duration = Duration::from_secs(20);

/// Failures that are told before the rest is not run any more.
const FAILURES_MAX: usize = 5;

/// The CPU time of this thread; where the system doesn't tell, none is ever used.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn cases<T: Target>() -> (Range<u64>, Duration) {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    if let Some(case) = number("PODARIUM_FUZZ_CASE") {
        return (case..case + 1, Duration::MAX);
    }
    match number("PODARIUM_FUZZ_SECONDS") {
        Some(seconds) => {
            let from = number("PODARIUM_FUZZ_FROM").unwrap_or(T::CASES);
            (from..u64::MAX, Duration::from_secs(seconds))
        }
        None => (0..T::CASES, RUN_TIME_MAX),
    }
}

/// Runs a target's cases; tells every one that fails. `PODARIUM_FUZZ_CASE=7` runs one, `PODARIUM_FUZZ_SECONDS=600` goes on
/// with new ones for so long, from `PODARIUM_FUZZ_FROM` on.
pub fn run<T: Target>() {
    let (wanted, time_max) = cases::<T>();
    let (begin, mut ran, mut failures, mut slowest) = (Instant::now(), 0, Vec::new(), (Duration::ZERO, 0));
    let mut batch = wanted.start - wanted.start % T::BATCH;
    'all: while batch < wanted.end {
        let mut target = T::new();
        for case in batch..(batch + T::BATCH).min(wanted.end) {
            if begin.elapsed() > time_max || failures.len() >= FAILURES_MAX {
                break 'all;
            }
            let (at, held) = (cpu_time(), alloc::begin());
            let outcome = catch_unwind(AssertUnwindSafe(|| target.run(case)));
            let (took, peak) = (cpu_time().saturating_sub(at), alloc::peak_above(held));
            ran += 1;
            if took > slowest.0 {
                slowest = (took, case);
            }
            let why = match outcome {
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    format!("panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?"))
                }
                Ok(Err(why)) => why,
                Ok(Ok(())) if took > CASE_TIME_MAX => format!("took {:.1} s", took.as_secs_f64()),
                Ok(Ok(())) if peak > T::BYTES_MAX => format!("allocated {} MiB", peak >> 20),
                Ok(Ok(())) => continue,
            };
            failures.push(format!(
                "case {case} of {name}: {why}\nreplay it: PODARIUM_FUZZ_CASE={case} cargo test -p podarium-tests --test fuzz {name}\n{}\n",
                target.describe(case),
                name = T::NAME,
            ));
            // Whatever a panic left behind is not gone on with.
            target = T::new();
        }
        batch += T::BATCH;
    }
    println!(
        "{}: {ran} cases in {:.1} s; the slowest, {}, took {} ms",
        T::NAME,
        begin.elapsed().as_secs_f64(),
        slowest.1,
        slowest.0.as_millis()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
