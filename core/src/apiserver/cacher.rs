//! The watch cache of one kind: recent changes, and who watches.
//!
//! A change costs in proportion to the watchers that it concerns: watches for one name, one namespace or one value of the
//! kind's index field are found by that. Models apiserver's `pkg/storage/cacher`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::options::ListOptions;
use super::selection::Selection;
use crate::api::object::{Obj, Object};
use crate::api::status::Status;
use crate::etcd::{Event, KeyValue};
use crate::registry::Strategy;
use crate::sim::{MachineId, Sim, SimTime, TaskId, TraceSeq};

/// What a watch event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEventType {
    /// Came to be, or came to match.
    Added,
    /// Changed.
    Modified,
    /// Went, or no longer matches.
    Deleted,
    /// Only a revision.
    Bookmark,
}

/// One event of a watch.
#[derive(Clone, Debug)]
pub struct WatchEvent {
    /// What it says.
    pub kind: WatchEventType,
    /// The object: for a deletion its last state. `None` for bookmarks.
    pub object: Option<Obj>,
    /// The revision of the change.
    pub revision: u64,
    /// For bookmarks: whether the initial events are over.
    pub initial_events_end: bool,
    /// What the change was made because of.
    pub cause: TraceSeq,
}

/// How many events a watcher may leave unread before it is cut off.
const BUFFER_MAX: usize = 65_536;

struct Buffer {
    events: VecDeque<(SimTime, WatchEvent)>,
    /// Why there will be no more, if so.
    ended: Option<Status>,
    closed: bool,
    waiter: Option<TaskId>,
    /// How many events may be left unread.
    backlog_max: usize,
    /// When it ends by itself.
    deadline: Option<SimTime>,
    /// When a last bookmark is due, and where to read how far the server has seen.
    bookmark: Option<(SimTime, Rc<Cell<u64>>)>,
}

/// A watch with bookmarks gets one so long before it ends by itself.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

impl Buffer {
    /// The bookmark that is due by `now`, once.
    fn due_bookmark(&mut self, now: SimTime) -> Option<WatchEvent> {
        let (_, revision) = self.bookmark.take_if(|(at, _)| *at <= now)?;
        Some(WatchEvent {
            kind: WatchEventType::Bookmark,
            object: None,
            revision: revision.get(),
            initial_events_end: false,
            cause: 0,
        })
    }
}

/// How a watch begins.
pub(super) struct Start {
    /// The namespace, `None` for all.
    pub namespace: Option<Rc<str>>,
    /// What it is about.
    pub selection: Selection,
    /// Changes after this revision are sent.
    pub since: u64,
    /// What is sent first.
    pub initial: Vec<Result<WatchEvent, Status>>,
    /// The machines at both ends.
    pub ends: (MachineId, MachineId),
    /// How far the server has seen.
    pub revision: Rc<Cell<u64>>,
}

/// The reading end of a watch. Dropping it ends the watch.
pub struct WatchStream {
    sim: Sim,
    buffer: Rc<RefCell<Buffer>>,
    /// The machines at both ends: nothing is delivered while the link between them is cut.
    ends: (MachineId, MachineId),
    cut_since: Option<SimTime>,
}

/// How long a client waits on a silent connection before it gives it up: HTTP/2's read idle and ping time-outs in client-go.
const CONNECTION_LOST_AFTER: Duration = Duration::from_secs(45);

impl WatchStream {
    /// The next event; `None` when the watch ended by itself, an error when the server cut it.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, Status>> {
        std::future::poll_fn(|_| {
            let mut b = self.buffer.borrow_mut();
            let now = self.sim.now();
            let waiting = b.events.front().is_some_and(|&(at, _)| at <= now) || b.ended.is_some() || b.closed;
            if waiting && !self.sim.links().connected(self.ends.0, self.ends.1) {
                // Lost packets are sent again until the client's health check gives the connection up.
                let since = *self.cut_since.get_or_insert(now);
                if now.since(since) >= CONNECTION_LOST_AFTER {
                    b.closed = true;
                    b.events.clear();
                    b.ended = None;
                    return std::task::Poll::Ready(None);
                }
                if let Some(t) = self.sim.current_task() {
                    self.sim.wake_at(t, now + Duration::from_secs(1));
                }
                return std::task::Poll::Pending;
            }
            self.cut_since = None;
            match b.events.front() {
                Some(&(at, _)) if at <= now => {
                    let event = b.events.pop_front().map(|(_, e)| Ok(e));
                    return std::task::Poll::Ready(event);
                }
                Some(&(at, _)) => {
                    if let Some(t) = self.sim.current_task() {
                        self.sim.wake_at(t, at);
                    }
                    return std::task::Poll::Pending;
                }
                None => {}
            }
            if let Some(status) = b.ended.take() {
                b.closed = true;
                return std::task::Poll::Ready(Some(Err(status)));
            }
            if b.closed {
                return std::task::Poll::Ready(None);
            }
            if let Some(e) = b.due_bookmark(now) {
                return std::task::Poll::Ready(Some(Ok(e)));
            }
            if let Some(deadline) = b.deadline {
                if deadline <= now {
                    b.closed = true;
                    return std::task::Poll::Ready(None);
                }
                if let Some(t) = self.sim.current_task() {
                    self.sim.wake_at(t, b.bookmark.as_ref().map_or(deadline, |(at, _)| *at));
                }
            }
            b.waiter = self.sim.current_task();
            std::task::Poll::Pending
        })
        .await
    }

    /// The next event that has arrived by now, without waiting.
    pub fn try_next(&mut self) -> Option<Result<WatchEvent, Status>> {
        let mut b = self.buffer.borrow_mut();
        if b.events.front().is_some_and(|&(at, _)| at <= self.sim.now()) {
            return b.events.pop_front().map(|(_, e)| Ok(e));
        }
        if b.events.is_empty()
            && let Some(status) = b.ended.take()
        {
            b.closed = true;
            return Some(Err(status));
        }
        let now = self.sim.now();
        if b.events.is_empty()
            && let Some(e) = b.due_bookmark(now)
        {
            return Some(Ok(e));
        }
        if b.events.is_empty() && b.deadline.is_some_and(|d| d <= self.sim.now()) {
            b.closed = true;
        }
        None
    }

    /// The watch will end soon: the bookmark that comes before is due now.
    pub fn ends_soon(&mut self) {
        if let Some((at, _)) = &mut self.buffer.borrow_mut().bookmark {
            *at = self.sim.now();
        }
    }

    /// Says how many events may be left unread, besides those that are there already.
    pub fn limit_backlog(&mut self, events: usize) {
        let mut b = self.buffer.borrow_mut();
        b.backlog_max = events.saturating_add(b.events.len());
    }

    /// Whether nothing more can come.
    pub fn is_closed(&self) -> bool {
        let b = self.buffer.borrow();
        b.closed && b.events.is_empty() && b.ended.is_none()
    }

    /// Makes a watch whose connection broke: what was not delivered yet is lost.
    pub fn break_off(&mut self) {
        let mut b = self.buffer.borrow_mut();
        b.events.clear();
        b.ended = None;
        b.closed = true;
    }
}

struct Watcher {
    since: u64,
    selection: Selection,
    namespace: Option<Rc<str>>,
    latency: Duration,
    bookmarks: bool,
    buffer: Weak<RefCell<Buffer>>,
}

/// By what a watcher is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    All,
    Name,
    Namespace,
    Field,
}

/// The watchers that are found by one thing each.
#[derive(Default)]
struct Watched([IndexMap<Rc<str>, BTreeSet<u64>, FxBuildHasher>; 4]);

impl Watched {
    fn add(&mut self, by: By, value: &str, id: u64) {
        self.0[by as usize].entry(value.into()).or_default().insert(id);
    }

    fn get(&self, by: By, value: &str) -> Option<&BTreeSet<u64>> {
        self.0[by as usize].get(value)
    }

    fn remove(&mut self, id: u64) {
        for found in &mut self.0 {
            found.retain(|_, ids| {
                ids.remove(&id);
                !ids.is_empty()
            });
        }
    }
}

/// The watch cache of one kind.
pub(super) struct Cacher {
    history: VecDeque<Past>,
    /// Everything after this revision is in `history`.
    history_from: u64,
    watchers: BTreeMap<u64, Watcher>,
    index: Watched,
    next_watcher: u64,
    index_field: Option<&'static str>,
}

struct WatchChange {
    object: Obj,
    prev: Option<Obj>,
    deleted: bool,
    cause: TraceSeq,
}

/// A change that is kept to be watched back: etcd's own records of it.
struct Past {
    revision: u64,
    /// `None`: deleted.
    now: Option<Rc<KeyValue>>,
    prev: Option<Rc<KeyValue>>,
    cause: TraceSeq,
    at: SimTime,
}

impl WatchChange {
    fn new(revision: u64, now: Option<&KeyValue>, prev: Option<&KeyValue>, cause: TraceSeq) -> Option<Self> {
        let prev = prev.and_then(KeyValue::object);
        let deleted = now.is_none();
        let mut object = match now {
            Some(now) => now.object()?,
            None => prev.clone()?,
        };
        if deleted {
            // A deleted object's last state carries the revision of its deletion.
            crate::api::object::make_mut(&mut object).meta_mut().resource_version = Some(revision.to_string());
        }
        Some(WatchChange { object, prev, deleted, cause })
    }
}

/// How many changes are kept to be watched back. Models the watch cache's dynamic capacity, upper and lower bound.
const HISTORY_MAX: usize = 100 * 1024;
const HISTORY_MIN: usize = 100;
/// Changes younger than this are kept beyond the lower bound: upstream's DefaultEventFreshDuration.
const FRESH: Duration = Duration::from_secs(75);

/// The object that an etcd event is about: its new state, or the last one for a deletion.
pub(super) fn object_of(e: &Event) -> Option<Obj> {
    e.kv.as_ref().or(e.prev.as_ref())?.object()
}

impl Cacher {
    pub(super) fn new(strategy: &dyn Strategy) -> Self {
        Cacher {
            history: VecDeque::new(),
            history_from: 0,
            watchers: BTreeMap::new(),
            index: Watched::default(),
            next_watcher: 0,
            index_field: strategy.index_field(),
        }
    }

    /// The oldest revision that a watch can begin after.
    pub(super) fn oldest(&self) -> u64 {
        self.history_from
    }

    fn index(&mut self, namespace: Option<&Rc<str>>, selection: &Selection, id: u64) {
        if let Some(name) = selection.exact_field("metadata.name") {
            self.index.add(By::Name, name, id);
        } else if let Some(value) = self.index_field.and_then(|f| selection.exact_field(f)) {
            self.index.add(By::Field, value, id);
        } else if let Some(namespace) = namespace {
            self.index.add(By::Namespace, namespace, id);
        } else {
            self.index.add(By::All, "", id);
        }
    }

    /// How many watch.
    pub(super) fn watcher_count(&self) -> usize {
        self.watchers.values().filter(|w| w.buffer.strong_count() > 0).count()
    }

    /// Adds a watcher.
    pub(super) fn watch(&mut self, sim: &Sim, strategy: &dyn Strategy, o: &ListOptions, start: Start) -> WatchStream {
        let Start { namespace, selection, since, initial, ends, revision } = start;
        let latency = sim.links().latency(ends.0, ends.1);
        let at = sim.now() + latency;
        let mut ended = None;
        let mut events = VecDeque::with_capacity(initial.len());
        for e in initial {
            match e {
                Ok(e) => events.push_back((at, e)),
                Err(status) => ended = Some(status),
            }
        }
        let start = self.history.partition_point(|past| past.revision <= since);
        for past in self.history.range(start..) {
            let change = WatchChange::new(past.revision, past.now.as_deref(), past.prev.as_deref(), past.cause);
            let Some(change) = change else { continue };
            if namespace.as_deref().is_some_and(|n| change.object.meta().namespace.as_deref() != Some(n)) {
                continue;
            }
            if let Some(e) = event_for(&selection, strategy, &change, past.revision) {
                events.push_back((at, e));
            }
        }
        let deadline = (o.timeout_seconds > 0).then(|| sim.now() + Duration::from_secs(o.timeout_seconds));
        // A watch that ends sooner than that gets none; one whose door ends it gets it when the door says so.
        let ends_late = o.timeout_seconds == 0 || o.timeout_seconds >= BOOKMARK_BEFORE_END.as_secs();
        let due = deadline.map_or(SimTime::MAX, |_| {
            sim.now() + Duration::from_secs(o.timeout_seconds).saturating_sub(BOOKMARK_BEFORE_END)
        });
        let bookmark = (o.allow_bookmarks && ends_late).then_some((due, revision));
        let buffer = Buffer { events, ended, closed: false, waiter: None, backlog_max: BUFFER_MAX, deadline, bookmark };
        let buffer = Rc::new(RefCell::new(buffer));
        let id = self.next_watcher;
        self.next_watcher += 1;
        self.index(namespace.as_ref(), &selection, id);
        let watcher = Watcher {
            since,
            selection,
            namespace,
            latency,
            bookmarks: o.allow_bookmarks,
            buffer: Rc::downgrade(&buffer),
        };
        self.watchers.insert(id, watcher);
        WatchStream { sim: sim.clone(), buffer, ends, cut_since: None }
    }

    /// Takes a change from etcd and passes it to those whom it concerns.
    pub(super) fn dispatch(&mut self, sim: &Sim, strategy: &dyn Strategy, e: &Event) {
        let Some(change) = WatchChange::new(e.revision, e.kv.as_deref(), e.prev.as_deref(), e.cause) else { return };
        let mut dead = Vec::new();
        let meta = change.object.meta();
        let (value, before) = match self.index_field {
            Some(f) => {
                let before = change.prev.as_ref().map(|p| strategy.field(&**p, f).unwrap_or_default());
                (strategy.field(&*change.object, f).or(Some("".into())), before)
            }
            None => (None, None),
        };
        let keys = [
            Some((By::All, "")),
            Some((By::Name, meta.name.as_deref().unwrap_or_default())),
            meta.namespace.as_deref().map(|namespace| (By::Namespace, namespace)),
            before.as_deref().filter(|b| Some(*b) != value.as_deref()).map(|before| (By::Field, before)),
            value.as_deref().map(|value| (By::Field, value)),
        ];
        for (by, key) in keys.into_iter().flatten() {
            let Some(ids) = self.index.get(by, key) else { continue };
            for id in ids {
                let Some(w) = self.watchers.get(id) else { continue };
                if e.revision <= w.since {
                    continue;
                }
                if w.namespace.as_deref().is_some_and(|n| change.object.meta().namespace.as_deref() != Some(n)) {
                    continue;
                }
                let Some(event) = event_for(&w.selection, strategy, &change, e.revision) else { continue };
                if !push(sim, w, event) {
                    dead.push(*id);
                }
            }
        }
        for id in dead {
            self.watchers.remove(&id);
            self.index.remove(id);
        }
        let (now, prev) = (e.kv.clone(), e.prev.clone());
        self.history.push_back(Past { revision: e.revision, now, prev, cause: e.cause, at: sim.now() });
        let is_old = |past: &Past| sim.now().since(past.at) >= FRESH;
        while self.history.len() > HISTORY_MAX
            || (self.history.len() > HISTORY_MIN && self.history.front().is_some_and(is_old))
        {
            let Some(past) = self.history.pop_front() else { break };
            self.history_from = past.revision;
        }
    }

    /// Forgets changes up to `revision`: etcd was compacted.
    pub(super) fn forget(&mut self, revision: u64) {
        while self.history.front().is_some_and(|past| past.revision <= revision) {
            self.history.pop_front();
        }
        self.history_from = self.history_from.max(revision);
    }

    /// Ends every watch: the server goes away.
    pub(super) fn close_all(&mut self, sim: &Sim) {
        for (_, w) in std::mem::take(&mut self.watchers) {
            let Some(buffer) = w.buffer.upgrade() else { continue };
            let mut b = buffer.borrow_mut();
            b.closed = true;
            if let Some(t) = b.waiter.take() {
                sim.wake_at(t, sim.now() + w.latency);
            }
        }
    }

    pub(super) fn send_bookmarks(&mut self, sim: &Sim, revision: u64) {
        for w in self.watchers.values() {
            if w.bookmarks {
                let bookmark = WatchEvent {
                    kind: WatchEventType::Bookmark,
                    object: None,
                    revision,
                    initial_events_end: false,
                    cause: 0,
                };
                push(sim, w, bookmark);
            }
        }
        let dead: Vec<u64> =
            self.watchers.iter().filter(|(_, w)| w.buffer.strong_count() == 0).map(|(id, _)| *id).collect();
        for id in dead {
            self.watchers.remove(&id);
            self.index.remove(id);
        }
    }
}

/// The event that a change is to somebody with this selection, if any.
fn event_for(
    selection: &Selection,
    strategy: &dyn Strategy,
    change: &WatchChange,
    revision: u64,
) -> Option<WatchEvent> {
    let matches = |o: &dyn Object| selection.is_everything() || selection.matches(strategy, o);
    let now = !change.deleted && matches(&*change.object);
    let before = change.prev.as_ref().is_some_and(|p| matches(&**p));
    let (kind, object) = match (before, now) {
        (false, true) => (WatchEventType::Added, change.object.clone()),
        (true, true) => (WatchEventType::Modified, change.object.clone()),
        (true, false) => {
            if change.deleted {
                (WatchEventType::Deleted, change.object.clone())
            } else {
                // No longer matches: the last state that did, at the revision of the change.
                let mut last = change.prev.clone()?;
                crate::api::object::make_mut(&mut last).meta_mut().resource_version = Some(revision.to_string());
                (WatchEventType::Deleted, last)
            }
        }
        (false, false) => return None,
    };
    Some(WatchEvent { kind, object: Some(object), revision, initial_events_end: false, cause: change.cause })
}

/// Queues an event; false when nobody reads any more or the reader is too far behind.
fn push(sim: &Sim, w: &Watcher, event: WatchEvent) -> bool {
    let Some(buffer) = w.buffer.upgrade() else { return false };
    let mut b = buffer.borrow_mut();
    if b.closed || b.ended.is_some() {
        return false;
    }
    let at = sim.now() + w.latency;
    if b.events.len() >= b.backlog_max {
        b.ended = Some(Status::expired("too old resource version: watcher is too slow"));
        b.events.clear();
    } else {
        b.events.push_back((at, event));
    }
    if let Some(t) = b.waiter.take() {
        sim.wake_at(t, at);
    }
    true
}
