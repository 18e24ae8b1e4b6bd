//! Whether a node is to have a daemon's pod. Models NodeShouldRunDaemonPod and `pkg/controller/daemon/util/daemonset_util.go`.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{
    Affinity, Node, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodTemplateSpec, Taint,
    Toleration,
};

use crate::api::labels::{Labels, Operator, Requirement};
use crate::controllers::util::name;
use crate::controllers::util::taints;

/// What a daemon's pod tolerates beside what its template says.
fn daemon_tolerations(host_network: bool) -> Vec<Toleration> {
    let mut all = vec![
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];
    if host_network {
        all.push(("node.kubernetes.io/network-unavailable", "NoSchedule"));
    }
    all.into_iter()
        .map(|(key, effect)| Toleration {
            key: Some(key.into()),
            operator: Some("Exists".into()),
            effect: Some(effect.into()),
            ..Toleration::default()
        })
        .collect()
}

/// A daemon's template with its tolerations and its revision's labels. Models CreatePodTemplate.
pub fn pod_template(ds: &DaemonSet, generation: Option<i64>, hash: &str) -> PodTemplateSpec {
    let mut template = ds.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
    let spec = template.spec.get_or_insert_default();
    let tolerations = spec.tolerations.get_or_insert_default();
    for t in daemon_tolerations(spec.host_network == Some(true)) {
        let same =
            |o: &Toleration| (&o.key, &o.effect, &o.operator, &o.value) == (&t.key, &t.effect, &t.operator, &t.value);
        match tolerations.iter_mut().find(|o| same(o)) {
            Some(have) => *have = t,
            None => tolerations.push(t),
        }
    }
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    if let Some(g) = generation {
        labels.insert("pod-template-generation".into(), g.to_string());
    }
    if !hash.is_empty() {
        labels.insert("controller-revision-hash".into(), hash.to_owned());
    }
    template
}

/// Binds a template to a node by the only field that the scheduler can't choose otherwise.
pub fn for_node(template: &PodTemplateSpec, node: &str) -> PodTemplateSpec {
    let mut template = template.clone();
    let term = NodeSelectorTerm {
        match_fields: Some(vec![NodeSelectorRequirement {
            key: "metadata.name".into(),
            operator: "In".into(),
            values: Some(vec![node.to_owned()]),
        }]),
        match_expressions: None,
    };
    let affinity: &mut Affinity = template.spec.get_or_insert_default().affinity.get_or_insert_default();
    let of_nodes: &mut NodeAffinity = affinity.node_affinity.get_or_insert_default();
    of_nodes.required_during_scheduling_ignored_during_execution =
        Some(NodeSelector { node_selector_terms: vec![term] });
    template
}

fn requirement_holds(r: &NodeSelectorRequirement, labels: &Labels) -> bool {
    let operator = match r.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return false,
    };
    Requirement::new(&r.key, operator, r.values.clone().unwrap_or_default()).is_ok_and(|r| r.matches(labels))
}

fn field_holds(r: &NodeSelectorRequirement, node: &str) -> bool {
    let named = r.values.iter().flatten().any(|v| v == node);
    r.key == "metadata.name" && if r.operator == "NotIn" { !named } else { named }
}

/// Whether the template's node selector and required affinity hold on a node.
fn fits_affinity(template: &PodTemplateSpec, node: &Node) -> bool {
    let Some(spec) = &template.spec else { return true };
    let empty = Labels::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
    if spec.node_selector.iter().flatten().any(|(k, v)| labels.get(k) != Some(v)) {
        return false;
    }
    let required = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let Some(required) = required.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref()) else {
        return true;
    };
    required.node_selector_terms.iter().any(|t| {
        let expressions = t.match_expressions.as_deref().unwrap_or_default();
        let fields = t.match_fields.as_deref().unwrap_or_default();
        // A term that says nothing matches nothing.
        (!expressions.is_empty() || !fields.is_empty())
            && expressions.iter().all(|r| requirement_holds(r, labels))
            && fields.iter().all(|r| field_holds(r, name(&node.metadata)))
    })
}

/// What a DaemonSet asks of nodes: its template with the tolerations of daemons, made once for all nodes.
pub struct Daemon(PodTemplateSpec);

impl Daemon {
    /// What a DaemonSet asks.
    pub fn of(ds: &DaemonSet) -> Self {
        Daemon(pod_template(ds, None, ""))
    }

    /// Whether its pod is to be started on a node, and whether one that is there may stay.
    pub fn should_run(&self, node: &Node) -> (bool, bool) {
        let Some(spec) = &self.0.spec else { return (true, true) };
        if spec.node_name.as_deref().is_some_and(|n| !n.is_empty() && n != name(&node.metadata)) {
            return (false, false);
        }
        if !fits_affinity(&self.0, node) {
            return (false, false);
        }
        let tolerations = spec.tolerations.as_deref().unwrap_or_default();
        let tolerated = |t: &Taint| tolerations.iter().any(|o| crate::controllers::tainteviction::tolerates(o, t));
        let mut untolerated = taints::of(node).iter().filter(|t| t.effect != "PreferNoSchedule" && !tolerated(t));
        let Some(first) = untolerated.next() else { return (true, true) };
        (false, first.effect != "NoExecute" && untolerated.all(|t| t.effect != "NoExecute"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_that_fit() {
        let ds = |spec: serde_json::Value| -> DaemonSet {
            serde_json::from_value(
                json!({"metadata": {"name": "d"}, "spec": {"selector": {}, "template": {"spec": spec}}}),
            )
            .expect("a DaemonSet")
        };
        let node = |labels: serde_json::Value, taints: serde_json::Value| -> Node {
            serde_json::from_value(json!({"metadata": {"name": "n", "labels": labels}, "spec": {"taints": taints}}))
                .expect("a node")
        };
        let plain = || json!({"containers": []});
        let tainted = |key: &str, effect: &str| node(json!({}), json!([{"key": key, "effect": effect}]));
        for (why, ds, node, want) in [
            ("anything goes", ds(plain()), node(json!({}), json!([])), (true, true)),
            (
                "node selector",
                ds(json!({"containers": [], "nodeSelector": {"a": "b"}})),
                node(json!({}), json!([])),
                (false, false),
            ),
            ("cordoned", ds(plain()), tainted("node.kubernetes.io/unschedulable", "NoSchedule"), (true, true)),
            ("unreachable", ds(plain()), tainted("node.kubernetes.io/unreachable", "NoExecute"), (true, true)),
            ("reserved", ds(plain()), tainted("mine", "NoSchedule"), (false, true)),
            ("driven out", ds(plain()), tainted("mine", "NoExecute"), (false, false)),
        ] {
            assert_eq!(Daemon::of(&ds).should_run(&node), want, "{why}");
        }
    }
}
