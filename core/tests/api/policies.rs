//! Admission policies in the expression language: checked when they are made, asked of every request that they are bound to.

use serde_json::{Value, json};

use super::script::run;
use super::server::Server;

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn policy(name: &str, more: Value) -> String {
    let mut spec = json!({
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": ["configmaps"]},
        ]},
    });
    if let (Some(all), Value::Object(more)) = (spec.as_object_mut(), more) {
        all.extend(more);
    }
    json!({"metadata": {"name": name}, "spec": spec}).to_string()
}

fn binding(name: &str, of: &str, more: Value) -> String {
    let mut spec = json!({"policyName": of, "validationActions": ["Deny"]});
    if let (Some(all), Value::Object(more)) = (spec.as_object_mut(), more) {
        all.extend(more);
    }
    json!({"metadata": {"name": name}, "spec": spec}).to_string()
}

fn map(name: &str, data: Value) -> String {
    json!({"metadata": {"name": name, "labels": {"a": "b"}}, "data": data}).to_string()
}

fn bound(policy: &str, bindings: &[String]) -> Server {
    let s = Server::new();
    run(&s, &[(&format!("POST {GROUP}/validatingadmissionpolicies"), policy, "201")]);
    for b in bindings {
        run(&s, &[(&format!("POST {GROUP}/validatingadmissionpolicybindings"), b, "201")]);
    }
    s
}

#[test]
fn expressions_are_checked() {
    let s = Server::new();
    let refused =
        |why: &str| format!("422 ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: {why}");
    let undeclared = |name: &str| format!("undeclared reference to '{name}' (in container '')");
    for (spec, why) in [
        (
            json!({"validations": [{"expression": "obj.a == 1"}]}),
            format!(
                "spec.validations[0].expression: Invalid value: \"obj.a == 1\": compilation failed: ERROR: <input>:1:1: {}\n | obj.a == 1\n | ^",
                undeclared("obj")
            ),
        ),
        (
            json!({"validations": [{"expression": "object.data"}]}),
            "spec.validations[0].expression: Invalid value: \"object.data\": must evaluate to bool but got dyn".to_owned(),
        ),
        (
            json!({"validations": [{"expression": "true", "messageExpression": "1"}]}),
            "spec.validations[0].messageExpression: Invalid value: \"1\": must evaluate to string but got int".to_owned(),
        ),
        (
            json!({"validations": [{"expression": "request.user == ''"}]}),
            "spec.validations[0].expression: Invalid value: \"request.user == ''\": compilation failed: ERROR: <input>:1:8: undefined field 'user'\n | request.user == ''\n | .......^".to_owned(),
        ),
        (
            json!({"validations": [{"expression": "params.a == 1"}], "matchConditions": [{"name": "c", "expression": "variables.x"}]}),
            format!(
                "[spec.matchConditions[0].expression: Invalid value: \"variables.x\": compilation failed: ERROR: <input>:1:1: {}\n | variables.x\n | ^, spec.validations[0].expression: Invalid value: \"params.a == 1\": compilation failed: ERROR: <input>:1:1: {}\n | params.a == 1\n | ^]",
                undeclared("variables"),
                undeclared("params")
            ),
        ),
        (
            json!({"variables": [{"name": "x", "expression": "1"}], "auditAnnotations": [{"key": "k", "valueExpression": "variables.x"}]}),
            "spec.auditAnnotations[0].valueExpression: Invalid value: \"variables.x\": must evaluate to one of [string null_type] but got int".to_owned(),
        ),
    ] {
        run(&s, &[(&format!("POST {GROUP}/validatingadmissionpolicies"), &policy("p", spec), &refused(&why))]);
    }
}

#[test]
fn what_is_bound_is_asked() {
    let p = policy(
        "limits",
        json!({
            "variables": [{"name": "count", "expression": "has(object.data) ? object.data.size() : 0"}],
            "matchConditions": [{"name": "not-kube", "expression": "!object.metadata.name.startsWith('kube-')"}],
            "validations": [
                {"expression": "request.operation == 'DELETE' || variables.count < 2",
                    "messageExpression": "'%d entries in %s'.format([variables.count, request.namespace])"},
                {"expression": "request.operation == 'DELETE' || object.metadata.name != 'bad'", "reason": "Forbidden"},
            ],
        }),
    );
    let s = bound(&p, &[binding("everywhere", "limits", json!({"validationActions": ["Deny", "Audit"]}))]);
    let denied = "ValidatingAdmissionPolicy 'limits' with binding 'everywhere' denied request:";
    let post = format!("POST {MAPS}");
    run(
        &s,
        &[
            (&post, &map("good", json!({"a": "1"})), "201"),
            (
                &post,
                &map("big", json!({"a": "1", "b": "2"})),
                &format!("422 configmaps \"big\" is forbidden: {denied} 2 entries in default"),
            ),
            (
                &post,
                &map("bad", json!({})),
                &format!(
                    "403 configmaps \"bad\" is forbidden: {denied} failed expression: request.operation == 'DELETE' || \
                     object.metadata.name != 'bad'"
                ),
            ),
            (&post, &map("kube-big", json!({"a": "1", "b": "2"})), "201"),
            (
                &format!("PATCH {MAPS}/good"),
                r#"{"data":{"b":"2"}}"#,
                &format!("422 configmaps \"good\" is forbidden: {denied} 2 entries in default"),
            ),
            // The condition can't be evaluated where there is no object, and the policy fails closed.
            (
                &format!("DELETE {MAPS}/good"),
                "",
                &format!(
                    "422 configmaps \"good\" is forbidden: {denied} expression \
                     '!object.metadata.name.startsWith('kube-')' resulted in error: no such key: metadata"
                ),
            ),
            (&format!("DELETE {GROUP}/validatingadmissionpolicybindings/everywhere"), "", "200"),
            (&format!("DELETE {MAPS}/good"), "", "200"),
        ],
    );
    let answer = s.ask("POST", MAPS, &json!({"metadata": {"name": "big"}, "data": {"a": "1", "b": "2"}}));
    assert_eq!(answer.code, 201, "{}", answer.text);
}

#[test]
fn warnings_and_selectors() {
    let p = policy("p", json!({"validations": [{"expression": "false", "message": "no"}]}));
    let selects = |key: &str, value: &str| json!({"validationActions": ["Warn"], "matchResources": {key: {"matchLabels": {"a": value}}}});
    let s = bound(
        &p,
        &[
            binding("this", "p", selects("objectSelector", "b")),
            binding("other", "p", selects("objectSelector", "c")),
            binding("nowhere", "p", selects("namespaceSelector", "b")),
        ],
    );
    run(
        &s,
        &[(
            &format!("POST {MAPS}"),
            &map("m", json!({})),
            "201 warning=Validation failed for ValidatingAdmissionPolicy 'p' with binding 'this': no",
        )],
    );
    let again = s.ask("POST", MAPS, &json!({"metadata": {"name": "n"}}));
    assert_eq!((again.code, again.header("Warning").as_str()), (201, ""));
}

#[test]
fn parameters_and_the_authorizer() {
    let p = policy(
        "p",
        json!({
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [
                {"expression": "params == null || object.data.size() <= int(params.data.max)"},
                {"expression": "authorizer.group('').resource('secrets').namespace('default').check('get').allowed()"},
                {"expression": "namespaceObject.metadata.name == 'default' && authorizer.requestResource.check('create').allowed()"},
            ],
        }),
    );
    let reference =
        |name: &str| json!({"paramRef": {"name": name, "namespace": "default", "parameterNotFoundAction": "Deny"}});
    let s = Server::new();
    let post = format!("POST {MAPS}");
    run(
        &s,
        &[
            (&post, &map("params", json!({"max": "1"})), "201"),
            (&format!("POST {GROUP}/validatingadmissionpolicies"), &p, "201"),
            (
                &format!("POST {GROUP}/validatingadmissionpolicybindings"),
                &binding("b", "p", reference("params")),
                "201",
            ),
            (&post, &map("one", json!({"a": "1"})), "201"),
            (
                &post,
                &map("two", json!({"a": "1", "b": "2"})),
                "422 configmaps \"two\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed \
                 expression: params == null || object.data.size() <= int(params.data.max)",
            ),
            (&format!("POST {GROUP}/validatingadmissionpolicybindings"), &binding("a", "p", reference("none")), "201"),
            (
                &post,
                &map("three", json!({"a": "1"})),
                "422 configmaps \"three\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'a' denied request: failed \
                 to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
            ),
        ],
    );
}

fn mutating(name: &str, more: Value) -> String {
    let mut spec = json!({
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [
            {"apiGroups": ["", "apps"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps", "deployments"]},
        ]},
    });
    if let (Some(all), Value::Object(more)) = (spec.as_object_mut(), more) {
        all.extend(more);
    }
    json!({"metadata": {"name": name}, "spec": spec}).to_string()
}

fn applies(expression: &str) -> Value {
    json!({"mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}]})
}

fn patches(expression: &str) -> Value {
    json!({"mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}]})
}

#[test]
fn mutations_are_checked() {
    let s = Server::new();
    let post = format!("POST {GROUP}/mutatingadmissionpolicies");
    for (spec, at, why) in [
        (applies("object"), "applyConfiguration", "must evaluate to Object but got dyn".to_owned()),
        (
            applies("Foo{a: 1}"),
            "applyConfiguration",
            "compilation failed: ERROR: <input>:1:4: undeclared reference to 'Foo' (in container '')\n | Foo{a: 1}\n | ...^"
                .to_owned(),
        ),
        (
            patches("[JSONPatch{op: 1}]"),
            "jsonPatch",
            "compilation failed: ERROR: <input>:1:14: expected type of field 'op' is 'string' but provided type is 'int'\n | [JSONPatch{op: 1}]\n | .............^"
                .to_owned(),
        ),
        (patches("JSONPatch{op: 'a'}"), "jsonPatch", "must evaluate to list(JSONPatch) but got JSONPatch".to_owned()),
    ] {
        let key = if at == "jsonPatch" { "jsonPatch" } else { "applyConfiguration" };
        let text = spec["mutations"][0][key]["expression"].to_string();
        let message = format!(
            "422 MutatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: \
             spec.mutations[0].{at}.expression: Invalid value: {text}: {why}"
        );
        run(&s, &[(&post, &mutating("p", spec), &message)]);
    }
    // No object but a mutation's may be made.
    let spec = json!({"validations": [{"expression": "Object{} == Object{}"}]});
    let answer = s.send(
        "POST",
        &format!("{GROUP}/validatingadmissionpolicies"),
        &[("Content-Type", "application/json")],
        policy("p", spec).as_bytes(),
    );
    assert!(answer.message().contains("undeclared reference to 'Object'"), "{}", answer.text);
}

#[test]
fn mutations_change_what_comes_in() {
    let bindings = format!("POST {GROUP}/mutatingadmissionpolicybindings");
    let policies = format!("POST {GROUP}/mutatingadmissionpolicies");
    let bind = |of: &str| json!({"metadata": {"name": format!("{of}-b")}, "spec": {"policyName": of}}).to_string();
    let post = format!("POST {MAPS}");
    let denied = |why: &str| format!("403 policy 'p' with binding 'p-b' denied request: {why}");
    let unlabelled = json!({"metadata": {"name": "m"}, "data": {"k": "v"}}).to_string();
    for (spec, expected) in [
        (
            applies(
                "Object{metadata: Object.metadata{labels: {'made': 'by-' + request.operation}}, data: {'a': object.data.k}}",
            ),
            r#"201 /metadata/labels/made=by-CREATE; /metadata/labels/a="b"; /data/a="v"; /data/k="v""#.to_owned(),
        ),
        (
            patches(
                "has(object.data) ? [JSONPatch{op: 'test', path: '/data/k', value: 'v'}, \
                 JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'x'}, \
                 JSONPatch{op: 'remove', path: '/metadata/labels/a'}] : []",
            ),
            r#"201 /metadata/labels/a~1b="x"; /metadata/labels/a=-"#.to_owned(),
        ),
        (
            patches("[JSONPatch{op: 'test', path: '/data/k', value: 'w'}, JSONPatch{op: 'remove', path: '/data'}]"),
            r#"201 /data/k="v""#.to_owned(),
        ),
        (
            patches("[JSONPatch{op: 'add', path: '/binaryData/x', value: 'w'}]"),
            denied(r#"JSON Patch: add operation does not apply: doc is missing path: "/binaryData/x": missing value"#),
        ),
        (
            patches("[JSONPatch{op: 'add', path: '/foo', value: {'a': 1}}]"),
            r#"500 Internal error occurred: strict decoding error: unknown field "foo""#.to_owned(),
        ),
        (
            applies("Object{metadata: Object.meta{name: 'x'}}"),
            denied(
                "type mismatch: unexpected type name \"Object.meta\", expected \"Object.metadata\", which matches field name \
                 path from root Object type",
            ),
        ),
        (
            applies("Object{data: {'a': object.data.none}}"),
            denied("expression 'Object{data: {'a': object.data.none}}' resulted in error: no such key: none"),
        ),
        (
            applies("Object{foo: 1}"),
            denied(
                "error applying patch: failed to convert patch object to typed object: .foo: field not declared in schema",
            ),
        ),
    ] {
        let s = Server::new();
        run(&s, &[(&policies, &mutating("p", spec), "201"), (&bindings, &bind("p"), "201")]);
        run(&s, &[(&post, &map("m", json!({"k": "v"})), &expected)]);
    }
    // Whoever wants to sees what came later.
    let s = Server::new();
    let mut first = applies("Object{data: {'seen': has(object.data.later) ? 'yes' : 'no'}}");
    first["reinvocationPolicy"] = "IfNeeded".into();
    run(&s, &[(&policies, &mutating("first", first), "201"), (&bindings, &bind("first"), "201")]);
    let later = mutating("later", applies("Object{data: {'later': 'x'}}"));
    run(&s, &[(&policies, &later, "201"), (&bindings, &bind("later"), "201")]);
    run(&s, &[(&post, &unlabelled, r#"201 /data/seen="yes"; /data/later="x""#)]);
    // Items of lists are told apart by their keys, and what is left out gets its default.
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let sidecar = applies(
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: \
         [Object.spec.template.spec.containers{name: 'side', image: 'busybox'}]}}}}",
    );
    let mut sidecar = sidecar;
    sidecar["matchConditions"] = json!([{"name": "c", "expression": "object.kind == 'Deployment'"}]);
    run(&s, &[(&policies, &mutating("side", sidecar), "201"), (&bindings, &bind("side"), "201")]);
    let atomic = applies("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'c'}}}}");
    let body = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}}}})
    .to_string();
    let post = format!("POST {deployments}");
    // The first two are of config maps alone: a deployment has no data.
    let wanted = "policy 'first' with binding 'first-b' denied request: expression 'Object{data: {'seen': \
                  has(object.data.later) ? 'yes' : 'no'}}' resulted in error: no such key: data";
    run(&s, &[(&post, &body, &format!("403 {wanted}"))]);
    for name in ["first-b", "later-b"] {
        run(&s, &[(&format!("DELETE {GROUP}/mutatingadmissionpolicybindings/{name}"), "", "200")]);
    }
    let container = "/spec/template/spec/containers/1";
    run(
        &s,
        &[(
            &post,
            &body,
            &format!(
                r#"201 {container}/name="side"; {container}/image="busybox"; {container}/terminationMessagePolicy="File""#
            ),
        )],
    );
    run(&s, &[(&policies, &mutating("p", atomic), "201"), (&bindings, &bind("p"), "201")]);
    let why = "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector";
    run(&s, &[(&post, &body.replace("\"d\"", "\"e\""), &denied(why))]);
}

#[test]
fn subresources_are_asked_about_what_they_take() {
    let rules = json!([
        {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/scale"]},
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction", "pods/binding"]},
    ]);
    let spec = json!({
        "matchConstraints": {"resourceRules": rules},
        "validations": [
            {"expression": "request.kind.kind != 'Scale' || object.spec.replicas < 5", "message": "too many"},
            {"expression": "request.kind.kind != 'Eviction' || object.metadata.name != 'p'", "message": "it stays"},
            {"expression": "request.kind.kind != 'Binding' || object.target.name == 'n'", "message": "elsewhere"},
        ],
    });
    let s = bound(&policy("p", spec), &[binding("b", "p", json!({}))]);
    let denied = |what: &str, why: &str| {
        format!("422 {what} is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {why}")
    };
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({
        "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    });
    let scale = "PATCH /apis/apps/v1/namespaces/default/deployments/d/scale";
    let pods = "POST /api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}).to_string();
    let to = |node: &str| json!({"metadata": {"name": "p"}, "target": {"name": node}}).to_string();
    run(
        &s,
        &[
            ("POST /apis/apps/v1/namespaces/default/deployments", &deployment.to_string(), "201"),
            (scale, r#"{"spec":{"replicas":4}}"#, "200"),
            (scale, r#"{"spec":{"replicas":5}}"#, &denied("deployments.apps \"d\"", "too many")),
            ("POST /api/v1/namespaces/default/serviceaccounts", r#"{"metadata":{"name":"default"}}"#, "201"),
            (pods, &pod, "201"),
            (&format!("{pods}/p/binding"), &to("m"), &denied("pods \"p\"", "elsewhere")),
            (&format!("{pods}/p/binding"), &to("n"), "201"),
            (&format!("{pods}/p/eviction"), r#"{"metadata":{"name":"p"}}"#, &denied("pods \"p\"", "it stays")),
        ],
    );
}

#[test]
fn mutations_change_the_replicas_of_a_scale() {
    let s = Server::new();
    let rules = json!({"resourceRules": [
        {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/scale"]},
    ]});
    let bindings = format!("POST {GROUP}/mutatingadmissionpolicybindings");
    for (name, of, how) in [
        ("a", 5, applies("Object{spec: Object.spec{replicas: 4}}")),
        ("b", 7, patches("[JSONPatch{op: 'replace', path: '/spec/replicas', value: 6}]")),
    ] {
        let mut how = how;
        how["matchConstraints"] = rules.clone();
        let only = format!("request.kind.kind == 'Scale' && object.spec.replicas == {of}");
        how["matchConditions"] = json!([{"name": "c", "expression": only}]);
        let bind = json!({"metadata": {"name": name}, "spec": {"policyName": name}}).to_string();
        let policies = format!("POST {GROUP}/mutatingadmissionpolicies");
        run(&s, &[(&policies, &mutating(name, how), "201"), (&bindings, &bind, "201")]);
    }
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({
        "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    });
    let scale = "PATCH /apis/apps/v1/namespaces/default/deployments/d/scale";
    run(
        &s,
        &[
            ("POST /apis/apps/v1/namespaces/default/deployments", &deployment.to_string(), "201"),
            (scale, r#"{"spec":{"replicas":3}}"#, "200 /spec/replicas=3"),
            (scale, r#"{"spec":{"replicas":5}}"#, "200 /spec/replicas=4"),
            (scale, r#"{"spec":{"replicas":7}}"#, "200 /spec/replicas=6"),
            ("GET /apis/apps/v1/namespaces/default/deployments/d", "", "200 /spec/replicas=6"),
        ],
    );
}

#[test]
fn expressions_cost_no_more_than_they_may() {
    let pairs = "object.data.all(k, object.data.all(l, object.data[k].size() + object.data[l].size() >= 0))";
    let many: Vec<Value> = (0..14).map(|_| json!({"expression": pairs})).collect();
    let variable = json!([{"name": "v", "expression": "object.data.none"}]);
    let s = bound(&policy("p", json!({"validations": many, "variables": variable})), &[binding("b", "p", json!({}))]);
    let own = json!({
        "variables": variable, "validations": [{"expression": "object.metadata.name != 'v' || variables.v == ''"}],
    });
    for (at, body) in [("policies", policy("q", own)), ("policybindings", binding("c", "q", json!({})))] {
        run(&s, &[(&format!("POST {GROUP}/validatingadmission{at}"), &body, "201")]);
    }
    let data =
        |n: usize| -> Value { (0..n).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>().into() };
    let denied = |name: &str, of: &str, why: &str| {
        format!("422 configmaps \"{name}\" is forbidden: ValidatingAdmissionPolicy '{of}' denied request: {why}")
    };
    let post = format!("POST {MAPS}?dryRun=All");
    run(
        &s,
        &[
            (&post, &map("a", data(5)), "201"),
            (
                &post,
                &map("a", data(260)),
                &denied(
                    "a",
                    "p' with binding 'b",
                    "validation failed due to running out of cost budget, no further validation rules will be run",
                ),
            ),
            (
                &post,
                &map("v", data(5)),
                &denied(
                    "v",
                    "q' with binding 'c",
                    "expression 'object.metadata.name != 'v' || variables.v == ''' resulted in error: composited variable \
                     \"v\" fails to evaluate: no such key: none",
                ),
            ),
        ],
    );
}
