//! JSON merge patch, RFC 7386.
//! Models evanphx/json-patch `merge.go`.

use serde_json::{Map, Value};

/// Nulls within a value that is new are dropped, but for those in lists.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(o) => {
            o.retain(|_, v| !v.is_null());
            o.values_mut().for_each(prune_nulls);
        }
        Value::Array(a) => a.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

/// Applies `patch` to `target`.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(p) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(t) = target else { return };
    for (key, v) in p {
        match (t.get_mut(key), v) {
            (_, Value::Null) => {
                t.remove(key);
            }
            (Some(old @ Value::Object(_)), Value::Object(_)) => merge_patch(old, v),
            (_, v) => {
                let mut new = v.clone();
                prune_nulls(&mut new);
                t.insert(key.clone(), new);
            }
        }
    }
}
