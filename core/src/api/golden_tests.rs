//! The recorded answers of a control plane, as far as reading, patching and applying alone decide them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::decode::{FieldValidation, Format, decode_object};
use super::managed_fields::{Apply, Managers, Scope, apply};
use super::patch::{self, PatchKind};

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn body(request: &Value) -> Vec<u8> {
    match &request["body"] {
        Value::String(s) => s.clone().into_bytes(),
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    }
}

fn validation(request: &Value) -> FieldValidation {
    let query = request["query"].as_str().unwrap_or("");
    FieldValidation::parse(query.split('&').find_map(|q| q.strip_prefix("fieldValidation=")).unwrap_or(""))
}

/// apiVersion and kind of what a path names.
fn target(path: &str) -> Option<(String, &'static str)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let version = match parts.as_slice() {
        ["api", v, ..] => (*v).to_owned(),
        ["apis", g, v, ..] => format!("{g}/{v}"),
        _ => return None,
    };
    let after = parts.iter().position(|p| *p == "namespaces").and_then(|i| parts.get(i + 2))?;
    Some((
        version,
        match *after {
            "pods" => "Pod",
            "configmaps" => "ConfigMap",
            "services" => "Service",
            "replicasets" => "ReplicaSet",
            "deployments" => "Deployment",
            _ => return None,
        },
    ))
}

#[test]
fn decoding() {
    let mut compared = 0;
    for case in cases(include_str!("../../../tests/golden/cases/decoding.json")) {
        let request = &case["request"];
        if request["method"] != "POST" || request["query"].as_str().unwrap_or("").contains("Loose") {
            continue;
        }
        let format = match request["contentType"].as_str().unwrap_or("") {
            "application/yaml" => Format::Yaml,
            t if t.starts_with("application/json") || t.is_empty() => Format::Json,
            _ => continue,
        };
        let Some((version, kind)) = target(request["path"].as_str().unwrap()) else { continue };
        let got = decode_object(&body(request), format, &version, kind, validation(request));
        let response = &case["response"];
        let want: Result<Vec<String>, &str> = match response["code"].as_u64() {
            Some(400) => Err(response["body"]["message"].as_str().unwrap_or("")),
            Some(413) => continue,
            _ => {
                let warnings = &response["headers"]["warning"];
                let list = warnings.as_array().cloned().unwrap_or_else(|| match warnings {
                    Value::String(s) => vec![json!(s)],
                    _ => Vec::new(),
                });
                Ok(list
                    .iter()
                    .filter_map(Value::as_str)
                    .filter_map(|w| serde_json::from_str(w.strip_prefix("299 - ")?).ok())
                    .collect())
            }
        };
        let got = got.map(|d| d.warnings).map_err(|s| s.message);
        assert_eq!(got.as_ref().map_err(String::as_str), want.as_ref().map_err(|m| *m), "{}", case["id"]);
        compared += 1;
    }
    assert!(compared > 20);
}

/// A live object much as an api-server would have it: what the setup posted, with some of what it would have put in.
fn live(case: &Value) -> Option<Value> {
    let sent = case["setup"].as_array()?.iter().rev().find(|s| s["method"] == "POST")?;
    let (version, kind) = target(sent["path"].as_str()?)?;
    let mut v = decode_object(&body(sent), Format::Json, &version, kind, FieldValidation::Strict).ok()?.value;
    v["metadata"]["namespace"] = json!("<ns>");
    v["metadata"]["resourceVersion"] = json!("1");
    Some(v)
}

#[test]
fn patches() {
    let mut compared = 0;
    for case in cases(include_str!("../../../tests/golden/cases/patches.json")) {
        let request = &case["request"];
        let content = request["contentType"].as_str().unwrap_or("").split(';').next().unwrap_or("");
        let Some(kind) = PatchKind::from_content_type(content) else { continue };
        let Some((version, object_kind)) = target(request["path"].as_str().unwrap()) else { continue };
        let Some(object) = live(&case) else { continue };
        let got = patch::apply(kind, &object, &body(request), &version, object_kind, validation(request));
        let response = &case["response"];
        match response["code"].as_u64() {
            Some(200) => {
                let got = got.unwrap_or_else(|s| panic!("{}: {}", case["id"], s.message)).value;
                let containers = |v: &Value| -> Value {
                    let list = v.pointer("/spec/template/spec/containers").and_then(Value::as_array);
                    list.into_iter().flatten().map(|c| json!([c["name"], c["image"]])).collect()
                };
                let seen = |v: &Value| {
                    let labels = v.pointer("/spec/template/metadata/labels").cloned();
                    let meta = &v["metadata"];
                    json!([v["data"], meta["labels"], meta["finalizers"], labels, containers(v)])
                };
                assert_eq!(seen(&got), seen(&response["body"]), "{}", case["id"]);
            }
            // The object's own version is compared elsewhere.
            Some(409) => continue,
            _ => {
                // Names are compared elsewhere, and an object's whole text depends on more than the patch.
                let want = response["body"]["message"].as_str().unwrap_or("");
                if want.contains("on the URL") || want.contains("managedFields") {
                    continue;
                }
                assert_eq!(got.map_err(|s| s.message).map(|p| p.value), Err(want.to_owned()), "{}", case["id"]);
            }
        }
        compared += 1;
    }
    assert!(compared > 15, "{compared}");
}

#[test]
fn server_side_apply() {
    let mut compared = 0;
    for case in cases(include_str!("../../../tests/golden/cases/server-side-apply.json")) {
        let mut managers = Managers::default();
        let mut object: Option<Value> = None;
        let mut second = 0;
        let setup = case["setup"].as_array().cloned().unwrap_or_default();
        let mut answer: Option<Result<(), String>> = None;
        for request in setup.iter().filter(|s| s["method"].is_string()).chain([&case["request"]]) {
            let Some((version, kind)) = target(request["path"].as_str().unwrap_or("")) else { continue };
            let scope = Scope::new(&version, kind, "");
            let query = request["query"].as_str().unwrap_or("");
            let manager = query.split('&').find_map(|q| q.strip_prefix("fieldManager=")).unwrap_or("golden");
            second += 1;
            let now = Timestamp::from_second(second).unwrap();
            let bytes = body(request);
            let content = request["contentType"].as_str().unwrap_or("");
            answer = Some(if content.contains("apply-patch") {
                let force = query.contains("force=true");
                let how = Apply { manager, force, validation: validation(request), now };
                apply(&managers, object.as_ref(), &bytes, how, &scope).map_err(|s| s.message).map(|a| {
                    managers = a.managers;
                    object = a.value.or(object.take());
                })
            } else if let Some(p) = PatchKind::from_content_type(content) {
                let old = object.clone().unwrap_or_default();
                patch::apply(p, &old, &bytes, &version, kind, validation(request)).map_err(|s| s.message).map(|p| {
                    managers = managers.update(Some(&old), &p.value, None, manager, &scope, now);
                    object = Some(p.value);
                })
            } else {
                decode_object(&bytes, Format::Json, &version, kind, validation(request)).map_err(|s| s.message).map(
                    |d| {
                        managers = managers.update(object.as_ref(), &d.value, None, manager, &scope, now);
                        object = Some(d.value);
                    },
                )
            });
        }
        let response = &case["response"];
        match response["code"].as_u64() {
            Some(200 | 201) => {
                assert_eq!(answer, Some(Ok(())), "{}", case["id"]);
                let plain = |v: &Value| -> Value {
                    v.as_array()
                        .into_iter()
                        .flatten()
                        .map(|e| {
                            json!([e["manager"], e["operation"], e["subresource"], e["fieldsType"], e["fieldsV1"]])
                        })
                        .collect()
                };
                let want = plain(&response["body"]["metadata"]["managedFields"]);
                assert_eq!(plain(&managers.to_value().unwrap_or_default()), want, "{}", case["id"]);
            }
            Some(409 | 500) => {
                let want = response["body"]["message"].as_str().unwrap_or("").to_owned();
                assert_eq!(answer, Some(Err(want)), "{}", case["id"]);
            }
            _ => continue,
        }
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}
