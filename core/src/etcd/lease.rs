//! Leases: keys attached to one go when it expires. Models etcd's `server/lease/lessor.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::sim::SimTime;

/// A lease's number.
pub type LeaseId = i64;

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    expires: SimTime,
    keys: BTreeSet<Rc<str>>,
}

/// All leases, with an index by expiry.
#[derive(Debug, Default)]
pub struct Leases {
    leases: BTreeMap<LeaseId, Lease>,
    by_expiry: BTreeSet<(SimTime, LeaseId)>,
    last: LeaseId,
    /// The minute, the time to live in seconds, and the lease that keys of that minute share.
    shared: Option<(u64, u64, LeaseId)>,
}

impl Leases {
    /// Grants a lease of `ttl` from `now`.
    pub fn grant(&mut self, now: SimTime, ttl: Duration) -> LeaseId {
        self.last += 1;
        let id = self.last;
        let expires = now + ttl;
        self.leases.insert(id, Lease { ttl, expires, keys: BTreeSet::new() });
        self.by_expiry.insert((expires, id));
        id
    }

    /// A lease of about `ttl_s` seconds that many keys share, as apiserver's lease manager reuses one for up to a minute.
    pub fn grant_shared(&mut self, now: SimTime, ttl_s: u64) -> LeaseId {
        let minute = now.as_nanos() / 60_000_000_000;
        if let Some(&(m, ttl, id)) = self.shared.as_ref()
            && m == minute
            && ttl == ttl_s
            && self.leases.contains_key(&id)
        {
            return id;
        }
        let id = self.grant(now, Duration::from_secs(ttl_s + 60));
        self.shared = Some((minute, ttl_s, id));
        id
    }

    /// Starts a lease's time anew: its time to live, or `None` if there is no such lease.
    pub fn keep_alive(&mut self, now: SimTime, id: LeaseId) -> Option<Duration> {
        let lease = self.leases.get_mut(&id)?;
        self.by_expiry.remove(&(lease.expires, id));
        lease.expires = now + lease.ttl;
        self.by_expiry.insert((lease.expires, id));
        Some(lease.ttl)
    }

    /// How long a lease was granted for and when it ends.
    pub fn get(&self, id: LeaseId) -> Option<(Duration, SimTime)> {
        self.leases.get(&id).map(|l| (l.ttl, l.expires))
    }

    /// Every lease's number.
    pub fn ids(&self) -> impl Iterator<Item = LeaseId> + '_ {
        self.leases.keys().copied()
    }

    /// The keys attached to a lease.
    pub fn keys(&self, id: LeaseId) -> Vec<Rc<str>> {
        self.leases.get(&id).map(|l| l.keys.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn attach(&mut self, id: LeaseId, key: &Rc<str>) -> bool {
        match self.leases.get_mut(&id) {
            Some(l) => {
                l.keys.insert(key.clone());
                true
            }
            None => false,
        }
    }

    pub(super) fn detach(&mut self, id: LeaseId, key: &str) {
        if let Some(l) = self.leases.get_mut(&id) {
            l.keys.remove(key);
        }
    }

    /// Takes a lease away: the keys that were attached to it.
    pub(super) fn revoke(&mut self, id: LeaseId) -> Option<BTreeSet<Rc<str>>> {
        let lease = self.leases.remove(&id)?;
        self.by_expiry.remove(&(lease.expires, id));
        Some(lease.keys)
    }

    /// When the next lease expires.
    pub fn next_expiry(&self) -> Option<SimTime> {
        self.by_expiry.first().map(|&(t, _)| t)
    }

    /// A lease that has expired by `now`.
    pub(super) fn expired(&self, now: SimTime) -> Option<LeaseId> {
        self.by_expiry.first().filter(|&&(t, _)| t <= now).map(|&(_, id)| id)
    }
}
