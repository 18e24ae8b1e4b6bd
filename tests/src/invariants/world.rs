//! The world as etcd's log tells it: every object, found by key, by uid, pods by node, owner and address.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, Pod};
use podarium_core::api::object::{Kind, Obj, typed};
use podarium_core::cluster::Cluster;
use podarium_core::etcd::Event;
use podarium_core::sim::{Sim, SimTime};

/// One change as checkers see it.
pub struct Change<'a> {
    /// What etcd recorded.
    pub event: &'a Event,
    /// When.
    pub at: SimTime,
    /// The kernel, for the trace.
    pub sim: &'a Sim,
    /// The object before.
    pub before: Option<Obj>,
    /// The object now.
    pub after: Option<Obj>,
}

impl Change<'_> {
    /// The object before, if it was of this kind.
    pub fn before<K: Kind>(&self) -> Option<&K> {
        self.before.as_deref().and_then(typed)
    }

    /// The object now, if it is of this kind.
    pub fn after<K: Kind>(&self) -> Option<&K> {
        self.after.as_deref().and_then(typed)
    }
}

/// Every object.
#[derive(Default)]
pub struct World {
    /// etcd's revision up to which this is true.
    pub revision: u64,
    objects: BTreeMap<Rc<str>, Obj>,
    uids: BTreeMap<String, Rc<str>>,
    pods_by: BTreeMap<(By, String), BTreeSet<Rc<str>>>,
}

/// By what pods are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The node that they are bound to.
    Node,
    /// Their controller's uid.
    Owner,
    /// Their address.
    Address,
}

fn object(value: Option<&Rc<podarium_core::etcd::KeyValue>>) -> Option<Obj> {
    value?.object()
}

/// The uid of an object's controller.
pub fn controller(o: &Obj) -> Option<&str> {
    let owners = o.meta().owner_references.as_deref()?;
    owners.iter().find(|r| r.controller == Some(true)).map(|r| r.uid.as_str())
}

/// The node that a pod is bound to.
pub fn node_name(p: &Pod) -> &str {
    p.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default()
}

/// A pod's phase.
pub fn phase(p: &Pod) -> &str {
    p.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// Whether all its containers have ended for good.
pub fn is_terminal(p: &Pod) -> bool {
    matches!(phase(p), "Succeeded" | "Failed")
}

/// Whether a controller counts on it.
pub fn is_active(p: &Pod) -> bool {
    !is_terminal(p) && p.metadata.deletion_timestamp.is_none()
}

/// Whether it shares its machine's network.
pub fn on_host_network(p: &Pod) -> bool {
    p.spec.as_ref().and_then(|s| s.host_network).unwrap_or(false)
}

/// Whether a condition of a pod is True.
pub fn pod_condition(p: &Pod, kind: &str) -> bool {
    let conditions = p.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.type_ == kind && c.status == "True")
}

impl World {
    /// Takes a change in.
    pub fn apply<'a>(&mut self, cluster: &'a Cluster, event: &'a Event) -> Change<'a> {
        let before = self.objects.remove(&event.key);
        if let Some(b) = &before {
            self.index(&event.key, b, false);
        }
        let after = object(event.kv.as_ref());
        if let Some(a) = &after {
            self.index(&event.key, a, true);
            self.objects.insert(event.key.clone(), a.clone());
        }
        self.revision = event.revision;
        Change { event, at: cluster.now(), sim: cluster.sim(), before, after }
    }

    fn index(&mut self, key: &Rc<str>, o: &Obj, add: bool) {
        let uid = o.meta().uid.clone().unwrap_or_default();
        if add {
            self.uids.insert(uid, key.clone());
        } else {
            self.uids.remove(&uid);
        }
        let Some(p) = typed::<Pod>(&**o) else { return };
        let address = p.status.as_ref().and_then(|s| s.pod_ip.clone()).unwrap_or_default();
        let found = [
            (By::Node, node_name(p).to_owned()),
            (By::Owner, controller(o).unwrap_or_default().to_owned()),
            (By::Address, address),
        ];
        for f in found.into_iter().filter(|(_, value)| !value.is_empty()) {
            let keys = self.pods_by.entry(f).or_default();
            if add {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
    }

    /// The pods found by this.
    pub fn pods_by(&self, by: By, value: &str) -> impl Iterator<Item = &Pod> {
        let keys = self.pods_by.get(&(by, value.to_owned())).into_iter().flatten();
        keys.filter_map(|k| self.objects.get(k)).filter_map(|o| typed(&**o))
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.objects.get(format!("/registry/minions/{name}").as_str()).and_then(|o| typed(&**o))
    }

    /// Everything of a kind.
    pub fn all<K: Kind>(&self) -> impl Iterator<Item = &K> {
        self.objects.values().filter_map(|o| typed(&**o))
    }

    /// Everything.
    pub fn objects(&self) -> impl Iterator<Item = (&Rc<str>, &Obj)> {
        self.objects.iter()
    }

    /// The object with this uid.
    pub fn by_uid(&self, uid: &str) -> Option<&Obj> {
        self.objects.get(self.uids.get(uid)?)
    }
}
