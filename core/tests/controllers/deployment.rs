//! Deployments while the api-server comes back: watches are taken up again one after another.

use podarium_core::sim::TraceEvent;
use serde_json::{Value, json};

use crate::harness::Plane;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Whether a ReplicaSet was refused since it was there already.
fn made_again(e: &TraceEvent) -> bool {
    let TraceEvent::Request { verb, resource, code, .. } = e else { return false };
    (*verb, &**resource, *code) == ("create", "replicasets", 409)
}

/// Makes so many Deployments before watches come back after an outage; whether a ReplicaSet was made again.
fn deployments_after_an_outage(count: u32) -> bool {
    let mut plane = Plane::start(&["worker-1"]);
    plane.restart_api_server(1.0);
    let names: Vec<String> = (0..count).map(|i| format!("d-{i}")).collect();
    for name in &names {
        let labels = json!({"app": name});
        let template =
            json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
        let made = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec});
        plane.must("POST", DEPLOYMENTS, &made);
    }
    plane.run(30.0);
    let owners: Vec<Value> = plane
        .list("/apis/apps/v1/namespaces/default/replicasets")
        .iter()
        .map(|rs| rs["metadata"]["ownerReferences"][0]["name"].clone())
        .collect();
    for name in &names {
        let counted = plane.get(&format!("{DEPLOYMENTS}/{name}"))["status"]["collisionCount"].clone();
        let sets = owners.iter().filter(|o| *o == name).count();
        assert_eq!((counted, sets), (Value::Null, 1), "{name} of {count}");
    }
    plane.sim.trace().since(0).any(|e| made_again(&e.event))
}

#[test]
fn a_replica_set_that_is_not_known_yet_is_no_collision() {
    // Which watch comes back first is left to chance.
    let made_again: Vec<bool> = (1..=8).map(deployments_after_an_outage).collect();
    assert!(made_again.contains(&true), "{made_again:?}");
}
