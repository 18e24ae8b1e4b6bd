//! Rules of custom kinds in the expression language: checked with the definition, asked of every object.

use std::time::Duration;

use serde_json::{Value, json};

use super::script::run;
use super::server::Server;

const DEFINITIONS: &str = "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const FOOS: &str = "/apis/a.b/v1/namespaces/default/foos";

fn definition(spec: Value) -> String {
    json!({
        "metadata": {"name": "foos.a.b"},
        "spec": {
            "group": "a.b", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": spec},
            }}}],
        },
    })
    .to_string()
}

fn foo(spec: Value) -> String {
    json!({"apiVersion": "a.b/v1", "kind": "Foo", "metadata": {"name": "f"}, "spec": spec}).to_string()
}

#[test]
fn rules_fit_their_schema() {
    let s = Server::new();
    let at = "spec.validation.openAPIV3Schema.properties[spec]";
    let shown = |rule: &str| {
        format!(
            "{{\"Rule\":\"{rule}\",\"Message\":\"\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}}"
        )
    };
    let refused =
        |why: &str| format!("422 CustomResourceDefinition.apiextensions.k8s.io \"foos.a.b\" is invalid: {why}");
    let with = |rules: Value| {
        definition(json!({
            "type": "object", "x-kubernetes-validations": rules,
            "properties": {"n": {"type": "integer"}, "list": {"type": "array", "items": {"type": "string"}}},
        }))
    };
    let cases = [
        (
            with(json!([{"rule": "self.m > 1"}])),
            format!(
                "{at}.x-kubernetes-validations[0].rule: Invalid value: {}: compilation failed: ERROR: <input>:1:5: undefined \
                 field 'm'\n | self.m > 1\n | ....^",
                shown("self.m \\u003e 1")
            ),
        ),
        (
            with(json!([{"rule": "self.n"}])),
            format!(
                "{at}.x-kubernetes-validations[0].rule: Invalid value: {}: cel expression must evaluate to a bool",
                shown("self.n")
            ),
        ),
        (
            with(json!([{"rule": " ", "reason": "Odd", "fieldPath": ".m"}])),
            format!(
                "[{at}.x-kubernetes-validations[0].rule: Required value: rule is not specified, \
                 {at}.x-kubernetes-validations[0].reason: Unsupported value: \"Odd\": supported values: \
                 \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\", \
                 {at}.x-kubernetes-validations[0].fieldPath: Invalid value: \".m\": must be a valid path]"
            ),
        ),
        (
            definition(
                json!({"type": "array", "maxItems": 9, "items": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}),
            ),
            format!(
                "{at}.items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the \
                 uncorrelatable portion of the schema within {at}"
            ),
        ),
    ];
    for (body, why) in &cases {
        run(&s, &[(DEFINITIONS, body, &refused(why))]);
    }
}

fn defined() -> Server {
    let s = Server::new();
    let spec = json!({
        "type": "object",
        "x-kubernetes-validations": [
            {"rule": "self.min <= self.max"},
            {"rule": "!has(self.name) || self.name.startsWith('f')", "message": "names begin with f", "fieldPath": ".name"},
            {"rule": "self.max < 100", "messageExpression": "'max is %d'.format([self.max])", "reason": "FieldValueForbidden"},
            {"rule": "self.ports.all(p, p.port > 1000)"},
        ],
        "properties": {
            "min": {"type": "integer"}, "max": {"type": "integer"}, "name": {"type": "string"},
            "size": {"type": "string", "x-kubernetes-validations": [{"rule": "isQuantity(self)"}]},
            "class": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "class stays"}]},
            "ports": {
                "type": "array", "default": [], "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                "items": {
                    "type": "object", "required": ["port"],
                    "properties": {"port": {"type": "integer"}, "to": {"type": "integer"}},
                    "x-kubernetes-validations": [{"rule": "self.to >= oldSelf.to", "message": "to only grows"}],
                },
            },
        },
    });
    run(&s, &[(DEFINITIONS, &definition(spec), "201")]);
    s.sim.run_until(s.sim.now() + Duration::from_millis(100));
    s
}

#[test]
fn rules_are_asked() {
    let s = defined();
    let post = format!("POST {FOOS}");
    let refused = |why: &str| format!("422 Foo.a.b \"f\" is invalid: {why}");
    let good = json!({"min": 1, "max": 2, "class": "a", "ports": [{"port": 8080, "to": 1}]});
    run(
        &s,
        &[
            (
                &post,
                &foo(json!({"min": 3, "max": 2})),
                &refused("spec: Invalid value: failed rule: self.min <= self.max"),
            ),
            (
                &post,
                &foo(json!({"min": 3, "max": 200, "name": "x", "size": "big"})),
                &refused(
                    "[spec.name: Invalid value: names begin with f, spec: Forbidden: max is 200, spec.size: Invalid value: \
                     \"big\": failed rule: isQuantity(self)]",
                ),
            ),
            (
                &post,
                &foo(json!({"min": 1})),
                &refused(
                    "[spec: Invalid value: \"object\": no such key: max evaluating rule: self.min <= self.max, spec: Invalid \
                     value: \"object\": no such key: max evaluating rule: self.max < 100]",
                ),
            ),
            (
                &post,
                &foo(json!({"min": "x", "max": 2})),
                &refused(
                    "[spec.min: Invalid value: \"string\": spec.min in body must be of type integer: \"string\", <nil>: \
                     Invalid value: null: some validation rules were not checked because the object was invalid; correct the \
                     existing errors to complete validation]",
                ),
            ),
            (&post, &foo(good), "201"),
            (
                &format!("PATCH {FOOS}/f"),
                r#"{"spec":{"class":"b","ports":[{"port":8080,"to":0},{"port":9090,"to":0}]}}"#,
                &refused(
                    "[spec.class: Invalid value: \"b\": class stays, spec.ports[0]: Invalid value: to only grows]",
                ),
            ),
            (&format!("PATCH {FOOS}/f"), r#"{"spec":{"max":7,"class":"a"}}"#, "200 /spec/max=7"),
        ],
    );
}

#[test]
fn lists_are_compared_as_what_they_are() {
    let s = Server::new();
    let stays = |what: &str| json!([{"rule": "self == oldSelf", "message": format!("{what} stay")}]);
    let text = json!({"type": "string", "maxLength": 10});
    let pair = json!({"type": "object", "required": ["k"], "properties": {"k": text, "v": text}});
    let spec = json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": "(self.tags + ['a']).size() == self.tags.size()", "message": "a is missing"}],
        "properties": {
            "tags": {
                "type": "array", "maxItems": 5, "items": text, "x-kubernetes-list-type": "set",
                "x-kubernetes-validations": stays("tags"),
            },
            "pairs": {
                "type": "array", "maxItems": 5, "items": pair, "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"], "x-kubernetes-validations": stays("pairs"),
            },
            "plain": {
                "type": "array", "maxItems": 5, "items": text, "x-kubernetes-validations": stays("plain ones"),
            },
        },
    });
    run(&s, &[(DEFINITIONS, &definition(spec), "201")]);
    s.sim.run_until(s.sim.now() + Duration::from_millis(100));
    let refused = |why: &str| format!("422 Foo.a.b \"f\" is invalid: {why}");
    let pairs = json!([{"k": "x", "v": "1"}, {"k": "y", "v": "2"}]);
    let patch = format!("PATCH {FOOS}/f");
    run(
        &s,
        &[
            (&format!("POST {FOOS}"), &foo(json!({"tags": ["b"]})), &refused("spec: Invalid value: a is missing")),
            (&format!("POST {FOOS}"), &foo(json!({"tags": ["a", "b"], "pairs": pairs, "plain": ["c", "d"]})), "201"),
            (&patch, r#"{"spec":{"tags":["b","a"],"pairs":[{"k":"y","v":"2"},{"k":"x","v":"1"}]}}"#, "200"),
            (
                &patch,
                r#"{"spec":{"pairs":[{"k":"y","v":"1"},{"k":"x","v":"1"}]}}"#,
                &refused("spec.pairs: Invalid value: pairs stay"),
            ),
            (&patch, r#"{"spec":{"tags":["a","c"]}}"#, &refused("spec.tags: Invalid value: tags stay")),
            (&patch, r#"{"spec":{"plain":["d","c"]}}"#, &refused("spec.plain: Invalid value: plain ones stay")),
        ],
    );
}

#[test]
fn rules_have_a_budget() {
    let s = Server::new();
    let list = |rules: Value| json!({"type": "array", "maxItems": 900, "items": {"type": "integer"}, "x-kubernetes-validations": rules});
    let pairs = json!({"rule": "self.all(x, self.all(y, x + y >= 0))"});
    let many: Vec<&Value> = std::iter::repeat_n(&pairs, 13).collect();
    let spec = json!({"type": "object", "properties": {
        "one": list(json!([pairs, {"rule": "self.size() < 500", "message": "too many"}])), "all": list(json!(many)),
    }});
    run(&s, &[(DEFINITIONS, &definition(spec), "201")]);
    s.sim.run_until(s.sim.now() + Duration::from_millis(100));
    let post = format!("POST {FOOS}");
    let of = |field: &str, n: usize| foo(json!({field: vec![1; n]}));
    let refused = |why: &str| format!("422 Foo.a.b \"f\" is invalid: {why}");
    run(
        &s,
        &[
            (&format!("{post}?dryRun=All"), &of("one", 350), "201"),
            (
                &post,
                &of("one", 600),
                &refused(
                    "spec.one: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no further \
                     validation rules will be run due to call cost exceeds limit for rule: self.all(x, self.all(y, x + y >= 0))",
                ),
            ),
            (
                &post,
                &of("all", 350),
                &refused(
                    "spec.all: Invalid value: \"array\": validation failed due to running out of cost budget, no further \
                     validation rules will be run",
                ),
            ),
        ],
    );
}

#[test]
fn what_was_wrong_and_stays_is_told() {
    let s = Server::new();
    let spec = |strict: bool| {
        let rule = json!([{"rule": "self != 'bad'", "message": "bad"}]);
        let rules = if strict { rule } else { json!([]) };
        let max = if strict { 3 } else { 9 };
        let word = json!({"type": "string", "maxLength": 9, "x-kubernetes-validations": rules});
        json!({"type": "object", "properties": {"word": word, "other": {"type": "string"}, "n": {"type": "integer", "maximum": max}}})
    };
    run(&s, &[(DEFINITIONS, &definition(spec(false)), "201")]);
    s.sim.run_until(s.sim.now() + Duration::from_millis(100));
    run(&s, &[(&format!("POST {FOOS}"), &foo(json!({"word": "bad", "n": 5})), "201")]);
    let schema = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec", "value": spec(true)}]);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/foos.a.b";
    let media = [("Content-Type", "application/json-patch+json")];
    assert_eq!(s.send("PATCH", path, &media, schema.to_string().as_bytes()).code, 200);
    s.sim.run_until(s.sim.now() + Duration::from_millis(100));
    let patch = format!("PATCH {FOOS}/f");
    run(
        &s,
        &[
            (
                &patch,
                r#"{"spec":{"other":"x"}}"#,
                "200 warning=spec.word: Invalid value: \\\"bad\\\": bad; /spec/other=x",
            ),
            (
                &patch,
                r#"{"spec":{"n":6}}"#,
                "422 Foo.a.b \"f\" is invalid: spec.n: Invalid value: 6: spec.n in body should be less than or equal to 3",
            ),
        ],
    );
}
