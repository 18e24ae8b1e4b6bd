//! What a schema makes of an object before anybody looks at it: unknown fields go, missing ones get their defaults.
//! Models apiextensions `pkg/apiserver/schema/{pruning,defaulting}`.

use serde_json::{Map, Value};

/// Fields that every object has.
fn is_known_at_root(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

/// Drops fields that the schema doesn't name; their paths.
pub(super) fn prune(object: &mut Value, schema: &Value) -> Vec<String> {
    drops(object, schema, true)
}

/// The same for a value that may be an object with metadata of its own, or not.
pub(super) fn drops(value: &mut Value, schema: &Value, embedded: bool) -> Vec<String> {
    let mut gone = Vec::new();
    prune_into(value, schema, embedded, "", &mut gone);
    gone
}

fn prune_into(value: &mut Value, schema: &Value, root: bool, path: &str, gone: &mut Vec<String>) {
    let keep = schema["x-kubernetes-preserve-unknown-fields"] == true;
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(o) => {
            // What is an object of its own has its own fields too.
            let embedded = root || schema["x-kubernetes-embedded-resource"] == true;
            let properties = schema["properties"].as_object();
            let additional = &schema["additionalProperties"];
            let names: Vec<String> = o.keys().cloned().collect();
            for name in names {
                if embedded && is_known_at_root(&name) {
                    continue;
                }
                if let Some(of) = properties.and_then(|p| p.get(&name)) {
                    if let Some(v) = o.get_mut(&name) {
                        prune_into(v, of, false, &below(&name), gone);
                    }
                } else if additional.is_object() {
                    if let Some(v) = o.get_mut(&name) {
                        prune_into(v, additional, false, &below(&name), gone);
                    }
                } else if !keep && additional != true {
                    o.remove(&name);
                    gone.push(below(&name));
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for (i, item) in items.iter_mut().enumerate() {
                prune_into(item, &schema["items"], false, &format!("{path}[{i}]"), gone);
            }
        }
        _ => {}
    }
}

/// Fills in defaults, and drops nulls where nothing may be null but something is by default.
pub(super) fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(o) => {
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                default_field(o, name, of);
            }
            let additional = &schema["additionalProperties"];
            if additional.is_object() {
                let known = schema["properties"].as_object();
                for (_, v) in o.iter_mut().filter(|(k, _)| known.is_none_or(|p| !p.contains_key(*k))) {
                    default(v, additional);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            items.iter_mut().for_each(|item| default(item, &schema["items"]));
        }
        _ => {}
    }
}

fn default_field(o: &mut Map<String, Value>, name: &str, of: &Value) {
    let missing = match o.get(name) {
        None => true,
        Some(Value::Null) => of["nullable"] != true,
        Some(_) => false,
    };
    if missing && !of["default"].is_null() {
        o.insert(name.to_owned(), of["default"].clone());
    }
    if let Some(v) = o.get_mut(name) {
        default(v, of);
    }
}
