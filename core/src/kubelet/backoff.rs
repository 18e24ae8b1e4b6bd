//! Back-off by key: 10 s doubling to 300 s, forgotten after twice that. Models client-go's `util/flowcontrol/backoff.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::sim::SimTime;

struct Item {
    backoff: Duration,
    last_update: SimTime,
}

/// Back-offs by key.
pub(super) struct Backoff {
    base: Duration,
    max: Duration,
    items: BTreeMap<String, Item>,
}

impl Backoff {
    pub fn new(base: Duration, max: Duration) -> Self {
        Backoff { base, max, items: BTreeMap::new() }
    }

    fn expired(&self, at: SimTime, item: &Item) -> bool {
        // An entry is idle once the event lies twice the longest back-off after its last change.
        at.since(item.last_update) > self.max * 2
    }

    /// Until when `key` backs off after what happened at `event`; `None` if it doesn't (any more).
    pub fn until(&self, key: &str, event: SimTime, now: SimTime) -> Option<SimTime> {
        let item = self.items.get(key)?;
        if self.expired(event, item) {
            return None;
        }
        Some(event + item.backoff).filter(|until| now < *until)
    }

    /// Whether `key` backs off after its last failure.
    pub fn backs_off_since_update(&self, key: &str, now: SimTime) -> bool {
        let item = self.items.get(key).filter(|item| !self.expired(now, item));
        item.is_some_and(|item| now < item.last_update + item.backoff)
    }

    /// One more failure.
    pub fn next(&mut self, key: &str, event: SimTime, now: SimTime) {
        let backoff = match self.items.get(key) {
            Some(item) if !self.expired(event, item) => (item.backoff * 2).min(self.max),
            _ => self.base,
        };
        self.items.insert(key.to_owned(), Item { backoff, last_update: now });
    }

    /// The back-off of `key` now.
    pub fn get(&self, key: &str) -> Duration {
        self.items.get(key).map_or(Duration::ZERO, |i| i.backoff)
    }

    /// Forgets keys that begin with `prefix`.
    pub fn forget(&mut self, prefix: &str) {
        self.items.retain(|k, _| !k.starts_with(prefix));
    }
}

/// A duration as Go prints it, cut to milliseconds: `1.2s`, `356ms`, `2m0.5s`, `5m0s`.
pub(super) fn go_duration(d: Duration) -> String {
    let ms = d.as_millis();
    if ms == 0 {
        return "0s".into();
    }
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let mut seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    while seconds.ends_with('0') {
        seconds.pop();
    }
    let seconds = seconds.trim_end_matches('.');
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_five_minutes_and_forgets() {
        let mut b = Backoff::new(Duration::from_secs(10), Duration::from_secs(300));
        let mut now = SimTime::from_secs(100);
        assert_eq!(b.until("k", now, now), None);
        let mut seen = Vec::new();
        for _ in 0..7 {
            b.next("k", now, now);
            seen.push(b.get("k").as_secs());
            now += Duration::from_secs(300);
        }
        assert_eq!(seen, [10, 20, 40, 80, 160, 300, 300]);
        // Ten minutes after the last restart an exit counts as the first.
        now += Duration::from_secs(301);
        assert_eq!(b.until("k", now, now), None);
        b.next("k", now, now);
        assert_eq!(b.get("k").as_secs(), 10);
    }

    #[test]
    fn durations_as_go_prints_them() {
        let shown = |ms| go_duration(Duration::from_millis(ms));
        assert_eq!(shown(856), "856ms");
        assert_eq!(shown(1234), "1.234s");
        assert_eq!(shown(10_000), "10s");
        assert_eq!(shown(160_000), "2m40s");
        assert_eq!(shown(300_000), "5m0s");
        assert_eq!(shown(3_723_500), "1h2m3.5s");
    }
}
