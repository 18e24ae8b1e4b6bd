//! ValidatingAdmissionPolicies: their status tells whether their expressions fit what they match.

use serde_json::{Value, json};

use crate::harness::Plane;

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";

fn rule(groups: &[&str], versions: &[&str], resources: &[&str]) -> Value {
    json!({"apiGroups": groups, "apiVersions": versions, "operations": ["CREATE"], "resources": resources})
}

fn policy(name: &str, rules: &[Value], mut spec: Value) -> Value {
    spec["matchConstraints"] = json!({"resourceRules": rules});
    json!({"metadata": {"name": name}, "spec": spec})
}

fn says(field: &str, warnings: &[(&str, &str)]) -> Value {
    let told: Vec<String> = warnings.iter().map(|(kind, why)| format!("{kind}: {why}\n")).collect();
    json!({"fieldRef": field, "warning": told.join("\n")})
}

/// A control plane whose controllers have all begun.
fn booted() -> Plane {
    let plane = Plane::start(&["worker-1"]);
    plane.run(15.0);
    plane
}

/// What the status of a policy with these rules and this spec says of types; names that hold the time are cut.
fn checked(plane: &Plane, name: &str, rules: &[Value], spec: Value) -> Value {
    plane.must("POST", POLICIES, &policy(name, rules, spec));
    plane.run(1.0);
    let got = plane.get(&format!("{POLICIES}/{name}"));
    assert_eq!(got["status"]["observedGeneration"], 1, "{name}");
    got["status"]["typeChecking"].clone()
}

#[test]
fn expressions_are_checked_against_what_they_match() {
    let plane = booted();
    let apps = || vec![rule(&["apps"], &["v1"], &["deployments", "replicasets", "deployments/scale", "nothing"])];
    let pods = || vec![rule(&[""], &["v1"], &["pods"])];
    let one = |expression: &str| json!({"validations": [{"expression": expression}]});
    let undefined = |text: &str, column: usize, field: &str| {
        let arrow = ".".repeat(column - 1);
        format!("ERROR: <input>:1:{column}: undefined field '{field}'\n | {text}\n | {arrow}^")
    };
    let replicas = undefined("object.replicas > 1", 7, "replicas");
    let both = says(
        "spec.validations[0].expression",
        &[("apps/v1, Kind=Deployment", &replicas), ("apps/v1, Kind=ReplicaSet", &replicas)],
    );
    let single =
        |kind: &str, why: &str| json!({"expressionWarnings": [says("spec.validations[0].expression", &[(kind, why)])]});
    let overload = "ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > '1'\n | .....................^";
    let reserved = "object.metadata.namespace == ''";
    let limits = "object.spec.containers.all(c, has(c.resources.limits))";
    let requested = "authorizer.requestResource.check('get').allowed()";
    let no_selection = format!(
        "ERROR: <input>:1:11: type 'kubernetes.authorization.Authorizer' does not support field selection\n | {requested}\n | ..........^"
    );
    let cases: Vec<(Vec<Value>, Value, Value)> = vec![
        (apps(), one("object.spec.replicas > 1 && object.metadata.name != 'a'"), json!({})),
        (apps(), one("object.replicas > 1"), json!({"expressionWarnings": [both]})),
        (
            vec![rule(&["apps"], &["v1"], &["deployments"])],
            json!({"validations": [{"expression": "true"}, {"expression": "object.spec.replicas > 0", "messageExpression": "'' + object.spec.x"}]}),
            json!({"expressionWarnings": [says("spec.validations[1].messageExpression",
                &[("apps/v1, Kind=Deployment", &undefined("'' + object.spec.x", 17, "x"))])]}),
        ),
        (
            vec![rule(&["apps"], &["v1"], &["deployment"])],
            one("object.spec.replicas > '1'"),
            single("apps/v1, Kind=Deployment", overload),
        ),
        // Wildcards name no type, and what is no kind has none.
        (
            vec![rule(&["apps"], &["*"], &["deployments"]), rule(&["*"], &["v1"], &["pods"])],
            one("object.x == 1"),
            json!({}),
        ),
        (vec![rule(&[""], &["v1"], &["*", "pods/status"])], one("object.x == 1"), json!({})),
        // A word of the language is written otherwise.
        (pods(), one(reserved), single("/v1, Kind=Pod", &undefined(reserved, 16, "namespace"))),
        (pods(), one("object.metadata.__namespace__ == ''"), json!({})),
        // The API's description gives quantities no type.
        (pods(), one(limits), single("/v1, Kind=Pod", &undefined(limits, 34, "limits"))),
        (pods(), one("object.metadata.creationTimestamp < timestamp('2026-01-01T00:00:00Z')"), json!({})),
        (pods(), one(requested), single("/v1, Kind=Pod", &no_selection)),
        (pods(), one("authorizer.group('').resource('pods').check('get').allowed()"), json!({})),
        // An object that a variable holds may be of any type.
        (
            pods(),
            json!({"variables": [{"name": "spec", "expression": "object.spec"}, {"name": "wrong", "expression": "object.y"}],
                "validations": [{"expression": "variables.spec.nothing == 1 && variables.wrong.a == 1"}]}),
            json!({}),
        ),
        // Of raw objects it is known that they are objects.
        (
            vec![rule(&["apps"], &["v1"], &["controllerrevisions"])],
            one("object.data.x == 1"),
            single("apps/v1, Kind=ControllerRevision", &undefined("object.data.x == 1", 12, "x")),
        ),
        // Two kinds of that name and version, in two groups.
        (
            vec![rule(&[""], &["v1"], &["events"])],
            one("object.regarding.name == ''"),
            single("/v1, Kind=Event", &undefined("object.regarding.name == ''", 7, "regarding")),
        ),
    ];
    for (i, (rules, spec, wanted)) in cases.into_iter().enumerate() {
        let shown = spec.to_string();
        assert_eq!(checked(&plane, &format!("p{i}"), &rules, spec), wanted, "{shown}");
    }
}

#[test]
fn parameters_and_custom_kinds_have_types() {
    let plane = booted();
    let text = json!({"type": "string"});
    let spec = json!({"type": "object", "properties": {"max": {"type": "integer"}, "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let schema = json!({"type": "object", "properties": {"spec": spec, "note": text}});
    let names = json!({"plural": "limits", "singular": "limit", "kind": "Limit", "listKind": "LimitList"});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    plane.must(
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        &json!({"metadata": {"name": "limits.example.com"}, "spec": {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}}),
    );
    plane.run(1.0);
    let rules = [rule(&["example.com"], &["v1"], &["limits"])];
    let with = |kind: &str, expression: &str| json!({"paramKind": {"apiVersion": "example.com/v1", "kind": kind}, "validations": [{"expression": expression}]});
    let warned = |why: &str| json!({"expressionWarnings": [says("spec.validations[0].expression", &[("example.com/v1, Kind=Limit", why)])]});
    let cases = [
        ("Limit", "object.spec.max <= params.spec.max && object.metadata.labels['a'] == object.note", json!({})),
        (
            "Limit",
            "object.spec.max == params.spec.min",
            warned(
                "ERROR: <input>:1:31: undefined field 'min'\n | object.spec.max == params.spec.min\n | ..............................^",
            ),
        ),
        (
            "Limit",
            "object.spec.free.a == 1",
            warned("ERROR: <input>:1:17: undefined field 'a'\n | object.spec.free.a == 1\n | ................^"),
        ),
        // What no type is known of has no name.
        (
            "Missing",
            "params.a == 1",
            warned("ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.a == 1\n | ^"),
        ),
    ];
    for (i, (kind, expression, wanted)) in cases.into_iter().enumerate() {
        assert_eq!(checked(&plane, &format!("c{i}"), &rules, with(kind, expression)), wanted, "{expression}");
    }
}

#[test]
fn a_change_is_checked_again_and_has_its_manager() {
    let plane = booted();
    let path = format!("{POLICIES}/p");
    let rules = [rule(&[""], &["v1"], &["pods"])];
    plane.must("POST", POLICIES, &policy("p", &rules, json!({"validations": [{"expression": "object.x == 1"}]})));
    plane.run(1.0);
    let warnings = |o: &Value| o["status"]["typeChecking"]["expressionWarnings"].as_array().map_or(0, Vec::len);
    let first = plane.get(&path);
    assert_eq!((warnings(&first), &first["status"]["observedGeneration"]), (1, &json!(1)));
    let managers = first["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let ours: Vec<_> = managers.iter().map(|m| (&m["manager"], &m["operation"], &m["subresource"])).collect();
    assert!(
        ours.contains(&(&json!("validatingadmissionpolicy-status-controller"), &json!("Apply"), &json!("status"))),
        "{ours:?}"
    );
    // What changes nothing that is checked is left alone.
    plane.must("PATCH", &path, &json!({"metadata": {"labels": {"a": "b"}}}));
    let before = plane.get(&path);
    plane.run(1.0);
    assert_eq!(plane.get(&path), before);
    plane.must("PATCH", &path, &json!({"spec": {"validations": [{"expression": "object.kind == 'Pod'"}]}}));
    plane.run(1.0);
    let second = plane.get(&path);
    assert_eq!((warnings(&second), &second["status"]["observedGeneration"]), (0, &json!(2)));
    // Server-side apply leaves nothing where the last field was taken back.
    assert_eq!(second["status"].get("typeChecking"), None);
}
