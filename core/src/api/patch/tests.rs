use serde_json::json;

use super::*;

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "finalizers": ["a/1", "a/2"]},
        "spec": {"template": {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {
            "containers": [{"name": "c", "image": "x"}, {"name": "s", "image": "y"}],
            "volumes": [{"name": "v", "emptyDir": {}}]}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}})
}

fn patched(kind: PatchKind, patch: Value) -> Result<Value, Status> {
    let text = patch.to_string();
    apply(kind, &deployment(), text.as_bytes(), "apps/v1", "Deployment", FieldValidation::Strict).map(|p| p.value)
}

fn strategic(patch: Value, pointer: &str, want: Value) {
    let got = patched(PatchKind::Strategic, patch.clone()).map(|v| v.pointer(pointer).cloned().unwrap_or_default());
    assert_eq!(got, Ok(want), "{patch}");
}

fn in_pod(patch: Value) -> Value {
    json!({"spec": {"template": {"spec": patch}}})
}

#[test]
fn strategic_merges() {
    let pod = "/spec/template/spec";
    let c = |name: &str, image: &str| json!({"name": name, "image": image});
    let at = |field: &str| format!("{pod}/{field}");
    let strip = |mut v: Value| {
        for c in v.as_array_mut().into_iter().flatten() {
            c.as_object_mut().map(|o| o.remove("resources"));
        }
        v
    };
    for (patch, want) in [
        (json!({"containers": [c("s", "z")]}), json!([c("c", "x"), c("s", "z")])),
        (json!({"containers": [c("n", "n")]}), json!([c("n", "n"), c("c", "x"), c("s", "y")])),
        (json!({"containers": [{"$patch": "delete", "name": "c"}]}), json!([c("s", "y")])),
        (json!({"containers": [{"$patch": "replace"}, c("o", "o")]}), json!([c("o", "o")])),
        (
            json!({"containers": [c("s", "z")], "$setElementOrder/containers": [{"name": "s"}, {"name": "c"}]}),
            json!([c("s", "z"), c("c", "x")]),
        ),
    ] {
        let got = patched(PatchKind::Strategic, in_pod(patch.clone())).unwrap();
        assert_eq!(strip(got.pointer(&at("containers")).cloned().unwrap()), want, "{patch}");
    }
    strategic(json!({"metadata": {"finalizers": ["a/3"]}}), "/metadata/finalizers", json!(["a/3", "a/1", "a/2"]));
    strategic(
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/1"]}}),
        "/metadata/finalizers",
        json!(["a/2"]),
    );
    let labels = "/spec/template/metadata/labels";
    let meta = |l: Value| json!({"spec": {"template": {"metadata": {"labels": l}}}});
    strategic(meta(json!({"b": null, "c": "3"})), labels, json!({"a": "1", "c": "3"}));
    strategic(meta(json!({"$patch": "replace", "only": "x"})), labels, json!({"only": "x"}));
    strategic(
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        "/spec/strategy",
        json!({"type": "Recreate"}),
    );
    strategic(
        in_pod(json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]})),
        &at("volumes"),
        json!([{"name": "v", "hostPath": {"path": "/"}}]),
    );
    strategic(in_pod(json!({"tolerations": [{"key": "k"}]})), &at("tolerations"), json!([{"key": "k"}]));
}

#[test]
fn strategic_errors() {
    let message = |patch: Value| patched(PatchKind::Strategic, patch).map_err(|s| (s.code, s.message)).unwrap_err();
    for (patch, code, want) in [
        (
            in_pod(json!({"containers": [{"image": "x"}]})),
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            in_pod(
                json!({"containers": [{"name": "q", "image": "q"}], "$setElementOrder/containers": [{"name": "s"}, {"name": "c"}]}),
            ),
            500,
            "The order in patch list:\n[map[image:q name:q]]\n doesn't match $setElementOrder list:\n[map[name:s] map[name:c]]\n",
        ),
        (
            json!({"spec": []}),
            422,
            " \"\" is invalid: patch: Invalid value: \"map[spec:[]]\": cannot restore struct from: slice",
        ),
        (
            json!({"spec": {"replicas": "x"}}),
            422,
            " \"\" is invalid: patch: Invalid value: \"map[spec:map[replicas:x]]\": unrecognized type: int32",
        ),
        (
            json!({"specs": {}}),
            422,
            " \"\" is invalid: patch: Invalid value: \"map[specs:map[]]\": strict decoding error: unknown field \"specs\"",
        ),
        (json!({"metadata": {"$patch": "nope"}}), 500, "unknown patch type: nope in map: map[$patch:nope]"),
        (json!({"spec": {"strategy": {"$retainKeys": 1}}}), 400, "invalid patch format of retainKeys"),
    ] {
        assert_eq!(message(patch.clone()), (code, want.to_owned()), "{patch}");
    }
}

#[test]
fn merge_patches() {
    for (target, patch, want) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({}), json!({"a": {"b": {"c": null}}}), json!({"a": {"b": {}}})),
    ] {
        let mut t = target.clone();
        merge_patch(&mut t, &patch);
        assert_eq!(t, want, "{target} {patch}");
    }
}

fn config_map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "cm"}, "data": {"k": "v"}})
}

fn on_config_map(kind: PatchKind, patch: &str) -> Result<Value, (u16, String)> {
    apply(kind, &config_map(), patch.as_bytes(), "v1", "ConfigMap", FieldValidation::Strict)
        .map(|p| p.value)
        .map_err(|s| (s.code, s.message))
}

#[test]
fn merge_and_json_errors() {
    let text = r#"{\"apiVersion\":\"v1\",\"data\":{\"k\":\"v\"},"#;
    let tail = r#"\"metadata\":{\"name\":\"cm\",\"namespace\":\"n\"}}"#;
    let unprocessable = "the server rejected our request due to an error in our request".to_owned();
    use PatchKind::{Json, Merge};
    for (kind, patch, code, want) in [
        (
            Merge,
            "data: {k: z}",
            400,
            "error decoding patch: invalid character 'd' looking for beginning of value".to_owned(),
        ),
        (
            Merge,
            "[]",
            400,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
                .to_owned(),
        ),
        (
            Merge,
            r#"{"kind":"Secret"}"#,
            422,
            format!(
                " \"\" is invalid: patch: Invalid value: \"{text}\\\"kind\\\":\\\"Secret\\\",{tail}\": illegal base64 data at input byte 0"
            ),
        ),
        (
            Merge,
            r#"{"datas":{"k":"v"}}"#,
            422,
            format!(
                " \"\" is invalid: patch: Invalid value: \"{text}\\\"datas\\\":{{\\\"k\\\":\\\"v\\\"}},\\\"kind\\\":\\\"ConfigMap\\\",{tail}\": strict decoding error: unknown field \"datas\""
            ),
        ),
        (
            Json,
            r#"{"op":"add"}"#,
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
                .to_owned(),
        ),
        (Json, r#"[{"op":"add","path":"/metadata/annotations/x","value":"y"}]"#, 422, unprocessable.clone()),
        (Json, r#"[{"op":"add","value":"x"}]"#, 422, unprocessable.clone()),
        (Json, r#"[{"op":"remove","path":"/data/none"}]"#, 422, unprocessable.clone()),
        (Json, r#"[{"op":"test","path":"/data/k","value":"z"}]"#, 422, unprocessable.clone()),
        (Json, r#"[{"op":"nope","path":"/data/k"}]"#, 422, unprocessable),
    ] {
        assert_eq!(on_config_map(kind, patch), Err((code, want)), "{patch}");
    }
}

#[test]
fn json_patches() {
    for (patch, want) in [
        (r#"[]"#, json!({"k": "v"})),
        (r#"[{"op":"replace","path":"/data/k","value":"z"}]"#, json!({"k": "z"})),
        (r#"[{"op":"replace","path":"/data/none","value":"z"}]"#, json!({"k": "v", "none": "z"})),
        (r#"[{"op":"add","path":"/data/a~1b~0c","value":"z"}]"#, json!({"k": "v", "a/b~c": "z"})),
        (r#"[{"op":"move","from":"/data/k","path":"/data/m"}]"#, json!({"m": "v"})),
        (
            r#"[{"op":"copy","from":"/data/k","path":"/data/m"},{"op":"test","path":"/data/m","value":"v"}]"#,
            json!({"k": "v", "m": "v"}),
        ),
    ] {
        assert_eq!(on_config_map(PatchKind::Json, patch).map(|v| v["data"].clone()), Ok(want), "{patch}");
    }
    let mut list = json!({"a": [1, 2]});
    let ops = json!([{"op": "add", "path": "/a/-", "value": 3}, {"op": "add", "path": "/a/0", "value": 0},
        {"op": "remove", "path": "/a/-1"}, {"op": "replace", "path": "/a/1", "value": 9}]);
    json::apply(&mut list, ops.as_array().unwrap(), &mut raw::Touched::default()).unwrap();
    assert_eq!(list, json!({"a": [0, 9, 2]}));
}
