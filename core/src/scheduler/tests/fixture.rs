//! A scheduler with nodes and pods from terse JSON.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use crate::scheduler::Scheduler;
use crate::scheduler::decision::NodeOutcome;
use crate::scheduler::queue::SECOND;
use crate::scheduler::schedule_one::{Failure, Outcome};

/// A node with 4 CPUs, 8Gi and 110 pods; `more` is merged over it.
pub fn node(name: &str, more: Value) -> Rc<Node> {
    let mut node = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}
    });
    merge(&mut node, more);
    Rc::new(serde_json::from_value(node).unwrap())
}

/// A pod in `default` with one container; `more` is merged over it. Its uid is its name.
pub fn pod(name: &str, more: Value) -> Rc<Pod> {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "default", "uid": name, "generation": 1},
        "spec": {"containers": [{"name": "c", "image": "app"}], "schedulerName": "default-scheduler"}
    });
    merge(&mut pod, more);
    Rc::new(serde_json::from_value(pod).unwrap())
}

/// A pod that asks for so much CPU and memory.
pub fn sized(name: &str, cpu: &str, memory: &str, more: Value) -> Rc<Pod> {
    let mut all = json!({"spec": {"containers": [{"name": "c", "image": "app",
        "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}});
    merge(&mut all, more);
    pod(name, all)
}

/// JSON merge; arrays are replaced.
pub fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.into_iter().for_each(|(k, v)| merge(into.entry(k).or_insert(Value::Null), v));
        }
        (into, from) => *into = from,
    }
}

/// A scheduler with these nodes, and pods that run on them.
pub fn scheduler(nodes: &[Rc<Node>], running: &[(&str, Rc<Pod>)]) -> Scheduler {
    let mut s = Scheduler::new(1);
    nodes.iter().for_each(|n| s.node_seen(Rc::clone(n), 0));
    running.iter().for_each(|(node, pod)| s.pod_seen(on(node, pod), 0));
    s
}

/// The pod, bound.
pub fn on(node: &str, pod: &Pod) -> Rc<Pod> {
    let mut pod = pod.clone();
    pod.spec.get_or_insert_default().node_name = Some(node.to_owned());
    Rc::new(pod)
}

/// Tries one pod: the node, or the failure's message.
pub fn place(s: &mut Scheduler, pod: &Rc<Pod>) -> Result<String, String> {
    s.pod_seen(Rc::clone(pod), SECOND);
    match s.schedule_one(SECOND) {
        Some(Outcome::Assumed(a)) => Ok(a.node.to_string()),
        Some(Outcome::Failed(f)) => Err(f.message),
        other => Err(format!("{other:?}")),
    }
}

/// Tries one pod that must fail.
pub fn fail(s: &mut Scheduler, pod: &Rc<Pod>) -> Failure {
    s.pod_seen(Rc::clone(pod), SECOND);
    match s.schedule_one(SECOND) {
        Some(Outcome::Failed(f)) => f,
        other => panic!("{other:?}"),
    }
}

/// The table of the pod's last decision, nodes by name: `n1 TaintToleration=100*3 .. total` or `n1 Plugin: reason`.
pub fn table(s: &Scheduler, uid: &str) -> String {
    let decision = s.decision(uid).expect("a decision");
    let mut lines: Vec<String> = decision
        .verdicts()
        .map(|v| match v.outcome {
            NodeOutcome::Rejected { plugin, reasons } => format!("{} {plugin}: {}", v.node, reasons.join(", ")),
            NodeOutcome::Feasible { scores, total } => {
                let scores: Vec<String> =
                    scores.iter().map(|s| format!("{}={}->{}", s.plugin, s.raw, s.weighted)).collect();
                format!("{} {} = {total}", v.node, scores.join(" "))
            }
        })
        .collect();
    lines.sort();
    lines.join("\n")
}
