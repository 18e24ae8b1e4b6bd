//! The pod affinity terms of pods on nodes, each distinct term once, with the nodes where its owners are.
//! Replaces upstream's walk over `HavePodsWithAffinityList` for each pod.

use std::rc::Rc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::scheduler::framework::node_info::NodeId;
use crate::scheduler::framework::pod_info::{AffinityTerm, PodInfo};

/// What the owner wants of pods that match the term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TermKind {
    Required,
    RequiredAnti,
    Preferred(i32),
    PreferredAnti(i32),
}

type Owners = IndexMap<NodeId, u32, FxBuildHasher>;

/// Terms in use.
#[derive(Debug, Default)]
pub struct AffinityIndex {
    terms: IndexMap<(TermKind, Rc<AffinityTerm>), Owners, FxBuildHasher>,
    required_anti: usize,
}

fn terms_of(pod: &PodInfo) -> impl Iterator<Item = (TermKind, Rc<AffinityTerm>)> {
    let required = pod.required_affinity.iter().map(|t| (TermKind::Required, Rc::clone(t)));
    let anti = pod.required_anti_affinity.iter().map(|t| (TermKind::RequiredAnti, Rc::clone(t)));
    let preferred = pod.preferred_affinity.iter().map(|t| (TermKind::Preferred(t.weight), Rc::clone(&t.term)));
    let preferred_anti =
        pod.preferred_anti_affinity.iter().map(|t| (TermKind::PreferredAnti(t.weight), Rc::clone(&t.term)));
    required.chain(anti).chain(preferred).chain(preferred_anti)
}

impl AffinityIndex {
    /// Whether no pod on a node has affinity.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
    /// Whether some pod on a node has required anti-affinity.
    pub fn has_required_anti_affinity(&self) -> bool {
        self.required_anti > 0
    }
    /// The distinct terms, with the number of owners on each node.
    pub fn iter(&self) -> impl Iterator<Item = (TermKind, &AffinityTerm, &Owners)> {
        self.terms.iter().map(|((kind, term), owners)| (*kind, &**term, owners))
    }
    /// A pod has come to a node.
    pub fn add(&mut self, pod: &PodInfo, node: NodeId) {
        for key in terms_of(pod) {
            self.required_anti += usize::from(key.0 == TermKind::RequiredAnti);
            *self.terms.entry(key).or_default().entry(node).or_default() += 1;
        }
    }
    /// A pod has left a node.
    pub fn remove(&mut self, pod: &PodInfo, node: NodeId) {
        for key in terms_of(pod) {
            let Some(owners) = self.terms.get_mut(&key) else { continue };
            let Some(count) = owners.get_mut(&node) else { continue };
            self.required_anti -= usize::from(key.0 == TermKind::RequiredAnti);
            *count -= 1;
            if *count == 0 {
                owners.swap_remove(&node);
                if owners.is_empty() {
                    self.terms.swap_remove(&key);
                }
            }
        }
    }
}
