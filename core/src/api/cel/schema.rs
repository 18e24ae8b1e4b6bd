//! Types and values of what a kind's schema describes. Models apiextensions `pkg/apiserver/schema/cel/model` and
//! apiserver `pkg/cel/{common,escaping.go,types.go}`.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::items::Items;
use super::parse::is_word;
use super::types::{BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, Type};
use super::value::{Key, Val, parse_duration};
use crate::api::schema::{Schema, Shape, TypeId};

/// A property's name as expressions write it; nothing where they can't.
pub(super) fn escape(name: &str) -> Option<String> {
    if is_word(name) {
        return Some(format!("__{name}__"));
    }
    let first = name.chars().next()?;
    if first.is_ascii_digit() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/'))
    {
        return None;
    }
    let marks = [("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")];
    Some(marks.iter().fold(name.to_owned(), |n, (plain, mark)| n.replace(plain, mark)))
}

/// What is known of every object's metadata.
fn metadata() -> Type {
    Type::object("metadata", [("name".to_owned(), STRING), ("generateName".to_owned(), STRING)])
}

/// The type that a schema describes; nothing where expressions see nothing of it. `root`: whether it is a whole object.
pub fn declared(schema: &Value, root: bool) -> Option<Type> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Type::Dyn);
    }
    let root = root || schema["x-kubernetes-embedded-resource"] == true;
    Some(match schema["type"].as_str().unwrap_or_default() {
        "boolean" => BOOL,
        "integer" => INT,
        "number" => DOUBLE,
        "string" => match schema["format"].as_str().unwrap_or_default() {
            "byte" => BYTES,
            "duration" => DURATION,
            "date" | "date-time" => TIMESTAMP,
            _ => STRING,
        },
        "array" => Type::list(declared(&schema["items"], false)?),
        "object" => {
            if schema["additionalProperties"].is_object() {
                return Some(Type::map(STRING, declared(&schema["additionalProperties"], false)?));
            }
            let properties = schema["properties"].as_object();
            let fields = properties.into_iter().flatten();
            let fields = fields.filter_map(|(name, s)| Some((escape(name)?, declared(s, false)?)));
            let mut all: Vec<(String, Type)> = fields.collect();
            if root {
                all.retain(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
                all.extend([
                    ("apiVersion".to_owned(), STRING),
                    ("kind".to_owned(), STRING),
                    ("metadata".to_owned(), metadata()),
                ]);
            }
            Type::object(ANONYMOUS, all)
        }
        _ => return None,
    })
}

/// The type of what the API's own schema describes; nothing where expressions see nothing of it. Upstream's OpenAPI gives
/// quantities and free JSON no type, so they and lists and maps of them are not seen.
pub fn built_in(schema: &Schema, id: TypeId) -> Option<Type> {
    within(schema, id, &mut Vec::new())
}

fn within(schema: &Schema, id: TypeId, outer: &mut Vec<TypeId>) -> Option<Type> {
    let ty = schema.get(id);
    Some(match &ty.shape {
        // A type that holds itself is an object of which nothing is known.
        Shape::Struct(_) if outer.contains(&id) => Type::object(ANONYMOUS, []),
        Shape::Struct(of) => {
            outer.push(id);
            let fields = of.fields.iter().filter_map(|f| Some((escape(f.json)?, within(schema, f.ty, outer)?)));
            let fields: Vec<(String, Type)> = fields.collect();
            outer.pop();
            Type::object(ANONYMOUS, fields)
        }
        Shape::Map(of) => Type::map(STRING, within(schema, *of, outer)?),
        Shape::List(of) => Type::list(within(schema, *of, outer)?),
        Shape::String | Shape::Duration => STRING,
        Shape::Bool => BOOL,
        Shape::Int32 | Shape::Int64 => INT,
        Shape::Float64 => DOUBLE,
        Shape::Bytes => BYTES,
        Shape::Time | Shape::MicroTime => TIMESTAMP,
        Shape::IntOrString => Type::Dyn,
        Shape::Any if matches!(ty.name, "runtime.RawExtension" | "meta/v1.FieldsV1") => Type::object(ANONYMOUS, []),
        Shape::Any | Shape::Quantity => return None,
    })
}

/// The same type where the objects that have no name yet are named after where they are.
pub fn named(ty: &Type, name: &str) -> Type {
    match ty {
        Type::Object(o) => {
            let own = if o.name == ANONYMOUS { name } else { &o.name };
            let field = |(f, t): (&String, &Type)| (f.clone(), named(t, &format!("{own}.{f}")));
            Type::object(own, o.fields.iter().map(field))
        }
        Type::List(of) => Type::list(named(of, &format!("{name}.@idx"))),
        Type::Map(key, of) => Type::map((**key).clone(), named(of, &format!("{name}.@elem"))),
        other => other.clone(),
    }
}

/// What an object is called until it is named after its place.
const ANONYMOUS: &str = "object";

/// A value as its schema has it.
pub fn to_val(v: &Value, schema: &Value, root: bool) -> Val {
    if schema["x-kubernetes-int-or-string"] == true {
        return Val::of(v);
    }
    let root = root || schema["x-kubernetes-embedded-resource"] == true;
    match (schema["type"].as_str().unwrap_or_default(), v) {
        ("number", Value::Number(n)) => Val::Double(n.as_f64().unwrap_or(0.0)),
        ("string", Value::String(s)) => formatted(schema["format"].as_str().unwrap_or_default(), s),
        ("array", Value::Array(items)) => {
            let all: Vec<Val> = items.iter().map(|i| to_val(i, &schema["items"], false)).collect();
            let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let keys = keys.map(|k| escape(k).unwrap_or_else(|| k.to_owned()));
            Val::List(Rc::new(match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => Items::set(all),
                Some("map") => Items::by_keys(all, keys.collect()),
                _ => all.into(),
            }))
        }
        ("object", Value::Object(o)) if schema["additionalProperties"].is_object() => {
            let of = &schema["additionalProperties"];
            Val::Map(Rc::new(o.iter().map(|(k, v)| (Key::Text(k.as_str().into()), to_val(v, of, false))).collect()))
        }
        ("object", Value::Object(o)) => {
            let property = |name: &str, v: &Value| match name {
                "apiVersion" | "kind" if root => Some(Val::of(v)),
                "metadata" if root => {
                    let known = ["name", "generateName"].into_iter();
                    let fields = known.filter_map(|f| Some((f.to_owned(), Val::text(v[f].as_str()?))));
                    Some(Val::Object(Rc::new(fields.collect())))
                }
                _ => schema["properties"].get(name).map(|s| to_val(v, s, false)),
            };
            let fields = o.iter().filter_map(|(name, v)| Some((escape(name)?, property(name, v)?)));
            Val::Object(Rc::new(fields.collect()))
        }
        _ => Val::of(v),
    }
}

fn formatted(format: &str, s: &str) -> Val {
    let found = match format {
        "byte" => STANDARD.decode(s).ok().map(|b| Val::Bytes(b.into())),
        "duration" => parse_duration(s).map(Val::Duration),
        "date" => format!("{s}T00:00:00Z").parse().ok().map(Val::Timestamp),
        "date-time" => s.parse().ok().map(Val::Timestamp),
        _ => None,
    };
    found.unwrap_or_else(|| Val::text(s))
}
