//! The queue of nodes to be tainted NoExecute in one zone, at a limited rate.
//! Models `pkg/controller/nodelifecycle/scheduler/rate_limited_queue.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::sim::{SimTime, TokenBucket};

/// How many nodes may be tainted at once.
const BURST: u32 = 1;

/// Nodes by when they are to be worked on; a node that was worked on isn't taken again until it was removed.
pub struct RateLimitedQueue {
    queue: BTreeSet<(SimTime, u64, Rc<str>)>,
    known: BTreeMap<Rc<str>, Option<(SimTime, u64)>>,
    next: u64,
    qps: f64,
    limiter: TokenBucket,
}

impl RateLimitedQueue {
    /// An empty queue that gives out `qps` nodes a second.
    pub fn new(qps: f64) -> Self {
        RateLimitedQueue {
            queue: BTreeSet::new(),
            known: BTreeMap::new(),
            next: 0,
            qps,
            limiter: TokenBucket::new(qps, BURST),
        }
    }

    /// Adds a node, to be worked on from `at` on; nothing if it is known already.
    pub fn add(&mut self, node: &str, at: SimTime) -> bool {
        if self.known.contains_key(node) {
            return false;
        }
        self.put(node.into(), at);
        true
    }

    fn put(&mut self, node: Rc<str>, at: SimTime) {
        self.next += 1;
        self.queue.insert((at, self.next, node.clone()));
        self.known.insert(node, Some((at, self.next)));
    }

    /// Forgets a node.
    pub fn remove(&mut self, node: &str) -> bool {
        let Some((node, place)) = self.known.remove_entry(node) else { return false };
        if let Some((at, seq)) = place {
            self.queue.remove(&(at, seq, node));
        }
        true
    }

    /// Whether it knows no node.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether nobody waits.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// The node to work on now, if one is due and the rate allows.
    pub fn take(&mut self, now: SimTime) -> Option<Rc<str>> {
        let head = self.queue.first()?.clone();
        // The limit is asked first, as upstream does: a look at a node that is not due costs a token too.
        if self.qps <= 0.0 || !self.limiter.try_take(now) || now < head.0 {
            return None;
        }
        Some(head.2)
    }

    /// A node was worked on: it stays known, or is tried again from `retry` on.
    pub fn worked(&mut self, node: &Rc<str>, retry: Option<SimTime>) {
        // Removed meanwhile, it is not to be taken up again.
        let Some(Some((at, seq))) = self.known.get(node).copied() else { return };
        self.queue.remove(&(at, seq, node.clone()));
        match retry {
            Some(at) => self.put(node.clone(), at),
            None => {
                self.known.insert(node.clone(), None);
            }
        }
    }

    /// Changes the rate; zero stops it.
    pub fn swap_limiter(&mut self, qps: f64, now: SimTime) {
        if self.qps == qps {
            return;
        }
        // Whoever waited for the old limit shall not gain by the new one.
        let drained = self.qps > 0.0 && !self.limiter.try_take(now);
        self.limiter = TokenBucket::new(qps, BURST);
        if qps > 0.0 && (drained || self.qps <= 0.0) {
            self.limiter.try_take(now);
        }
        self.qps = qps;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_each_ten_seconds_and_each_once() {
        let mut q = RateLimitedQueue::new(0.1);
        for n in ["a", "b", "a"] {
            q.add(n, SimTime::ZERO);
        }
        let mut seen = Vec::new();
        for tenth in 0..300u64 {
            let now = SimTime::from_millis(tenth * 100);
            while let Some(n) = q.take(now) {
                q.worked(&n, None);
                seen.push((tenth, n.to_string()));
            }
        }
        assert_eq!(seen, [(0, "a".to_owned()), (100, "b".to_owned())]);
        assert!(!q.add("a", SimTime::ZERO), "known until removed");
        assert!(q.remove("a") && q.add("a", SimTime::ZERO));
    }

    #[test]
    fn a_rate_of_zero_stops() {
        let mut q = RateLimitedQueue::new(0.1);
        q.add("a", SimTime::ZERO);
        q.swap_limiter(0.0, SimTime::ZERO);
        assert_eq!(q.take(SimTime::from_secs(100)), None);
    }
}
