//! Managed fields that are computed when somebody looks.
//!
//! A write between components costs a few pointers: which version became which, by whom. Successive writes by one manager
//! through one door are one. What waits is bounded by a `Backlog`, which works off the oldest first.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::{Rc, Weak};

use jiff::Timestamp;

use super::{Managers, Scope, Set};
use crate::api::object::Obj;

/// Hands that write an object in turn don't become one write: at most so many wait.
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
    managers: Rc<Managers>,
    waiting: Vec<Write>,
}

impl State {
    fn settle(&mut self) {
        for w in std::mem::take(&mut self.waiting) {
            let live = w.live.as_ref().map(|o| o.to_value());
            let new = w.new.to_value();
            self.managers = Rc::new(self.managers.update(live.as_ref(), &new, None, &w.manager, &w.scope, w.now));
        }
    }
}

/// The managed fields of one object, beside the object.
#[derive(Clone, Debug, Default)]
pub struct ManagedFields(Rc<RefCell<State>>);

impl ManagedFields {
    /// These managers.
    pub fn new(managers: Managers) -> Self {
        let state = State { managers: Rc::new(managers), waiting: Vec::new() };
        ManagedFields(Rc::new(RefCell::new(state)))
    }

    /// Notes a write.
    pub fn record(&self, write: Write, backlog: &mut Backlog) {
        let mut state = self.0.borrow_mut();
        if let Some(last) = state.waiting.last_mut() {
            let follows = write.live.as_ref().is_some_and(|l| Rc::ptr_eq(l, &last.new));
            let same = last.manager == write.manager
                && last.scope.subresource == write.scope.subresource
                && last.scope.api_version == write.scope.api_version;
            if follows && same {
                last.new = write.new;
                last.now = write.now;
                return;
            }
        }
        if state.waiting.len() >= WRITES_MAX {
            state.settle();
        }
        let first = state.waiting.is_empty();
        state.waiting.push(write);
        drop(state);
        if first {
            backlog.push(self);
        }
    }

    /// The managers, computed now if writes wait.
    pub fn managers(&self) -> Rc<Managers> {
        let mut state = self.0.borrow_mut();
        state.settle();
        state.managers.clone()
    }

    /// Puts other managers in place, as an apply does.
    pub fn set(&self, managers: Managers) {
        let mut state = self.0.borrow_mut();
        state.waiting.clear();
        state.managers = Rc::new(managers);
    }

    /// How many writes wait.
    pub fn waiting(&self) -> usize {
        self.0.borrow().waiting.len()
    }
}

/// The objects whose writes wait, oldest first, and the sets that are shared among all.
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
    /// Each waiting object keeps one or two old versions alive.
    pub const WAITING_MAX: usize = 20_000;

    /// At most so many objects wait.
    pub fn new(max: usize) -> Self {
        Backlog { waiting: VecDeque::new(), max, sets: BTreeSet::new(), sets_max: 1024 }
    }

    fn push(&mut self, fields: &ManagedFields) {
        self.waiting.push_back(Rc::downgrade(&fields.0));
        while self.waiting.len() > self.max {
            self.settle_oldest();
        }
    }

    /// How many objects wait.
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
            state.settle();
            let mut shared = (*state.managers).clone();
            for m in shared.0.values_mut() {
                m.fields = self.share(&m.fields);
            }
            state.managers = Rc::new(shared);
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
