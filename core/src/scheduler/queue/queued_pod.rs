//! A waiting pod and its history. Models kube-scheduler `framework/types.go` (QueuedPodInfo) and
//! `backend/queue/backoff_queue.go`.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::SECOND;
use crate::scheduler::framework::pod_info::PodInfo;

const INITIAL_BACKOFF: u64 = SECOND;
const MAX_BACKOFF: u64 = 10 * SECOND;

/// A pod in the queue.
#[derive(Clone, Debug)]
pub struct QueuedPod {
    pub info: Rc<PodInfo>,
    /// When it was put into the queue, or came back from its last try.
    pub timestamp: u64,
    /// Breaks ties: its place in the order of arrival.
    pub arrival: u64,
    pub attempts: u32,
    pub initial_attempt: Option<u64>,
    /// Tries that ended with no node.
    pub unschedulable_count: u32,
    /// Tries in a row that ended with an error.
    pub consecutive_errors: u32,
    pub unschedulable_plugins: BTreeSet<&'static str>,
    pub pending_plugins: BTreeSet<&'static str>,
    /// The PreEnqueue plugin that keeps it out.
    pub gating_plugin: Option<&'static str>,
}

impl QueuedPod {
    pub(super) fn new(info: Rc<PodInfo>, now: u64, arrival: u64) -> Self {
        QueuedPod {
            info,
            timestamp: now,
            arrival,
            attempts: 0,
            initial_attempt: None,
            unschedulable_count: 0,
            consecutive_errors: 0,
            unschedulable_plugins: BTreeSet::new(),
            pending_plugins: BTreeSet::new(),
            gating_plugin: None,
        }
    }
    /// The plugins that have turned it down.
    pub fn rejectors(&self) -> impl Iterator<Item = &'static str> {
        self.unschedulable_plugins.union(&self.pending_plugins).copied()
    }
    /// When its back-off ends: 1 s after the first failure, doubling up to 10 s.
    pub fn backoff_until(&self) -> u64 {
        let failures = if self.consecutive_errors > 0 { self.consecutive_errors } else { self.unschedulable_count };
        let Some(doublings) = failures.checked_sub(1) else { return self.timestamp };
        let backoff = INITIAL_BACKOFF.checked_shl(doublings.min(32)).unwrap_or(MAX_BACKOFF).min(MAX_BACKOFF);
        self.timestamp + backoff
    }
}
