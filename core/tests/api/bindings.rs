//! What is written through the subresources of pods: bindings, evictions and new sizes.

use serde_json::{Value, json};

use super::script::run;
use super::server::Server;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn server() -> Server {
    let s = Server::new();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    s.ask("POST", "/api/v1/namespaces/default/serviceaccounts", &account);
    let labels = json!({"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1", "disk": "ssd"});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": labels}});
    s.ask("POST", "/api/v1/nodes", &node);
    let status = json!({"status": {"allocatable": {"cpu": "1", "memory": "1Gi"}}});
    s.ask("PATCH", "/api/v1/nodes/n/status", &status);
    s
}

fn pod(name: &str, more: Value) -> String {
    let resources = json!({"requests": {"cpu": "100m", "memory": "10Mi"}});
    let mut spec = json!({"containers": [{"name": "c", "image": "i", "resources": resources}]});
    if let (Some(all), Value::Object(more)) = (spec.as_object_mut(), more) {
        all.extend(more);
    }
    json!({"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "mine"}}, "spec": spec}).to_string()
}

fn binding(metadata: &Value) -> String {
    json!({"metadata": metadata, "target": {"kind": "Node", "name": "n"}}).to_string()
}

#[test]
fn a_binding_says_more_than_a_node() {
    let s = server();
    let to = |name: &str| format!("POST {PODS}/{name}/binding");
    let misnamed = "400 name in URL does not match name in Binding object";
    let conflict = "409 Operation cannot be fulfilled on pods \"p\": StorageError: invalid object, Code: 4, Key: ";
    let unmet = format!(
        "{conflict}/registry/pods/default/p, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: ResourceVersion in \
         precondition: 1, ResourceVersion in object meta: "
    );
    run(
        &s,
        &[
            (&format!("POST {PODS}"), &pod("p", json!({})), "201"),
            (&to("p"), &binding(&json!({})), misnamed),
            (&to("p"), &binding(&json!({"name": "q"})), misnamed),
            (&to("q"), &binding(&json!({"name": "q"})), "404 pods \"q\" not found"),
            (&format!("{}?dryRun=All", to("q")), &binding(&json!({"name": "q"})), "404 pods \"q\" not found"),
            (
                "POST /api/v1/namespaces/none/pods/p/binding",
                &binding(&json!({"name": "p"})),
                "404 namespaces \"none\" not found",
            ),
            (&format!("{}?dryRun=All", to("p")), &binding(&json!({"name": "p"})), "201 /status=Success"),
            (&format!("GET {PODS}/p"), "", "200 /spec/nodeName=-; /metadata/labels/topology.kubernetes.io~1zone=mine"),
        ],
    );
    let refused = s.ask(
        "POST",
        &format!("{PODS}/p/binding"),
        &json!({
            "metadata": {"name": "p", "resourceVersion": "1"}, "target": {"kind": "Node", "name": "n"},
        }),
    );
    assert!(refused.message().starts_with(unmet.trim_start_matches("409 ")), "{}", refused.text);
    let more = json!({"name": "p", "labels": {"a": "b"}, "annotations": {"c": "d"}});
    run(
        &s,
        &[
            (&to("p"), &binding(&more), "201"),
            (
                &format!("GET {PODS}/p"),
                "",
                "200 /spec/nodeName=n; /metadata/labels={\"a\": \"b\", \"topology.kubernetes.io/zone\": \"z1\", \
                 \"topology.kubernetes.io/region\": \"r1\"}; /metadata/annotations/c=d",
            ),
        ],
    );
}

#[test]
fn a_new_pod_that_has_a_node_says_where_it_is() {
    let s = server();
    run(
        &s,
        &[
            (
                &format!("POST {PODS}"),
                &pod("p", json!({"nodeName": "n"})),
                "201 /metadata/labels={\"topology.kubernetes.io/zone\": \"z1\", \"topology.kubernetes.io/region\": \"r1\"}",
            ),
            (
                &format!("POST {PODS}"),
                &pod("q", json!({"nodeName": "none"})),
                "201 /metadata/labels={\"topology.kubernetes.io/zone\": \"mine\"}",
            ),
        ],
    );
}

#[test]
fn an_eviction_names_its_pod() {
    let s = server();
    run(
        &s,
        &[
            (&format!("POST {PODS}"), &pod("p", json!({})), "201"),
            (&format!("POST {PODS}/p/eviction"), "{}", "400 name in URL does not match name in Eviction object"),
            (
                "POST /api/v1/namespaces/none/pods/p/eviction",
                r#"{"metadata":{"name":"p"}}"#,
                "404 namespaces \"none\" not found",
            ),
            (&format!("POST {PODS}/p/eviction"), r#"{"metadata":{"name":"p"}}"#, "201"),
        ],
    );
}

#[test]
fn sizes_fit_the_node() {
    let s = server();
    let to = |cpu: &str| {
        json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}).to_string()
    };
    let of_init =
        json!({"spec": {"initContainers": [{"name": "i", "resources": {"requests": {"cpu": "200m"}}}]}}).to_string();
    let own = json!({"requests": {"cpu": "50m"}});
    let init = json!({"nodeName": "n", "initContainers": [{"name": "i", "image": "i", "resources": own}]});
    let resize = |name: &str| format!("PATCH {PODS}/{name}/resize smp");
    let lost = json!({"nodeName": "gone"});
    run(
        &s,
        &[
            (&format!("POST {PODS}"), &pod("p", init), "201"),
            (&format!("POST {PODS}"), &pod("q", lost), "201"),
            (&resize("p"), &to("800m"), "200"),
            (&resize("p"), &of_init, "200 /spec/initContainers/0/resources/requests/cpu=200m"),
            (
                &resize("p"),
                &to("2"),
                "403 pods \"p\" is forbidden: node didn't have enough allocatable resources: cpu, requested: 2000, \
                 allocatable: 1000",
            ),
            (&resize("q"), &to("200m"), "403 pods \"q\" is forbidden: node \"gone\" not found"),
        ],
    );
}
