//! Pods that have a node in prospect, because others are being evicted for them.
//! Models kube-scheduler `backend/queue/nominator.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::framework::pod_info::PodInfo;

/// Nominated pods by node.
#[derive(Debug, Default)]
pub struct Nominator {
    by_node: BTreeMap<String, Vec<Rc<PodInfo>>>,
    node_of: BTreeMap<Rc<str>, String>,
}

impl Nominator {
    /// Notes the pod's nomination: `override_with` if a cycle has just decided ("" for none), else what its status says.
    pub fn add(&mut self, pod: &Rc<PodInfo>, override_with: Option<&str>) {
        self.remove(&pod.uid);
        let node = override_with.unwrap_or_else(|| pod.nominated_node_name());
        if node.is_empty() {
            return;
        }
        self.node_of.insert(Rc::clone(&pod.uid), node.to_owned());
        self.by_node.entry(node.to_owned()).or_default().push(Rc::clone(pod));
    }
    /// Forgets the pod's nomination.
    pub fn remove(&mut self, uid: &str) {
        let Some(node) = self.node_of.remove(uid) else { return };
        if let Some(pods) = self.by_node.get_mut(&node) {
            pods.retain(|p| &*p.uid != uid);
            if pods.is_empty() {
                self.by_node.remove(&node);
            }
        }
    }
    /// A queued pod has changed: a nomination made in memory outlives an update that hasn't caught up with it.
    pub fn update(&mut self, old: &PodInfo, new: &Rc<PodInfo>) {
        let in_memory = self.node_of.get(&*new.uid).cloned();
        let keep = old.nominated_node_name().is_empty() && new.nominated_node_name().is_empty();
        self.add(new, if keep { in_memory.as_deref() } else { None });
    }
    /// Whether no pod is nominated anywhere.
    pub fn is_empty(&self) -> bool {
        self.node_of.is_empty()
    }
    /// The pods nominated to run on a node.
    pub fn on(&self, node: &str) -> &[Rc<PodInfo>] {
        self.by_node.get(node).map(Vec::as_slice).unwrap_or_default()
    }
    /// The node that the pod is nominated for.
    pub fn node_for(&self, uid: &str) -> Option<&str> {
        self.node_of.get(uid).map(String::as_str)
    }
}
