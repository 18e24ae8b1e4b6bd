//! PodDisruptionBudgets: what their status says, and how evictions use it.

use serde_json::{Value, json};

use crate::harness::Plane;

const NS: &str = "/api/v1/namespaces/default";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

fn start(budget: &Value) -> Plane {
    let plane = Plane::start(&["worker-1", "worker-2"]);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}});
    plane.must("POST", "/apis/apps/v1/namespaces/default/deployments", &deployment);
    let mut spec = budget.clone();
    spec["selector"] = json!({"matchLabels": {"app": "web"}});
    let budget =
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "pdb"}, "spec": spec});
    plane.must("POST", BUDGETS, &budget);
    plane.run(5.0);
    plane
}

/// Expected, desired, healthy, allowed, and the condition's reason.
fn status(plane: &Plane) -> (Vec<i64>, String) {
    let s = plane.get(&format!("{BUDGETS}/pdb"))["status"].clone();
    let numbers = ["expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed"];
    let condition = &s["conditions"][0];
    assert_eq!(condition["type"], "DisruptionAllowed");
    let numbers = numbers.iter().map(|n| s[n].as_i64().expect("a number")).collect();
    (numbers, condition["reason"].as_str().unwrap_or_default().to_owned())
}

fn evict_first(plane: &Plane) -> (u16, String) {
    let pods = plane.list(&format!("{NS}/pods"));
    let name = pods.iter().find(|p| p["metadata"]["deletionTimestamp"].is_null()).expect("a pod")["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    let (code, answer) = plane.ask("POST", &format!("{NS}/pods/{name}/eviction"), &body);
    (code, answer["details"]["causes"][0]["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn budgets_count() {
    for (budget, numbers, reason) in [
        (json!({"minAvailable": 3}), [4, 3, 4, 1], "SufficientPods"),
        (json!({"minAvailable": 4}), [4, 4, 4, 0], "InsufficientPods"),
        (json!({"minAvailable": "30%"}), [4, 2, 4, 2], "SufficientPods"),
        (json!({"maxUnavailable": 1}), [4, 3, 4, 1], "SufficientPods"),
        (json!({"maxUnavailable": "30%"}), [4, 2, 4, 2], "SufficientPods"),
    ] {
        let plane = start(&budget);
        assert_eq!(status(&plane), (numbers.to_vec(), reason.to_owned()), "{budget}");
    }
}

#[test]
fn evictions_use_up_the_budget_until_others_are_ready() {
    let plane = start(&json!({"maxUnavailable": 1}));
    assert_eq!(evict_first(&plane).0, 201);
    let (code, why) = evict_first(&plane);
    assert_eq!((code, why.as_str()), (429, "The disruption budget pdb needs 3 healthy pods and has 4 currently"));
    assert_eq!(status(&plane).1, "InsufficientPods");
    plane.run(5.0);
    assert_eq!(status(&plane), (vec![4, 3, 4, 1], "SufficientPods".to_owned()));
    assert_eq!(evict_first(&plane).0, 201);
}

#[test]
fn pods_without_a_controller_spoil_a_share() {
    let plane = start(&json!({"maxUnavailable": 1}));
    let lone = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lone", "labels": {"app": "web"}, "ownerReferences":
        [{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "1-2-3", "controller": true}]},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    plane.must("POST", &format!("{NS}/pods"), &lone);
    plane.run(0.5);
    let s = plane.get(&format!("{BUDGETS}/pdb"))["status"].clone();
    assert_eq!(s["disruptionsAllowed"], 0);
    assert_eq!(s["conditions"][0]["reason"], "SyncFailed");
    let why = "jobs.batch does not implement the scale subresource";
    assert_eq!(s["conditions"][0]["message"], why);
    let message =
        format!("CalculateExpectedPodCountFailed pdb: Failed to calculate the number of expected pods: {why}");
    assert!(plane.events_of("PodDisruptionBudget").contains(&message));
}
