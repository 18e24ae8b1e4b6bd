use serde_json::json;

use super::*;

fn decode(body: &str, format: Format, version: &str, kind: &str, v: FieldValidation) -> Result<Decoded, String> {
    decode_object(body.as_bytes(), format, version, kind, v).map_err(|s| s.message)
}

fn refused(format: Format, version: &str, kind: &str, body: &str) -> String {
    decode(body, format, version, kind, FieldValidation::Strict).unwrap_err()
}

#[test]
fn what_go_says_of_bad_json() {
    for (text, want) in [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("{nope", "invalid character 'n' looking for beginning of object key string"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("1 2", "invalid character '2' after top-level value"),
        ("01", "invalid character '1' after top-level value"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1e+x", "invalid character 'x' in exponent of numeric literal"),
        ("trux", "invalid character 'x' in literal true (expecting 'e')"),
        ("\"\\x\"", "invalid character 'x' in string escape code"),
        ("\"\\u00g0\"", "invalid character 'g' in \\u hexadecimal character escape"),
        ("\"a\nb\"", "invalid character '\\n' in string literal"),
        ("'a'", "invalid character '\\'' looking for beginning of value"),
        ("é", "invalid character 'Ã' looking for beginning of value"),
    ] {
        assert_eq!(parse_json(text.as_bytes()).unwrap_err(), want, "{text}");
    }
    let text = r#"{"a":[1,-2.5,"xé\u00e9\ud83d\ude00\ud800",true,null,{}],"a":2}"#;
    assert_eq!(parse_json(text.as_bytes()), Ok(json!({"a": 2})));
    assert_eq!(parse_json(b"\"\\ud83d\\ude00 \\ud800\""), Ok(json!("😀 \u{fffd}")));
    assert_eq!(parse_json(b"\"\xff\""), Ok(json!("\u{fffd}")));
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for n in [300, 3_000, 20_000] {
            let text = open.repeat(n) + "1" + &close.repeat(n);
            assert!(parse_json(text.as_bytes()).is_err());
            let pod = format!("{{\"spec\":{text},\"x\":{text}}}");
            assert!(decode(&pod, Format::Json, "v1", "Pod", FieldValidation::Strict).is_err());
            if n < 10_000 {
                assert!(decode(&pod, Format::Yaml, "v1", "Pod", FieldValidation::Strict).is_err());
            }
        }
    }
    // Unknown fields are skipped however deep they are.
    let text = format!("{{\"x\":{}1{}}}", "[".repeat(9_000), "]".repeat(9_000));
    assert!(decode(&text, Format::Json, "v1", "Pod", FieldValidation::Ignore).is_ok());
}

#[test]
fn type_errors() {
    let pod = |body: &str| refused(Format::Json, "v1", "Pod", body);
    for (body, want) in [
        (
            r#"{"metadata":"x"}"#,
            "json: cannot unmarshal string into Go struct field Pod.metadata of type v1.ObjectMeta",
        ),
        (
            r#"{"spec":{"containers":[{"env":[{"value":5}]}]}}"#,
            "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (
            r#"{"spec":{"containers":{}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            r#"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            r#"{"spec":{"restartPolicy":true,"containers":1}}"#,
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            r#"{"spec":{"activeDeadlineSeconds":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64",
        ),
        (
            r#"{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            r#"{"metadata":{"creationTimestamp":"yesterday"}}"#,
            "parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"yesterday\" as \"2006\"",
        ),
        (
            r#"{"metadata":{"creationTimestamp":5}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
    ] {
        assert_eq!(pod(body), format!("Pod in version \"v1\" cannot be handled as a Pod: {want}"), "{body}");
    }
    assert_eq!(
        refused(Format::Json, "v1", "Service", r#"{"spec":{"ports":[{"targetPort":true}]}}"#),
        "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32"
    );
    assert_eq!(
        refused(Format::Json, "v1", "Secret", r#"{"data":{"k":"v"}}"#),
        "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 0"
    );
    assert_eq!(
        refused(Format::Json, "apps/v1", "ReplicaSet", r#"{"apiVersion":"apps/v1","spec":{"replicas":3000000000}}"#),
        "ReplicaSet in version \"v1\" cannot be handled as a ReplicaSet: json: cannot unmarshal number 3000000000 into Go struct field ReplicaSetSpec.spec.replicas of type int32"
    );
}

#[test]
fn kinds_and_versions() {
    for (version, kind, body, want) in [
        (
            "v1",
            "Pod",
            r#"{"apiVersion":"v1","kind":"Service"}"#,
            "Service in version \"v1\" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion",
        ),
        (
            "apps/v1",
            "Deployment",
            r#"{"apiVersion":"extensions/v1beta1","kind":"Deployment"}"#,
            "the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)",
        ),
        (
            "v1",
            "Pod",
            r#"{"apiVersion":"v2","kind":"Pod"}"#,
            "Pod in version \"v2\" cannot be handled as a Pod: no kind \"Pod\" is registered for version \"v2\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
        ),
        (
            "v1",
            "ConfigMap",
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"k": "v"}}{}"#,
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: invalid character '{' after top-level value ({\"apiVersion\": \"v1\", \"kind\": \" ...)",
        ),
        (
            "v1",
            "ConfigMap",
            "[1]",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" } (5b315d)",
        ),
    ] {
        assert_eq!(refused(Format::Json, version, kind, body), want, "{body}");
    }
    let d = decode("{}", Format::Json, "v1", "Pod", FieldValidation::Strict).unwrap();
    assert_eq!(d.value, json!({"apiVersion": "v1", "kind": "Pod"}));
}

#[test]
fn strictness() {
    let body = r#"{"metadata":{"name":"x","name":"y","color":"red"},"data":{"a":"1","a":"2"},"Data":{}}"#;
    let errors = [
        "duplicate field \"metadata.name\"",
        "unknown field \"metadata.color\"",
        "duplicate field \"data.a\"",
        "unknown field \"Data\"",
    ];
    let with = |v| decode(body, Format::Json, "v1", "ConfigMap", v);
    let warned = with(FieldValidation::Warn).unwrap();
    assert_eq!(warned.warnings, errors);
    assert_eq!(warned.value["metadata"], json!({"name": "y"}));
    assert_eq!(with(FieldValidation::Ignore).unwrap().warnings.len(), 0);
    assert_eq!(
        with(FieldValidation::Strict).unwrap_err(),
        format!(
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: {}",
            errors.join(", ")
        )
    );
    let body = r#"{"spec":{"containers":[{"name":"c"},{"imagee":"x"}]}}"#;
    let d = decode(body, Format::Json, "v1", "Pod", FieldValidation::Warn).unwrap();
    assert_eq!(d.warnings, ["unknown field \"spec.containers[1].imagee\""]);
    let yaml = "kind: ConfigMap\ndata:\n  a: \"1\"\n  a: \"2\"\n  b: u\n  b: v\n";
    let d = decode(yaml, Format::Yaml, "v1", "ConfigMap", FieldValidation::Warn).unwrap();
    assert_eq!(d.warnings, ["line 4: key \"a\" already set in map", "line 6: key \"b\" already set in map"]);
    assert_eq!(
        decode(yaml, Format::Yaml, "v1", "ConfigMap", FieldValidation::Strict).unwrap_err(),
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n  line 4: key \"a\" already set in map\n  line 6: key \"b\" already set in map"
    );
}

#[test]
fn what_comes_out_is_canonical() {
    let body = r#"{"metadata":{"creationTimestamp":"2020-01-01T02:00:00.5+01:00","labels":null,"annotations":{"a":null}},
        "spec":{"nodeName":null,"containers":[{"resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}},"args":["a",null]}]}}"#;
    let d = decode(body, Format::Json, "v1", "Pod", FieldValidation::Strict).unwrap();
    assert_eq!(
        d.value,
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"creationTimestamp": "2020-01-01T01:00:00Z", "annotations": {"a": ""}},
            "spec": {"containers": [{"resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}, "args": ["a", ""]}]}})
    );
}

#[test]
fn yaml_documents() {
    for (text, want) in [
        ("a: 1\nb: [x, 'y', ~]\n", json!({"a": 1, "b": ["x", "y", null]})),
        (
            "a: &x {k: v}\nb: *x\nc:\n  <<: *x\n  l: w\n",
            json!({"a": {"k": "v"}, "b": {"k": "v"}, "c": {"k": "v", "l": "w"}}),
        ),
        ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
        ("a: 1.50\nb: 1e3\nc: 0o10\nd: |\n  x\n  y\n", json!({"a": 1.5, "b": 1000, "c": 8, "d": "x\ny\n"})),
        ("", json!(null)),
        ("---\na: 1\n---\nb: 2\n", json!({"a": 1})),
        ("{\"a\": \"b\"}", json!({"a": "b"})),
    ] {
        assert_eq!(parse_yaml(text.as_bytes()), Ok(want), "{text}");
    }
    for (text, want) in [
        ("a: b\nc:\n\td: e\n", "yaml: line 3: found character that cannot start any token"),
        ("a: [1, 2\nb: c\n", "yaml: line 1: did not find expected ',' or ']'"),
        ("a: b: c\n", "yaml: mapping values are not allowed in this context"),
        ("x: 1\na: b: c\n", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: *none\n", "yaml: unknown anchor 'none' referenced"),
        ("a: &a [*a]\n", "yaml: anchor 'a' value contains itself"),
        ("a: .inf\n", "json: unsupported value: +Inf"),
        ("a: \u{1}\n", "yaml: control characters are not allowed"),
    ] {
        assert_eq!(parse_yaml(text.as_bytes()).unwrap_err(), want, "{text}");
    }
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        let p = format!("*a{}", i - 1);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", [p.as_str(); 9].join(",")));
    }
    assert_eq!(parse_yaml(bomb.as_bytes()).unwrap_err(), "yaml: document contains excessive aliasing");
    assert_eq!(
        refused(Format::Yaml, "v1", "Pod", "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: p\n"),
        "the object provided is unrecognized (must be of type Pod): yaml: line 4: found character that cannot start any token (61706956657273696f6e3a2076310a6b696e643a20506f640a6d65746164 ...)"
    );
}

#[test]
fn times() {
    for (text, want) in [
        ("2020-02-30T00:00:00Z", "parsing time \"2020-02-30T00:00:00Z\": day out of range"),
        ("2020-13-01T00:00:00Z", "parsing time \"2020-13-01T00:00:00Z\": month out of range"),
        ("2020-01-01", "parsing time \"2020-01-01\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"T\""),
        (
            "2020-01-01T00:00:00",
            "parsing time \"2020-01-01T00:00:00\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"Z07:00\"",
        ),
        ("2020-01-01T00:00:00Zx", "parsing time \"2020-01-01T00:00:00Zx\": extra text: \"x\""),
    ] {
        assert_eq!(parse_rfc3339(text).unwrap_err(), want);
    }
    assert!(parse_rfc3339_micro("2020-01-01T00:00:00.123456Z").is_ok());
    assert!(parse_rfc3339_micro("2020-01-01T00:00:00Z").is_err());
}

/// Texts with pieces cut out, doubled and swapped, by a generator of its own.
fn mutations(seeds: &[&str], rounds: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n.max(1) as u64) as usize
    };
    let spice = [
        &b"&a"[..],
        b"*a",
        b"<<:",
        b"\xff",
        b"{",
        b"[",
        b"\"",
        b": ",
        b"- ",
        b"\t",
        b"null",
        b"1e999",
        b"!!int",
        b"\\u12",
        b"|2",
    ];
    let mut out = Vec::new();
    for _ in 0..rounds {
        let mut text = seeds[below(seeds.len())].as_bytes().to_vec();
        for _ in 0..=below(6) {
            let (a, b) = (below(text.len()), below(text.len()));
            match below(4) {
                0 => drop(text.drain(a.min(b)..a.max(b).min(a.min(b) + 8))),
                1 => text.swap(a, b),
                2 => {
                    let piece = spice[below(spice.len())];
                    text.splice(a..a, piece.iter().copied());
                }
                _ => {
                    let piece: Vec<u8> = text.iter().skip(a).take(12).copied().collect();
                    text.splice(b..b, piece);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        out.push(text);
    }
    out
}

#[test]
fn no_text_is_too_odd() {
    use crate::api::managed_fields::{Apply, Managers, Scope, apply};
    use crate::api::patch::{self, PatchKind};
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels: {a: b}\nspec:\n  containers:\n  - name: c\n    image: i\n    ports: [{containerPort: 80}]\n    resources:\n      limits: {cpu: 1.5, memory: 1Gi}\n";
    let json = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","creationTimestamp":"2020-01-01T00:00:00Z"},"spec":{"containers":[{"name":"c","image":"i","$patch":"delete"}],"$setElementOrder/containers":[{"name":"c"}]}}"#;
    let ops = r#"[{"op":"add","path":"/spec/containers/-","value":{"name":"d"}},{"op":"move","from":"/metadata/name","path":"/metadata/labels"},{"op":"test","path":"/spec","value":null}]"#;
    let live = decode(pod, Format::Yaml, "v1", "Pod", FieldValidation::Strict).unwrap().value;
    let scope = Scope::new("v1", "Pod", "");
    let request =
        Apply { manager: "m", force: true, validation: FieldValidation::Warn, now: jiff::Timestamp::UNIX_EPOCH };
    let mut managers = Managers::default();
    for (i, text) in mutations(&[pod, json, ops], 1500).into_iter().enumerate() {
        let _ = decode_object(&text, Format::Yaml, "v1", "Pod", FieldValidation::Strict);
        let _ = decode_object(&text, Format::Json, "v1", "Pod", FieldValidation::Warn);
        let kind = [PatchKind::Json, PatchKind::Merge, PatchKind::Strategic][i % 3];
        let _ = patch::apply(kind, &live, &text, "v1", "Pod", FieldValidation::Ignore);
        if let Ok(a) = apply(&managers, Some(&live), &text, request, &scope) {
            managers = a.managers;
        }
        let as_text = String::from_utf8_lossy(&text).into_owned();
        let _ = crate::api::labels::Selector::parse(&as_text);
        let _ = crate::api::fields::Selector::parse(&as_text);
        let _ = crate::api::quantity::Quantity::parse(as_text.get(..as_text.len().min(24)).unwrap_or(""));
    }
}
