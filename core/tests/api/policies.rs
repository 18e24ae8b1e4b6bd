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
                     '!object.metadata.name.startsWith('kube-')' resulted in error: no such overload"
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
