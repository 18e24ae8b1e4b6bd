//! A node and the sum of the pods on it, assumed ones included.
//! Models kube-scheduler `framework/types.go` (NodeInfo).

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, Taint};

use super::labels::Labels;
use super::pod_info::{HostPort, PodInfo};
use super::resource::Resource;

/// A node's slot in the cache, the same as long as the scheduler knows the node or a pod on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The slot as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node with the pods on it.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    pub id: NodeId,
    pub name: Rc<str>,
    /// Missing while only pods that name the node are known.
    pub node: Option<Rc<Node>>,
    pub pods: Vec<Rc<PodInfo>>,
    pub requested: Resource,
    /// Sums with assumed amounts for containers that ask for nothing.
    pub non_zero_milli_cpu: i64,
    pub non_zero_memory: i64,
    pub allocatable: Resource,
    /// Host ports in use, with the number of pods that use each.
    pub used_ports: BTreeMap<HostPort, u32>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Whether there is a NoSchedule or NoExecute taint.
    pub has_hard_taints: bool,
    /// Whether there is a PreferNoSchedule taint.
    pub has_soft_taints: bool,
    /// Bumped at each change.
    pub generation: u64,
}

impl NodeInfo {
    /// A slot without node or pods.
    pub fn new(id: NodeId, name: Rc<str>) -> Self {
        NodeInfo {
            id,
            name,
            node: None,
            pods: Vec::new(),
            requested: Resource::default(),
            non_zero_milli_cpu: 0,
            non_zero_memory: 0,
            allocatable: Resource::default(),
            used_ports: BTreeMap::new(),
            unschedulable: false,
            has_hard_taints: false,
            has_soft_taints: false,
            generation: 0,
        }
    }
    /// Takes over a node's present state.
    pub fn set_node(&mut self, node: Rc<Node>) {
        let status = node.status.as_ref();
        let list = status.and_then(|s| s.allocatable.as_ref()).or_else(|| status.and_then(|s| s.capacity.as_ref()));
        self.allocatable = list.map(Resource::of).unwrap_or_default();
        self.unschedulable = node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false);
        let taints = taints_of(&node);
        self.has_hard_taints = taints.iter().any(is_hard);
        self.has_soft_taints = taints.iter().any(|t| t.effect == "PreferNoSchedule");
        self.node = Some(node);
    }
    /// The node is gone; its pods may linger.
    pub fn unset_node(&mut self) {
        self.node = None;
        self.allocatable = Resource::default();
        self.unschedulable = false;
        self.has_hard_taints = false;
        self.has_soft_taints = false;
    }
    /// The node's taints.
    pub fn taints(&self) -> &[Taint] {
        self.node.as_deref().map(taints_of).unwrap_or_default()
    }
    /// The node's labels.
    pub fn labels(&self) -> Option<&Labels> {
        self.node.as_ref()?.metadata.labels.as_ref()
    }
    /// Counts a pod in.
    pub fn add_pod(&mut self, pod: Rc<PodInfo>) {
        self.requested.add(&pod.requests.requests);
        self.non_zero_milli_cpu += pod.requests.non_zero_milli_cpu;
        self.non_zero_memory += pod.requests.non_zero_memory;
        for port in &pod.host_ports {
            *self.used_ports.entry(port.clone()).or_default() += 1;
        }
        self.pods.push(pod);
    }
    /// Counts a pod out; `None` when it isn't here.
    pub fn remove_pod(&mut self, uid: &Rc<str>) -> Option<Rc<PodInfo>> {
        let at = self.pods.iter().position(|p| Rc::ptr_eq(&p.uid, uid) || p.uid == *uid)?;
        let pod = self.pods.swap_remove(at);
        self.requested.subtract(&pod.requests.requests);
        self.non_zero_milli_cpu -= pod.requests.non_zero_milli_cpu;
        self.non_zero_memory -= pod.requests.non_zero_memory;
        for port in &pod.host_ports {
            if let Some(users) = self.used_ports.get_mut(port) {
                *users -= 1;
                if *users == 0 {
                    self.used_ports.remove(port);
                }
            }
        }
        Some(pod)
    }
}

/// A node's taints.
pub fn taints_of(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|s| s.taints.as_deref()).unwrap_or_default()
}

/// Whether the taint keeps pods off, as against merely putting them off.
pub fn is_hard(taint: &Taint) -> bool {
    taint.effect == "NoSchedule" || taint.effect == "NoExecute"
}
