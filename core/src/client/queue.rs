//! Work queues: each key is worked on by one worker at a time and queued once however often it is added.
//! Models client-go's `util/workqueue`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::sim::{Notify, ProcessId, Sim, TokenBucket, TraceSeq};

/// How failures are spaced.
#[derive(Clone)]
pub struct RateLimits {
    /// After the first failure.
    pub base: Duration,
    /// At most.
    pub max: Duration,
    /// Retries a second over all keys; 0 for no limit.
    pub qps: f64,
    /// Retries at once.
    pub burst: u32,
}

impl Default for RateLimits {
    /// client-go's DefaultControllerRateLimiter.
    fn default() -> Self {
        RateLimits { base: Duration::from_millis(5), max: Duration::from_secs(1000), qps: 10.0, burst: 100 }
    }
}

struct State<T> {
    queue: VecDeque<T>,
    dirty: BTreeMap<T, TraceSeq>,
    processing: BTreeSet<T>,
    failures: BTreeMap<T, u32>,
}

/// A queue of keys. Clones share it.
pub struct WorkQueue<T> {
    sim: Sim,
    process: ProcessId,
    state: Rc<RefCell<State<T>>>,
    notify: Notify,
    limits: RateLimits,
    bucket: TokenBucket,
}

impl<T> Clone for WorkQueue<T> {
    fn clone(&self) -> Self {
        WorkQueue {
            sim: self.sim.clone(),
            process: self.process,
            state: self.state.clone(),
            notify: self.notify.clone(),
            limits: self.limits.clone(),
            bucket: self.bucket.clone(),
        }
    }
}

impl<T: Clone + Ord + 'static> WorkQueue<T> {
    /// An empty queue of `process`.
    pub fn new(sim: &Sim, process: ProcessId, limits: RateLimits) -> Self {
        let state = State {
            queue: VecDeque::new(),
            dirty: BTreeMap::new(),
            processing: BTreeSet::new(),
            failures: BTreeMap::new(),
        };
        WorkQueue {
            sim: sim.clone(),
            process,
            state: Rc::new(RefCell::new(state)),
            notify: Notify::new(sim),
            bucket: TokenBucket::new(limits.qps, limits.burst),
            limits,
        }
    }

    /// Adds a key: once, and not while it is worked on (then it is queued when that is done).
    pub fn add(&self, key: T) {
        let cause = self.sim.cause();
        {
            let mut s = self.state.borrow_mut();
            if s.dirty.insert(key.clone(), cause).is_some() || s.processing.contains(&key) {
                return;
            }
            s.queue.push_back(key);
        }
        self.notify.notify();
    }

    /// Adds a key after `d`.
    pub fn add_after(&self, key: T, d: Duration) {
        if d.is_zero() {
            return self.add(key);
        }
        let (queue, sim) = (self.clone(), self.sim.clone());
        self.sim.spawn(self.process, async move {
            sim.sleep(d).await;
            queue.add(key);
        });
    }

    /// Adds a key after the back-off that its failures ask for.
    pub fn add_rate_limited(&self, key: T) {
        let failures = {
            let mut s = self.state.borrow_mut();
            let n = s.failures.entry(key.clone()).or_insert(0);
            *n += 1;
            *n - 1
        };
        let backoff = self.limits.base.saturating_mul(2u32.saturating_pow(failures.min(30))).min(self.limits.max);
        let now = self.sim.now();
        let bucket = self.bucket.reserve(now).since(now);
        self.add_after(key, backoff.max(bucket));
    }

    /// Forgets a key's failures.
    pub fn forget(&self, key: &T) {
        self.state.borrow_mut().failures.remove(key);
    }

    /// How often a key failed.
    pub fn num_requeues(&self, key: &T) -> u32 {
        self.state.borrow().failures.get(key).copied().unwrap_or(0)
    }

    /// How many keys wait.
    pub fn len(&self) -> usize {
        self.state.borrow().queue.len()
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a key and takes it; the task works because of what added it.
    pub async fn get(&self) -> T {
        loop {
            let next = {
                let mut s = self.state.borrow_mut();
                s.queue.pop_front().map(|key| {
                    let cause = s.dirty.remove(&key).unwrap_or(0);
                    s.processing.insert(key.clone());
                    (key, cause, !s.queue.is_empty())
                })
            };
            match next {
                Some((key, cause, more)) => {
                    self.sim.set_cause(cause);
                    if more {
                        // Another worker may be waiting.
                        self.notify.notify();
                    }
                    return key;
                }
                None => self.notify.notified().await,
            }
        }
    }

    /// The work on a key is over; it is queued again if it was added meanwhile.
    pub fn done(&self, key: &T) {
        let again = {
            let mut s = self.state.borrow_mut();
            s.processing.remove(key);
            let again = s.dirty.contains_key(key);
            if again {
                s.queue.push_back(key.clone());
            }
            again
        };
        if again {
            self.notify.notify();
        }
    }
}
