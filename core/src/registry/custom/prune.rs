//! What a schema makes of an object before anybody looks at it: unknown fields go, missing ones get their defaults.
//! Models apiextensions `pkg/apiserver/schema/{pruning,defaulting}`.

use serde_json::Value;

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
            o.retain(|name, v| {
                if embedded && is_known_at_root(name) {
                    return true;
                }
                if let Some(of) = properties.and_then(|p| p.get(name)) {
                    prune_into(v, of, false, &below(name), gone);
                } else if additional.is_object() || *additional == true {
                    prune_into(v, additional, false, &below(name), gone);
                } else if !keep {
                    gone.push(below(name));
                    return false;
                }
                true
            });
        }
        Value::Array(items) => {
            let of = &schema["items"];
            // What nobody describes is kept where everything is.
            if keep && !of.is_object() {
                return;
            }
            let kept = keep.then(|| kept_too(of));
            for (i, item) in items.iter_mut().enumerate() {
                prune_into(item, kept.as_ref().unwrap_or(of), false, &format!("{path}[{i}]"), gone);
            }
        }
        _ => {}
    }
}

/// A schema of items in a list in which everything is kept.
fn kept_too(of: &Value) -> Value {
    let mut of = of.clone();
    of["x-kubernetes-preserve-unknown-fields"] = true.into();
    of
}

/// Numbers that are whole as they are when they were written and read once.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(n) if n.is_f64() => {
            let f = n.as_f64().unwrap_or_default();
            if f.fract() == 0.0 && f.abs() < 9.0e18 {
                *value = (f as i64).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(o) => o.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// Drops nulls where nothing may be null and nothing else comes by default.
pub(super) fn drop_nulls(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(o) => {
            let of = |name: &str| {
                let own = &schema["properties"][name];
                if own.is_object() { own } else { &schema["additionalProperties"] }
            };
            o.retain(|name, v| {
                let of = of(name);
                !(v.is_null() && of.is_object() && of["nullable"] != true && of["default"].is_null())
            });
            o.iter_mut().for_each(|(name, v)| drop_nulls(v, of(name)));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| drop_nulls(v, &schema["items"])),
        _ => {}
    }
}

/// Fills in defaults, also instead of nulls where nothing may be null.
pub(super) fn default(value: &mut Value, schema: &Value) {
    let odd = |v: &Value, of: &Value| v.is_null() && of.is_object() && of["nullable"] != true;
    match value {
        Value::Object(o) => {
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                let missing = o.get(name).is_none_or(|v| odd(v, of));
                if missing && !of["default"].is_null() {
                    o.insert(name.clone(), of["default"].clone());
                }
            }
            for (name, v) in o.iter_mut() {
                let (own, additional) = (&schema["properties"][name.as_str()], &schema["additionalProperties"]);
                if own.is_object() {
                    default(v, own);
                } else if additional.is_object() {
                    if odd(v, additional) {
                        *v = additional["default"].clone();
                    }
                    default(v, additional);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for item in items {
                if odd(item, &schema["items"]) {
                    *item = schema["items"]["default"].clone();
                }
                default(item, &schema["items"]);
            }
        }
        _ => {}
    }
}
