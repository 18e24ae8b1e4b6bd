//! Reads untyped JSON into a type as Go's unstructured converter does, whose errors are other than the decoder's.
//! Models apimachinery `pkg/runtime/converter.go`.

use serde_json::{Map, Value};

use super::bind::{self, Bound};
use super::tree::Tree;
use crate::api::field::quote;
use crate::api::schema::{Schema, Shape, TypeId, schema};

/// `FromUnstructuredWithValidation`.
pub(super) fn convert(value: &Value, ty: TypeId) -> Result<Bound, String> {
    let mut c = Converter { schema: schema(), path: String::new(), unknown: Vec::new() };
    let value = c.value(value, ty)?.unwrap_or_else(|| Value::Object(Map::new()));
    c.unknown.sort();
    Ok(Bound { value, strict_errors: c.unknown })
}

struct Converter {
    schema: &'static Schema,
    path: String,
    unknown: Vec<String>,
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

impl Converter {
    fn value(&mut self, v: &Value, ty: TypeId) -> Result<Option<Value>, String> {
        let schema = self.schema;
        let t = schema.get(ty);
        // Go converts numbers to numbers and to strings; of all else it says that it doesn't know the type.
        let cannot = || {
            let word = match t.shape {
                Shape::String if !v.is_i64() => "string",
                Shape::Bool => "bool",
                Shape::Float64 => "float64",
                Shape::Int32 if !v.is_number() => "int32",
                Shape::Int64 if !v.is_number() => "int64",
                _ => return Err(format!("cannot convert {} to {}", kind(v), t.go)),
            };
            Err(format!("unrecognized type: {word}"))
        };
        if v.is_null() {
            return Ok(None);
        }
        match &t.shape {
            Shape::Struct(s) => {
                let Value::Object(o) = v else { return Err(format!("cannot restore struct from: {}", kind(v))) };
                let mut out = Map::new();
                for f in &s.fields {
                    let Some(v) = o.get(f.json) else { continue };
                    let before = self.push_key(f.json);
                    let value = self.value(v, f.ty)?;
                    self.path.truncate(before);
                    if let Some(v) = value {
                        out.insert(f.json.to_owned(), v);
                    }
                }
                for key in o.keys().filter(|k| s.field(k).is_none()) {
                    let before = self.push_key(key);
                    self.unknown.push(format!("unknown field {}", quote(&self.path)));
                    self.path.truncate(before);
                }
                Ok(Some(Value::Object(out)))
            }
            Shape::Map(of) => {
                let Value::Object(o) = v else { return Err(format!("cannot restore map from {}", kind(v))) };
                let mut out = Map::new();
                for (key, v) in o {
                    let value = self.value(v, *of)?;
                    out.insert(key.clone(), value.unwrap_or_else(|| bind::zero(schema, *of)));
                }
                Ok(Some(Value::Object(out)))
            }
            Shape::List(of) => {
                let Value::Array(a) = v else { return Err(format!("cannot restore slice from {}", kind(v))) };
                let mut out = Vec::with_capacity(a.len());
                for (i, v) in a.iter().enumerate() {
                    let before = self.path.len();
                    self.path.push_str(&format!("[{i}]"));
                    let value = self.value(v, *of)?;
                    self.path.truncate(before);
                    out.push(value.unwrap_or_else(|| bind::zero(schema, *of)));
                }
                Ok(Some(Value::Array(out)))
            }
            Shape::Bytes => match v {
                Value::String(_) => self.by_itself(v, ty).map_err(|e| format!("error decoding from json: {e}")),
                _ => Err(format!("cannot restore slice from {}", kind(v))),
            },
            Shape::String => {
                if v.is_string() {
                    Ok(Some(v.clone()))
                } else {
                    cannot()
                }
            }
            Shape::Bool => {
                if v.is_boolean() {
                    Ok(Some(v.clone()))
                } else {
                    cannot()
                }
            }
            Shape::Float64 => {
                if v.is_number() {
                    Ok(Some(v.clone()))
                } else {
                    cannot()
                }
            }
            Shape::Int32 | Shape::Int64 => {
                let whole = v.as_i64().or_else(|| v.as_f64().filter(|f| f.trunc() == *f).map(|f| f as i64));
                match whole {
                    // Go's conversion wraps.
                    Some(i) if matches!(t.shape, Shape::Int32) => Ok(Some(Value::from(i as i32))),
                    Some(i) => Ok(Some(Value::from(i))),
                    None => cannot(),
                }
            }
            Shape::Any => Ok(Some(v.clone())),
            _ => self.by_itself(v, ty),
        }
    }

    fn push_key(&mut self, key: &str) -> usize {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        before
    }

    /// Types that read their JSON themselves.
    fn by_itself(&self, v: &Value, ty: TypeId) -> Result<Option<Value>, String> {
        bind::bind(&Tree::from_value(v), Some(ty), Vec::new()).map(|b| Some(b.value))
    }
}
