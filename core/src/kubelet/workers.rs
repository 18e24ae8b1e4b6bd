//! Pod workers: one task at a time for each pod, and none while a pod needs nothing. Models `pkg/kubelet/pod_workers.go`.

use std::rc::Rc;
use std::time::Duration;

use super::Kubelet;
use super::pod::{Entry, WorkState};
use crate::sim::{Notify, Select, SimTime, select};

/// How long a sync that failed waits for the next, and by how much more at random.
pub(super) const BACK_OFF_PERIOD: Duration = Duration::from_secs(10);
/// The same for what ends by itself soon: a network that isn't ready yet.
pub(super) const TRANSIENT_BACK_OFF_PERIOD: Duration = Duration::from_secs(1);
pub(super) const BACK_OFF_JITTER: f64 = 0.5;

/// What a worker shall do after a sync.
pub(super) enum Next {
    /// Wait for something to happen.
    Idle,
    /// Look again at this time.
    At(SimTime),
    /// The state changed: look at once.
    Again,
}

impl Kubelet {
    /// Looks at one pod's entry.
    pub(super) fn with_entry<T>(&self, uid: &str, f: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.0.pods.borrow_mut().get_mut(uid).map(|e| f(e))
    }

    /// Something happened to a pod: its worker shall look.
    pub(super) fn kick(&self, uid: &Rc<str>) {
        let cause = self.0.sim.cause();
        let begin = self
            .with_entry(uid, |e| {
                e.cause = cause;
                e.pending = true;
                !std::mem::replace(&mut e.working, true)
            })
            .unwrap_or(false);
        if begin {
            let (kubelet, uid) = (self.clone(), uid.clone());
            self.spawn(async move { kubelet.work(&uid).await });
        }
    }

    /// Looks at a pod again at `at`, unless something is due earlier.
    pub(super) fn kick_at(&self, uid: &Rc<str>, at: SimTime) {
        let sooner = self
            .with_entry(uid, |e| {
                let sooner = e.next_wake.is_none_or(|have| at < have);
                if sooner {
                    e.next_wake = Some(at);
                }
                sooner
            })
            .unwrap_or(false);
        if sooner {
            let (kubelet, uid) = (self.clone(), uid.clone());
            self.spawn(async move {
                kubelet.0.sim.sleep_until(at).await;
                let due = kubelet.with_entry(&uid, |e| e.next_wake.take_if(|t| *t == at).is_some());
                if due == Some(true) {
                    kubelet.kick(&uid);
                }
            });
        }
    }

    async fn work(&self, uid: &Rc<str>) {
        loop {
            let todo = self.with_entry(uid, |e| {
                if !std::mem::take(&mut e.pending) {
                    e.working = false;
                    return None;
                }
                Some((e.state, e.pod.clone(), e.cause))
            });
            let Some(Some((state, pod, cause))) = todo else { return };
            self.0.sim.set_cause(cause);
            let next = match state {
                WorkState::Sync => self.sync_pod(uid, &pod).await,
                WorkState::Terminating => self.sync_terminating_pod(uid, &pod).await,
                WorkState::Terminated => self.sync_terminated_pod(uid, &pod).await,
                WorkState::Finished => Next::Idle,
            };
            match next {
                Next::Idle => {}
                Next::At(at) => self.kick_at(uid, at),
                Next::Again => {
                    self.with_entry(uid, |e| e.pending = true);
                }
            }
            let gone = self.with_entry(uid, |e| e.state == WorkState::Finished && e.deleted).unwrap_or(true);
            if gone {
                self.forget(uid);
                return;
            }
        }
    }

    /// A pod shall end, whatever it does now.
    pub(super) fn terminate(&self, uid: &Rc<str>, grace: Option<i64>) {
        let cancel = self.with_entry(uid, |e| {
            if e.state == WorkState::Sync {
                e.state = WorkState::Terminating;
            }
            if let Some(g) = grace {
                e.grace = Some(e.grace.map_or(g, |have| have.min(g)));
            }
            e.cancel.take()
        });
        if let Some(Some(c)) = cancel {
            c.notify();
        }
        self.kick(uid);
    }

    /// Waits for `f` unless the pod shall end meanwhile.
    pub(super) async fn unless_cancelled<T>(&self, uid: &Rc<str>, f: impl Future<Output = T>) -> Option<T> {
        let cancel = Notify::new(&self.0.sim);
        let begun = self.with_entry(uid, |e| {
            e.cancel = Some(cancel.clone());
            e.state == WorkState::Sync
        });
        if begun != Some(true) {
            return None;
        }
        match select(f, cancel.notified()).await {
            Select::First(v) => {
                self.with_entry(uid, |e| e.cancel = None);
                Some(v)
            }
            Select::Second(()) => None,
        }
    }

    /// Whether a pod's sync may go on.
    pub(super) fn still_syncing(&self, uid: &str) -> bool {
        self.with_entry(uid, |e| e.state == WorkState::Sync) == Some(true)
    }

    /// Takes a pod off the list; false if it was not on it.
    pub(super) fn drop_entry(&self, uid: &str) -> bool {
        self.0.load.borrow_mut().remove(uid);
        let entry = self.0.pods.borrow_mut().remove(uid);
        entry.is_some()
    }

    /// Forgets a pod that is over.
    pub(super) fn forget(&self, uid: &Rc<str>) {
        if self.drop_entry(uid) {
            self.0.statuses.borrow_mut().forget(uid);
            self.0.container_backoff.borrow_mut().forget(uid);
            self.0.image_backoff.borrow_mut().forget(uid);
            self.0.pull_errors.borrow_mut().retain(|k, _| !k.starts_with(&**uid));
            // What was kept for as long as its object was there goes now.
            self.collect_garbage();
        }
        let no_statics = self.0.manifests.borrow().is_empty() && self.0.mirrors.borrow().is_empty();
        if !no_statics {
            self.retry_static_pods();
        }
    }
}
