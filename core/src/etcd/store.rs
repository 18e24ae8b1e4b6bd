//! The revisioned store itself. Models etcd's `server/storage/mvcc/{kvstore,index,watchable_store}.go`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Bound;
use std::rc::Rc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::api::object::Obj;
use crate::sim::{SimTime, TraceSeq};

use super::faded::Faded;
use super::lease::{LeaseId, Leases};
use super::order::Order;

/// What a key holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// An API object, encoded when somebody reads it as bytes.
    Object(Obj),
    /// Anything else, such as what a person put with etcdctl.
    Bytes(Rc<[u8]>),
}

/// A key as it stood at some revision.
#[derive(Debug)]
pub struct KeyValue {
    /// The key.
    pub key: Rc<str>,
    held: RefCell<Held>,
    /// The revision that made the key.
    pub create_revision: u64,
    /// The revision that wrote this value.
    pub mod_revision: u64,
    /// How many times it was written since it was made.
    pub version: u64,
    /// The lease that it is attached to, or 0.
    pub lease: LeaseId,
    same_spec: bool,
}

#[derive(Debug)]
enum Held {
    Whole(Value),
    /// What is left of an object, and the next version if that says the rest.
    Faded(Faded, Option<Rc<KeyValue>>),
}

/// One version in so many is kept whole, so that none is far from one that is.
const WHOLE_EVERY: u64 = 64;

impl KeyValue {
    /// What it held.
    pub fn value(&self) -> Value {
        match &*self.held.borrow() {
            Held::Whole(value) => value.clone(),
            Held::Faded(faded, next) => {
                let next = next.as_ref().and_then(|next| next.object());
                // It faded because its successor is an object.
                faded.restore(next.as_ref()).map_or_else(|| Value::Bytes(Rc::default()), Value::Object)
            }
        }
    }

    /// The object that it held, if that is what it held.
    pub fn object(&self) -> Option<Obj> {
        match self.value() {
            Value::Object(o) => Some(o),
            Value::Bytes(_) => None,
        }
    }

    /// Keeps only what `next` does not say; false if somebody still holds the object.
    fn fade(&self, next: Option<&Rc<KeyValue>>) -> bool {
        if self.version.is_multiple_of(WHOLE_EVERY) {
            return true;
        }
        let mut held = self.held.borrow_mut();
        let Held::Whole(Value::Object(old)) = &mut *held else { return true };
        if Rc::strong_count(old) > 1 {
            return false;
        }
        // The next may have faded first: somebody held this one for longer.
        let new = next.filter(|_| !Faded::rests(old)).and_then(|next| next.object());
        let same_spec = next.is_some_and(|next| next.same_spec);
        if let Some(faded) = Faded::of(old, new.as_ref(), same_spec) {
            let next = next.filter(|_| !matches!(faded, Faded::Event(_)));
            *held = Held::Faded(faded, next.cloned());
        }
        true
    }
}

/// Put or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// Written.
    Put,
    /// Deleted.
    Delete,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Event {
    /// Put or deleted.
    pub kind: EventType,
    /// The key.
    pub key: Rc<str>,
    /// The revision of the change.
    pub revision: u64,
    /// The new value; `None` for a deletion.
    pub kv: Option<Rc<KeyValue>>,
    /// The value before; `None` if the key was not there.
    pub prev: Option<Rc<KeyValue>>,
    /// What the change was made because of.
    pub cause: TraceSeq,
}

/// What etcd answers when it can't do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The revision asked for was compacted away; this is the oldest that is left.
    Compacted(u64),
    /// The revision asked for is yet to come.
    FutureRevision,
    /// There is no such lease.
    LeaseNotFound,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::Compacted(_) => "etcdserver: mvcc: required revision has been compacted",
            Error::FutureRevision => "etcdserver: mvcc: required revision is a future revision",
            Error::LeaseNotFound => "etcdserver: requested lease not found",
        })
    }
}

/// Which keys, at which revision.
#[derive(Clone, Debug, Default)]
pub struct RangeRequest<'a> {
    /// The first key.
    pub key: &'a str,
    /// The key after the last; `None` for `key` alone, empty for all from `key` on.
    pub range_end: Option<&'a str>,
    /// At which revision; 0 for now.
    pub revision: u64,
    /// At most so many; 0 for all.
    pub limit: usize,
    /// Only count.
    pub count_only: bool,
}

/// The keys found.
#[derive(Clone, Debug, Default)]
pub struct RangeResponse {
    /// In key order.
    pub kvs: Vec<Rc<KeyValue>>,
    /// Whether there are more than the limit let through.
    pub more: bool,
    /// How many there are in all.
    pub count: usize,
    /// The store's revision.
    pub revision: u64,
}

/// What of a key a transaction compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareTarget {
    /// The revision of its last write; 0 if it isn't there.
    ModRevision(u64),
    /// The revision that made it; 0 if it isn't there.
    CreateRevision(u64),
    /// How often it was written; 0 if it isn't there.
    Version(u64),
}

/// A condition: the key's property equals.
#[derive(Clone, Debug)]
pub struct Compare<'a> {
    /// The key.
    pub key: &'a str,
    /// The property and the value that it must have.
    pub target: CompareTarget,
}

/// A write of a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    /// Writes a key.
    Put {
        /// The key.
        key: Rc<str>,
        /// What it shall hold.
        value: Value,
        /// The lease to attach it to, or 0.
        lease: LeaseId,
        /// The word of whoever writes a pod that its spec, but for the node, is what it was: it knows without comparing.
        same_spec: bool,
    },
    /// Deletes a key.
    Delete {
        /// The key.
        key: Rc<str>,
    },
}

/// How a transaction went.
#[derive(Clone, Debug)]
pub struct TxnResponse {
    /// Whether the conditions held, so that the writes were done.
    pub succeeded: bool,
    /// The store's revision after it.
    pub revision: u64,
}

#[derive(Debug)]
struct Version {
    revision: u64,
    /// `None`: deleted at this revision.
    kv: Option<Rc<KeyValue>>,
}

/// How many others wait to fade before one does: whoever follows closely has read it by then.
const FADES_AFTER: usize = 128;

/// How often a version that somebody still holds is tried again: a kubelet holds one as long as it pulls the image.
const FADE_TRIES: u8 = 64;

/// How many of the newest changes are looked at one by one for where a follower stands.
const NEWEST: usize = 8;

/// The store of one member.
#[derive(Debug)]
pub struct Etcd {
    revision: u64,
    compacted: u64,
    /// Found by their hash: of keys that begin alike, comparing is slow.
    keys: IndexMap<Rc<str>, Vec<Version>, FxBuildHasher>,
    /// The same keys, for ranges.
    order: Order,
    /// What will fade, its successor, and how often that was tried.
    fading: VecDeque<(Rc<KeyValue>, Option<Rc<KeyValue>>, u8)>,
    live: usize,
    log: VecDeque<Event>,
    leases: Leases,
    changes: u64,
}

impl Default for Etcd {
    fn default() -> Self {
        // A new etcd stands at revision 1.
        Etcd {
            revision: 1,
            compacted: 0,
            keys: IndexMap::default(),
            order: Order::default(),
            fading: VecDeque::new(),
            live: 0,
            log: VecDeque::new(),
            leases: Leases::default(),
            changes: 0,
        }
    }
}

impl Etcd {
    /// The revision of the last write.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Everything up to this revision was compacted.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        self.live
    }

    /// How many writes there were that are more than a heartbeat: of any key but Leases.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The newest change, unless it was compacted away.
    pub fn last_event(&self) -> Option<&Event> {
        self.log.back()
    }

    /// The newest changes that are left, newest first.
    pub fn newest_events(&self, count: usize) -> impl Iterator<Item = &Event> {
        self.log.iter().rev().take(count)
    }

    /// The leases.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The leases, to grant one or keep it alive.
    pub fn leases_mut(&mut self) -> &mut Leases {
        &mut self.leases
    }

    fn check_revision(&self, revision: u64) -> Result<(), Error> {
        if revision > self.revision {
            return Err(Error::FutureRevision);
        }
        if revision != 0 && revision < self.compacted {
            return Err(Error::Compacted(self.compacted));
        }
        Ok(())
    }

    fn at(versions: &[Version], revision: u64) -> Option<&Rc<KeyValue>> {
        let v = if revision == 0 { versions.last() } else { versions.iter().rev().find(|v| v.revision <= revision) };
        v?.kv.as_ref()
    }

    /// The key as it stands now.
    pub fn get(&self, key: &str) -> Option<Rc<KeyValue>> {
        Self::at(self.keys.get(key)?, 0).cloned()
    }

    /// Reads a key or a range of keys.
    pub fn range(&self, r: &RangeRequest<'_>) -> Result<RangeResponse, Error> {
        self.check_revision(r.revision)?;
        let upper = match r.range_end {
            None => Bound::Included(r.key),
            Some("") => Bound::Unbounded,
            Some(end) if end <= r.key => {
                return Ok(RangeResponse { revision: self.revision, ..Default::default() });
            }
            Some(end) => Bound::Excluded(end),
        };
        let mut out = RangeResponse { revision: self.revision, ..Default::default() };
        self.order.each(r.key, upper, |k| {
            let Some(kv) = self.keys.get(k).and_then(|versions| Self::at(versions, r.revision)) else {
                return true;
            };
            out.count += 1;
            if r.count_only {
                return true;
            }
            if r.limit > 0 && out.kvs.len() == r.limit {
                out.more = true;
            } else {
                out.kvs.push(kv.clone());
            }
            true
        });
        Ok(out)
    }

    /// Calls `f` with every live key that begins with `prefix`, in order, without copying.
    pub fn for_each_prefix(&self, prefix: &str, mut f: impl FnMut(&Rc<str>, &Value, u64)) {
        self.order.each_with_prefix(prefix, |k| {
            let Some(kv) = self.keys.get(k).and_then(|versions| Self::at(versions, 0)) else { return };
            match &*kv.held.borrow() {
                Held::Whole(value) => f(k, value, kv.mod_revision),
                Held::Faded(..) => f(k, &kv.value(), kv.mod_revision),
            }
        });
    }

    fn holds(&self, c: &Compare<'_>) -> bool {
        let v = self.keys.get(c.key).and_then(|versions| Self::at(versions, 0));
        match c.target {
            CompareTarget::ModRevision(r) => v.map_or(0, |v| v.mod_revision) == r,
            CompareTarget::CreateRevision(r) => v.map_or(0, |v| v.create_revision) == r,
            CompareTarget::Version(n) => v.map_or(0, |v| v.version) == n,
        }
    }

    /// Does the writes at one new revision if every condition holds.
    pub fn txn(&mut self, conditions: &[Compare<'_>], then: Vec<Op>, cause: TraceSeq) -> Result<TxnResponse, Error> {
        if !conditions.iter().all(|c| self.holds(c)) {
            return Ok(TxnResponse { succeeded: false, revision: self.revision });
        }
        for op in &then {
            if let Op::Put { lease, .. } = op
                && *lease != 0
                && self.leases.get(*lease).is_none()
            {
                return Err(Error::LeaseNotFound);
            }
        }
        let revision = self.revision + 1;
        let mut wrote = false;
        for op in then {
            let (Op::Put { key, .. } | Op::Delete { key }) = &op;
            let heartbeat = key.starts_with("/registry/leases/");
            if self.apply(op, revision, cause) {
                wrote = true;
                self.changes += u64::from(!heartbeat);
            }
        }
        if wrote {
            self.revision = revision;
        }
        Ok(TxnResponse { succeeded: true, revision: self.revision })
    }

    fn apply(&mut self, op: Op, revision: u64, cause: TraceSeq) -> bool {
        match op {
            Op::Put { key, value, lease, same_spec } => {
                let versions = self.keys.entry(key.clone()).or_insert_with(|| {
                    self.order.insert(key.clone());
                    // Most keys are written once, events all of them.
                    Vec::with_capacity(1)
                });
                let prev = Self::at(versions, 0).cloned();
                let rests = matches!(&value, Value::Object(o) if Faded::rests(o));
                let (create_revision, version) =
                    prev.as_ref().map_or((revision, 1), |p| (p.create_revision, p.version + 1));
                let kv = Rc::new(KeyValue {
                    key: key.clone(),
                    held: RefCell::new(Held::Whole(value)),
                    create_revision,
                    mod_revision: revision,
                    version,
                    lease,
                    same_spec,
                });
                versions.push(Version { revision, kv: Some(kv.clone()) });
                if let Some(p) = &prev {
                    if p.lease != lease && p.lease != 0 {
                        self.leases.detach(p.lease, &key);
                    }
                    self.fading.push_back((p.clone(), Some(kv.clone()), 0));
                    self.fade();
                } else {
                    self.live += 1;
                }
                if rests {
                    self.fading.push_back((kv.clone(), None, 0));
                    self.fade();
                }
                if lease != 0 {
                    self.leases.attach(lease, &key);
                }
                self.log.push_back(Event { kind: EventType::Put, key, revision, kv: Some(kv), prev, cause });
                true
            }
            Op::Delete { key } => {
                let Some(versions) = self.keys.get_mut(&key) else {
                    return false;
                };
                let Some(prev) = Self::at(versions, 0).cloned() else {
                    return false;
                };
                versions.push(Version { revision, kv: None });
                self.live -= 1;
                if prev.lease != 0 {
                    self.leases.detach(prev.lease, &key);
                }
                self.log.push_back(Event { kind: EventType::Delete, key, revision, kv: None, prev: Some(prev), cause });
                true
            }
        }
    }

    /// Lets what has waited longest fade, if that is long enough.
    fn fade(&mut self) {
        if self.fading.len() <= FADES_AFTER {
            return;
        }
        if let Some((old, next, tries)) = self.fading.pop_front()
            && !old.fade(next.as_ref())
            && tries < FADE_TRIES
        {
            self.fading.push_back((old, next, tries + 1));
        }
    }

    /// Every change after `revision`, oldest first.
    pub fn events_since(&self, revision: u64) -> Result<impl Iterator<Item = &Event>, Error> {
        if revision < self.compacted {
            return Err(Error::Compacted(self.compacted));
        }
        // Whoever follows closely has missed but the newest few.
        let newer = self.log.iter().rev().take(NEWEST).take_while(|e| e.revision > revision).count();
        let start = match newer {
            NEWEST => self.log.partition_point(|e| e.revision <= revision),
            few => self.log.len() - few,
        };
        Ok(self.log.range(start..))
    }

    /// Forgets what was overwritten or deleted up to `revision`: work in proportion to the changes forgotten.
    pub fn compact(&mut self, revision: u64) -> Result<(), Error> {
        if revision > self.revision {
            return Err(Error::FutureRevision);
        }
        if revision <= self.compacted {
            return Err(Error::Compacted(self.compacted));
        }
        self.compacted = revision;
        while self.log.front().is_some_and(|e| e.revision <= revision) {
            let Some(event) = self.log.pop_front() else {
                break;
            };
            let Some(versions) = self.keys.get_mut(&event.key) else {
                continue;
            };
            // The version in force at `revision` stays unless it is a deletion.
            let in_force = versions.partition_point(|v| v.revision <= revision);
            let keep_from = match in_force.checked_sub(1).and_then(|i| versions.get(i)) {
                Some(v) if v.kv.is_some() => in_force - 1,
                _ => in_force,
            };
            versions.drain(..keep_from);
            if versions.is_empty() {
                self.keys.swap_remove(&event.key);
                self.order.remove(&event.key);
            }
        }
        Ok(())
    }

    /// Ends a lease: its keys are deleted at one revision.
    pub fn revoke(&mut self, id: LeaseId, cause: TraceSeq) -> Result<u64, Error> {
        let keys = self.leases.revoke(id).ok_or(Error::LeaseNotFound)?;
        let ops = keys.into_iter().map(|key| Op::Delete { key }).collect();
        self.txn(&[], ops, cause).map(|r| r.revision)
    }

    /// Ends every lease whose time is over.
    pub fn expire_leases(&mut self, now: SimTime) {
        while let Some(id) = self.leases.expired(now) {
            // The lease was just found, so it can't be missing.
            let _ = self.revoke(id, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};

    use super::*;

    fn pod(phase: &str) -> Value {
        let status = PodStatus { phase: Some(phase.into()), ..PodStatus::default() };
        Value::Object(Rc::new(Pod { spec: Some(PodSpec::default()), status: Some(status), ..Pod::default() }))
    }

    fn put(store: &mut Etcd, key: &str, value: Value) -> Rc<KeyValue> {
        let ops = vec![Op::Put { key: key.into(), value, lease: 0, same_spec: false }];
        assert!(store.txn(&[], ops, 0).unwrap().succeeded);
        store.get(key).unwrap()
    }

    #[test]
    fn a_version_that_was_held_fades_after_the_one_that_followed_it() {
        let mut store = Etcd::default();
        let others = |store: &mut Etcd| {
            (0..2 * FADES_AFTER).for_each(|_| drop(put(store, "other", Value::Bytes(Rc::from([])))));
        };
        let faded = |kv: &KeyValue| matches!(&*kv.held.borrow(), Held::Faded(..));
        let versions = ["Pending", "Running", "Succeeded"].map(|phase| put(&mut store, "pod", pod(phase)));
        let held = versions[0].object();
        others(&mut store);
        assert_eq!(versions.each_ref().map(|kv| faded(kv)), [false, true, false]);
        drop(held);
        others(&mut store);
        assert_eq!(versions.each_ref().map(|kv| faded(kv)), [true, true, false]);
        for (kv, phase) in versions.iter().zip(["Pending", "Running", "Succeeded"]) {
            let (Value::Object(is), Value::Object(was)) = (kv.value(), pod(phase)) else { panic!("{phase}") };
            assert!(is.equals(&*was), "{phase}");
        }
    }
}
