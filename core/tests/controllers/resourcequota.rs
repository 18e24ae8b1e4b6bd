//! ResourceQuotas: what is used follows what is there.

use serde_json::{Value, json};

use crate::harness::Plane;

const NS: &str = "/api/v1/namespaces/default";

fn used(plane: &Plane) -> Value {
    plane.get(&format!("{NS}/resourcequotas/rq"))["status"]["used"].clone()
}

fn pod(name: &str, cpu: &str) -> Value {
    let resources = json!({"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"memory": "128Mi"}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [{"name": "c", "image": "nginx", "resources": resources}]}})
}

#[test]
fn usage_follows_what_comes_and_goes() {
    let plane = Plane::start(&["worker-1"]);
    plane.must("POST", &format!("{NS}/pods"), &pod("a", "500m"));
    let hard = json!({"pods": "3", "requests.cpu": "2", "limits.memory": "1Gi", "services": "5",
        "count/configmaps": "9", "persistentvolumeclaims": "1", "count/deployments.apps": "2", "requests.example.com/gpu": "1"});
    let quota =
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "rq"}, "spec": {"hard": hard}});
    plane.must("POST", &format!("{NS}/resourcequotas"), &quota);
    plane.run(1.0);
    let first = json!({"pods": "1", "requests.cpu": "500m", "limits.memory": "128Mi", "services": "1",
        "count/configmaps": "1", "persistentvolumeclaims": "0", "count/deployments.apps": "0", "requests.example.com/gpu": "0"});
    let services = plane.list(&format!("{NS}/services")).len();
    let mut first = first;
    first["services"] = services.to_string().into();
    assert_eq!(used(&plane), first);
    // The api-server counts what it lets in at once.
    plane.must("POST", &format!("{NS}/pods"), &pod("b", "1"));
    assert_eq!(used(&plane)["requests.cpu"], "1500m");
    let (code, answer) = plane.ask("POST", &format!("{NS}/pods"), &pod("c", "1"));
    assert_eq!(code, 403);
    assert_eq!(
        answer["message"],
        "pods \"c\" is forbidden: exceeded quota: rq, requested: requests.cpu=1, used: requests.cpu=1500m, limited: requests.cpu=2"
    );
    // The controller gives back what is gone.
    plane.run(3.0);
    plane.must("DELETE", &format!("{NS}/pods/a"), &Value::Null);
    plane.run(3.0);
    assert_eq!(used(&plane)["requests.cpu"], "1");
    assert_eq!(used(&plane)["pods"], "1");
    plane.must(
        "PATCH",
        &format!("{NS}/resourcequotas/rq"),
        &json!({"spec": {"hard": {"services": null, "pods": "7"}}}),
    );
    plane.run(1.0);
    let status = plane.get(&format!("{NS}/resourcequotas/rq"))["status"].clone();
    assert_eq!(status["hard"]["pods"], "7");
    assert!(status["used"].get("services").is_none());
}

#[test]
fn scopes_say_who_counts() {
    let plane = Plane::start(&["worker-1"]);
    for scope in ["BestEffort", "NotBestEffort"] {
        let name = scope.to_lowercase();
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name},
            "spec": {"hard": {"pods": "5"}, "scopes": [scope]}});
        plane.must("POST", &format!("{NS}/resourcequotas"), &quota);
    }
    plane.run(1.0);
    plane.must("POST", &format!("{NS}/pods"), &pod("a", "1"));
    plane.must("POST", &format!("{NS}/pods"), &pod("b", "1"));
    let bare = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    plane.must("POST", &format!("{NS}/pods"), &bare);
    let of = |name: &str| plane.get(&format!("{NS}/resourcequotas/{name}"))["status"]["used"]["pods"].clone();
    assert_eq!([of("besteffort"), of("notbesteffort")], ["1", "2"]);
    plane.run(3.0);
    plane.must("DELETE", &format!("{NS}/pods/a"), &Value::Null);
    plane.run(3.0);
    assert_eq!([of("besteffort"), of("notbesteffort")], ["1", "1"]);
}

#[test]
fn objects_of_custom_kinds_are_counted() {
    let plane = Plane::start(&["worker-1"]);
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "tabs.stable.example.com"},
        "spec": {"group": "stable.example.com", "scope": "Namespaced", "names": {"plural": "tabs", "kind": "Tab"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]},
    });
    plane.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition);
    plane.run(32.0);
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "rq"},
        "spec": {"hard": {"count/tabs.stable.example.com": "1"}}});
    plane.must("POST", &format!("{NS}/resourcequotas"), &quota);
    plane.run(1.0);
    assert_eq!(used(&plane), json!({"count/tabs.stable.example.com": "0"}));
    let tabs = "/apis/stable.example.com/v1/namespaces/default/tabs";
    let tab = |name: &str| json!({"apiVersion": "stable.example.com/v1", "kind": "Tab", "metadata": {"name": name}});
    plane.must("POST", tabs, &tab("a"));
    let (code, answer) = plane.ask("POST", tabs, &tab("b"));
    assert_eq!(code, 403);
    assert_eq!(
        answer["message"],
        "tabs.stable.example.com \"b\" is forbidden: exceeded quota: rq, requested: count/tabs.stable.example.com=1, \
         used: count/tabs.stable.example.com=1, limited: count/tabs.stable.example.com=1"
    );
    plane.run(3.0);
    plane.must("DELETE", &format!("{tabs}/a"), &Value::Null);
    plane.run(3.0);
    assert_eq!(used(&plane), json!({"count/tabs.stable.example.com": "0"}));
}
