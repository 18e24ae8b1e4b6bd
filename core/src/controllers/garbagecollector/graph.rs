//! Who owns whom, kept by watching every kind. Models `graph_builder.go` and `graph.go`.

use std::collections::BTreeSet;
use std::rc::Rc;

use indexmap::{IndexMap, IndexSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use rustc_hash::FxBuildHasher;

use crate::registry::ResourceId;

pub const FOREGROUND: &str = "foregroundDeletion";
pub const ORPHAN: &str = "orphan";

/// A uid.
pub type Uid = Rc<str>;

/// An object's owners: those of one workload's pods are one list.
pub type Owners = Rc<[OwnerReference]>;

/// Which object a node stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub kind: Option<ResourceId>,
    pub namespace: Rc<str>,
    pub name: Rc<str>,
    pub uid: Uid,
}

/// An object of the graph.
#[derive(Debug)]
pub struct Node {
    pub identity: Identity,
    pub owners: Owners,
    pub dependents: IndexSet<Uid, FxBuildHasher>,
    /// It waits for its dependents to go first.
    pub deleting_dependents: bool,
    pub being_deleted: bool,
    /// Only named by others so far, not seen itself: how.
    pub named_as: Option<Box<OwnerReference>>,
}

/// What a change calls for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Look whether these are still wanted.
    pub to_delete: Vec<Uid>,
    /// Let go of these objects' dependents.
    pub to_orphan: Vec<Uid>,
}

/// Owners that were found to be gone; remembered so that their many dependents needn't each ask.
const ABSENT_MAX: usize = 500;

/// The graph.
#[derive(Default)]
pub struct Graph {
    nodes: IndexMap<Uid, Node, FxBuildHasher>,
    absent: BTreeSet<Uid>,
    /// The owners of the object that was seen last and had any.
    last_owners: Owners,
    no_owners: Owners,
}

fn has_finalizer(m: &ObjectMeta, finalizer: &str) -> bool {
    m.finalizers.as_ref().is_some_and(|f| f.iter().any(|f| f == finalizer))
}

fn begins(old: Option<&ObjectMeta>, new: &ObjectMeta, finalizer: &str) -> bool {
    let waits = |m: &ObjectMeta| m.deletion_timestamp.is_some() && has_finalizer(m, finalizer);
    waits(new) && !old.is_some_and(waits)
}

impl Graph {
    pub fn get(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// Remembers that an owner is gone.
    pub fn owner_is_absent(&mut self, uid: Uid) {
        if self.absent.len() >= ABSENT_MAX {
            self.absent.pop_first();
        }
        self.absent.insert(uid);
    }

    /// Whether an owner was found to be gone.
    pub fn is_absent(&self, uid: &str) -> bool {
        self.absent.contains(uid)
    }

    /// The dependents of an object that keep it from going.
    pub fn blocking_dependents(&self, uid: &str) -> Vec<Uid> {
        let Some(node) = self.nodes.get(uid) else { return Vec::new() };
        let blocks = |d: &&Uid| {
            let owners = self.nodes.get(&***d).map(|n| &*n.owners).unwrap_or_default();
            owners.iter().any(|o| o.uid == uid && o.block_owner_deletion == Some(true))
        };
        node.dependents.iter().filter(blocks).cloned().collect()
    }

    /// The one list of owners like these.
    fn share(&mut self, owners: &[OwnerReference]) -> Owners {
        if owners.is_empty() {
            return self.no_owners.clone();
        }
        if *self.last_owners != *owners {
            self.last_owners = owners.into();
        }
        self.last_owners.clone()
    }

    /// An object was seen. `old` is its state before, if it was known.
    pub fn observed(&mut self, identity: Identity, old: Option<&ObjectMeta>, new: &ObjectMeta, work: &mut Work) {
        let uid = identity.uid.clone();
        let owners = self.share(new.owner_references.as_deref().unwrap_or_default());
        match self.nodes.get_mut(&uid) {
            None => {
                let node = Node {
                    identity,
                    owners: owners.clone(),
                    dependents: IndexSet::default(),
                    deleting_dependents: new.deletion_timestamp.is_some() && has_finalizer(new, FOREGROUND),
                    being_deleted: new.deletion_timestamp.is_some(),
                    named_as: None,
                };
                self.nodes.insert(uid.clone(), node);
                self.add_to_owners(&uid, &owners, work);
            }
            Some(node) => {
                // Whoever named it may have been wrong about the rest.
                node.named_as = None;
                node.identity = identity;
                if new.deletion_timestamp.is_some() {
                    node.being_deleted = true;
                }
                if node.owners != owners {
                    let before = std::mem::replace(&mut node.owners, owners.clone());
                    self.owners_changed(&uid, &before, &owners, work);
                }
            }
        }
        self.transitions(&uid, old, new, work);
    }

    fn owners_changed(&mut self, uid: &Uid, before: &[OwnerReference], now: &[OwnerReference], work: &mut Work) {
        let find = |of: &[OwnerReference], uid: &str| of.iter().find(|o| o.uid == uid).cloned();
        for old in before {
            let new = find(now, &old.uid);
            // An owner that waits for its dependents waits for one less.
            let unblocked = old.block_owner_deletion == Some(true)
                && new.as_ref().is_none_or(|n| n.block_owner_deletion != Some(true));
            if unblocked && let Some(owner) = self.nodes.get(old.uid.as_str()) {
                work.to_delete.push(owner.identity.uid.clone());
            }
            if new.is_none()
                && let Some(owner) = self.nodes.get_mut(old.uid.as_str())
            {
                owner.dependents.swap_remove(uid);
            }
        }
        let added: Vec<OwnerReference> = now.iter().filter(|o| find(before, &o.uid).is_none()).cloned().collect();
        self.add_to_owners(uid, &added, work);
    }

    /// Enters a dependent with its owners; an owner that nobody saw yet becomes a virtual node, to be looked for.
    fn add_to_owners(&mut self, uid: &Uid, owners: &[OwnerReference], work: &mut Work) {
        for owner in owners {
            if let Some(node) = self.nodes.get_mut(owner.uid.as_str()) {
                node.dependents.insert(uid.clone());
                continue;
            }
            let owner_uid: Uid = owner.uid.as_str().into();
            let namespace = self.nodes.get(uid).map(|n| n.identity.namespace.clone()).unwrap_or_else(|| "".into());
            let mut dependents = IndexSet::default();
            dependents.insert(uid.clone());
            let node = Node {
                identity: Identity { kind: None, namespace, name: owner.name.as_str().into(), uid: owner_uid.clone() },
                named_as: Some(Box::new(owner.clone())),
                owners: self.no_owners.clone(),
                dependents,
                deleting_dependents: false,
                being_deleted: false,
            };
            self.nodes.insert(owner_uid.clone(), node);
            work.to_delete.push(owner_uid);
        }
    }

    fn transitions(&mut self, uid: &Uid, old: Option<&ObjectMeta>, new: &ObjectMeta, work: &mut Work) {
        if begins(old, new, ORPHAN) {
            work.to_orphan.push(uid.clone());
            return;
        }
        if begins(old, new, FOREGROUND)
            && let Some(node) = self.nodes.get_mut(uid)
        {
            node.deleting_dependents = true;
            work.to_delete.extend(node.dependents.iter().cloned());
            work.to_delete.push(uid.clone());
        }
    }

    /// An object is gone.
    pub fn deleted(&mut self, uid: &str, work: &mut Work) {
        self.absent.remove(uid);
        let Some(node) = self.nodes.swap_remove(uid) else { return };
        for owner in node.owners.iter() {
            if let Some(owner) = self.nodes.get_mut(owner.uid.as_str()) {
                owner.dependents.swap_remove(uid);
                if owner.deleting_dependents {
                    work.to_delete.push(owner.identity.uid.clone());
                } else if owner.named_as.is_some() && owner.dependents.is_empty() {
                    let gone = owner.identity.uid.clone();
                    self.nodes.swap_remove(&gone);
                }
            }
        }
        if !node.dependents.is_empty() {
            self.owner_is_absent(node.identity.uid.clone());
            work.to_delete.extend(node.dependents);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meta(v: serde_json::Value) -> ObjectMeta {
        serde_json::from_value(v).expect("metadata")
    }

    fn identity(uid: &str) -> Identity {
        Identity { kind: Some(ResourceId(0)), namespace: "ns".into(), name: uid.into(), uid: uid.into() }
    }

    fn owned(by: &str, blocks: bool) -> serde_json::Value {
        json!([{"apiVersion": "v1", "kind": "X", "name": by, "uid": by, "blockOwnerDeletion": blocks}])
    }

    #[test]
    fn a_dependent_is_looked_at_when_its_owner_goes() {
        let (mut g, mut w) = (Graph::default(), Work::default());
        g.observed(identity("owner"), None, &meta(json!({})), &mut w);
        g.observed(identity("dep"), None, &meta(json!({"ownerReferences": owned("owner", true)})), &mut w);
        assert_eq!(w, Work::default());
        g.deleted("owner", &mut w);
        assert_eq!(w.to_delete, ["dep".into()]);
        assert!(g.is_absent("owner"));
    }

    #[test]
    fn an_owner_that_nobody_saw_is_looked_for() {
        let (mut g, mut w) = (Graph::default(), Work::default());
        g.observed(identity("dep"), None, &meta(json!({"ownerReferences": owned("owner", true)})), &mut w);
        assert_eq!(w.to_delete, ["owner".into()]);
        assert!(g.get("owner").expect("a node").named_as.is_some());
        g.observed(identity("owner"), None, &meta(json!({})), &mut w);
        assert!(g.get("owner").expect("a node").named_as.is_none());
    }

    #[test]
    fn foreground_waits_for_those_that_block() {
        let (mut g, mut w) = (Graph::default(), Work::default());
        let before = meta(json!({}));
        g.observed(identity("owner"), None, &before, &mut w);
        g.observed(identity("a"), None, &meta(json!({"ownerReferences": owned("owner", true)})), &mut w);
        g.observed(identity("b"), None, &meta(json!({"ownerReferences": owned("owner", false)})), &mut w);
        let going = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FOREGROUND]});
        g.observed(identity("owner"), Some(&before), &meta(going), &mut w);
        assert_eq!(w.to_delete, ["a".into(), "b".into(), "owner".into()]);
        assert_eq!(g.blocking_dependents("owner"), ["a".into()]);
        w = Work::default();
        g.deleted("a", &mut w);
        assert_eq!(w.to_delete, ["owner".into()]);
    }

    #[test]
    fn orphaning_begins_once() {
        let (mut g, mut w) = (Graph::default(), Work::default());
        let before = meta(json!({}));
        g.observed(identity("owner"), None, &before, &mut w);
        let going = meta(json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [ORPHAN]}));
        g.observed(identity("owner"), Some(&before), &going, &mut w);
        g.observed(identity("owner"), Some(&going), &going, &mut w);
        assert_eq!(w.to_orphan, ["owner".into()]);
    }
}
