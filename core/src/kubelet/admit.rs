//! Whether this node takes a pod at all. Models `pkg/kubelet/lifecycle/predicate.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, Pod};

use super::Kubelet;
use super::pod::{self, WorkState};
use crate::api::quantity::Quantity;
use crate::client::EventType;

/// What the active pods ask for, and the sum of it: every pod that comes is compared with it. A pod is active from its
/// admission until its containers have ended; one that was turned away never is. Models `Kubelet.filterOutInactivePods` of
/// `pkg/kubelet/kubelet_pods.go`.
#[derive(Default)]
pub(super) struct Load {
    pods: BTreeMap<Rc<str>, (i64, i64)>,
    /// Milli-cores and bytes.
    sum: (i128, i128),
}

impl Load {
    /// A pod that may be here asks for something else.
    pub(super) fn update(&mut self, uid: &Rc<str>, p: &Pod) {
        if self.pods.contains_key(uid) {
            self.set(uid, p);
        }
    }

    /// A pod came.
    pub(super) fn set(&mut self, uid: &Rc<str>, p: &Pod) {
        let requests = (requested(p, "cpu"), requested(p, "memory"));
        let before = self.pods.insert(uid.clone(), requests).unwrap_or_default();
        self.sum.0 += i128::from(requests.0) - i128::from(before.0);
        self.sum.1 += i128::from(requests.1) - i128::from(before.1);
    }

    /// A pod is over.
    pub(super) fn remove(&mut self, uid: &str) {
        let before = self.pods.remove(uid).unwrap_or_default();
        self.sum.0 -= i128::from(before.0);
        self.sum.1 -= i128::from(before.1);
    }

    /// Pods, milli-cores and bytes of all but one.
    fn without(&self, uid: &str) -> [i64; 3] {
        let own = self.pods.get(uid);
        let (cpu, memory) = own.copied().unwrap_or_default();
        let all = i64::try_from(self.pods.len()).unwrap_or(i64::MAX);
        let saturated = |n: i128| i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX });
        [
            all - i64::from(own.is_some()),
            saturated(self.sum.0 - i128::from(cpu)),
            saturated(self.sum.1 - i128::from(memory)),
        ]
    }
}

/// Why not.
pub(super) struct Rejection {
    reason: Rc<str>,
    message: String,
}

/// What a pod asks for of a resource: the greater of its containers together and any init container, and its overhead.
fn requested(p: &Pod, resource: &str) -> i64 {
    let read = |q: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
        let q = q.map(Quantity::of).unwrap_or_default();
        if resource == "cpu" { q.milli_value() } else { q.value() }
    };
    let of = |c: &k8s_openapi::api::core::v1::Container| {
        read(c.resources.as_ref().and_then(|r| r.requests.as_ref()).and_then(|r| r.get(resource)))
    };
    let mut sum: i64 = pod::spec(p).containers.iter().map(of).sum();
    let (mut sidecars, mut most) = (0i64, 0i64);
    for c in pod::init_containers(p) {
        if pod::is_sidecar(c) {
            sidecars = sidecars.saturating_add(of(c));
            most = most.max(sidecars);
        } else {
            most = most.max(sidecars.saturating_add(of(c)));
        }
    }
    sum = sum.saturating_add(sidecars).max(most);
    sum.saturating_add(read(pod::spec(p).overhead.as_ref().and_then(|o| o.get(resource))))
}

fn requirement_holds(r: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = r.values.as_deref().unwrap_or_default();
    let number = |v: Option<&str>| v.and_then(|v| v.parse::<i64>().ok());
    let bound = number(values.first().map(String::as_str));
    match r.operator.as_str() {
        "In" => value.is_some_and(|v| values.iter().any(|x| x == v)),
        "NotIn" => !value.is_some_and(|v| values.iter().any(|x| x == v)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => matches!((number(value), bound), (Some(v), Some(b)) if v > b),
        "Lt" => matches!((number(value), bound), (Some(v), Some(b)) if v < b),
        _ => false,
    }
}

fn term_holds(t: &NodeSelectorTerm, node: &Node) -> bool {
    let (expressions, fields) =
        (t.match_expressions.as_deref().unwrap_or_default(), t.match_fields.as_deref().unwrap_or_default());
    let label = |k: &str| node.metadata.labels.as_ref().and_then(|l| l.get(k)).map(String::as_str);
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|r| requirement_holds(r, label(&r.key)))
        && fields.iter().all(|r| r.key == "metadata.name" && requirement_holds(r, node.metadata.name.as_deref()))
}

/// Whether node selector and required node affinity allow a node.
fn affinity_holds(p: &Pod, node: &Node) -> bool {
    let labels = node.metadata.labels.as_ref();
    let selector = pod::spec(p).node_selector.iter().flatten();
    if !selector.into_iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v)) {
        return false;
    }
    let required = pod::spec(p)
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref())
        .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_none_or(|r| r.node_selector_terms.iter().any(|t| term_holds(t, node)))
}

impl Kubelet {
    /// Whether a pod fits beside those that are here.
    pub(super) fn admit(&self, uid: &Rc<str>, p: &Pod) -> Result<(), Rejection> {
        let c = &self.0.config;
        let (cpu, memory) = (requested(p, "cpu"), requested(p, "memory"));
        let ours = [
            ("pods", i64::from(c.max_pods), 1),
            ("cpu", i64::from(c.cpus) * 1000, cpu),
            ("memory", self.allocatable_memory(), memory),
        ];
        let used = self.0.load.borrow().without(uid);
        for ((name, capacity, wants), used) in ours.into_iter().zip(used) {
            if wants > 0 && wants > capacity.saturating_sub(used) {
                let message = format!(
                    "Pod was rejected: Node didn't have enough resource: {name}, requested: {wants}, used: {used}, capacity: {capacity}"
                );
                return Err(Rejection { reason: format!("OutOf{name}").into(), message });
            }
        }
        let is_static =
            p.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(super::pod_manager::CONFIG_SOURCE));
        if let Some(node) = self.0.node.get(&c.node_name).filter(|_| !is_static) {
            if !affinity_holds(p, &node) {
                return Err(Rejection {
                    reason: "NodeAffinity".into(),
                    message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector".into(),
                });
            }
            let tolerated = |t: &&k8s_openapi::api::core::v1::Taint| {
                t.effect == "NoExecute" && !pod::spec(p).tolerations.iter().flatten().any(|o| tolerates(o, t))
            };
            if let Some(t) = node.spec.iter().flat_map(|s| s.taints.iter().flatten()).find(tolerated) {
                let _ = t;
                return Err(Rejection {
                    reason: "TaintToleration".into(),
                    message: "Pod was rejected: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate".into(),
                });
            }
        }
        Ok(())
    }

    /// Says that a pod isn't taken. It never runs.
    pub(super) fn reject(&self, uid: &Rc<str>, p: &Rc<Pod>, r: &Rejection) {
        let event = r.message.strip_prefix("Pod was rejected: ").unwrap_or(&r.message).to_owned();
        self.0.recorder.event(&**p, EventType::Warning, &r.reason, &event);
        self.with_entry(uid, |e| {
            e.failed = Some((r.reason.clone(), r.message.as_str().into()));
            e.state = WorkState::Terminating;
        });
        self.kick(uid);
    }
}

/// Whether a toleration bears a taint.
fn tolerates(o: &k8s_openapi::api::core::v1::Toleration, t: &k8s_openapi::api::core::v1::Taint) -> bool {
    let effect = o.effect.as_deref().unwrap_or_default();
    let key = o.key.as_deref().unwrap_or_default();
    let exists = o.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == t.effect)
        && (key == t.key || (key.is_empty() && exists))
        && (exists || o.value.as_deref().unwrap_or_default() == t.value.as_deref().unwrap_or_default())
}
