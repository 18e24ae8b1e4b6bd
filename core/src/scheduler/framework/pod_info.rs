//! What the scheduler needs to know of a pod, worked out once when the pod arrives.
//! Models kube-scheduler `framework/types.go` (PodInfo, AffinityTerm, HostPortInfo).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::rc::Rc;

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::{Pod, PodAffinityTerm, PodSpec};
use rustc_hash::FxBuildHasher;

use super::labels::{Labels, Selector};
use super::node_info::NodeId;
use super::resource::{PodRequests, pod_requests};
use crate::scheduler::cache::pod_index::SelectorCounts;

/// Pods of one namespace with equal labels: a selector matches all of them or none, so counting goes by class.
#[derive(Debug)]
pub struct PodClass {
    pub namespace: Rc<str>,
    pub labels: Labels,
    /// How many of its pods are on each node: (all, those not terminating).
    pub(in crate::scheduler) nodes: RefCell<IndexMap<NodeId, (u32, u32), FxBuildHasher>>,
    /// The counted selectors that match it.
    pub(in crate::scheduler) counted_by: RefCell<Vec<Rc<SelectorCounts>>>,
    /// What selects its pods, for default spreading.
    pub(in crate::scheduler) default_selector: RefCell<Option<DefaultSelector>>,
}

/// A remembered answer of `Listers::default_selector`.
#[derive(Clone, Debug)]
pub struct DefaultSelector {
    /// The listers' generation that it was made from.
    pub generation: u64,
    /// The controller of the pod that it was made for.
    pub owner_uid: String,
    /// `None` when nothing selects the pods.
    pub selector: Option<Rc<Selector>>,
}

impl PodClass {
    /// A class without pods.
    pub fn new(namespace: Rc<str>, labels: Labels) -> Self {
        PodClass {
            namespace,
            labels,
            nodes: Default::default(),
            counted_by: Default::default(),
            default_selector: Default::default(),
        }
    }
}

/// A parsed pod (anti-)affinity term, its default namespace resolved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AffinityTerm {
    pub namespaces: BTreeSet<String>,
    pub namespace_selector: Selector,
    pub selector: Selector,
    pub topology_key: String,
}

impl AffinityTerm {
    fn new(namespace: &str, term: &PodAffinityTerm) -> Self {
        let mut namespaces: BTreeSet<String> = term.namespaces.iter().flatten().cloned().collect();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.insert(namespace.to_owned());
        }
        AffinityTerm {
            namespaces,
            namespace_selector: Selector::parse(term.namespace_selector.as_ref()),
            selector: Selector::parse(term.label_selector.as_ref()),
            topology_key: term.topology_key.clone(),
        }
    }
    /// Whether it means pods of this class, whose namespace has these labels.
    pub fn matches(&self, class: &PodClass, namespace_labels: &Labels) -> bool {
        (self.namespaces.contains(&*class.namespace) || self.namespace_selector.matches(namespace_labels))
            && self.selector.matches(&class.labels)
    }
}

/// A term with the weight that its preference has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedAffinityTerm {
    pub weight: i32,
    pub term: Rc<AffinityTerm>,
}

/// A port on the host that a pod occupies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    pub port: i32,
    pub protocol: String,
    pub ip: String,
}

/// The address that takes the port on every address.
const ANY_IP: &str = "0.0.0.0";

impl HostPort {
    /// Whether two pods can't both have them.
    pub fn conflicts(&self, other: &HostPort) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || self.ip == ANY_IP || other.ip == ANY_IP)
    }
}

/// What is worked out from a pod.
#[derive(Debug)]
pub struct PodFacts {
    pub uid: Rc<str>,
    pub priority: i32,
    pub requests: PodRequests,
    pub host_ports: Vec<HostPort>,
    pub class: Rc<PodClass>,
    pub terminating: bool,
    pub required_affinity: Vec<Rc<AffinityTerm>>,
    pub required_anti_affinity: Vec<Rc<AffinityTerm>>,
    pub preferred_affinity: Vec<WeightedAffinityTerm>,
    pub preferred_anti_affinity: Vec<WeightedAffinityTerm>,
}

/// A pod and what is worked out from it.
#[derive(Clone, Debug)]
pub struct PodInfo {
    pub pod: Rc<Pod>,
    facts: Rc<PodFacts>,
}

impl Deref for PodInfo {
    type Target = PodFacts;
    fn deref(&self) -> &PodFacts {
        &self.facts
    }
}

impl PodInfo {
    /// Works out what the scheduler needs. `class` is that of the pod's namespace and labels.
    pub fn new(pod: Rc<Pod>, class: Rc<PodClass>) -> Self {
        let meta = &pod.metadata;
        let spec = pod.spec.as_ref();
        let affinity = spec.and_then(|s| s.affinity.as_ref());
        let term = |t: &PodAffinityTerm| Rc::new(AffinityTerm::new(&class.namespace, t));
        let (mut required_affinity, mut preferred_affinity) = (Vec::new(), Vec::new());
        let (mut required_anti_affinity, mut preferred_anti_affinity) = (Vec::new(), Vec::new());
        if let Some(a) = affinity.and_then(|a| a.pod_affinity.as_ref()) {
            required_affinity.extend(a.required_during_scheduling_ignored_during_execution.iter().flatten().map(term));
            preferred_affinity.extend(
                a.preferred_during_scheduling_ignored_during_execution
                    .iter()
                    .flatten()
                    .map(|t| WeightedAffinityTerm { weight: t.weight, term: term(&t.pod_affinity_term) }),
            );
        }
        if let Some(a) = affinity.and_then(|a| a.pod_anti_affinity.as_ref()) {
            required_anti_affinity
                .extend(a.required_during_scheduling_ignored_during_execution.iter().flatten().map(term));
            preferred_anti_affinity.extend(
                a.preferred_during_scheduling_ignored_during_execution
                    .iter()
                    .flatten()
                    .map(|t| WeightedAffinityTerm { weight: t.weight, term: term(&t.pod_affinity_term) }),
            );
        }
        let facts = PodFacts {
            uid: meta.uid.as_deref().unwrap_or_default().into(),
            priority: spec.and_then(|s| s.priority).unwrap_or(0),
            requests: pod_requests(&pod),
            host_ports: spec.map(host_ports).unwrap_or_default(),
            terminating: meta.deletion_timestamp.is_some(),
            class,
            required_affinity,
            required_anti_affinity,
            preferred_affinity,
            preferred_anti_affinity,
        };
        PodInfo { pod, facts: Rc::new(facts) }
    }
    /// The same facts for a later state of the pod, when nothing that they rest on has changed.
    pub fn refreshed(&self, pod: Rc<Pod>) -> Self {
        PodInfo { pod, facts: Rc::clone(&self.facts) }
    }
    /// Whether a later state of the pod leaves the facts as they are.
    pub fn facts_hold_for(&self, pod: &Pod) -> bool {
        let (old, new) = (&self.pod.metadata, &pod.metadata);
        old.generation.is_some()
            && old.generation == new.generation
            && old.uid == new.uid
            && old.deletion_timestamp.is_some() == new.deletion_timestamp.is_some()
            && old.labels == new.labels
    }
    /// The pod's name.
    pub fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }
    /// The pod's namespace.
    pub fn namespace(&self) -> &str {
        &self.class.namespace
    }
    /// The pod's labels.
    pub fn labels(&self) -> &Labels {
        &self.class.labels
    }
    /// The pod's spec, if it has one.
    pub fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }
    /// The node that preemption has chosen for it.
    pub fn nominated_node_name(&self) -> &str {
        self.pod.status.as_ref().and_then(|s| s.nominated_node_name.as_deref()).unwrap_or_default()
    }
    /// Whether it has affinity or anti-affinity to pods, required or preferred.
    pub fn has_pod_affinity(&self) -> bool {
        !(self.required_affinity.is_empty()
            && self.required_anti_affinity.is_empty()
            && self.preferred_affinity.is_empty()
            && self.preferred_anti_affinity.is_empty())
    }
}

/// The host ports of containers and sidecars.
fn host_ports(spec: &PodSpec) -> Vec<HostPort> {
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    sidecars
        .chain(&spec.containers)
        .flat_map(|c| c.ports.iter().flatten())
        .filter_map(|p| {
            let port = p.host_port.filter(|p| *p > 0)?;
            Some(HostPort {
                port,
                protocol: p.protocol.as_deref().filter(|s| !s.is_empty()).unwrap_or("TCP").to_owned(),
                ip: p.host_ip.as_deref().filter(|s| !s.is_empty()).unwrap_or(ANY_IP).to_owned(),
            })
        })
        .collect()
}
