//! Pods that wait for a node: those to try next, those that back off after a failure, and those that wait for something to
//! happen. Models kube-scheduler `backend/queue/scheduling_queue.go`. A cycle is over at the instant at which it began, so
//! nothing can happen to a pod in flight, and upstream's log of events for such pods isn't needed.

mod queued_pod;

use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

pub use self::queued_pod::QueuedPod;
use super::framework::Framework;
use super::framework::events::{Change, ClusterEvent, EventResource, QueueingHint, pod_changes};
use super::framework::plugin::Handle;
use super::framework::pod_info::PodInfo;

/// A second, in virtual nanoseconds.
pub const SECOND: u64 = 1_000_000_000;
/// Back-offs are rounded down to this, and ended in batches of it.
const BACKOFF_WINDOW: u64 = SECOND;
/// A pod waits this long at most for an event.
pub const MAX_IN_UNSCHEDULABLE: u64 = 300 * SECOND;
/// How often pods that have waited too long are looked for.
pub const FLUSH_UNSCHEDULABLE_PERIOD: u64 = 30 * SECOND;

/// Smaller is tried sooner.
type ActiveKey = (i64, u64, u64);
type BackoffKey = (u64, i64, u64, u64);
type WaitKey = (u64, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active(ActiveKey),
    Backoff(BackoffKey),
    /// Backing off after an error; not tried early even when there is nothing else to do.
    ErrorBackoff(BackoffKey),
    Unschedulable(WaitKey),
}

/// Where a pod is, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueName {
    Active,
    Backoff,
    Unschedulable,
    Gated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Requeue {
    Skip,
    AfterBackoff,
    Immediately,
}

#[derive(Debug)]
struct Entry {
    pod: QueuedPod,
    place: Place,
}

/// The scheduling queue.
#[derive(Debug, Default)]
pub struct SchedulingQueue {
    pods: IndexMap<Rc<str>, Entry, FxBuildHasher>,
    active: BTreeMap<ActiveKey, Rc<str>>,
    backoff: BTreeMap<BackoffKey, Rc<str>>,
    error_backoff: BTreeMap<BackoffKey, Rc<str>>,
    unschedulable: BTreeMap<WaitKey, Rc<str>>,
    /// How many of `unschedulable` each plugin has turned down, so that most events cost nothing.
    rejected_by: BTreeMap<&'static str, usize>,
    arrivals: u64,
}

fn window(at: u64) -> u64 {
    at - at % BACKOFF_WINDOW
}

impl SchedulingQueue {
    fn take(&mut self, uid: &str) -> Option<QueuedPod> {
        let entry = self.pods.swap_remove(uid)?;
        match entry.place {
            Place::Active(key) => drop(self.active.remove(&key)),
            Place::Backoff(key) => drop(self.backoff.remove(&key)),
            Place::ErrorBackoff(key) => drop(self.error_backoff.remove(&key)),
            Place::Unschedulable(key) => {
                self.unschedulable.remove(&key);
                for plugin in entry.pod.rejectors() {
                    if let Some(n) = self.rejected_by.get_mut(plugin) {
                        *n -= 1;
                    }
                }
            }
        }
        Some(entry.pod)
    }
    fn put(&mut self, pod: QueuedPod, place: Place) {
        let uid = Rc::clone(&pod.info.uid);
        match place {
            Place::Active(key) => drop(self.active.insert(key, Rc::clone(&uid))),
            Place::Backoff(key) => drop(self.backoff.insert(key, Rc::clone(&uid))),
            Place::ErrorBackoff(key) => drop(self.error_backoff.insert(key, Rc::clone(&uid))),
            Place::Unschedulable(key) => {
                self.unschedulable.insert(key, Rc::clone(&uid));
                for plugin in pod.rejectors() {
                    *self.rejected_by.entry(plugin).or_default() += 1;
                }
            }
        }
        self.pods.insert(uid, Entry { pod, place });
    }
    fn put_unschedulable(&mut self, pod: QueuedPod) {
        let key = (pod.timestamp, pod.arrival);
        self.put(pod, Place::Unschedulable(key));
    }
    fn put_backoff(&mut self, framework: &Framework, pod: QueuedPod) {
        let (priority, timestamp) = framework.queue_sort.sort_key(&pod.info, pod.timestamp);
        let key = (window(pod.backoff_until()), priority, timestamp, pod.arrival);
        let place = if pod.consecutive_errors > 0 { Place::ErrorBackoff(key) } else { Place::Backoff(key) };
        self.put(pod, place);
    }
    /// To the active queue, unless a PreEnqueue plugin objects.
    fn put_active(&mut self, framework: &Framework, mut pod: QueuedPod) {
        let status = framework.run_pre_enqueue(&pod.info);
        if !status.is_success() {
            pod.gating_plugin = Some(status.plugin());
            pod.unschedulable_plugins.insert(status.plugin());
            self.put_unschedulable(pod);
            return;
        }
        pod.gating_plugin = None;
        let (priority, timestamp) = framework.queue_sort.sort_key(&pod.info, pod.timestamp);
        let key = (priority, timestamp, pod.arrival);
        self.put(pod, Place::Active(key));
    }
    fn requeue(&mut self, framework: &Framework, pod: QueuedPod, how: Requeue, now: u64) {
        match how {
            Requeue::Skip => self.put_unschedulable(pod),
            Requeue::AfterBackoff if window(pod.backoff_until()) > window(now) => self.put_backoff(framework, pod),
            Requeue::AfterBackoff | Requeue::Immediately => self.put_active(framework, pod),
        }
    }

    /// A new pod.
    pub fn add(&mut self, framework: &Framework, info: Rc<PodInfo>, now: u64) {
        self.take(&info.uid);
        self.arrivals += 1;
        let pod = QueuedPod::new(info, now, self.arrivals);
        self.put_active(framework, pod);
    }
    /// A waiting pod has changed.
    pub fn update(&mut self, framework: &Framework, handle: &Handle, info: Rc<PodInfo>, now: u64) {
        let Some(entry) = self.pods.get_mut(&info.uid) else {
            self.add(framework, info, now);
            return;
        };
        let old = std::mem::replace(&mut entry.pod.info, Rc::clone(&info));
        if !matches!(entry.place, Place::Unschedulable(_)) {
            // Its priority may have changed, though the API allows no such thing for now.
            if old.priority != info.priority
                && let Some(pod) = self.take(&info.uid)
            {
                self.put_active(framework, pod);
            }
            return;
        }
        let action = pod_changes(&old, &info);
        if action.is_none() {
            return;
        }
        let event = ClusterEvent::new(EventResource::TargetPod, action);
        let change = Change::Pod { old: Some(old), new: Some(Rc::clone(&info)) };
        let how = worth_requeuing(framework, handle, &entry.pod, event, &change);
        if how != Requeue::Skip
            && let Some(pod) = self.take(&info.uid)
        {
            self.requeue(framework, pod, how, now);
        }
    }
    /// A waiting pod has gone, or has got a node.
    pub fn delete(&mut self, uid: &str) -> Option<Rc<PodInfo>> {
        self.take(uid).map(|p| p.info)
    }
    /// The next pod to try: the first active one, or the first that backs off if there is nothing better to do.
    pub fn pop(&mut self, now: u64) -> Option<QueuedPod> {
        let uid = self.active.first_key_value().map(|(_, uid)| Rc::clone(uid));
        let uid = uid.or_else(|| self.backoff.first_key_value().map(|(_, uid)| Rc::clone(uid)))?;
        let mut pod = self.take(&uid)?;
        pod.attempts += 1;
        pod.initial_attempt.get_or_insert(now);
        Some(pod)
    }
    /// Whether `pop` would find a pod.
    pub fn has_next(&self) -> bool {
        !(self.active.is_empty() && self.backoff.is_empty())
    }
    /// A pod that was tried comes back. Its rejecting plugins say what it waits for; without any, an error has to pass.
    pub fn add_unschedulable(&mut self, framework: &Framework, mut pod: QueuedPod, now: u64) {
        pod.timestamp = now;
        if pod.rejectors().next().is_none() {
            pod.consecutive_errors += 1;
            self.requeue(framework, pod, Requeue::AfterBackoff, now);
            return;
        }
        pod.consecutive_errors = 0;
        pod.unschedulable_count += 1;
        self.put_unschedulable(pod);
    }
    /// Something happened: pods that may fit now are queued again. Returns whether any was.
    pub fn move_on(
        &mut self,
        framework: &Framework,
        handle: &Handle,
        event: ClusterEvent,
        change: &Change,
        now: u64,
    ) -> bool {
        let wild = event.resource == EventResource::WildCard;
        let concerns = |plugin: &&'static str| {
            let registered = framework.plugins.iter().find(|p| p.name() == *plugin);
            registered.is_some_and(|p| p.events().iter().any(|e| e.covers(event)))
        };
        if self.unschedulable.is_empty()
            || (!wild && !self.rejected_by.iter().any(|(plugin, pods)| *pods > 0 && concerns(plugin)))
        {
            return false;
        }
        let waiting: Vec<Rc<str>> = self.unschedulable.values().cloned().collect();
        let mut moved = false;
        for uid in waiting {
            let Some(entry) = self.pods.get(&uid) else { continue };
            let how = worth_requeuing(framework, handle, &entry.pod, event, change);
            if how == Requeue::Skip {
                continue;
            }
            if let Some(pod) = self.take(&uid) {
                moved = true;
                self.requeue(framework, pod, how, now);
            }
        }
        moved
    }
    /// Puts a pod into the active queue whatever it waits for.
    pub fn activate(&mut self, framework: &Framework, uid: &str) {
        if let Some(pod) = self.take(uid) {
            self.put_active(framework, pod);
        }
    }
    /// Ends the back-offs that are due, and the waits that have lasted too long.
    pub fn flush(&mut self, framework: &Framework, now: u64) {
        let due = |(until, ..): &BackoffKey| *until <= window(now);
        while let Some(uid) = self.backoff.first_key_value().filter(|(k, _)| due(k)).map(|(_, uid)| Rc::clone(uid)) {
            self.activate(framework, &uid);
        }
        while let Some(uid) =
            self.error_backoff.first_key_value().filter(|(k, _)| due(k)).map(|(_, uid)| Rc::clone(uid))
        {
            self.activate(framework, &uid);
        }
        let late: Vec<Rc<str>> = self
            .unschedulable
            .range(..(now.saturating_sub(MAX_IN_UNSCHEDULABLE), 0))
            .map(|(_, uid)| Rc::clone(uid))
            .collect();
        for uid in late {
            let Some(pod) = self.take(&uid) else { continue };
            self.requeue(framework, pod, Requeue::AfterBackoff, now);
        }
    }
    /// When `flush` next has something to do.
    pub fn next_flush(&self) -> Option<u64> {
        let backoff = self.error_backoff.first_key_value().map(|((until, ..), _)| *until);
        let waiting = self.unschedulable.first_key_value().map(|((since, _), _)| {
            let late = since + MAX_IN_UNSCHEDULABLE + 1;
            late.div_ceil(FLUSH_UNSCHEDULABLE_PERIOD) * FLUSH_UNSCHEDULABLE_PERIOD
        });
        [backoff, waiting].into_iter().flatten().min()
    }
    /// A waiting pod.
    pub fn get(&self, uid: &str) -> Option<&QueuedPod> {
        self.pods.get(uid).map(|e| &e.pod)
    }
    /// Where a pod waits.
    pub fn place(&self, uid: &str) -> Option<QueueName> {
        let entry = self.pods.get(uid)?;
        Some(match entry.place {
            Place::Active(_) => QueueName::Active,
            Place::Backoff(_) | Place::ErrorBackoff(_) => QueueName::Backoff,
            Place::Unschedulable(_) if entry.pod.gating_plugin.is_some() => QueueName::Gated,
            Place::Unschedulable(_) => QueueName::Unschedulable,
        })
    }
    /// Pods in the active queue, backing off, and waiting for an event.
    pub fn lengths(&self) -> (usize, usize, usize) {
        (self.active.len(), self.backoff.len() + self.error_backoff.len(), self.unschedulable.len())
    }
}

/// Asks the plugins that turned the pod down.
fn worth_requeuing(
    framework: &Framework,
    handle: &Handle,
    pod: &QueuedPod,
    event: ClusterEvent,
    change: &Change,
) -> Requeue {
    if event.resource == EventResource::WildCard {
        return Requeue::AfterBackoff;
    }
    let mut how = Requeue::Skip;
    for plugin in framework.plugins.iter().filter(|p| pod.rejectors().any(|name| name == p.name())) {
        if !plugin.events().iter().any(|e| e.covers(event))
            || plugin.hint(handle, &pod.info, event, change) == QueueingHint::Skip
        {
            continue;
        }
        if pod.pending_plugins.contains(plugin.name()) {
            return Requeue::Immediately;
        }
        how = Requeue::AfterBackoff;
    }
    how
}
