//! The patch that apply sends: what is wanted and differs, less what was applied before and is no longer wanted.
//! Models apimachinery strategicpatch.CreateThreeWayMergePatch, and jsonmergepatch's for kinds without a known type.

use serde_json::{Map, Value, json};

use super::show::items;
use crate::api::schema::{Field, Shape, TypeId, schema};

/// How deep documents are compared.
const DEPTH_MAX: usize = 128;

/// The patch from `current` to `modified`, which was `original` when last applied.
pub(super) fn patch(ty: Option<TypeId>, original: &Value, modified: &Value, current: &Value) -> Map<String, Value> {
    object(ty, original, modified, current, 0)
}

fn field_of(ty: Option<TypeId>, key: &str) -> (Option<TypeId>, Option<&'static Field>) {
    let Some(ty) = ty else { return (None, None) };
    match &schema().get(ty).shape {
        Shape::Struct(s) => s.field(key).map_or((None, None), |f| (Some(f.ty), Some(f))),
        Shape::Map(v) => (Some(*v), None),
        _ => (None, None),
    }
}

fn object(ty: Option<TypeId>, original: &Value, modified: &Value, current: &Value, depth: usize) -> Map<String, Value> {
    let mut out = Map::new();
    if depth > DEPTH_MAX {
        return out;
    }
    for (key, want) in modified.as_object().into_iter().flatten() {
        let (have, before) = (&current[key.as_str()], &original[key.as_str()]);
        let (ty, field) = field_of(ty, key);
        let inner = match (want, have) {
            (Value::Object(_), Value::Object(_)) => {
                let mut inner = object(ty, before, want, have, depth + 1);
                if !inner.is_empty() && field.is_some_and(|f| f.patch.retain_keys) {
                    let keys: Vec<&String> = want.as_object().into_iter().flatten().map(|(k, _)| k).collect();
                    inner.insert("$retainKeys".into(), json!(keys));
                }
                if inner.is_empty() { None } else { Some(Value::Object(inner)) }
            }
            (Value::Array(w), Value::Array(h)) => match field.filter(|f| f.patch.merge) {
                Some(f) => {
                    list(&mut out, key, f, items(before), w, h, depth);
                    None
                }
                None => (w != h).then(|| want.clone()),
            },
            (want, have) => (want != have && !(want.is_null() && have.is_null())).then(|| want.clone()),
        };
        if let Some(v) = inner {
            out.insert(key.clone(), v);
        }
    }
    for key in original.as_object().into_iter().flatten().map(|(k, _)| k) {
        if modified.get(key).is_none() && current.get(key).is_some() {
            out.insert(key.clone(), Value::Null);
        }
    }
    out
}

/// A list that is merged by a key of its items, or as a set.
fn list(
    out: &mut Map<String, Value>,
    key: &str,
    field: &Field,
    original: &[Value],
    modified: &[Value],
    current: &[Value],
    depth: usize,
) {
    let Some(merge_key) = field.patch_merge_key.filter(|_| modified.iter().chain(current).all(Value::is_object)) else {
        let added: Vec<Value> = modified.iter().filter(|v| !current.contains(v)).cloned().collect();
        let gone: Vec<Value> =
            original.iter().filter(|v| !modified.contains(v) && current.contains(v)).cloned().collect();
        if !added.is_empty() || !gone.is_empty() {
            out.insert(format!("$setElementOrder/{key}"), json!(modified));
        }
        if !added.is_empty() {
            out.insert(key.to_owned(), Value::Array(added));
        }
        if !gone.is_empty() {
            out.insert(format!("$deleteFromPrimitiveList/{key}"), Value::Array(gone));
        }
        return;
    };
    let item = match &schema().get(field.ty).shape {
        Shape::List(item) => Some(*item),
        _ => None,
    };
    let find = |list: &'_ [Value], k: &Value| list.iter().find(|i| i[merge_key] == *k).cloned();
    let mut changes: Vec<Value> = Vec::new();
    for want in modified {
        let k = &want[merge_key];
        match find(current, k) {
            None => changes.push(want.clone()),
            Some(have) => {
                let before = find(original, k).unwrap_or(Value::Null);
                let mut inner = object(item, &before, want, &have, depth + 1);
                if !inner.is_empty() {
                    inner.insert(merge_key.to_owned(), k.clone());
                    changes.push(Value::Object(inner));
                }
            }
        }
    }
    for before in original {
        let k = &before[merge_key];
        if find(modified, k).is_none() && find(current, k).is_some() {
            changes.push(json!({"$patch": "delete", merge_key: k}));
        }
    }
    if !changes.is_empty() {
        let order: Vec<Value> = modified.iter().map(|i| json!({merge_key: i[merge_key]})).collect();
        out.insert(format!("$setElementOrder/{key}"), Value::Array(order));
        out.insert(key.to_owned(), Value::Array(changes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_sets_what_differs_and_takes_away_what_is_gone() {
        let original = json!({"spec": {"replicas": 3, "paused": true}});
        let wanted = json!({"spec": {"replicas": 5}});
        let current = json!({"spec": {"replicas": 3, "paused": true, "other": 1}});
        assert_eq!(
            Value::Object(patch(None, &original, &wanted, &current)),
            json!({"spec": {"replicas": 5, "paused": null}})
        );
        assert!(patch(None, &wanted, &wanted, &json!({"spec": {"replicas": 5, "defaulted": 1}})).is_empty());
    }

    #[test]
    fn lists_are_merged_by_their_key() {
        let ty = schema().kind("v1", "Pod");
        let pod = |containers: Value| json!({"spec": {"containers": containers}});
        let original = pod(json!([{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]));
        let wanted = pod(json!([{"name": "a", "image": "z"}]));
        let current =
            pod(json!([{"name": "a", "image": "x", "imagePullPolicy": "Always"}, {"name": "b", "image": "y"}]));
        assert_eq!(
            Value::Object(patch(ty, &original, &wanted, &current)),
            json!({"spec": {
                "$setElementOrder/containers": [{"name": "a"}],
                "containers": [{"name": "a", "image": "z"}, {"name": "b", "$patch": "delete"}],
            }})
        );
        assert!(patch(ty, &wanted, &wanted, &pod(json!([{"name": "a", "image": "z", "resources": {}}]))).is_empty());
    }
}
