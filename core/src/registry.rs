//! What the api-server knows of each kind: its names, and the strategy by which it is defaulted, validated, changed and deleted.
//!
//! One file a kind. The generic verbs in `apiserver::store` call the strategy; a new kind is one file and one line in
//! `Registry::standard`. Models upstream's `pkg/registry/*/*/strategy.go`.

mod arena;
mod cluster_role;
mod cluster_role_binding;
mod config_map;
mod controller_revision;
mod cron_job;
mod custom;
mod daemon_set;
pub mod defaults;
mod deployment;
mod dynamic;
mod endpoint_slice;
mod endpoints;
mod event;
pub mod flow_control;
mod horizontal_pod_autoscaler;
mod ingress;
mod ingress_class;
mod job;
mod lease;
mod limit_range;
pub mod namespace;
mod network_policy;
mod node;
mod persistent_volume;
mod persistent_volume_claim;
pub mod pod;
pub mod pod_disruption_budget;
mod pod_template;
mod prelude;
mod priority_class;
pub mod quota;
mod replica_set;
mod replication_controller;
mod resource_quota;
mod role;
mod role_binding;
mod runtime_class;
mod secret;
mod served;
mod service;
mod service_account;
mod stateful_set;
mod storage_class;
mod strategy;
pub mod validation;
mod volume_attributes_class;
mod warnings;

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use indexmap::IndexMap;
use k8s_openapi::Resource;
use rustc_hash::FxBuildHasher;

pub use custom::{Column as CustomColumn, Version as CustomVersion};
pub(crate) use custom::{is_pruned_by, rule_complaints, rule_costs, schema_errors};
pub(crate) use daemon_set::TEMPLATE_GENERATION;
pub(crate) use endpoints::repack as repack_subsets;
pub use served::{Served, event_field};
pub use strategy::{DeleteOutcome, GcPolicy, KindStrategy, ScaleSpec, Strategy, StrategyContext, Typed};

use crate::api::dynamic::DynamicObject;
use crate::api::object::{Kind, Object};

/// A kind's names and scope.
#[derive(Clone, Copy, Debug)]
pub struct ResourceInfo {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Plural name, as in paths.
    pub resource: &'static str,
    /// Singular name.
    pub singular: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Such as `po`.
    pub short_names: &'static [&'static str],
    /// Such as `all`.
    pub categories: &'static [&'static str],
    /// Such as `status`.
    pub subresources: &'static [&'static str],
}

impl ResourceInfo {
    /// A kind whose objects live in namespaces.
    pub const fn namespaced(
        group: &'static str,
        version: &'static str,
        resource: &'static str,
        singular: &'static str,
        kind: &'static str,
    ) -> Self {
        ResourceInfo {
            group,
            version,
            resource,
            singular,
            kind,
            namespaced: true,
            short_names: &[],
            categories: &[],
            subresources: &[],
        }
    }

    /// A kind whose objects are the cluster's.
    pub const fn cluster(
        group: &'static str,
        version: &'static str,
        resource: &'static str,
        singular: &'static str,
        kind: &'static str,
    ) -> Self {
        ResourceInfo { namespaced: false, ..Self::namespaced(group, version, resource, singular, kind) }
    }

    /// The same with these short names.
    pub const fn short(self, short_names: &'static [&'static str]) -> Self {
        ResourceInfo { short_names, ..self }
    }

    /// The same in these categories.
    pub const fn categories(self, categories: &'static [&'static str]) -> Self {
        ResourceInfo { categories, ..self }
    }

    /// The same with these subresources, in the order in which discovery lists them.
    pub const fn subresources(self, subresources: &'static [&'static str]) -> Self {
        ResourceInfo { subresources, ..self }
    }

    /// `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The key in etcd: `/registry/<resource>/<namespace>/<name>`, with upstream's few exceptions.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        let [a, b, c, d, e] = self.prefix_parts();
        if self.namespaced { [a, b, c, d, e, namespace, "/", name].concat() } else { [a, b, c, d, e, name].concat() }
    }

    /// The prefix of all the kind's keys in etcd, ending in a slash.
    pub fn prefix(&self) -> String {
        self.prefix_parts().concat()
    }

    fn prefix_parts(&self) -> [&'static str; 5] {
        // Models the storage prefixes of pkg/kubeapiserver/default_storage_factory_builder.go and the REST storages.
        match (self.group, self.resource) {
            ("", "nodes") => ["/registry/minions/", "", "", "", ""],
            ("", "services") => ["/registry/services/specs/", "", "", "", ""],
            ("", "endpoints") => ["/registry/services/endpoints/", "", "", "", ""],
            ("networking.k8s.io", "ingresses") => ["/registry/ingress/", "", "", "", ""],
            (g, r) if g.is_empty() || is_builtin_short(g) => ["/registry/", r, "/", "", ""],
            (g, r) => ["/registry/", g, "/", r, "/"],
        }
    }
}

/// Groups whose resources are kept without their group's name.
fn is_builtin_short(group: &str) -> bool {
    matches!(
        group,
        "apps"
            | "batch"
            | "autoscaling"
            | "policy"
            | "networking.k8s.io"
            | "rbac.authorization.k8s.io"
            | "storage.k8s.io"
            | "coordination.k8s.io"
            | "discovery.k8s.io"
            | "scheduling.k8s.io"
            | "admissionregistration.k8s.io"
            | "certificates.k8s.io"
            | "node.k8s.io"
            | "resource.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
    )
}

/// A kind's place in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub u16);

/// All kinds.
pub struct Registry {
    strategies: Vec<Box<dyn Strategy>>,
    by_path: BTreeMap<(&'static str, &'static str, &'static str), ResourceId>,
    /// Asked at every request of a typed client.
    by_kind: IndexMap<(&'static str, &'static str), ResourceId, FxBuildHasher>,
    /// The same by Rust type, as far as it was asked for.
    by_type: RefCell<IndexMap<TypeId, ResourceId, FxBuildHasher>>,
    /// The kinds that CustomResourceDefinitions define, numbered after the others.
    customs: custom::Customs,
}

impl Registry {
    /// A registry of these kinds.
    pub fn new(strategies: Vec<Box<dyn Strategy>>) -> Rc<Self> {
        let mut by_path = BTreeMap::new();
        let mut by_kind = IndexMap::default();
        for (i, s) in strategies.iter().enumerate() {
            let (id, info) = (ResourceId(i as u16), s.info());
            by_path.insert((info.group, info.version, info.resource), id);
            by_kind.entry((info.group, info.kind)).or_insert(id);
        }
        Rc::new(Registry {
            strategies,
            by_path,
            by_kind,
            by_type: RefCell::default(),
            customs: custom::Customs::default(),
        })
    }

    /// Every kind that a v1.36 api-server serves by default.
    pub fn standard() -> Rc<Self> {
        // In discovery's order within a group; groups in the order of upstream's storage providers.
        let mut all: Vec<Box<dyn Strategy>> = vec![
            Typed::boxed(config_map::ConfigMaps),
            Typed::boxed(endpoints::EndpointsKind),
            Typed::boxed(event::Events),
            Typed::boxed(limit_range::LimitRanges),
            Typed::boxed(namespace::Namespaces),
            Typed::boxed(node::Nodes),
            Typed::boxed(persistent_volume_claim::PersistentVolumeClaims),
            Typed::boxed(persistent_volume::PersistentVolumes),
            Typed::boxed(pod::Pods),
            Typed::boxed(pod_template::PodTemplates),
            Typed::boxed(replication_controller::ReplicationControllers),
            Typed::boxed(resource_quota::ResourceQuotas),
            Typed::boxed(secret::Secrets),
            Typed::boxed(service_account::ServiceAccounts),
            Typed::boxed(service::Services),
            Typed::boxed(controller_revision::ControllerRevisions),
            Typed::boxed(daemon_set::DaemonSets),
            Typed::boxed(deployment::Deployments),
            Typed::boxed(replica_set::ReplicaSets),
            Typed::boxed(stateful_set::StatefulSets),
            Typed::boxed(horizontal_pod_autoscaler::HorizontalPodAutoscalers),
            Typed::boxed(cron_job::CronJobs),
            Typed::boxed(job::Jobs),
            Typed::boxed(ingress_class::IngressClasses),
            Typed::boxed(ingress::Ingresses),
            Typed::boxed(network_policy::NetworkPolicies),
            Typed::boxed(pod_disruption_budget::PodDisruptionBudgets),
            Typed::boxed(cluster_role_binding::ClusterRoleBindings),
            Typed::boxed(cluster_role::ClusterRoles),
            Typed::boxed(role_binding::RoleBindings),
            Typed::boxed(role::Roles),
            Typed::boxed(storage_class::StorageClasses),
            Typed::boxed(volume_attributes_class::VolumeAttributesClasses),
            Typed::boxed(priority_class::PriorityClasses),
            Typed::boxed(lease::Leases),
            Typed::boxed(runtime_class::RuntimeClasses),
            Typed::boxed(endpoint_slice::EndpointSlices),
        ];
        all.extend(dynamic::all());
        Self::new(all)
    }

    /// The strategy of a kind.
    pub fn strategy(&self, id: ResourceId) -> &dyn Strategy {
        let place = usize::from(id.0);
        match place.checked_sub(self.strategies.len()).and_then(|i| self.customs.get(i)) {
            Some(custom) => custom,
            None => &*self.strategies[place],
        }
    }

    /// Serves, beside the built-in kinds, what these CustomResourceDefinitions define.
    pub fn set_definitions<'a>(&self, definitions: impl Iterator<Item = &'a DynamicObject>) {
        self.customs.set(definitions);
    }

    /// The custom kinds that are served now.
    fn live_customs(&self) -> impl Iterator<Item = (ResourceId, &custom::CustomKind)> {
        let first = self.strategies.len();
        self.customs.live().filter_map(move |(i, k)| u16::try_from(first + i).ok().map(|n| (ResourceId(n), k)))
    }

    /// How many kinds ever had a number.
    pub fn numbers(&self) -> usize {
        (self.strategies.len() + self.customs.len()).min(usize::from(u16::MAX))
    }

    /// The names of a kind.
    pub fn info(&self, id: ResourceId) -> &ResourceInfo {
        self.strategy(id).info()
    }

    /// Looks a kind up as paths name it.
    pub fn find(&self, group: &str, version: &str, resource: &str) -> Option<ResourceId> {
        self.by_path.get(&(group, version, resource)).copied()
    }

    /// Looks a kind up by its group and kind.
    pub fn find_kind(&self, group: &str, kind: &str) -> Option<ResourceId> {
        let custom =
            || self.live_customs().find(|(_, k)| k.names().group == group && k.names().kind == kind).map(|(id, _)| id);
        self.by_kind.get(&(group, kind)).copied().or_else(custom)
    }

    /// Looks a kind up by its Rust type.
    pub fn id_of<K: Kind>(&self) -> Option<ResourceId> {
        if let Some(id) = self.by_type.borrow().get(&TypeId::of::<K>()) {
            return Some(*id);
        }
        let (group, kind) = (<K as Resource>::GROUP, <K as Resource>::KIND);
        let Some(id) = self.by_kind.get(&(group, kind)).copied() else { return self.find_kind(group, kind) };
        self.by_type.borrow_mut().insert(TypeId::of::<K>(), id);
        Some(id)
    }

    /// Looks up the kind of an object: every change in etcd asks.
    pub fn find_object(&self, object: &dyn Object) -> Option<ResourceId> {
        let of_type = (object as &dyn Any).type_id();
        if let Some(id) = self.by_type.borrow().get(&of_type) {
            return Some(*id);
        }
        let group = object.api_version().split_once('/').map_or("", |(group, _)| group);
        let id = self.find_kind(group, object.kind())?;
        // The kinds without a type of their own share one.
        if of_type != TypeId::of::<DynamicObject>() {
            self.by_type.borrow_mut().insert(of_type, id);
        }
        Some(id)
    }

    /// Every kind.
    pub fn ids(&self) -> impl Iterator<Item = ResourceId> + use<> {
        let customs: Vec<ResourceId> = self.live_customs().map(|(id, _)| id).collect();
        (0..self.strategies.len() as u16).map(ResourceId).chain(customs)
    }
}
