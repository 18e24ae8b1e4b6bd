//! Objects that are kept as JSON as upstream's internal structs, for the errors that print them whole. Internal types have the
//! fields of the version that is stored, in the same order, under their Go names.

use serde_json::{Map, Value};

use super::go::{Go, fields};
use super::go_struct::inlined_meta;
use crate::api::schema::{Schema, Shape, TypeId, schema};

const PROPS: &str = "apiextensions/v1.JSONSchemaProps";

/// A value as the internal form of a type of the schema, such as `resource/v1.ResourceClaimSpec`.
pub(crate) fn internal(value: &Value, name: &str) -> Go {
    let schema = schema();
    schema.named(name).map_or(Go::Null, |ty| of_type(schema, value, ty, false))
}

/// Whether a field of a kind is the same to Go, which tells what is empty from what is missing by pointers alone.
pub(crate) fn same_field(
    (api_version, kind): (&str, &str),
    field: &str,
    new: &Map<String, Value>,
    old: &Map<String, Value>,
) -> bool {
    let schema = schema();
    let Some(ty) = schema.kind(api_version, kind) else { return false };
    let Shape::Struct(s) = &schema.get(ty).shape else { return false };
    let Some(f) = s.fields.iter().find(|f| f.json == field) else { return false };
    let of = |o: &Map<String, Value>| of_type(schema, o.get(field).unwrap_or(&Value::Null), f.ty, f.pointer);
    of(new).same(&of(old))
}

fn of_type(schema: &Schema, value: &Value, ty: TypeId, pointer: bool) -> Go {
    if pointer && value.is_null() {
        return Go::Null;
    }
    let of = |value: &Value, name: &str, pointer| {
        schema.named(name).map_or(Go::Null, |ty| of_type(schema, value, ty, pointer))
    };
    // Types that are read from more than one form.
    match (schema.get(ty).name, value) {
        ("apiextensions/v1.JSONSchemaPropsOrBool", _) => {
            let fields = if value.is_object() { of(value, PROPS, true) } else { Go::Null };
            return fields!("Allows": *value != false, "Schema": fields);
        }
        ("apiextensions/v1.JSONSchemaPropsOrArray", Value::Array(all)) => {
            let all = all.iter().map(|v| of(v, PROPS, false)).collect();
            return fields!("Schema": Go::Null, "JSONSchemas": Go::List(all));
        }
        ("apiextensions/v1.JSONSchemaPropsOrArray", _) => {
            return fields!("Schema": of(value, PROPS, true), "JSONSchemas": Go::Null);
        }
        _ => {}
    }
    match &schema.get(ty).shape {
        Shape::Struct(s) => {
            let mut all = Vec::with_capacity(s.fields.len());
            for f in &s.fields {
                let value = &value[f.json];
                if schema.get(f.ty).name == "meta/v1.ObjectMeta" {
                    all.extend(inlined_meta(&serde_json::from_value(value.clone()).unwrap_or_default()));
                } else {
                    all.push((f.go.clone(), of_type(schema, value, f.ty, f.pointer)));
                }
            }
            if schema.get(ty).name == PROPS {
                // Stored further back, it stands after the type inside.
                let of = |name: &str, all: &[(String, Go)]| all.iter().position(|(n, _)| n == name);
                if let (Some(from), Some(to)) = (of("Nullable", &all), of("Type", &all)) {
                    let nullable = all.remove(from);
                    all.insert(to + 1, nullable);
                }
            }
            Go::Fields(all)
        }
        Shape::Map(of) => value.as_object().map_or(Go::Null, |entries| {
            Go::Fields(entries.iter().map(|(k, v)| (k.clone(), of_type(schema, v, *of, false))).collect())
        }),
        Shape::List(of) => value
            .as_array()
            .map_or(Go::Null, |items| Go::List(items.iter().map(|v| of_type(schema, v, *of, false)).collect())),
        Shape::String => value.as_str().unwrap_or_default().into(),
        Shape::Bool => value.as_bool().unwrap_or(false).into(),
        Shape::Int32 | Shape::Int64 => value.as_i64().unwrap_or(0).into(),
        Shape::Quantity if value.is_null() => "0".into(),
        _ => as_it_is(value),
    }
}

fn as_it_is(value: &Value) -> Go {
    match value {
        Value::Null => Go::Null,
        Value::Bool(b) => (*b).into(),
        Value::Number(n) => n.as_i64().map_or_else(|| Go::Number(n.to_string()), Go::Int),
        Value::String(s) => s.into(),
        Value::Array(items) => Go::List(items.iter().map(as_it_is).collect()),
        Value::Object(fields) => Go::Fields(fields.iter().map(|(k, v)| (k.clone(), as_it_is(v))).collect()),
    }
}
