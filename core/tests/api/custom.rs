//! CustomResourceDefinitions: what they define is served, checked, shown and taken away again.

use std::time::Duration;

use serde_json::{Value, json};

use super::script::run;
use super::server::Server;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const TABS: &str = "/apis/stable.example.com/v1/namespaces/default/crontabs";

/// The definition of the documentation's example.
fn crontabs() -> Value {
    let spec = json!({
        "type": "object", "required": ["cronSpec"],
        "properties": {
            "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
            "image": {"type": "string", "default": "img:1"},
            "replicas": {"type": "integer", "minimum": 1, "maximum": 10},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "ports": {
                "type": "array", "maxItems": 2, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}}},
            },
            "size": {"x-kubernetes-int-or-string": true},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.stable.example.com"},
        "spec": {
            "group": "stable.example.com", "scope": "Namespaced",
            "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"], "categories": ["all"]},
            "versions": [
                {
                    "name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}, "scale": {
                        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                        "labelSelectorPath": ".status.selector",
                    }},
                    "selectableFields": [{"jsonPath": ".spec.image"}],
                    "additionalPrinterColumns": [
                        {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec", "description": "When"},
                        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    ],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": spec,
                        "status": {"type": "object", "properties": {
                            "replicas": {"type": "integer"}, "selector": {"type": "string"},
                        }},
                    }}},
                },
                {
                    "name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                },
            ],
        },
    })
}

fn soon(s: &Server) {
    s.sim.run_until(s.sim.now() + Duration::from_millis(100));
}

fn defined() -> Server {
    let s = Server::new();
    let made = s.ask("POST", DEFINITIONS, &crontabs());
    assert_eq!(made.code, 201, "{}", made.text);
    soon(&s);
    s
}

fn tab(name: &str, spec: &str) -> String {
    format!(r#"{{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{{"name":"{name}"}},"spec":{spec}}}"#)
}

#[test]
fn a_definition_is_established_and_served() {
    let s = Server::new();
    run(&s, &[(&format!("GET {TABS}"), "", "404")]);
    s.ask("POST", DEFINITIONS, &crontabs());
    soon(&s);
    run(
        &s,
        &[
            (
                &format!("GET {DEFINITIONS}/crontabs.stable.example.com"),
                "",
                "200 /status/conditions/0/type=NamesAccepted; /status/conditions/0/reason=NoConflicts; \
                 /status/conditions/0/status=\"True\"; /status/conditions/0/message=no conflicts found; \
                 /status/conditions/1/type=Established; /status/conditions/1/reason=InitialNamesAccepted; \
                 /status/conditions/1/message=the initial names have been accepted; \
                 /status/acceptedNames/plural=crontabs; /status/acceptedNames/singular=crontab; \
                 /status/acceptedNames/listKind=CronTabList; /status/storedVersions=[\"v1\"]",
            ),
            ("GET /apis/stable.example.com", "", "200 /preferredVersion/version=v1; /versions/1/version=v1beta1"),
            (
                "GET /apis/stable.example.com/v1",
                "",
                "200 /resources/0/name=crontabs; /resources/0/shortNames=[\"ct\"]; /resources/0/singularName=crontab; \
                 /resources/1/name=crontabs/scale; /resources/1/kind=Scale; /resources/2/name=crontabs/status",
            ),
            (&format!("GET {TABS}"), "", "200 /kind=CronTabList; /items=[]"),
            ("GET /apis/stable.example.com/v2/crontabs", "", "404"),
            (
                "GET /apis/apiregistration.k8s.io/v1/apiservices/v1.stable.example.com",
                "",
                "200 /spec/groupPriorityMinimum=1000; /status/conditions/0/reason=Local",
            ),
            (
                "GET /openapi/v3/apis/stable.example.com/v1",
                "",
                "200 /components/schemas/com.example.stable.v1.CronTab/properties/spec/properties/image/type=string",
            ),
        ],
    );
    let groups = s.get("/apis").body;
    assert_eq!(
        groups["groups"].as_array().and_then(|g| g.last()).map(|g| g["name"].clone()),
        Some("stable.example.com".into())
    );
}

#[test]
fn names_that_are_taken_wait() {
    let s = defined();
    let mut other = crontabs();
    other["metadata"]["name"] = "tabs.stable.example.com".into();
    other["spec"]["names"] = json!({"plural": "tabs", "kind": "CronTab", "shortNames": ["ct"]});
    s.ask("POST", DEFINITIONS, &other);
    soon(&s);
    run(
        &s,
        &[(
            &format!("GET {DEFINITIONS}/tabs.stable.example.com"),
            "",
            "200 /status/conditions/0/status=\"False\"; /status/conditions/0/reason=ListKindConflict; \
             /status/conditions/0/message=\"CronTabList\" is already in use; /status/conditions/1/reason=NotAccepted; \
             /status/conditions/1/message=not all names are accepted",
        )],
    );
}

#[test]
fn custom_objects_are_checked() {
    let s = defined();
    let invalid = |why: &str| format!("422 CronTab.stable.example.com \"a\" is invalid: {why}");
    let post = format!("POST {TABS}");
    let steps: &[(&str, &str)] = &[
        (r#"{}"#, "spec.cronSpec: Required value"),
        (
            r#"{"cronSpec":"* * * *"}"#,
            "spec.cronSpec: Invalid value: \"* * * *\": spec.cronSpec in body should match \
             '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'",
        ),
        (
            r#"{"cronSpec":"* * * * *","replicas":11}"#,
            "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10",
        ),
        (
            r#"{"cronSpec":"* * * * *","replicas":"1"}"#,
            "[spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\", \
             .spec.replicas: Invalid value: 0: .spec.replicas accessor error: 1 is of the type string, expected int64]",
        ),
        (
            r#"{"cronSpec":"* * * * *","kind":"c"}"#,
            "spec.kind: Unsupported value: \"c\": supported values: \"a\", \"b\"",
        ),
        (
            r#"{"cronSpec":"* * * * *","ports":[{"port":1},{"port":2},{"port":1}]}"#,
            "[spec.ports: Too many: 3: must have at most 2 items, spec.ports[2]: Duplicate value: {\"port\":1}]",
        ),
        (r#"{"cronSpec":"* * * * *","ports":[{}]}"#, "spec.ports[0].port: Required value"),
        (
            r#"{"cronSpec":"* * * * *","size":true}"#,
            "spec.size: Invalid value: \"boolean\": spec.size in body must be of type integer,string: \"boolean\"",
        ),
    ];
    for (spec, why) in steps {
        run(&s, &[(&post, &tab("a", spec), &invalid(why))]);
    }
    let good = r#"{"cronSpec":"* * * * *","size":"5%","free":{"x":{"y":1}},"odd":1}"#;
    run(
        &s,
        &[
            (
                &format!("POST {TABS}?fieldValidation=Strict"),
                &tab("a", good),
                "400 CronTab in version \"v1\" cannot be handled as a CronTab: strict decoding error: unknown field \"spec.odd\"",
            ),
            (
                &post,
                &tab("a", good),
                "201 warning=unknown field \\\"spec.odd\\\"; /spec/odd=-; /spec/image=img:1; /spec/free/x/y=1; \
                 /metadata/generation=1",
            ),
            (
                &post,
                r#"{"apiVersion":"stable.example.com/v2","kind":"CronTab","metadata":{"name":"b"}}"#,
                "400 CronTab in version \"v2\" cannot be handled as a CronTab: request to convert CR from an invalid \
                 group/version: stable.example.com/v2",
            ),
            (
                &post,
                r#"{"apiVersion":"stable.example.com/v1","kind":"Tab","metadata":{"name":"b"}}"#,
                "422 CronTab.stable.example.com \"b\" is invalid: kind: Invalid value: \"Tab\": must be CronTab",
            ),
            (
                &post,
                r#"{"x":1}"#,
                "400 the object provided is unrecognized (must be of type CronTab): Object 'Kind' is missing in \
                 '{\"x\":1}' ({\"x\":1})",
            ),
        ],
    );
}

#[test]
fn custom_objects_have_what_others_have() {
    let s = defined();
    let one = format!("{TABS}/a");
    run(
        &s,
        &[
            (&format!("POST {TABS}"), &tab("a", r#"{"cronSpec":"* * * * *","replicas":3}"#), "201"),
            (&format!("POST {TABS}"), &tab("b", r#"{"cronSpec":"1 * * * *","image":"i"}"#), "201"),
            (&format!("GET {one}/scale"), "", "200 /kind=Scale; /spec/replicas=3; /status/replicas=0"),
            (&format!("PATCH {one}/scale"), r#"{"spec":{"replicas":5}}"#, "200 /spec/replicas=5"),
            (
                &format!("PATCH {one}/status"),
                r#"{"status":{"replicas":4},"spec":{"replicas":1}}"#,
                "200 /status/replicas=4; /spec/replicas=5; /metadata/generation=2",
            ),
            (
                &format!("PATCH {one}"),
                r#"{"status":{"replicas":1},"spec":{"replicas":6}}"#,
                "200 /status/replicas=4; /spec/replicas=6; /metadata/generation=3",
            ),
            (
                &format!("PATCH {one} smp"),
                "{}",
                "415 the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            ),
            (
                &format!("PUT {one}"),
                &tab("a", r#"{"cronSpec":"* * * * *"}"#),
                "422 crontabs.stable.example.com \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be \
                 specified for an update",
            ),
            (
                &format!("PATCH {one}?fieldManager=m apply"),
                &tab("a", r#"{"replicas":7}"#),
                "409 Apply failed with 1 conflict: conflict with \"unknown\" using stable.example.com/v1: .spec.replicas",
            ),
            (
                &format!("PATCH {one}?fieldManager=m&force=true apply"),
                &tab("a", r#"{"replicas":7}"#),
                "200 /spec/replicas=7",
            ),
            (&format!("GET {TABS}?fieldSelector=spec.image%3Di"), "", "200 /items/0/metadata/name=b; /items/1=-"),
            (
                &format!("GET {TABS} accept=table"),
                "",
                "200 /columnDefinitions/1/name=Spec; /columnDefinitions/1/description=When; \
                 /columnDefinitions/2/description=Custom resource definition column (in JSONPath format): .spec.replicas; \
                 /rows/0/cells=[\"a\",\"* * * * *\",7,\"0s\"]; /rows/1/cells=[\"b\",\"1 * * * *\",null,\"0s\"]",
            ),
            (
                "GET /apis/stable.example.com/v1beta1/namespaces/default/crontabs/a",
                "",
                "200 warning=stable.example.com/v1beta1 CronTab is deprecated; /apiVersion=stable.example.com/v1beta1",
            ),
        ],
    );
    let events = s.events(&format!("{TABS}?watch=1"));
    assert_eq!(events.iter().map(|e| e["object"]["metadata"]["name"].clone()).collect::<Vec<_>>(), ["a", "b"]);
}

/// They are not served by go-restful, which would not know what `application/*` is.
#[test]
fn what_custom_objects_are_written_as() {
    let s = defined();
    run(&s, &[(&format!("POST {TABS}"), &tab("a", r#"{"cronSpec":"* * * * *"}"#), "201")]);
    let one = format!("{TABS}/a");
    let only = "only the following media types are accepted: application/json, application/yaml, \
                application/vnd.kubernetes.protobuf";
    for (accept, code, message) in
        [("application/*", 200, ""), ("text/html", 406, only), ("application/cbor", 406, only)]
    {
        let answer = s.send("GET", &one, &[("Accept", accept)], b"");
        assert_eq!((answer.code, answer.message()), (code, message), "{accept}");
    }
}

#[test]
fn applied_lists_merge_by_their_schema() {
    let s = defined();
    let one = format!("{TABS}/a");
    let apply = |manager: &str| format!("PATCH {one}?fieldManager={manager} apply");
    run(
        &s,
        &[
            (
                &apply("m"),
                &tab("a", r#"{"cronSpec":"* * * * *","ports":[{"port":1}]}"#),
                "201 /spec/ports=[{\"port\":1}]",
            ),
            (&apply("n"), &tab("a", r#"{"ports":[{"port":2}]}"#), "200 /spec/ports=[{\"port\":1},{\"port\":2}]"),
            (
                &format!("GET {one}"),
                "",
                "200 /metadata/managedFields/1/fieldsV1={\"f:spec\":{\"f:ports\":{\"k:{\\\"port\\\":2}\":{\".\":{},\"f:port\":{}}}}}",
            ),
            (&apply("m"), &tab("a", r#"{"cronSpec":"* * * * *"}"#), "200 /spec/ports=[{\"port\":2}]"),
            (
                &apply("n"),
                &tab("a", r#"{"ports":[{"port":2},{"port":2}]}"#),
                "500 failed to create typed patch object (/a; stable.example.com/v1, Kind=CronTab): .spec.ports: duplicate \
                 entries for key [port=2]",
            ),
            (
                &apply("n"),
                &tab("a", r#"{"odd":1}"#),
                "500 failed to create typed patch object (/a; stable.example.com/v1, Kind=CronTab): .spec.odd: field not \
                 declared in schema",
            ),
        ],
    );
}

#[test]
fn a_definition_goes_after_its_objects() {
    let s = defined();
    let held = tab("a", r#"{"cronSpec":"* * * * *"}"#).replace(r#""name":"a""#, r#""name":"a","finalizers":["x.y/z"]"#);
    let definition = format!("{DEFINITIONS}/crontabs.stable.example.com");
    run(
        &s,
        &[
            (&format!("POST {TABS}"), &held, "201"),
            (&format!("POST {TABS}"), &tab("b", r#"{"cronSpec":"* * * * *"}"#), "201"),
            (
                &format!("DELETE {definition}"),
                "",
                "200 /metadata/finalizers=[\"customresourcecleanup.apiextensions.k8s.io\"]",
            ),
        ],
    );
    soon(&s);
    run(
        &s,
        &[
            (&format!("GET {TABS}/b"), "", "404"),
            (&format!("GET {definition}"), "", "200 /status/conditions/2/type=Terminating"),
            (&format!("PATCH {TABS}/a"), r#"{"metadata":{"finalizers":null}}"#, "200"),
        ],
    );
    s.sim.run_until(s.sim.now() + Duration::from_secs(2));
    run(&s, &[(&format!("GET {definition}"), "", "404"), (&format!("GET {TABS}"), "", "404")]);
    assert!(!s.get("/apis").text.contains("stable.example.com"));
    // Defined again, the kind begins anew.
    s.ask("POST", DEFINITIONS, &crontabs());
    soon(&s);
    run(&s, &[(&format!("GET {TABS}"), "", "200 /items=[]")]);
}

#[test]
fn scales_need_their_number() {
    let s = Server::new();
    let mut d = crontabs();
    d["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["replicas"] =
        json!({"type": "integer"});
    d["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["image"] =
        json!({"type": "string"});
    s.ask("POST", DEFINITIONS, &d);
    soon(&s);
    let negative = ".spec.replicas: Invalid value: -1: should be a non-negative integer";
    let refused = |name: &str| format!("422 CronTab.stable.example.com \"{name}\" is invalid: {negative}");
    let scale = format!("{TABS}/a/scale");
    let finalizers = r#"{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"f","finalizers":["x","y.io"]},"spec":{"cronSpec":"* * * * *"}}"#;
    run(
        &s,
        &[
            (&format!("POST {TABS}"), &tab("a", r#"{"cronSpec":"* * * * *"}"#), "201"),
            (&format!("POST {TABS}"), &tab("b", r#"{"cronSpec":"* * * * *","replicas":-1}"#), &refused("b")),
            (
                &format!("GET {scale}"),
                "",
                "500 Internal error occurred: the spec replicas field \".spec.replicas\" does not exist",
            ),
            (
                &format!("PATCH {scale}"),
                r#"{"metadata":{"labels":null}}"#,
                "400 the spec replicas field \".spec.replicas\" cannot be empty",
            ),
            (&format!("PATCH {scale}"), r#"{"spec":{"replicas":-1}}"#, &refused("a")),
            (&format!("PATCH {scale}"), r#"{"spec":{"replicas":3}}"#, "200 /spec/replicas=3"),
            (&format!("GET {scale}"), "", "200 /spec/replicas=3"),
            (
                &format!("POST {TABS}"),
                finalizers,
                "201 warning=metadata.finalizers: \\\"x\\\": prefer a domain-qualified finalizer name to avoid accidental; \
                 warning=\\\"y.io\\\": prefer a domain-qualified finalizer name including a path (/) to avoid",
            ),
        ],
    );
}

#[test]
fn schemas_are_structural() {
    let s = Server::new();
    let at = "spec.validation.openAPIV3Schema";
    let spec = |spec: Value| json!({"type": "object", "properties": {"spec": spec}});
    let text = json!({"type": "string"});
    let cases: &[(Value, &str)] = &[
        (json!({}), ".type: Required value: must not be empty at the root"),
        (text.clone(), ".type: Invalid value: \"string\": must be object at the root"),
        (spec(json!({})), ".properties[spec].type: Required value: must not be empty for specified object fields"),
        (spec(json!({"type": "array"})), ".properties[spec].items: Required value: must be specified"),
        (
            spec(json!({"type": "array", "items": {}})),
            ".properties[spec].items.type: Required value: must not be empty for specified array items",
        ),
        (
            json!({"type": "object", "additionalProperties": text}),
            ".additionalProperties: Forbidden: must not be used at the root",
        ),
        (
            spec(json!({"type": "object", "properties": {"a": text}, "additionalProperties": text})),
            ".properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            spec(json!({"type": "string", "anyOf": [{"type": "string"}]})),
            ".properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            spec(json!({"type": "integer", "default": "a"})),
            ".properties[spec].default: Invalid value: \"string\":  in body must be of type integer: \"string\"",
        ),
        (
            spec(json!({"type": "array", "items": text, "uniqueItems": true})),
            ".properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity \
             becomes quadratic",
        ),
        (
            spec(json!({"type": "array", "items": text, "x-kubernetes-list-type": "bag"})),
            ".properties[spec].x-kubernetes-list-type: Unsupported value: \"bag\": supported values: \"atomic\", \"set\", \
             \"map\"",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            ".properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is \
             implicitly specified",
        ),
    ];
    for (schema, why) in cases {
        let mut d = crontabs();
        d["spec"]["versions"] =
            json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]);
        let expected = format!(
            "422 CustomResourceDefinition.apiextensions.k8s.io \"crontabs.stable.example.com\" is invalid: {at}{why}"
        );
        run(&s, &[(&format!("POST {DEFINITIONS}"), &d.to_string(), &expected)]);
    }
}

#[test]
fn what_versions_share_is_named_above_them() {
    let s = Server::new();
    let refuse = |change: &dyn Fn(&mut Value), why: &str| {
        let mut d = crontabs();
        change(&mut d["spec"]["versions"]);
        let why = format!(
            "422 CustomResourceDefinition.apiextensions.k8s.io \"crontabs.stable.example.com\" is invalid: {why}"
        );
        run(&s, &[(&format!("POST {DEFINITIONS}"), &d.to_string(), &why)]);
    };
    let scale = "scale.specReplicasPath: Invalid value: \"x\": must be a simple json path starting with .";
    refuse(
        &|v| v[0]["subresources"]["scale"]["specReplicasPath"] = "x".into(),
        &format!("spec.versions[0].subresources.{scale}"),
    );
    refuse(
        &|v| {
            v[0]["subresources"]["scale"]["specReplicasPath"] = "x".into();
            *v = json!([v[0]]);
        },
        &format!("spec.subresources.{scale}"),
    );
    let label = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                 character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation \
                 is '[a-z]([-a-z0-9]*[a-z0-9])?')";
    let (named, of_old) = ("spec.versions[0].name: Invalid value: \"1\"", "spec.version: Invalid value: \"1\"");
    refuse(&|v| v[0]["name"] = "1".into(), &format!("[{named}: {label}, {of_old}: {label}]"));
    refuse(
        &|v| {
            v[0]["selectableFields"] = json!([{"jsonPath": ".spec.none"}, {"jsonPath": ".spec.free"}]);
            *v = json!([v[0]]);
        },
        "[spec.selectableFields[0].jsonPath: Invalid value: \".spec.none\": is an invalid path: does not refer to a valid \
         field, spec.selectableFields[1].jsonPath: Invalid value: \".spec.free\": must point to a field of type string, \
         boolean or integer. Enum string fields and strings with formats are allowed.]",
    );
}

/// A kind of one field, `a`, of this schema.
fn of_one(a: Value) -> Server {
    let s = Server::new();
    let schema = json!({"type": "object", "properties": {"a": a, "status": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}}});
    let made = json!({"metadata": {"name": "ones.a.b"}, "spec": {
        "group": "a.b", "scope": "Cluster", "names": {"plural": "ones", "kind": "One"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}},
        ],
    }});
    run(&s, &[(&format!("POST {DEFINITIONS}"), &made.to_string(), "201")]);
    soon(&s);
    s
}

#[test]
fn schemas_say_what_is_wrong() {
    let in_body = |why: &str| format!("a in body {why}");
    let cases = [
        (
            json!({"type": "string", "format": "date"}),
            json!("2026-02-30"),
            in_body("must be of type date: \"2026-02-30\""),
        ),
        (json!({"type": "string", "format": "hostname"}), json!("-a"), in_body("must be of type hostname: \"-a\"")),
        (json!({"type": "string", "format": "byte"}), json!("YQ"), in_body("must be of type byte: \"YQ\"")),
        (
            json!({"type": "string", "format": "k8s-short-name"}),
            json!("A"),
            in_body("must be of type k8s-short-name: \"A\""),
        ),
        (json!({"type": "string", "format": "mac"}), json!("0:1"), in_body("must be of type mac: \"0:1\"")),
        (json!({"type": "string", "format": "uri"}), json!("a.b"), in_body("must be of type uri: \"a.b\"")),
        (json!({"type": "string", "format": "ipv4"}), json!(1), in_body("must be of type ipv4: \"int64\"")),
        (json!({"type": "number", "multipleOf": 0.5}), json!(1.2), in_body("should be a multiple of 0.5")),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_i64),
            "Checked value must be of type integer with format int32 in a".to_owned(),
        ),
        (
            json!({"type": "integer", "minimum": 1.5}),
            json!(2),
            "Minimum boundary value must be of type integer".to_owned(),
        ),
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "oneOf": [{"required": ["b"]}, {"required": ["c"]}]}),
            json!({"b": 1, "c": 2}),
            "\"a\" must validate one and only one schema (oneOf). Found 2 valid alternatives".to_owned(),
        ),
        (
            json!({"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}, "x-kubernetes-list-type": "atomic"}),
            json!([1]),
            "a[0] in body must be of type object: \"integer\"".to_owned(),
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
            json!({"kind": "A_B"}),
            "a.apiVersion: Required value".to_owned(),
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
            json!({"kind": "A_B", "apiVersion": "v1", "metadata": {"name": "a/b"}}),
            "a.metadata.name: Invalid value: \"a/b\": may not contain '/'".to_owned(),
        ),
    ];
    for (schema, a, why) in cases {
        let s = of_one(schema);
        let body = json!({"apiVersion": "a.b/v1", "kind": "One", "metadata": {"name": "x"}, "a": a});
        let answer = s.ask("POST", "/apis/a.b/v1/ones", &body);
        assert!(answer.code == 422 && answer.message().contains(&why), "{why}: {}", answer.message());
    }
}

#[test]
fn what_is_kept_of_an_object() {
    let s = of_one(json!({"type": "object", "nullable": true, "properties": {
        "n": {"type": "string"}, "d": {"type": "string", "default": "x"}, "f": {"type": "number"},
        "e": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"q": {"type": "string"}}},
    }}));
    let body = r#"{"apiVersion":"a.b/v1","kind":"One","metadata":{"name":"x","labels":{}},"a":{"n":null,"d":null,"f":1.0,
        "e":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","odd":1},"z":1}}}"#;
    let patch = "PATCH /apis/a.b/v1/ones/x/status";
    run(
        &s,
        &[
            (
                "POST /apis/a.b/v1/ones?fieldValidation=Warn",
                body,
                "201 warning=unknown field \\\"a.e.z\\\"; /a/n=-; /a/d=x; /a/f=1; /a/e/metadata={\"name\":\"p\"}; /metadata/labels=-",
            ),
            (
                patch,
                r#"{"status":{"n":-1}}"#,
                "422 One.a.b \"x\" is invalid: status.n: Invalid value: -1: n in body should be greater than or equal to 0",
            ),
        ],
    );
}
