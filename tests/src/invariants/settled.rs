//! Once everything is mended and calm: every node is Ready, every workload has what it asked for as far as it fits, every
//! service the addresses of its pods.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Node, Pod, PodSpec, ReplicationController, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podarium_core::cluster::Cluster;

use super::capacity::{allocatable, promised, requests};
use super::world::{By, node_name, phase, pod_condition};
use super::{Invariant, World};

pub(super) struct Settled;

impl Invariant for Settled {
    fn unsettled(&mut self, cluster: &Cluster, world: &World) -> Vec<String> {
        let mut left = Vec::new();
        nodes(cluster, world, &mut left);
        pods(world, &mut left);
        workloads(world, &mut left);
        services(world, &mut left);
        left
    }
}

fn name(m: &ObjectMeta) -> &str {
    m.name.as_deref().unwrap_or_default()
}

fn is_ready(n: &Node) -> bool {
    let conditions = n.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn nodes(cluster: &Cluster, world: &World, left: &mut Vec<String>) {
    for machine in cluster.machine_names() {
        let Some(n) = world.node(&machine) else {
            left.push(format!("{machine} has no node"));
            continue;
        };
        if !is_ready(n) {
            left.push(format!("{machine} is not Ready"));
        }
        for t in n.spec.iter().flat_map(|s| s.taints.iter().flatten()) {
            if t.key != "node-role.kubernetes.io/control-plane" {
                left.push(format!("{machine} still has the taint {}:{}", t.key, t.effect));
            }
        }
    }
}

/// The one node that a DaemonSet's pod is for.
fn meant_for(p: &Pod) -> Option<&str> {
    let affinity = p.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
    let terms = &affinity.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms;
    let field = terms.first()?.match_fields.as_ref()?.first()?;
    field.values.as_ref()?.first().map(String::as_str)
}

/// Whether a pod of this spec may be on a node for all of its taints.
fn tolerates(spec: Option<&PodSpec>, n: &Node) -> bool {
    let taints = n.spec.as_ref().and_then(|s| s.taints.as_deref()).unwrap_or_default();
    let tolerations = spec.and_then(|s| s.tolerations.as_deref()).unwrap_or_default();
    taints.iter().all(|taint| {
        tolerations.iter().any(|t| {
            let effect = t.effect.as_deref().is_none_or(|e| e.is_empty() || e == taint.effect);
            let any = t.operator.as_deref() == Some("Exists");
            let value = any || t.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default();
            effect && value && t.key.as_deref().map_or(any, |k| k == taint.key)
        })
    })
}

/// Whether a pod that nothing but requests keeps back fits on some node.
fn fits(world: &World, p: &Pod) -> bool {
    let (wants, only) = (requests(p), meant_for(p));
    world.all::<Node>().filter(|n| only.is_none_or(|only| name(&n.metadata) == only)).any(|n| {
        let (has, given) = (allocatable(n), promised(world, name(&n.metadata)));
        tolerates(p.spec.as_ref(), n)
            && given.cpu_m + wants.cpu_m <= has.cpu_m
            && given.memory + wants.memory <= has.memory
            && given.pods < has.pods
    })
}

/// Whether it rightly waits: nobody has room for it.
fn rightly_waits(world: &World, p: &Pod) -> bool {
    node_name(p).is_empty() && phase(p) == "Pending" && !fits(world, p)
}

fn pods(world: &World, left: &mut Vec<String>) {
    for p in world.all::<Pod>() {
        let well = match phase(p) {
            "Running" => pod_condition(p, "Ready"),
            "Pending" => rightly_waits(world, p),
            "Succeeded" | "Failed" => true,
            _ => false,
        };
        if !well {
            left.push(format!("pod {} on {:?} is {} and not Ready", name(&p.metadata), node_name(p), phase(p)));
        }
    }
}

/// How many of a controller's pods rightly wait.
fn waiting(world: &World, owner: &ObjectMeta) -> i32 {
    let uid = owner.uid.as_deref().unwrap_or_default();
    world.pods_by(By::Owner, uid).filter(|p| rightly_waits(world, p)).count() as i32
}

/// What a workload wants, has, and has Ready, with the pods that rightly wait counted as Ready; and whether its
/// controller has seen its newest spec.
struct Workload<'a> {
    kind: &'a str,
    meta: &'a ObjectMeta,
    wants: i32,
    has: i32,
    ready: i32,
    observed: i64,
}

impl Workload<'_> {
    fn check(&self, left: &mut Vec<String>) {
        if self.has != self.wants || self.ready != self.wants || Some(self.observed) != self.meta.generation {
            left.push(format!(
                "{} {} wants {}, has {}, {} of them Ready; generation {:?}, observed {}",
                self.kind,
                name(self.meta),
                self.wants,
                self.has,
                self.ready,
                self.meta.generation,
                self.observed
            ));
        }
    }
}

fn workloads(world: &World, left: &mut Vec<String>) {
    for w in world.all::<ReplicaSet>() {
        let status = w.status.clone().unwrap_or_default();
        Workload {
            kind: "ReplicaSet",
            meta: &w.metadata,
            wants: w.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
            has: status.replicas,
            ready: status.ready_replicas.unwrap_or(0) + waiting(world, &w.metadata),
            observed: status.observed_generation.unwrap_or(0),
        }
        .check(left);
    }
    for w in world.all::<ReplicationController>() {
        let status = w.status.clone().unwrap_or_default();
        Workload {
            kind: "ReplicationController",
            meta: &w.metadata,
            wants: w.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
            has: status.replicas,
            ready: status.ready_replicas.unwrap_or(0) + waiting(world, &w.metadata),
            observed: status.observed_generation.unwrap_or(0),
        }
        .check(left);
    }
    for w in world.all::<Deployment>() {
        let status = w.status.clone().unwrap_or_default();
        let wants = w.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
        let sets = world
            .all::<ReplicaSet>()
            .filter(|r| r.metadata.owner_references.iter().flatten().any(|o| Some(&o.uid) == w.metadata.uid.as_ref()));
        let waits: i32 = sets.map(|r| waiting(world, &r.metadata)).sum();
        // A rollout that has no room for its next pod stands where it is.
        if waits > 0 {
            continue;
        }
        let updated = status.updated_replicas.unwrap_or(0);
        Workload {
            kind: "Deployment",
            meta: &w.metadata,
            wants,
            has: if updated == status.replicas.unwrap_or(0) { updated } else { -updated },
            ready: status.ready_replicas.unwrap_or(0),
            observed: status.observed_generation.unwrap_or(0),
        }
        .check(left);
    }
    for w in world.all::<DaemonSet>() {
        let Some(status) = &w.status else { continue };
        let template = w.spec.as_ref().and_then(|s| s.template.spec.as_ref());
        Workload {
            kind: "DaemonSet",
            meta: &w.metadata,
            wants: world.all::<Node>().filter(|n| tolerates(template, n)).count() as i32,
            has: status.current_number_scheduled,
            ready: status.number_ready + waiting(world, &w.metadata),
            observed: status.observed_generation.unwrap_or(0),
        }
        .check(left);
    }
}

fn services(world: &World, left: &mut Vec<String>) {
    for s in world.all::<Service>() {
        let Some(selector) = s.spec.as_ref().and_then(|s| s.selector.as_ref()).filter(|s| !s.is_empty()) else {
            continue;
        };
        let selected = world.all::<Pod>().filter(|p| {
            p.metadata.namespace == s.metadata.namespace
                && selector.iter().all(|(k, v)| p.metadata.labels.as_ref().and_then(|l| l.get(k)) == Some(v))
        });
        let shall: BTreeSet<String> =
            selected.filter(|p| pod_condition(p, "Ready")).filter_map(|p| p.status.as_ref()?.pod_ip.clone()).collect();
        let slices = world.all::<EndpointSlice>().filter(|e| {
            let labels = e.metadata.labels.as_ref();
            e.metadata.namespace == s.metadata.namespace
                && labels.and_then(|l| l.get("kubernetes.io/service-name")) == s.metadata.name.as_ref()
        });
        let has: BTreeSet<String> = slices
            .flat_map(|e| e.endpoints.iter().flatten())
            .filter(|e| e.conditions.as_ref().and_then(|c| c.ready).unwrap_or(false))
            .flat_map(|e| e.addresses.clone())
            .collect();
        if has != shall {
            left.push(format!("service {} leads to {has:?} instead of {shall:?}", name(&s.metadata)));
        }
    }
}
