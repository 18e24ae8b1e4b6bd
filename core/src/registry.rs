//! What the api-server knows of each kind: its names, and the strategy by which it is defaulted, validated, changed and deleted.
//!
//! One file a kind. The generic verbs in `apiserver::store` call the strategy; a new kind is one file and one line in
//! `Registry::standard`. Models upstream's `pkg/registry/*/*/strategy.go`.

mod strategy;

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::Resource;

pub use strategy::{DeleteOutcome, KindStrategy, ScaleSpec, Strategy, StrategyContext, Typed};

use crate::api::object::Kind;

/// A kind's names and scope.
#[derive(Clone, Debug)]
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
    /// `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The key in etcd: `/registry/<resource>/<namespace>/<name>`, with upstream's few exceptions.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        let mut key = self.prefix();
        if self.namespaced {
            key.push_str(namespace);
            key.push('/');
        }
        key.push_str(name);
        key
    }

    /// The prefix of all the kind's keys in etcd, ending in a slash.
    pub fn prefix(&self) -> String {
        // Models the storage prefixes of pkg/kubeapiserver/default_storage_factory_builder.go and the REST storages.
        match (self.group, self.resource) {
            ("", "nodes") => "/registry/minions/".into(),
            ("", "services") => "/registry/services/specs/".into(),
            ("", "endpoints") => "/registry/services/endpoints/".into(),
            ("networking.k8s.io", "ingresses") => "/registry/ingress/".into(),
            (g, r) if g.is_empty() || is_builtin_short(g) => format!("/registry/{r}/"),
            (g, r) => format!("/registry/{g}/{r}/"),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceId(pub u16);

/// All kinds.
pub struct Registry {
    strategies: Vec<Box<dyn Strategy>>,
    by_path: BTreeMap<(&'static str, &'static str, &'static str), ResourceId>,
    by_kind: BTreeMap<(&'static str, &'static str), ResourceId>,
}

impl Registry {
    /// A registry of these kinds.
    pub fn new(strategies: Vec<Box<dyn Strategy>>) -> Rc<Self> {
        let mut by_path = BTreeMap::new();
        let mut by_kind = BTreeMap::new();
        for (i, s) in strategies.iter().enumerate() {
            let (id, info) = (ResourceId(i as u16), s.info());
            by_path.insert((info.group, info.version, info.resource), id);
            by_kind.entry((info.group, info.kind)).or_insert(id);
        }
        Rc::new(Registry { strategies, by_path, by_kind })
    }

    /// The strategy of a kind.
    pub fn strategy(&self, id: ResourceId) -> &dyn Strategy {
        &*self.strategies[id.0 as usize]
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
        self.by_kind.get(&(group, kind)).copied()
    }

    /// Looks a kind up by its Rust type.
    pub fn id_of<K: Kind>(&self) -> Option<ResourceId> {
        self.find_kind(<K as Resource>::GROUP, <K as Resource>::KIND)
    }

    /// Every kind.
    pub fn ids(&self) -> impl Iterator<Item = ResourceId> + use<> {
        (0..self.strategies.len() as u16).map(ResourceId)
    }
}
