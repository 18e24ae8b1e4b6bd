//! Managed fields that are computed when somebody looks.
//!
//! A write between components costs a few pointers: which version became which, by whom. What waits is bounded by a `Backlog`,
//! which works off the oldest first. What was computed is kept by revision, so that a version has the same managers whenever
//! somebody looks: in a list of today, a list of back then, or a watch that tells of it late.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::{Rc, Weak};

use jiff::Timestamp;

use super::{Managers, Scope, Set};
use crate::api::object::{Obj, revision};

/// At most so many writes of one object wait.
const WRITES_MAX: usize = 16;

/// One write: a create if there was no live object.
#[derive(Clone, Debug)]
pub struct Write {
    pub live: Option<Obj>,
    pub new: Obj,
    pub manager: Rc<str>,
    pub scope: Rc<Scope>,
    pub now: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    /// From which revision on which managers, oldest first.
    past: VecDeque<(u64, Rc<Managers>)>,
    waiting: Vec<Write>,
    /// Whether the object is gone.
    ended: bool,
}

impl State {
    fn settle(&mut self) {
        for w in std::mem::take(&mut self.waiting) {
            let live = w.live.as_ref().map(|o| o.to_value());
            let new = w.new.to_value();
            let managers = self.newest().update(live.as_ref(), &new, None, &w.manager, &w.scope, w.now);
            self.push(revision(w.new.meta()), Rc::new(managers));
        }
    }

    fn newest(&self) -> Rc<Managers> {
        self.past.back().map(|(_, managers)| managers.clone()).unwrap_or_default()
    }

    fn push(&mut self, at: u64, managers: Rc<Managers>) {
        self.past.pop_back_if(|(last, _)| *last == at);
        self.past.push_back((at, managers));
    }
}

/// The managed fields of one object, beside the object.
#[derive(Clone, Debug, Default)]
pub struct ManagedFields(Rc<RefCell<State>>);

impl ManagedFields {
    /// These managers.
    pub fn new(managers: Rc<Managers>) -> Self {
        let state = State { past: [(0, managers)].into(), ..State::default() };
        ManagedFields(Rc::new(RefCell::new(state)))
    }

    /// Notes a write.
    pub fn record(&self, write: Write, backlog: &mut Backlog) {
        let mut state = self.0.borrow_mut();
        let tracked = !state.waiting.is_empty() || state.past.back().is_some_and(|(_, m)| !m.is_empty());
        if !tracked && write.live.is_some() {
            // Nothing would come of it: fields of which none has an owner aren't tracked until the first apply.
            return;
        }
        if state.waiting.len() >= WRITES_MAX {
            state.settle();
        }
        state.waiting.push(write);
        drop(state);
        backlog.push(self);
    }

    /// The newest managers, computed now if writes wait.
    pub fn managers(&self) -> Rc<Managers> {
        let mut state = self.0.borrow_mut();
        state.settle();
        state.newest()
    }

    /// The managers of the object's version of a revision.
    pub fn managers_at(&self, at: u64) -> Rc<Managers> {
        let mut state = self.0.borrow_mut();
        state.settle();
        let until = state.past.partition_point(|(from, _)| *from <= at);
        until.checked_sub(1).and_then(|i| state.past.get(i)).map(|(_, m)| m.clone()).unwrap_or_default()
    }

    /// Puts other managers in place from a revision on, as an apply does.
    pub fn set(&self, at: u64, managers: Managers) {
        let mut state = self.0.borrow_mut();
        state.settle();
        state.push(at, Rc::new(managers));
    }

    /// The object is gone; whether that is news.
    pub fn end(&self) -> bool {
        !std::mem::replace(&mut self.0.borrow_mut().ended, true)
    }

    /// Drops what was superseded by a revision.
    pub fn forget_until(&self, revision: u64) {
        let mut state = self.0.borrow_mut();
        let superseded = state.past.partition_point(|(from, _)| *from <= revision).saturating_sub(1);
        state.past.drain(..superseded);
    }

    /// How many writes wait.
    pub fn waiting(&self) -> usize {
        self.0.borrow().waiting.len()
    }
}

/// The objects whose writes wait, oldest first, one for each write, and the sets that are shared among all.
#[derive(Debug)]
pub struct Backlog {
    waiting: VecDeque<Weak<RefCell<State>>>,
    max: usize,
    sets: BTreeSet<Rc<Set>>,
    /// When to look for sets that nobody uses any more.
    sets_max: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Backlog::new(Backlog::WAITING_MAX)
    }
}

impl Backlog {
    /// Each waiting write keeps an old version alive.
    pub const WAITING_MAX: usize = 20_000;

    /// At most so many writes wait.
    pub fn new(max: usize) -> Self {
        Backlog { waiting: VecDeque::new(), max, sets: BTreeSet::new(), sets_max: 1024 }
    }

    fn push(&mut self, fields: &ManagedFields) {
        self.waiting.push_back(Rc::downgrade(&fields.0));
        while self.waiting.len() > self.max {
            self.settle_oldest();
        }
    }

    /// How many writes wait, or waited until somebody looked.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Computes the fields of the object that has waited longest; false if there is none.
    pub fn settle_oldest(&mut self) -> bool {
        let Some(next) = self.waiting.pop_front() else { return false };
        if let Some(state) = next.upgrade() {
            let mut state = state.borrow_mut();
            if state.waiting.is_empty() {
                return true;
            }
            state.settle();
            if let Some((_, managers)) = state.past.back_mut() {
                let mut shared = (**managers).clone();
                for m in shared.0.values_mut() {
                    m.fields = self.share(&m.fields);
                }
                *managers = Rc::new(shared);
            }
        }
        true
    }

    /// The one copy of an equal set.
    fn share(&mut self, set: &Rc<Set>) -> Rc<Set> {
        if let Some(one) = self.sets.get(set) {
            return one.clone();
        }
        if self.sets.len() >= self.sets_max {
            self.sets.retain(|s| Rc::strong_count(s) > 1);
            self.sets_max = (self.sets.len() * 2).max(1024);
        }
        self.sets.insert(set.clone());
        set.clone()
    }
}
