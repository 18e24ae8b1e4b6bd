//! Readers of objects that are kept as JSON: absent and null are Go's zero values.

use serde_json::Value;

use super::prelude::*;

/// A text, absent as empty.
pub(crate) fn str_of<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or_default()
}

/// A text that may be absent.
pub(crate) fn opt_str<'a>(v: &'a Value, key: &str) -> Option<&'a str> {
    v[key].as_str()
}

/// A list, absent as empty.
pub(crate) fn list_of<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v[key].as_array().map_or(&[], Vec::as_slice)
}

/// A list of texts, absent as empty.
pub(crate) fn texts_of<'a>(v: &'a Value, key: &str) -> Vec<&'a str> {
    list_of(v, key).iter().map(|s| s.as_str().unwrap_or_default()).collect()
}

/// A number that may be absent.
pub(crate) fn int_of(v: &Value, key: &str) -> Option<i64> {
    v[key].as_i64()
}

/// A flag, absent as false.
pub(crate) fn flag_of(v: &Value, key: &str) -> bool {
    v[key].as_bool().unwrap_or(false)
}

/// Whether a pointer is set.
pub(crate) fn is_set(v: &Value, key: &str) -> bool {
    !v[key].is_null()
}

/// A label selector that may be absent.
pub(crate) fn selector_of(v: &Value, key: &str) -> Option<LabelSelector> {
    serde_json::from_value(v[key].clone()).ok().filter(|_| is_set(v, key))
}

/// Absent, null and empty are one, as upstream's `Semantic.DeepEqual` has it for lists and maps.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    let empty = |v: &Value| match v {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match (a, b) {
        (a, b) if empty(a) && empty(b) => true,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(x), Value::Object(y)) => {
            x.keys().chain(y.keys()).all(|k| same(x.get(k).unwrap_or(&Value::Null), y.get(k).unwrap_or(&Value::Null)))
        }
        (a, b) => a == b,
    }
}

/// Upstream's `ValidateImmutableField`, of a value that prints as it is written.
pub(crate) fn immutable(new: &Value, old: &Value, path: &Path, errs: &mut ErrorList) {
    if !same(new, old) {
        errs.push(Error::invalid(path, new, "field is immutable"));
    }
}

/// Required, and one of the supported values.
pub(crate) fn required_one_of(value: &str, supported: &[&str], path: &Path, errs: &mut ErrorList) {
    match value {
        "" => errs.push(Error::required(path, "")),
        value => one_of(value, supported, path, errs),
    }
}
