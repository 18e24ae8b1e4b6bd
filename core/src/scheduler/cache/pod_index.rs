//! Counts of pods by node for selectors, kept up as pods come and go, so that spreading a pod needs no walk over all pods.
//! What upstream's `podtopologyspread/common.go` (countPodsMatchSelector) counts afresh for each pod.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::scheduler::framework::labels::{Labels, Selector};
use crate::scheduler::framework::node_info::NodeId;
use crate::scheduler::framework::pod_info::{PodClass, PodInfo};

type Map<K, V> = IndexMap<K, V, FxBuildHasher>;

/// Selectors of one namespace that are counted before the least used ones are dropped.
const SELECTORS_KEPT: usize = 1024;

/// How many pods that aren't terminating match a selector on each node.
#[derive(Debug)]
pub struct SelectorCounts {
    selector: Selector,
    counts: RefCell<Vec<u32>>,
    last_use: Cell<u64>,
}

impl SelectorCounts {
    /// The number on one node.
    pub fn on(&self, node: NodeId) -> u32 {
        self.counts.borrow().get(node.index()).copied().unwrap_or(0)
    }
    /// The nodes with any, and how many.
    pub fn for_each(&self, mut f: impl FnMut(NodeId, u32)) {
        for (at, count) in self.counts.borrow().iter().enumerate().filter(|(_, count)| **count > 0) {
            f(NodeId(u32::try_from(at).unwrap_or(u32::MAX)), *count);
        }
    }
    fn change(&self, node: NodeId, by: i64) {
        let mut counts = self.counts.borrow_mut();
        if counts.len() <= node.index() {
            counts.resize(node.index() + 1, 0);
        }
        if let Some(count) = counts.get_mut(node.index()) {
            *count = u32::try_from(i64::from(*count) + by).unwrap_or(0);
        }
    }
}

#[derive(Debug, Default)]
struct Namespace {
    classes: Map<Labels, Rc<PodClass>>,
    classes_after_sweep: usize,
    selectors: Map<Selector, Rc<SelectorCounts>>,
}

/// All pods that are on nodes, by namespace and labels.
#[derive(Debug, Default)]
pub struct PodIndex {
    namespaces: BTreeMap<Rc<str>, Namespace>,
    uses: u64,
}

impl PodIndex {
    /// The class of pods with this namespace and these labels.
    pub fn class(&mut self, namespace: &str, labels: Option<&Labels>) -> Rc<PodClass> {
        let empty = Labels::new();
        let labels = labels.unwrap_or(&empty);
        if !self.namespaces.contains_key(namespace) {
            self.namespaces.insert(namespace.into(), Namespace::default());
        }
        let Some((name, ns)) = self.namespaces.get_key_value(namespace).map(|(k, _)| Rc::clone(k)).and_then(|k| {
            let ns = self.namespaces.get_mut(&k)?;
            Some((k, ns))
        }) else {
            return Rc::new(PodClass::new(namespace.into(), labels.clone()));
        };
        if let Some(class) = ns.classes.get(labels) {
            return Rc::clone(class);
        }
        if ns.classes.len() > 2 * ns.classes_after_sweep + 64 {
            ns.classes.retain(|_, class| Rc::strong_count(class) > 1);
            ns.classes_after_sweep = ns.classes.len();
        }
        let class = Rc::new(PodClass::new(name, labels.clone()));
        class.counted_by.borrow_mut().extend(ns.selectors.values().filter(|s| s.selector.matches(labels)).cloned());
        ns.classes.insert(labels.clone(), Rc::clone(&class));
        class
    }
    /// The counts for a selector in a namespace, counted from now on if they weren't yet.
    pub fn counts(&mut self, namespace: &str, selector: &Selector) -> Option<Rc<SelectorCounts>> {
        self.uses += 1;
        let ns = self.namespaces.get_mut(namespace)?;
        if let Some(found) = ns.selectors.get(selector) {
            found.last_use.set(self.uses);
            return Some(Rc::clone(found));
        }
        if ns.selectors.len() >= SELECTORS_KEPT.max(2 * ns.classes.len()) {
            ns.drop_least_used();
        }
        let counts = Rc::new(SelectorCounts {
            selector: selector.clone(),
            counts: RefCell::default(),
            last_use: Cell::new(self.uses),
        });
        for class in ns.classes.values().filter(|c| selector.matches(&c.labels)) {
            class.counted_by.borrow_mut().push(Rc::clone(&counts));
            for (node, (_, live)) in class.nodes.borrow().iter() {
                counts.change(*node, i64::from(*live));
            }
        }
        ns.selectors.insert(selector.clone(), Rc::clone(&counts));
        Some(counts)
    }
    /// Every class with pods on nodes, of all namespaces.
    pub fn classes(&self) -> impl Iterator<Item = &Rc<PodClass>> {
        self.namespaces.values().flat_map(|ns| ns.classes.values())
    }
    /// A pod has come to a node.
    pub fn add(&self, pod: &PodInfo, node: NodeId) {
        let live = u32::from(!pod.terminating);
        let mut nodes = pod.class.nodes.borrow_mut();
        let entry = nodes.entry(node).or_default();
        entry.0 += 1;
        entry.1 += live;
        if live == 1 {
            pod.class.counted_by.borrow().iter().for_each(|s| s.change(node, 1));
        }
    }
    /// A pod has left a node.
    pub fn remove(&self, pod: &PodInfo, node: NodeId) {
        let live = u32::from(!pod.terminating);
        let mut nodes = pod.class.nodes.borrow_mut();
        if let Some(entry) = nodes.get_mut(&node) {
            entry.0 = entry.0.saturating_sub(1);
            entry.1 = entry.1.saturating_sub(live);
            if entry.0 == 0 {
                nodes.swap_remove(&node);
            }
        }
        if live == 1 {
            pod.class.counted_by.borrow().iter().for_each(|s| s.change(node, -1));
        }
    }
}

impl Namespace {
    fn drop_least_used(&mut self) {
        let mut uses: Vec<u64> = self.selectors.values().map(|s| s.last_use.get()).collect();
        uses.sort_unstable();
        let median = uses.get(uses.len() / 2).copied().unwrap_or(0);
        self.selectors.retain(|_, s| s.last_use.get() > median);
        for class in self.classes.values() {
            class.counted_by.borrow_mut().retain(|s| s.last_use.get() > median);
        }
    }
}
