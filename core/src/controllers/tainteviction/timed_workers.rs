//! Work that is due at some time, by key, and can be called off until then. Models `timed_workers.go`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::client::Client;
use crate::controllers::util::worker::SyncResult;
use crate::sim::SimTime;

#[derive(Clone, Copy)]
struct Scheduled {
    created: SimTime,
    id: u64,
}

#[derive(Default)]
struct State {
    /// `None`: done, and not to be done again until it is called off.
    workers: BTreeMap<Rc<str>, Option<Scheduled>>,
    next: u64,
}

/// Work by key. Clones share it.
#[derive(Clone)]
pub struct TimedWorkers {
    client: Client,
    state: Rc<RefCell<State>>,
}

impl TimedWorkers {
    /// No work.
    pub fn new(client: &Client) -> Self {
        TimedWorkers { client: client.clone(), state: Rc::default() }
    }

    /// Runs `work` after `delay`, unless the key has work already.
    pub fn add(
        &self,
        key: &Rc<str>,
        created: SimTime,
        delay: Duration,
        work: impl Future<Output = SyncResult> + 'static,
    ) {
        let id = {
            let mut s = self.state.borrow_mut();
            if s.workers.contains_key(key) {
                return;
            }
            s.next += 1;
            let id = s.next;
            s.workers.insert(key.clone(), Some(Scheduled { created, id }));
            id
        };
        let (me, key, sim) = (self.clone(), key.clone(), self.client.sim().clone());
        self.client.sim().spawn(self.client.process(), async move {
            if !delay.is_zero() {
                sim.sleep(delay).await;
            }
            let ours = |s: &State| s.workers.get(&key).is_some_and(|w| w.is_some_and(|w| w.id == id));
            if !ours(&me.state.borrow()) {
                return;
            }
            let outcome = work.await;
            let mut s = me.state.borrow_mut();
            if outcome.is_ok() {
                s.workers.insert(key, None);
            } else {
                s.workers.remove(&key);
            }
        });
    }

    /// Calls off a key's work; whether there was any still to come.
    pub fn cancel(&self, key: &str) -> bool {
        self.state.borrow_mut().workers.remove(key).flatten().is_some()
    }

    /// When a key's work was asked for, if it is still to come.
    pub fn created(&self, key: &str) -> Option<SimTime> {
        self.state.borrow().workers.get(key).copied().flatten().map(|w| w.created)
    }
}
