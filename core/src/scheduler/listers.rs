//! Other objects that plugins look up: what selects a pod (for default spreading), namespaces, disruption budgets.
//! Models the listers that kube-scheduler's plugins take from its informers.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{
    Namespace, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController, Service,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::framework::labels::{Labels, Selector};

type ByName<T> = BTreeMap<String, BTreeMap<String, Rc<T>>>;

/// The objects, as last seen.
#[derive(Debug, Default)]
pub struct Listers {
    services: ByName<Service>,
    replication_controllers: ByName<ReplicationController>,
    replica_sets: ByName<ReplicaSet>,
    stateful_sets: ByName<StatefulSet>,
    namespaces: BTreeMap<String, Rc<Namespace>>,
    budgets: ByName<PodDisruptionBudget>,
    claims: ByName<PersistentVolumeClaim>,
    volumes: ByName<PersistentVolume>,
    storage_classes: ByName<StorageClass>,
    selector_generation: u64,
}

fn put<T>(map: &mut ByName<T>, meta: &ObjectMeta, object: Option<Rc<T>>) -> Option<Rc<T>> {
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let name = meta.name.as_deref().unwrap_or_default();
    match object {
        Some(object) => map.entry(namespace.to_owned()).or_default().insert(name.to_owned(), object),
        None => map.get_mut(namespace)?.remove(name),
    }
}

fn get<'a, T>(map: &'a ByName<T>, namespace: &str, name: &str) -> Option<&'a Rc<T>> {
    map.get(namespace)?.get(name)
}

impl Listers {
    /// Rises whenever the selector that spreads some pod may have changed.
    pub fn selector_generation(&self) -> u64 {
        self.selector_generation
    }
    /// A service was seen, or is gone.
    pub fn set_service(&mut self, meta: &ObjectMeta, object: Option<Rc<Service>>) {
        let selector = |s: &Rc<Service>| s.spec.as_ref().and_then(|s| s.selector.clone());
        let new = object.as_ref().map(selector);
        let old = put(&mut self.services, meta, object).as_ref().map(selector);
        self.selector_generation += u64::from(old != new);
    }
    /// A replication controller was seen, or is gone.
    pub fn set_replication_controller(&mut self, meta: &ObjectMeta, object: Option<Rc<ReplicationController>>) {
        let selector = |s: &Rc<ReplicationController>| s.spec.as_ref().and_then(|s| s.selector.clone());
        let new = object.as_ref().map(selector);
        let old = put(&mut self.replication_controllers, meta, object).as_ref().map(selector);
        self.selector_generation += u64::from(old != new);
    }
    /// A replica set was seen, or is gone.
    pub fn set_replica_set(&mut self, meta: &ObjectMeta, object: Option<Rc<ReplicaSet>>) {
        let selector = |s: &Rc<ReplicaSet>| s.spec.as_ref().map(|s| s.selector.clone());
        let new = object.as_ref().map(selector);
        let old = put(&mut self.replica_sets, meta, object).as_ref().map(selector);
        self.selector_generation += u64::from(old != new);
    }
    /// A stateful set was seen, or is gone.
    pub fn set_stateful_set(&mut self, meta: &ObjectMeta, object: Option<Rc<StatefulSet>>) {
        let selector = |s: &Rc<StatefulSet>| s.spec.as_ref().map(|s| s.selector.clone());
        let new = object.as_ref().map(selector);
        let old = put(&mut self.stateful_sets, meta, object).as_ref().map(selector);
        self.selector_generation += u64::from(old != new);
    }
    /// A namespace was seen, or is gone.
    pub fn set_namespace(&mut self, name: &str, object: Option<Rc<Namespace>>) {
        match object {
            Some(object) => self.namespaces.insert(name.to_owned(), object),
            None => self.namespaces.remove(name),
        };
    }
    /// A disruption budget was seen, or is gone.
    pub fn set_budget(&mut self, meta: &ObjectMeta, object: Option<Rc<PodDisruptionBudget>>) {
        put(&mut self.budgets, meta, object);
    }
    /// A volume claim was seen, or is gone.
    pub fn set_claim(&mut self, meta: &ObjectMeta, object: Option<Rc<PersistentVolumeClaim>>) {
        put(&mut self.claims, meta, object);
    }
    /// A volume was seen, or is gone.
    pub fn set_volume(&mut self, meta: &ObjectMeta, object: Option<Rc<PersistentVolume>>) {
        put(&mut self.volumes, meta, object);
    }
    /// A storage class was seen, or is gone.
    pub fn set_storage_class(&mut self, meta: &ObjectMeta, object: Option<Rc<StorageClass>>) {
        put(&mut self.storage_classes, meta, object);
    }
    /// A volume claim.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&Rc<PersistentVolumeClaim>> {
        get(&self.claims, namespace, name)
    }
    /// A volume.
    pub fn volume(&self, name: &str) -> Option<&Rc<PersistentVolume>> {
        get(&self.volumes, "", name)
    }
    /// All volumes, by name.
    pub fn volumes(&self) -> impl Iterator<Item = &Rc<PersistentVolume>> {
        self.volumes.values().flat_map(BTreeMap::values)
    }
    /// A storage class.
    pub fn storage_class(&self, name: &str) -> Option<&Rc<StorageClass>> {
        get(&self.storage_classes, "", name)
    }
    /// All disruption budgets.
    pub fn budgets(&self) -> impl Iterator<Item = &Rc<PodDisruptionBudget>> {
        self.budgets.values().flat_map(BTreeMap::values)
    }
    /// A namespace's labels; none while it isn't known.
    pub fn namespace_labels(&self, name: &str) -> Option<&Labels> {
        self.namespaces.get(name)?.metadata.labels.as_ref()
    }
    /// What selects the pod: its services' selectors and its controller's together. Models the plugins' `helper.DefaultSelector`.
    pub fn default_selector(&self, pod: &Pod) -> Selector {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let empty = Labels::new();
        let labels = pod.metadata.labels.as_ref().unwrap_or(&empty);
        let mut set = Labels::new();
        for service in self.services.get(namespace).iter().flat_map(|s| s.values()) {
            let Some(wanted) = service.spec.as_ref().and_then(|s| s.selector.as_ref()) else { continue };
            if wanted.iter().all(|(k, v)| labels.get(k) == Some(v)) {
                set.extend(wanted.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
        }
        let mut selector = Selector::from_set(&set);
        let owner = pod.metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true));
        if let Some(owner) = owner {
            let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
            match (group, owner.kind.as_str()) {
                ("", "ReplicationController") => {
                    let rc = get(&self.replication_controllers, namespace, &owner.name);
                    if let Some(wanted) = rc.and_then(|rc| rc.spec.as_ref()).and_then(|s| s.selector.as_ref()) {
                        selector.require_set(wanted);
                    }
                }
                ("apps", "ReplicaSet") => {
                    if let Some(spec) = get(&self.replica_sets, namespace, &owner.name).and_then(|rs| rs.spec.as_ref())
                    {
                        selector.require_selector(&spec.selector);
                    }
                }
                ("apps", "StatefulSet") => {
                    if let Some(spec) = get(&self.stateful_sets, namespace, &owner.name).and_then(|ss| ss.spec.as_ref())
                    {
                        selector.require_selector(&spec.selector);
                    }
                }
                _ => {}
            }
        }
        selector
    }
}
