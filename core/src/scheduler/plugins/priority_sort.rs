//! Pods of higher priority first, then those that have waited longest. Models kube-scheduler `plugins/queuesort`.

use crate::scheduler::framework::plugin::{Plugin, QueueSort};
use crate::scheduler::framework::pod_info::PodInfo;

pub const NAME: &str = "PrioritySort";

pub struct PrioritySort;

impl Plugin for PrioritySort {
    fn name(&self) -> &'static str {
        NAME
    }
}

impl QueueSort for PrioritySort {
    fn sort_key(&self, pod: &PodInfo, queued_at: u64) -> (i64, u64) {
        (-i64::from(pod.priority), queued_at)
    }
}
