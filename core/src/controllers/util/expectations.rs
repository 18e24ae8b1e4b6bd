//! Expectations: what a controller asked for and its informer has not shown yet.
//! Models `ControllerExpectations` and `UIDTrackingControllerExpectations` of `pkg/controller/controller_utils.go`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::sim::{Sim, SimTime};

/// After so long an expectation is given up.
const EXPECTATIONS_TIMEOUT: Duration = Duration::from_secs(300);

struct Expectation {
    add: i64,
    del: i64,
    at: SimTime,
    /// The keys whose deletion is awaited.
    keys: BTreeSet<Rc<str>>,
}

/// The expectations of one controller, by the owner's key. Clones share them.
#[derive(Clone)]
pub struct Expectations {
    sim: Sim,
    of: Rc<RefCell<BTreeMap<Rc<str>, Expectation>>>,
}

impl Expectations {
    /// Nothing is expected.
    pub fn new(sim: &Sim) -> Self {
        Expectations { sim: sim.clone(), of: Rc::default() }
    }

    /// Whether what was expected was seen, or was waited for too long, or nothing was.
    pub fn satisfied(&self, key: &str) -> bool {
        match self.of.borrow().get(key) {
            Some(e) => (e.add <= 0 && e.del <= 0) || self.sim.now().since(e.at) > EXPECTATIONS_TIMEOUT,
            None => true,
        }
    }

    fn set(&self, key: &str, add: i64, keys: BTreeSet<Rc<str>>, del: i64) {
        let e = Expectation { add, del, at: self.sim.now(), keys };
        self.of.borrow_mut().insert(key.into(), e);
    }

    /// So many creations will be seen.
    pub fn expect_creations(&self, key: &str, n: usize) {
        self.set(key, n as i64, BTreeSet::new(), 0);
    }

    /// These objects will be seen going.
    pub fn expect_deletions(&self, key: &str, keys: impl IntoIterator<Item = Rc<str>>) {
        let keys: BTreeSet<Rc<str>> = keys.into_iter().collect();
        let n = keys.len() as i64;
        self.set(key, 0, keys, n);
    }

    /// So many creations and deletions will be seen, whichever they are.
    pub fn set_expectations(&self, key: &str, add: usize, del: usize) {
        self.set(key, add as i64, BTreeSet::new(), del as i64);
    }

    /// A creation was seen, or will not be.
    pub fn creation_observed(&self, key: &str) {
        if let Some(e) = self.of.borrow_mut().get_mut(key) {
            e.add -= 1;
        }
    }

    /// The deletion of `object` was seen, or will not be; each counts once.
    pub fn deletion_observed(&self, key: &str, object: &str) {
        if let Some(e) = self.of.borrow_mut().get_mut(key)
            && e.keys.remove(object)
        {
            e.del -= 1;
        }
    }

    /// Some deletion was seen, or will not be.
    pub fn any_deletion_observed(&self, key: &str) {
        if let Some(e) = self.of.borrow_mut().get_mut(key) {
            e.del -= 1;
        }
    }

    /// The owner is gone.
    pub fn delete(&self, key: &str) {
        self.of.borrow_mut().remove(key);
    }
}
