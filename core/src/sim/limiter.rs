//! A token bucket with reservations, in virtual time: what client-go's flowcontrol and golang.org/x/time/rate do.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Sim, SimTime};

/// Tokens that refill at a steady rate up to a burst. Waiters reserve in the order in which they come. Clones share the bucket.
#[derive(Clone)]
pub struct TokenBucket(Rc<RefCell<Bucket>>);

struct Bucket {
    interval_ns: i128,
    burst: i128,
    /// When the next token comes if the bucket is empty, in nanoseconds: up to `burst` intervals in the past, the tokens saved.
    next_ns: i128,
}

impl TokenBucket {
    /// `qps` tokens a second, at most `burst` saved up; no limit for a `qps` of zero or less. Starts full.
    pub fn new(qps: f64, burst: u32) -> Self {
        let interval_ns = if qps > 0.0 { (1e9 / qps) as i128 } else { 0 };
        TokenBucket(Rc::new(RefCell::new(Bucket {
            interval_ns,
            burst: i128::from(burst.max(1)),
            next_ns: i128::MIN / 2,
        })))
    }

    /// Takes a token that is there or will be: when it may be used.
    pub fn reserve(&self, now: SimTime) -> SimTime {
        let mut b = self.0.borrow_mut();
        if b.interval_ns == 0 {
            return now;
        }
        let floor = i128::from(now.as_nanos()) - b.interval_ns * (b.burst - 1);
        let at = b.next_ns.max(floor);
        b.next_ns = at + b.interval_ns;
        SimTime::from_nanos(u64::try_from(at.max(0)).unwrap_or(u64::MAX)).max(now)
    }

    /// Takes a token only if one is there now.
    pub fn try_take(&self, now: SimTime) -> bool {
        let before = self.0.borrow().next_ns;
        if self.reserve(now) > now {
            self.0.borrow_mut().next_ns = before;
            return false;
        }
        true
    }

    /// Waits for a token.
    pub async fn wait(&self, sim: &Sim) {
        let at = self.reserve(sim.now());
        if at > sim.now() {
            sim.sleep_until(at).await;
        }
    }
}
