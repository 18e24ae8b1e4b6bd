//! The simulation kernel: virtual clock, event queue, deterministic tasks, seeded randomness, links and the causal trace.
//!
//! Every component of the cluster is a set of async tasks that belong to a process. Tasks run one at a time, in the order in
//! which they were woken; time moves only between events. Nothing here knows Kubernetes.

mod executor;
mod limiter;
mod link;
mod sync;
mod time;
mod trace;

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub use executor::{ProcessId, ProcessInfo, ProcessState, TaskId};
pub use limiter::TokenBucket;
pub use link::{Links, MachineId};
pub use sync::{Channel, Notify, Select, Sleep, WaitGroup, select};
pub use time::SimTime;
pub use trace::{Trace, TraceEntry, TraceEvent, TraceSeq};

use executor::Executor;

/// A handle on the kernel: cheap to clone, all clones are the same simulation.
#[derive(Clone)]
pub struct Sim(Rc<Inner>);

struct Inner {
    now: Cell<SimTime>,
    epoch: jiff::Timestamp,
    seed: u64,
    rng: RefCell<Xoshiro256PlusPlus>,
    executor: Executor,
    links: RefCell<Links>,
    trace: RefCell<Trace>,
}

impl Sim {
    /// A simulation at time zero; `epoch` is what the wall clocks of its machines show then.
    pub fn new(seed: u64, epoch: jiff::Timestamp) -> Self {
        Sim(Rc::new(Inner {
            now: Cell::new(SimTime::ZERO),
            epoch,
            seed,
            rng: RefCell::new(Xoshiro256PlusPlus::seed_from_u64(seed)),
            executor: Executor::default(),
            links: RefCell::new(Links::default()),
            trace: RefCell::new(Trace::default()),
        }))
    }

    /// Virtual time since the simulation began.
    pub fn now(&self) -> SimTime {
        self.0.now.get()
    }

    /// What a machine's wall clock shows now.
    pub fn timestamp(&self) -> jiff::Timestamp {
        self.timestamp_at(self.now())
    }

    /// What a machine's wall clock shows at `at`.
    pub fn timestamp_at(&self, at: SimTime) -> jiff::Timestamp {
        let since = jiff::SignedDuration::from_nanos(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX));
        self.0.epoch.checked_add(since).unwrap_or(jiff::Timestamp::MAX)
    }

    /// The instant at which a machine's wall clock shows `t`; zero for anything before the simulation began.
    pub fn time_of(&self, t: jiff::Timestamp) -> SimTime {
        let ns = t.as_nanosecond() - self.0.epoch.as_nanosecond();
        SimTime::from_nanos(u64::try_from(ns).unwrap_or(0))
    }

    /// The seed that this simulation was made with.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Sixty-four random bits of the simulation's one generator.
    pub fn random_u64(&self) -> u64 {
        self.0.rng.borrow_mut().next_u64()
    }

    /// A random number in `0..n`; zero for `n` of zero.
    pub fn random_below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { ((u128::from(self.random_u64()) * u128::from(n)) >> 64) as u64 }
    }

    /// A random number in `[0, 1)`.
    pub fn random_unit(&self) -> f64 {
        (self.random_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A random version 4 UUID, as upstream gives each object.
    pub fn random_uuid(&self) -> String {
        let (a, b) = (self.random_u64(), self.random_u64());
        let mut uuid = String::with_capacity(36);
        // Writing to a string can't fail.
        let _ = write!(
            uuid,
            "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            8 + (b >> 62),
            (b >> 48) & 0xfff,
            b & 0xffff_ffff_ffff
        );
        uuid
    }

    /// `len` characters of the alphabet that upstream's `util/rand` uses for generated names.
    pub fn random_suffix(&self, len: usize) -> String {
        const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..len).map(|_| char::from(ALPHABET[self.random_below(27) as usize])).collect()
    }

    /// `d` stretched by a random factor between 1 and `1 + max_factor`: upstream's `wait.Jitter`.
    pub fn jitter(&self, d: Duration, max_factor: f64) -> Duration {
        d + d.mul_f64(self.random_unit() * max_factor)
    }

    /// The links between machines.
    pub fn links(&self) -> std::cell::Ref<'_, Links> {
        self.0.links.borrow()
    }

    /// The links between machines, to cut or mend them.
    pub fn links_mut(&self) -> std::cell::RefMut<'_, Links> {
        self.0.links.borrow_mut()
    }

    /// The trace so far.
    pub fn trace(&self) -> std::cell::Ref<'_, Trace> {
        self.0.trace.borrow()
    }

    /// Adds to the trace, caused by whatever the running task is working on; that entry becomes the task's cause from now on.
    pub fn record(&self, event: TraceEvent) -> TraceSeq {
        let seq = self.0.trace.borrow_mut().push(self.now(), self.cause(), event);
        self.set_cause(seq);
        seq
    }

    /// Adds to the trace without changing the running task's cause: for remarks that lead to nothing.
    pub fn remark(&self, event: TraceEvent) -> TraceSeq {
        self.0.trace.borrow_mut().push(self.now(), self.cause(), event)
    }

    /// Sleeps for `d` of virtual time.
    pub fn sleep(&self, d: Duration) -> Sleep {
        self.sleep_until(self.now() + d)
    }

    /// Sleeps until `deadline`; ready at once when that has passed.
    pub fn sleep_until(&self, deadline: SimTime) -> Sleep {
        Sleep::new(self.clone(), deadline)
    }

    /// Runs `future`, giving up after `d`: `None`.
    pub async fn timeout<T>(&self, d: Duration, future: impl Future<Output = T>) -> Option<T> {
        match select(future, self.sleep(d)).await {
            Select::First(v) => Some(v),
            Select::Second(()) => None,
        }
    }
}
