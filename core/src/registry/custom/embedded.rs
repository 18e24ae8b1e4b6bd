//! Objects within custom objects: their types and their metadata. Models apiextensions `pkg/apiserver/schema/objectmeta`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::walk::walk;
use crate::api::decode;
use crate::api::field::{Error, ErrorList, Path};
use crate::api::validation::{name_is_dns1035_label, name_is_path_segment, validate_object_meta};
use crate::registry::validation::json::flag_of;

/// What embedded objects have against them.
pub(super) fn errors(value: &Value, schema: &Value) -> ErrorList {
    let mut errs = ErrorList::new();
    walk(value, schema, &Path::root(), &mut |value, schema, path| {
        if value.is_object() && flag_of(schema, "x-kubernetes-embedded-resource") {
            embedded(value, path, &mut errs);
        }
    });
    errs
}

fn embedded(value: &Value, path: &Path<'_>, errs: &mut ErrorList) {
    for field in ["apiVersion", "kind"] {
        let at = path.child(field);
        match value.get(field) {
            None => errs.push(Error::required(&at, "")),
            Some(Value::String(s)) if s.is_empty() => errs.push(Error::invalid_str(&at, s, "must not be empty")),
            Some(Value::String(s)) if field == "apiVersion" => {
                if s.matches('/').count() > 1 {
                    let why = format!("unexpected GroupVersion string: {s}");
                    errs.push(Error::invalid_str(&at, s, why));
                }
            }
            Some(Value::String(s)) => {
                let told = name_is_dns1035_label(&s.to_lowercase(), false);
                if !told.is_empty() {
                    let why = format!("may have mixed case, but should otherwise match: {}", told.join(","));
                    errs.push(Error::invalid_str(&at, s, why));
                }
            }
            Some(other) => errs.push(Error::invalid(&at, other, "must be a string")),
        }
    }
    let Some(given) = value.get("metadata").filter(|m| !m.is_null()) else { return };
    let at = path.child("metadata");
    let ty = crate::api::schema::schema().named("meta/v1.ObjectMeta");
    let bound = decode::bind_value(given, ty)
        .and_then(|b| serde_json::from_value::<ObjectMeta>(b.value).map_err(|e| e.to_string()));
    match bound {
        Err(why) => errs.push(Error::invalid(&at, given, why)),
        Ok(mut meta) => {
            // Somebody has to have a name.
            if meta.name.as_deref().unwrap_or_default().is_empty() {
                meta.name = Some("fakename".to_owned());
            }
            let namespaced = meta.namespace.as_deref().is_some_and(|n| !n.is_empty());
            errs.extend(validate_object_meta(&meta, namespaced, name_is_path_segment, &at));
        }
    }
}

/// The types and the metadata of embedded objects as they are kept: fields that no metadata has go, and their paths are
/// returned. The error is about what can't be read.
pub(super) fn coerce(value: &mut Value, schema: &Value) -> Result<Vec<String>, Error> {
    let mut gone = Vec::new();
    coerce_into(value, schema, &Path::root(), &mut gone)?;
    gone.sort();
    Ok(gone)
}

fn coerce_into(value: &mut Value, schema: &Value, path: &Path<'_>, gone: &mut Vec<String>) -> Result<(), Error> {
    match value {
        Value::Object(o) => {
            let is_embedded = flag_of(schema, "x-kubernetes-embedded-resource");
            let additional = &schema["additionalProperties"];
            for (k, v) in o.iter_mut() {
                match k.as_str() {
                    "apiVersion" | "kind" if is_embedded && !v.is_string() => {
                        return Err(Error::invalid(&path.child(k), v, "must be a string"));
                    }
                    "metadata" if is_embedded => metadata(v, &path.child(k), gone)?,
                    _ => {}
                }
                let of = &schema["properties"][k.as_str()];
                match (of.is_object(), additional.is_object()) {
                    (true, _) => coerce_into(v, of, &path.child(k), gone)?,
                    (_, true) => coerce_into(v, additional, &path.key(k), gone)?,
                    _ => {}
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for (i, v) in items.iter_mut().enumerate() {
                coerce_into(v, &schema["items"], &path.index(i), gone)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn metadata(value: &mut Value, path: &Path<'_>, gone: &mut Vec<String>) -> Result<(), Error> {
    let ty = crate::api::schema::schema().named("meta/v1.ObjectMeta");
    if value.is_null() {
        *value = Value::Object(serde_json::Map::new());
    }
    let bound = decode::bind_value(value, ty).map_err(|e| Error::invalid(path, value, e))?;
    let unknown = bound.strict_errors.iter();
    let unknown = unknown.filter_map(|e| e.strip_prefix("unknown field \"").and_then(|f| f.strip_suffix('"')));
    gone.extend(unknown.map(|f| format!("{path}.{f}")));
    *value = bound.value;
    omit_empty(value);
    Ok(())
}

/// Metadata as it is written: without what is empty.
pub(super) fn omit_empty(metadata: &mut Value) {
    let Some(fields) = metadata.as_object_mut() else { return };
    fields.retain(|_, v| match v {
        Value::Null => false,
        Value::String(s) => !s.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(o) => !o.is_empty(),
        Value::Number(n) => n.as_i64() != Some(0),
        Value::Bool(_) => true,
    });
}
