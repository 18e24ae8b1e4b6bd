//! Strategic merge patch: merges by the patch strategies of the object's type, and by directives in the patch.
//! Models apimachinery `pkg/util/strategicpatch/{patch,meta}.go` and `pkg/util/mergepatch/errors.go`.

use serde_json::{Map, Value};

use super::show::{go_fmt, go_type};
use crate::api::field::quote;
use crate::api::schema::{PatchStrategy, Shape, TypeId, schema};

mod lists;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList";
const SET_ELEMENT_ORDER: &str = "$setElementOrder";

/// Why a patch can't be applied, by how the api-server answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrategicError {
    /// 400 with this message.
    BadRequest(String),
    /// 422 with a message that says nothing.
    Unprocessable(String),
    /// 500 with this message.
    Internal(String),
}

type Outcome<T> = Result<T, StrategicError>;
type Object = Map<String, Value>;

fn internal<T>(message: String) -> Outcome<T> {
    Err(StrategicError::Internal(message))
}

fn bad_set_element_order<T>() -> Outcome<T> {
    Err(StrategicError::BadRequest("invalid patch format of setElementOrder list".to_owned()))
}

fn bad_retain_keys<T>() -> Outcome<T> {
    Err(StrategicError::BadRequest("invalid patch format of retainKeys".to_owned()))
}

fn bad_arg_type<T>(expected: &str, actual: &Value) -> Outcome<T> {
    internal(format!("expected a {expected}, but received a {}", go_type(actual)))
}

fn no_merge_key<T>(item: &Value, key: &str) -> Outcome<T> {
    internal(format!("map: {} does not contain declared merge key: {key}", go_fmt(item)))
}

/// What a field's type and tags say about merging it.
struct Meta {
    /// The type of the field, or of a list's items.
    ty: TypeId,
    strategy: PatchStrategy,
    merge_key: &'static str,
}

/// Go's kind of a type.
fn go_kind(shape: &Shape) -> &'static str {
    match shape {
        Shape::Struct(_) | Shape::Time | Shape::MicroTime | Shape::Quantity | Shape::IntOrString => "struct",
        Shape::Map(_) => "map",
        Shape::List(_) | Shape::Bytes => "slice",
        Shape::String => "string",
        Shape::Bool => "bool",
        Shape::Int32 => "int32",
        Shape::Int64 | Shape::Duration => "int64",
        Shape::Float64 => "float64",
        Shape::Any => "struct",
    }
}

fn lookup_field(ty: TypeId, key: &str) -> Outcome<Meta> {
    let shape = &schema().get(ty).shape;
    let Shape::Struct(s) = shape else {
        return internal(format!(
            "merging an object in json but data type is not struct, instead is: {}",
            go_kind(shape)
        ));
    };
    let field = s.field(key).or_else(|| s.fields.iter().find(|f| f.json.eq_ignore_ascii_case(key)));
    match field {
        Some(f) => Ok(Meta { ty: f.ty, strategy: f.patch, merge_key: f.patch_merge_key.unwrap_or("") }),
        None => internal(format!("unable to find api field in struct {} for the json field {}", s.name, quote(key))),
    }
}

fn lookup_list(ty: TypeId, key: &str) -> Outcome<Meta> {
    let meta = lookup_field(ty, key)?;
    match &schema().get(meta.ty).shape {
        Shape::List(of) => Ok(Meta { ty: *of, ..meta }),
        Shape::Bytes => Ok(meta),
        _ => internal(format!("expected slice or array type, but got: {}", go_kind(&schema().get(ty).shape))),
    }
}

/// Whether Go's types of two untyped values are the same.
fn same_type(a: &Value, b: &Value) -> bool {
    go_type(a) == go_type(b)
}

/// The patch without its directives; nothing if it is itself one.
fn remove_directives(value: &mut Value) -> bool {
    match value {
        Value::Object(o) => {
            if o.contains_key(DIRECTIVE) {
                return false;
            }
            o.retain(|_, v| remove_directives(v));
            true
        }
        Value::Array(a) => {
            a.retain_mut(remove_directives);
            true
        }
        _ => true,
    }
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(o) => {
            o.retain(|_, v| !v.is_null());
            o.values_mut().for_each(discard_nulls);
        }
        Value::Array(a) => a.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

fn put(original: &mut Object, key: &str, mut value: Value) {
    if remove_directives(&mut value) {
        original.insert(key.to_owned(), value);
    } else {
        original.remove(key);
    }
}

fn retain_keys(original: &mut Object, patch: &mut Object) -> Outcome<()> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return bad_retain_keys() };
    let kept = |k: &String| keys.iter().any(|v| v.as_str() == Some(k));
    for (k, v) in patch.iter() {
        let directive = k.starts_with(DELETE_FROM_PRIMITIVE_LIST) || k.starts_with(SET_ELEMENT_ORDER);
        if !v.is_null() && !directive && !kept(k) {
            return bad_retain_keys();
        }
    }
    original.retain(|k, _| kept(k));
    Ok(())
}

/// Lists whose order the patch sets are merged first and then ordered.
fn set_element_order(original: &mut Object, patch: &mut Object, ty: TypeId) -> Outcome<()> {
    let keys: Vec<String> = patch.keys().filter(|k| k.starts_with(SET_ELEMENT_ORDER)).cloned().collect();
    for key in keys {
        let order = match patch.remove(&key) {
            Some(Value::Array(order)) => order,
            Some(other) => return bad_arg_type("[]interface {}", &other),
            None => continue,
        };
        let Some((SET_ELEMENT_ORDER, field)) = key.split_once('/') else { return bad_set_element_order() };
        let list = |o: &Object| match o.get(field) {
            None => Ok(None),
            Some(Value::Array(a)) => Ok(Some(a.clone())),
            Some(other) => bad_arg_type("[]interface {}", other),
        };
        let (had, given) = (list(original)?, list(patch)?);
        let meta = lookup_list(ty, field)?;
        lists::check_order(given.as_deref(), &order, meta.merge_key)?;
        let merged = match (&had, &given) {
            (Some(had), None) => had.clone(),
            (None, Some(given)) => {
                let mut v = Value::Array(given.clone());
                remove_directives(&mut v);
                match v {
                    Value::Array(a) => a,
                    _ => continue,
                }
            }
            (Some(had), Some(given)) => merge_list(had.clone(), given.clone(), &meta, false)?,
            (None, None) => continue,
        };
        let had = had.unwrap_or_default();
        let kind = lists::element_type(&[&had, given.as_deref().unwrap_or_default()])?;
        let is_map = kind == "map[string]interface {}";
        let both = lists::order(merged, &order, &had, meta.merge_key, is_map)?;
        original.insert(field.to_owned(), Value::Array(both));
        patch.remove(field);
    }
    Ok(())
}

fn merge_list(original: Vec<Value>, patch: Vec<Value>, meta: &Meta, deleting: bool) -> Outcome<Vec<Value>> {
    if meta.strategy.merge || deleting {
        lists::merge(original, patch, meta.ty, meta.merge_key, deleting)
    } else {
        Ok(patch)
    }
}

/// Merges the patch into the original, an object of this type.
fn merge_map(mut original: Object, patch: &mut Object, ty: TypeId) -> Outcome<Object> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch.clone())
            }
            Some("delete") => Ok(Object::new()),
            _ => {
                let shown = go_fmt(directive);
                internal(format!("unknown patch type: {shown} in map: {}", go_fmt(&Value::Object(patch.clone()))))
            }
        };
    }
    retain_keys(&mut original, patch)?;
    set_element_order(&mut original, patch, ty)?;
    for (key, value) in patch.iter_mut() {
        let (key, deleting) = match key.split_once('/') {
            Some((DELETE_FROM_PRIMITIVE_LIST, field)) => (field, true),
            _ if key.starts_with(DELETE_FROM_PRIMITIVE_LIST) => {
                return Err(StrategicError::BadRequest("invalid patch format of primitive list".to_owned()));
            }
            _ => (key.as_str(), false),
        };
        if value.is_null() {
            original.remove(key);
            continue;
        }
        let Some(old) = original.get_mut(key) else {
            if !deleting {
                discard_nulls(value);
                put(&mut original, key, value.clone());
            }
            continue;
        };
        if !same_type(old, value) {
            if !deleting {
                discard_nulls(value);
                put(&mut original, key, value.clone());
            }
            continue;
        }
        match (std::mem::take(old), value) {
            (Value::Object(o), Value::Object(p)) => {
                let meta = lookup_field(ty, key)?;
                let merged = if meta.strategy.replace { p.clone() } else { merge_map(o, p, meta.ty)? };
                original.insert(key.to_owned(), Value::Object(merged));
            }
            (Value::Array(o), Value::Array(p)) => {
                let meta = lookup_list(ty, key)?;
                let merged = merge_list(o, p.clone(), &meta, deleting)?;
                original.insert(key.to_owned(), Value::Array(merged));
            }
            (_, value) => put(&mut original, key, value.clone()),
        }
    }
    Ok(original)
}

/// Applies a patch to an object of this type.
pub fn strategic_merge(original: Value, patch: &Value, ty: TypeId) -> Outcome<Value> {
    strategic_merge_reporting(original, &mut patch.clone(), ty)
}

/// The same; of the patch what is left after its directives at the top were followed, as errors show it.
pub(super) fn strategic_merge_reporting(original: Value, patch: &mut Value, ty: TypeId) -> Outcome<Value> {
    let original = match original {
        Value::Object(o) => o,
        _ => Object::new(),
    };
    match patch {
        Value::Object(p) => merge_map(original, p, ty).map(Value::Object),
        _ => Ok(Value::Object(original)),
    }
}
