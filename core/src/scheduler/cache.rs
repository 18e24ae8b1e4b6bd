//! What the scheduler believes to be on each node: nodes, bound pods, and assumed pods whose binding is under way.
//! Models kube-scheduler `backend/cache/cache.go`. A scheduling cycle happens at one instant, so the cache is its own
//! snapshot: nothing is copied per pod, and what plugins would sum over all pods is kept up to date here instead.

pub mod affinity_index;
pub mod node_tree;
pub mod pod_index;
pub mod topology;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::{ContainerImage, Node, Pod};
use rustc_hash::FxBuildHasher;

use self::affinity_index::AffinityIndex;
use self::node_tree::{NodeTree, zone_key};
use self::pod_index::{PodIndex, SelectorCounts};
use self::topology::{Column, Topology};
use super::framework::labels::Selector;
use super::framework::node_info::{NodeId, NodeInfo};
use super::framework::pod_info::{PodClass, PodInfo};

type Map<K, V> = IndexMap<K, V, FxBuildHasher>;

/// A pod on a node.
#[derive(Clone, Debug)]
pub struct PodState {
    pub info: Rc<PodInfo>,
    pub node: NodeId,
    /// Decided, but not yet seen bound.
    pub assumed: bool,
}

/// An image, and the nodes that have it.
#[derive(Clone, Debug, Default)]
pub struct ImageState {
    pub size_bytes: i64,
    pub nodes: BTreeSet<NodeId>,
}

/// The scheduler's picture of the cluster.
#[derive(Debug, Default)]
pub struct Cache {
    nodes: Vec<NodeInfo>,
    /// The slots' names, shared with the decisions that speak of them.
    names: Rc<Vec<Rc<str>>>,
    free: Vec<NodeId>,
    by_name: Map<Rc<str>, NodeId>,
    pods: Map<Rc<str>, PodState>,
    tree: NodeTree,
    /// The order in which nodes are tried.
    order: Vec<NodeId>,
    order_is_stale: bool,
    images: Map<String, ImageState>,
    pod_index: RefCell<PodIndex>,
    affinity: AffinityIndex,
    topology: RefCell<Topology>,
    generation: u64,
}

fn images_of(node: Option<&Node>) -> &[ContainerImage] {
    let status = node.and_then(|n| n.status.as_ref());
    status.and_then(|s| s.images.as_deref()).unwrap_or_default()
}

impl Cache {
    /// The slot of a node that has this name, made if need be.
    fn slot(&mut self, name: &str) -> NodeId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let name: Rc<str> = name.into();
        let id = self.free.pop().unwrap_or(NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)));
        let info = NodeInfo::new(id, Rc::clone(&name));
        match self.nodes.get_mut(id.index()) {
            Some(slot) => *slot = info,
            None => self.nodes.push(info),
        }
        let names = Rc::make_mut(&mut self.names);
        match names.get_mut(id.index()) {
            Some(slot) => *slot = Rc::clone(&name),
            None => names.push(Rc::clone(&name)),
        }
        self.by_name.insert(name, id);
        id
    }
    fn release_if_empty(&mut self, id: NodeId) {
        let Some(info) = self.nodes.get(id.index()) else { return };
        if info.node.is_none() && info.pods.is_empty() {
            self.by_name.swap_remove(&info.name);
            self.free.push(id);
        }
    }
    fn touch(&mut self, id: NodeId) -> Option<&mut NodeInfo> {
        self.generation += 1;
        let generation = self.generation;
        let info = self.nodes.get_mut(id.index())?;
        info.generation = generation;
        Some(info)
    }

    /// A node has come, or changed.
    pub fn set_node(&mut self, node: Rc<Node>) {
        let id = self.slot(node.metadata.name.as_deref().unwrap_or_default());
        let old = self.node(id).and_then(|info| info.node.clone());
        let moved = old.as_ref().is_none_or(|old| zone_key(old) != zone_key(&node));
        if moved {
            if let Some(old) = &old {
                self.tree.remove(id, old);
            }
            self.tree.add(id, &node);
            self.order_is_stale = true;
        }
        if old.as_ref().is_none_or(|old| old.metadata.labels != node.metadata.labels) {
            self.topology.get_mut().update(id, Some(&node));
        }
        self.set_images(id, old.as_deref(), Some(&node));
        if let Some(info) = self.touch(id) {
            info.set_node(node);
        }
    }
    /// A node has gone. Pods that name it are still counted until they go.
    pub fn remove_node(&mut self, name: &str) {
        let Some(id) = self.by_name.get(name).copied() else { return };
        let Some(old) = self.node(id).and_then(|info| info.node.clone()) else { return };
        self.tree.remove(id, &old);
        self.order_is_stale = true;
        self.topology.get_mut().update(id, None);
        self.set_images(id, Some(&old), None);
        if let Some(info) = self.touch(id) {
            info.unset_node();
        }
        self.release_if_empty(id);
    }
    fn set_images(&mut self, id: NodeId, old: Option<&Node>, new: Option<&Node>) {
        let (old, new) = (images_of(old), images_of(new));
        if old == new {
            return;
        }
        for name in old.iter().flat_map(|i| i.names.iter().flatten()) {
            if let Some(state) = self.images.get_mut(name) {
                state.nodes.remove(&id);
                if state.nodes.is_empty() {
                    self.images.swap_remove(name);
                }
            }
        }
        for image in new {
            for name in image.names.iter().flatten() {
                let state = self.images.entry(name.clone()).or_default();
                // Upstream keeps the size that the first node reported.
                if state.nodes.is_empty() {
                    state.size_bytes = image.size_bytes.unwrap_or(0);
                }
                state.nodes.insert(id);
            }
        }
    }

    /// What the scheduler needs to know of a pod.
    pub fn pod_info(&self, pod: Rc<Pod>) -> Rc<PodInfo> {
        let class = self.class(pod.metadata.namespace.as_deref().unwrap_or_default(), pod.metadata.labels.as_ref());
        Rc::new(PodInfo::new(pod, class))
    }
    fn class(&self, namespace: &str, labels: Option<&super::framework::labels::Labels>) -> Rc<PodClass> {
        self.pod_index.borrow_mut().class(namespace, labels)
    }
    /// A bound pod has been seen: new, changed, or confirming what was assumed.
    pub fn set_pod(&mut self, pod: Rc<Pod>) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let node_name = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
        if let Some(state) = self.pods.get(uid) {
            let same_node = self.node(state.node).is_some_and(|n| &*n.name == node_name);
            if same_node && state.info.facts_hold_for(&pod) {
                let info = Rc::new(state.info.refreshed(pod));
                self.replace(info);
                return;
            }
            let uid = Rc::clone(&state.info.uid);
            self.remove_pod(&uid);
        }
        let info = self.pod_info(Rc::clone(&pod));
        let id = self.slot(node_name);
        self.put(info, id, false);
    }
    /// Swaps in a later state of a pod whose sums stay the same.
    fn replace(&mut self, info: Rc<PodInfo>) {
        let Some(state) = self.pods.get_mut(&*info.uid) else { return };
        let old = std::mem::replace(&mut state.info, Rc::clone(&info));
        state.assumed = false;
        let id = state.node;
        if let Some(slot) = self.nodes.get_mut(id.index()).and_then(|n| n.pods.iter_mut().find(|p| Rc::ptr_eq(p, &old)))
        {
            *slot = info;
        }
    }
    fn put(&mut self, info: Rc<PodInfo>, id: NodeId, assumed: bool) {
        self.pod_index.get_mut().add(&info, id);
        if info.has_pod_affinity() {
            self.affinity.add(&info, id);
        }
        self.pods.insert(Rc::clone(&info.uid), PodState { info: Rc::clone(&info), node: id, assumed });
        if let Some(node) = self.touch(id) {
            node.add_pod(info);
        }
    }
    /// A pod has gone from its node; returns what was known of it.
    pub fn remove_pod(&mut self, uid: &str) -> Option<PodState> {
        let state = self.pods.swap_remove(uid)?;
        self.pod_index.get_mut().remove(&state.info, state.node);
        if state.info.has_pod_affinity() {
            self.affinity.remove(&state.info, state.node);
        }
        if let Some(node) = self.touch(state.node) {
            node.remove_pod(&state.info.uid);
        }
        self.release_if_empty(state.node);
        Some(state)
    }
    /// Counts a pod on the node that was decided for it, before the binding is made.
    pub fn assume(&mut self, info: Rc<PodInfo>, id: NodeId) {
        self.put(info, id, true);
    }
    /// Takes back an assumption, the binding having failed. A pod seen bound meanwhile stays.
    pub fn forget(&mut self, uid: &str) -> bool {
        if self.is_assumed(uid) { self.remove_pod(uid).is_some() } else { false }
    }
    /// Whether the pod is assumed and not yet seen bound.
    pub fn is_assumed(&self, uid: &str) -> bool {
        self.pods.get(uid).is_some_and(|s| s.assumed)
    }
    /// A pod that is on a node.
    pub fn pod(&self, uid: &str) -> Option<&PodState> {
        self.pods.get(uid)
    }
    /// The number of pods on nodes.
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    /// Brings the order of nodes up to date; to be called before a cycle.
    pub fn update_order(&mut self) {
        if self.order_is_stale {
            self.order = self.tree.list();
            self.order_is_stale = false;
        }
    }
    /// The nodes, in the order in which they are tried.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }
    /// The name of each slot, as of now.
    pub fn names(&self) -> Rc<Vec<Rc<str>>> {
        Rc::clone(&self.names)
    }
    /// A slot.
    pub fn node(&self, id: NodeId) -> Option<&NodeInfo> {
        self.nodes.get(id.index())
    }
    /// The node of this name, if it exists, as against merely being named by pods.
    pub fn node_named(&self, name: &str) -> Option<&NodeInfo> {
        self.node(*self.by_name.get(name)?).filter(|n| n.node.is_some())
    }
    /// An image by name, with its position for `image_at`.
    pub fn image(&self, name: &str) -> Option<(usize, &ImageState)> {
        self.images.get_full(name).map(|(at, _, state)| (at, state))
    }
    /// An image by position; positions hold within one cycle.
    pub fn image_at(&self, at: usize) -> Option<&ImageState> {
        self.images.get_index(at).map(|(_, state)| state)
    }
    /// Affinity terms of pods on nodes.
    pub fn affinity(&self) -> &AffinityIndex {
        &self.affinity
    }
    /// The classes of pods that are on nodes.
    pub fn classes(&self) -> Vec<Rc<PodClass>> {
        self.pod_index.borrow().classes().cloned().collect()
    }
    /// Counts by node of the pods in a namespace that match a selector, terminating ones left out.
    pub fn counts(&self, namespace: &str, selector: &Selector) -> Option<Rc<SelectorCounts>> {
        self.pod_index.borrow_mut().counts(namespace, selector)
    }
    /// The values of a node label.
    pub fn column(&self, key: &str) -> Rc<Column> {
        self.topology.borrow_mut().column(key, &self.nodes)
    }
}
