//! What watch events mean to the scheduler. Models kube-scheduler `eventhandlers.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, Pod};

use super::Scheduler;
use super::framework::events::{ActionType, Change, ClusterEvent, EventResource, node_changes, pod_changes};
use super::framework::plugin::Handle;
use super::framework::pod_info::PodInfo;

/// Whether the pod has a node.
fn assigned(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).is_some_and(|n| !n.is_empty())
}

/// Whether the pod has run to its end; it takes no room any more.
fn finished(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

impl Scheduler {
    fn is_mine(&self, pod: &Pod) -> bool {
        pod.spec.as_ref().and_then(|s| s.scheduler_name.as_deref()).unwrap_or("default-scheduler")
            == self.scheduler_name
    }
    fn move_on(&mut self, event: ClusterEvent, change: &Change, now: u64) {
        let handle = Handle { cache: &self.cache, listers: &self.listers, nominator: &self.nominator };
        self.queue.move_on(&self.framework, &handle, event, change, now);
    }

    /// A node was seen for the first time, or has changed.
    pub fn node_seen(&mut self, node: Rc<Node>, now: u64) {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let old = self.cache.node_named(name).and_then(|n| n.node.clone());
        self.cache.set_node(Rc::clone(&node));
        let action = match &old {
            None => ActionType::ADD,
            Some(old) => node_changes(old, &node),
        };
        if !action.is_none() {
            let change = Change::Node { old, new: Some(node) };
            self.move_on(ClusterEvent::new(EventResource::Node, action), &change, now);
        }
    }
    /// A node is gone.
    pub fn node_gone(&mut self, name: &str, now: u64) {
        let old = self.cache.node_named(name).and_then(|n| n.node.clone());
        self.cache.remove_node(name);
        let change = Change::Node { old, new: None };
        self.move_on(ClusterEvent::new(EventResource::Node, ActionType::DELETE), &change, now);
    }

    /// A volume, a claim or a storage class has come, changed or gone.
    pub fn storage_changed(&mut self, resource: EventResource, action: ActionType, now: u64) {
        self.move_on(ClusterEvent::new(resource, action), &Change::None, now);
    }

    /// A pod was seen for the first time, or has changed.
    pub fn pod_seen(&mut self, pod: Rc<Pod>, now: u64) {
        if finished(&pod) {
            self.pod_gone(pod.metadata.uid.as_deref().unwrap_or_default(), now);
        } else if assigned(&pod) {
            self.assigned_pod_seen(pod, now);
        } else if self.is_mine(&pod) {
            self.waiting_pod_seen(pod, now);
        }
    }
    fn assigned_pod_seen(&mut self, pod: Rc<Pod>, now: u64) {
        let holder = Rc::clone(&pod);
        let uid = holder.metadata.uid.as_deref().unwrap_or_default();
        if self.pending.swap_remove(uid).is_some() {
            self.queue.delete(uid);
            self.nominator.remove(uid);
        }
        let old = self.cache.pod(uid).map(|s| (Rc::clone(&s.info), s.assumed));
        self.cache.set_pod(pod);
        // Nobody waits for anything: no need to say what has changed.
        if self.queue.lengths().2 == 0 {
            return;
        }
        let Some(new) = self.cache.pod(uid).map(|s| Rc::clone(&s.info)) else { return };
        match old {
            Some((old, false)) => {
                let action = pod_changes(&old, &new);
                if !action.is_none() {
                    let change = Change::Pod { old: Some(old), new: Some(new) };
                    self.move_on(ClusterEvent::new(EventResource::AssignedPod, action), &change, now);
                }
            }
            // Seen bound at last, or bound by someone else: affinity may now be fulfilled.
            _ => {
                let change = Change::Pod { old: None, new: Some(new) };
                self.move_on(ClusterEvent::new(EventResource::AssignedPod, ActionType::ADD), &change, now);
            }
        }
    }
    fn waiting_pod_seen(&mut self, pod: Rc<Pod>, now: u64) {
        let info = self.cache.pod_info(pod);
        let old = self.pending.insert(Rc::clone(&info.uid), Rc::clone(&info));
        if self.cache.is_assumed(&info.uid) {
            return;
        }
        match old {
            None => {
                self.nominator.add(&info, None);
                self.queue.add(&self.framework, info, now);
            }
            Some(old) => {
                self.nominator.update(&old, &info);
                let handle = Handle { cache: &self.cache, listers: &self.listers, nominator: &self.nominator };
                self.queue.update(&self.framework, &handle, info, now);
            }
        }
    }
    /// A pod is gone, or has run to its end.
    pub fn pod_gone(&mut self, uid: &str, now: u64) {
        if let Some(info) = self.pending.swap_remove(uid) {
            self.queue.delete(uid);
            self.preemption.end(uid);
            let nominated = self.nominator.node_for(uid).is_some();
            self.nominator.remove(uid);
            // The room that was being made for it is free for others.
            if nominated {
                self.assigned_pod_deleted(&info, now);
            }
        }
        if let Some(state) = self.cache.remove_pod(uid) {
            self.assigned_pod_deleted(&state.info, now);
        }
    }
    /// Room has been made on a node.
    pub(super) fn assigned_pod_deleted(&mut self, info: &Rc<PodInfo>, now: u64) {
        let change = Change::Pod { old: Some(Rc::clone(info)), new: None };
        self.move_on(ClusterEvent::new(EventResource::AssignedPod, ActionType::DELETE), &change, now);
    }
}
