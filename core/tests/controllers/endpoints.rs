//! Legacy Endpoints follow the pods of their Service.

use serde_json::{Value, json};

use crate::harness::Plane;

const NS: &str = "/api/v1/namespaces/default";

/// Ready and unready addresses, as numbers, and the ports.
fn look(plane: &Plane, name: &str) -> (usize, usize, Value) {
    let e = plane.get(&format!("{NS}/endpoints/{name}"));
    let s = &e["subsets"][0];
    let n = |k: &str| s[k].as_array().map_or(0, Vec::len);
    (n("addresses"), n("notReadyAddresses"), s["ports"].clone())
}

#[test]
fn endpoints_follow_pods() {
    let plane = Plane::start(&["worker-1"]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"a": "b"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    plane.must("POST", &format!("{NS}/services"), &service);
    let bare =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bare"}, "spec": {"ports": [{"port": 80}]}});
    plane.must("POST", &format!("{NS}/services"), &bare);
    plane.run(1.0);
    let e = plane.get(&format!("{NS}/endpoints/web"));
    assert!(e.get("subsets").is_none());
    assert_eq!(e["metadata"]["labels"], json!({"a": "b", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}));
    assert_eq!(plane.ask("GET", &format!("{NS}/endpoints/bare"), &Value::Null).0, 404);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}});
    plane.must("POST", "/apis/apps/v1/namespaces/default/deployments", &deployment);
    plane.run(4.0);
    let port = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
    assert_eq!(look(&plane, "web"), (2, 0, port.clone()));
    let a = plane.get(&format!("{NS}/endpoints/web"))["subsets"][0]["addresses"][0].clone();
    assert_eq!([&a["nodeName"], &a["targetRef"]["kind"]], ["worker-1", "Pod"]);
    let pod = plane.list(&format!("{NS}/pods"))[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    plane.must("PATCH", &format!("{NS}/pods/{pod}/status"), &unready);
    plane.run(1.0);
    assert_eq!(look(&plane, "web"), (1, 1, port));
    plane.must("DELETE", &format!("{NS}/services/web"), &Value::Null);
    plane.run(1.0);
    assert_eq!(plane.ask("GET", &format!("{NS}/endpoints/web"), &Value::Null).0, 404);
}

#[test]
fn endpoints_by_hand_get_slices() {
    let plane = Plane::start(&[]);
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"ports": [{"port": 5432}]}});
    plane.must("POST", &format!("{NS}/services"), &service);
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "db", "labels": {"a": "b"}},
        "subsets": [{"addresses": [{"ip": "10.9.8.7"}, {"ip": "10.9.8.8"}], "ports": [{"port": 5432}]}]});
    plane.must("POST", &format!("{NS}/endpoints"), &endpoints);
    plane.run(1.0);
    let slices =
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Ddb";
    let all = plane.list(slices);
    assert_eq!(all.len(), 1);
    let labels = json!({"a": "b", "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io"});
    assert_eq!(all[0]["metadata"]["labels"], labels);
    let addresses = |all: &[Value]| -> Vec<Value> {
        all.iter()
            .flat_map(|s| s["endpoints"].as_array().cloned().unwrap_or_default())
            .map(|e| e["addresses"][0].clone())
            .collect()
    };
    assert_eq!(addresses(&all), ["10.9.8.7", "10.9.8.8"]);
    let fewer = json!({"subsets": [{"addresses": [{"ip": "10.9.8.8"}], "ports": [{"port": 5432}]}]});
    plane.must("PATCH", &format!("{NS}/endpoints/db"), &fewer);
    plane.run(1.0);
    assert_eq!(addresses(&plane.list(slices)), ["10.9.8.8"]);
    plane.must("DELETE", &format!("{NS}/endpoints/db"), &Value::Null);
    plane.run(1.0);
    assert_eq!(plane.list(slices).len(), 0);
}
