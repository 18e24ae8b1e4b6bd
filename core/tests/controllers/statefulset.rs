//! StatefulSets: the order of things, revisions and claims.

use serde_json::{Value, json};

use crate::harness::Plane;

const SETS: &str = "/apis/apps/v1/namespaces/default/statefulsets";
const PODS: &str = "/api/v1/namespaces/default/pods";
const WEB: &str = "/apis/apps/v1/namespaces/default/statefulsets/web";

fn start(spec: Value) -> Plane {
    let plane = Plane::start(&["worker-1", "worker-2", "worker-3"]);
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"},
        "spec": {"serviceName": "web", "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}}
    });
    for (k, v) in spec.as_object().expect("a spec") {
        set["spec"][k] = v.clone();
    }
    plane.must("POST", SETS, &set);
    plane
}

/// Each pod with its image.
fn images(plane: &Plane) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let one = |p: &Value| format!("{} {}", text(&p["metadata"]["name"]), text(&p["spec"]["containers"][0]["image"]));
    plane.list(PODS).iter().map(one).collect()
}

fn set_image(plane: &Plane, image: &str) {
    let containers = json!([{"name": "c", "image": image}]);
    plane.must("PATCH", WEB, &json!({"spec": {"template": {"spec": {"containers": containers}}}}));
}

fn status(plane: &Plane, fields: &[&str]) -> Vec<Value> {
    let set = plane.get(WEB);
    fields.iter().map(|f| set["status"][f].clone()).collect()
}

#[test]
fn pods_come_one_after_another_and_go_backwards() {
    let plane = start(json!({}));
    let mut seen = Vec::new();
    let mut watch = |plane: &Plane, seconds: usize| {
        for _ in 0..seconds * 20 {
            plane.run(0.05);
            let now: Vec<String> = plane
                .list(PODS)
                .iter()
                .map(|p| {
                    let going = if p["metadata"]["deletionTimestamp"].is_null() { "" } else { " going" };
                    format!("{}{going}", p["metadata"]["name"].as_str().expect("a name"))
                })
                .collect();
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
    };
    watch(&plane, 8);
    plane.must("PATCH", WEB, &json!({"spec": {"replicas": 1}}));
    watch(&plane, 8);
    let want: [&[&str]; 6] = [
        &["web-0"],
        &["web-0", "web-1"],
        &["web-0", "web-1", "web-2"],
        &["web-0", "web-1", "web-2 going"],
        &["web-0", "web-1 going"],
        &["web-0"],
    ];
    assert_eq!(seen.iter().filter(|s| !s.is_empty()).collect::<Vec<_>>(), want);
    assert_eq!(
        plane.events_of("StatefulSet"),
        [
            "SuccessfulCreate web: create Pod web-0 in StatefulSet web successful",
            "SuccessfulCreate web: create Pod web-1 in StatefulSet web successful",
            "SuccessfulCreate web: create Pod web-2 in StatefulSet web successful",
            "SuccessfulDelete web: delete Pod web-2 in StatefulSet web successful",
            "SuccessfulDelete web: delete Pod web-1 in StatefulSet web successful",
        ]
    );
    let fields =
        ["replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas", "collisionCount"];
    assert_eq!(status(&plane, &fields), [1, 1, 1, 1, 1, 0]);
    let pod = plane.get("/api/v1/namespaces/default/pods/web-0");
    assert_eq!(pod["spec"]["hostname"], "web-0");
    assert_eq!(pod["spec"]["subdomain"], "web");
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["statefulset.kubernetes.io/pod-name"], "web-0");
    assert_eq!(labels["apps.kubernetes.io/pod-index"], "0");
    assert_eq!(labels["controller-revision-hash"], plane.get(WEB)["status"]["currentRevision"]);
}

#[test]
fn parallel_pods_come_at_once() {
    let plane = start(json!({"podManagementPolicy": "Parallel", "replicas": 5}));
    plane.run(0.5);
    assert_eq!(plane.list(PODS).len(), 5);
    plane.run(3.0);
    assert_eq!(status(&plane, &["readyReplicas"]), [5]);
}

#[test]
fn an_update_rolls_down_to_the_partition() {
    let plane = start(json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}));
    plane.run(8.0);
    let before = plane.get(WEB)["status"]["currentRevision"].clone();
    set_image(&plane, "nginx:1.28");
    plane.run(8.0);
    assert_eq!(images(&plane), ["web-0 nginx:1.27", "web-1 nginx:1.27", "web-2 nginx:1.28"]);
    let s = plane.get(WEB)["status"].clone();
    assert_eq!(s["currentRevision"], before);
    assert_ne!(s["updateRevision"], before);
    assert_eq!([&s["currentReplicas"], &s["updatedReplicas"]], [2, 1]);
    // A pod below the partition comes back as it was.
    plane.must("DELETE", "/api/v1/namespaces/default/pods/web-0", &Value::Null);
    plane.run(5.0);
    assert_eq!(images(&plane), ["web-0 nginx:1.27", "web-1 nginx:1.27", "web-2 nginx:1.28"]);
    plane.must("PATCH", WEB, &json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}));
    plane.run(12.0);
    assert_eq!(images(&plane), ["web-0 nginx:1.28", "web-1 nginx:1.28", "web-2 nginx:1.28"]);
    let s = plane.get(WEB)["status"].clone();
    assert_eq!(s["currentRevision"], s["updateRevision"]);
    assert_eq!(s["currentReplicas"], 3);
    // Back again: the first revision is numbered anew.
    set_image(&plane, "nginx:1.27");
    plane.run(12.0);
    assert_eq!(plane.get(WEB)["status"]["currentRevision"], before);
    let revisions = plane.list("/apis/apps/v1/namespaces/default/controllerrevisions");
    let mut numbers: Vec<i64> = revisions.iter().filter_map(|r| r["revision"].as_i64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3]);
}

#[test]
fn one_goes_at_a_time_whatever_is_asked() {
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}});
    let plane = start(json!({"replicas": 4, "podManagementPolicy": "Parallel", "updateStrategy": rolling}));
    assert_eq!(plane.get(WEB)["spec"]["updateStrategy"]["rollingUpdate"], json!({"partition": 0}));
    plane.run(4.0);
    set_image(&plane, "nginx:1.28");
    plane.run(0.5);
    let going = |p: &Value| p["metadata"]["deletionTimestamp"].is_string();
    assert_eq!(plane.list(PODS).iter().map(going).collect::<Vec<_>>(), [false, false, false, true]);
    plane.run(20.0);
    assert!(images(&plane).iter().all(|i| i.ends_with("1.28")));
}

#[test]
fn on_delete_waits_for_the_person() {
    let plane = start(json!({"updateStrategy": {"type": "OnDelete"}}));
    plane.run(8.0);
    set_image(&plane, "nginx:1.28");
    plane.run(5.0);
    assert!(images(&plane).iter().all(|i| i.ends_with("1.27")));
    plane.must("DELETE", "/api/v1/namespaces/default/pods/web-1", &Value::Null);
    plane.run(5.0);
    assert_eq!(images(&plane), ["web-0 nginx:1.27", "web-1 nginx:1.28", "web-2 nginx:1.27"]);
}

#[test]
fn a_pod_that_is_not_available_holds_the_next() {
    let plane = start(json!({"minReadySeconds": 10, "replicas": 2}));
    plane.run(8.0);
    assert_eq!(images(&plane).len(), 1);
    assert_eq!(status(&plane, &["readyReplicas", "availableReplicas"]), [1, 0]);
    plane.run(8.0);
    assert_eq!(images(&plane).len(), 2);
    plane.run(12.0);
    assert_eq!(status(&plane, &["readyReplicas", "availableReplicas"]), [2, 2]);
}
