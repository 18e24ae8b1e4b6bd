//! Small controllers: ended Jobs go, roles are made of others.

use serde_json::{Value, json};

use crate::harness::Plane;

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

#[test]
fn an_ended_job_goes_after_its_time() {
    let plane = Plane::start(&["worker-1"]);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"ttlSecondsAfterFinished": 30,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}}});
    plane.must("POST", JOBS, &job);
    plane.run(3.0);
    let pod = plane.list("/api/v1/namespaces/default/pods")[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    plane.must(
        "PATCH",
        &format!("/api/v1/namespaces/default/pods/{pod}/status"),
        &json!({"status": {"phase": "Succeeded"}}),
    );
    plane.run(25.0);
    assert_eq!(plane.get(&format!("{JOBS}/j"))["status"]["succeeded"], 1);
    plane.run(15.0);
    assert_eq!(plane.ask("GET", &format!("{JOBS}/j"), &Value::Null).0, 404);
    assert_eq!(plane.list("/api/v1/namespaces/default/pods").len(), 0);
}

#[test]
fn a_role_is_made_of_those_that_its_selectors_find() {
    let plane = Plane::start(&[]);
    let role = |name: &str, labels: Value, more: Value| {
        let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name, "labels": labels}});
        role.as_object_mut().expect("a role").extend(more.as_object().expect("more").clone());
        plane.must("POST", ROLES, &role);
    };
    let rule = |verb: &str| json!([{"apiGroups": ["example.com"], "resources": ["things"], "verbs": [verb]}]);
    role(
        "all",
        json!({}),
        json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]}, "rules": []}),
    );
    role("one", json!({"part": "yes"}), json!({"rules": rule("get")}));
    role("two", json!({"part": "yes"}), json!({"rules": rule("list")}));
    role("other", json!({}), json!({"rules": rule("delete")}));
    plane.run(1.0);
    let verbs = |plane: &Plane| {
        let rules = plane.get(&format!("{ROLES}/all"))["rules"].clone();
        rules.as_array().into_iter().flatten().map(|r| r["verbs"][0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(verbs(&plane), ["get", "list"]);
    plane.must("DELETE", &format!("{ROLES}/one"), &Value::Null);
    plane.run(1.0);
    assert_eq!(verbs(&plane), ["list"]);
    // What upstream's own roles are made of: the parts of view can be added to.
    role("more", json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"}), json!({"rules": rule("get")}));
    plane.run(1.0);
    let view = plane.get(&format!("{ROLES}/view"))["rules"].to_string();
    assert!(view.contains("example.com"), "{view}");
}
