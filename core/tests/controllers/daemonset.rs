//! DaemonSets: rolling updates with and without surge.

use serde_json::{Value, json};

use crate::harness::Plane;

const PODS: &str = "/api/v1/namespaces/default/pods";
const SET: &str = "/apis/apps/v1/namespaces/default/daemonsets/agent";

fn start(rolling: Value) -> Plane {
    let plane = Plane::start(&["worker-1", "worker-2", "worker-3", "worker-4"]);
    let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": {
        "selector": {"matchLabels": {"app": "agent"}}, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}}});
    plane.must("POST", "/apis/apps/v1/namespaces/default/daemonsets", &set);
    plane.run(5.0);
    plane
}

/// How many pods there are of the old and the new image, and the fewest ready and the most pods at any time of an update.
fn update(plane: &Plane) -> (usize, usize) {
    let containers = json!([{"name": "c", "image": "nginx:1.28"}]);
    plane.must("PATCH", SET, &json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    let (mut fewest, mut most) = (usize::MAX, 0);
    for _ in 0..600 {
        plane.run(0.05);
        let all = plane.list(PODS);
        let live: Vec<&Value> = all.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null()).collect();
        let ready = |p: &&&Value| {
            p["status"]["conditions"]
                .as_array()
                .is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
        };
        fewest = fewest.min(live.iter().filter(ready).count());
        most = most.max(live.len());
    }
    let images: Vec<Value> = plane.list(PODS).iter().map(|p| p["spec"]["containers"][0]["image"].clone()).collect();
    assert_eq!(images, ["nginx:1.28"; 4]);
    let status = plane.get(SET)["status"].clone();
    assert_eq!(
        [&status["updatedNumberScheduled"], &status["numberAvailable"], &status["desiredNumberScheduled"]],
        [4, 4, 4]
    );
    (fewest, most)
}

#[test]
fn updates_stay_within_their_bounds() {
    for (rolling, fewest, most) in [
        (json!({"maxUnavailable": 1}), 3, 4),
        (json!({"maxUnavailable": 2}), 2, 4),
        (json!({"maxUnavailable": "50%"}), 2, 4),
        (json!({"maxUnavailable": 0, "maxSurge": 1}), 4, 5),
        (json!({"maxUnavailable": 0, "maxSurge": "50%"}), 4, 6),
    ] {
        assert_eq!(update(&start(rolling.clone())), (fewest, most), "{rolling}");
    }
}
