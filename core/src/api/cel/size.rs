//! How large what a schema describes may be, in items, entries or characters.
//! Models apiserver `pkg/cel/{types,limits}.go`, `pkg/cel/common/schemas.go`, and the ranges of cel-go `checker/cost.go`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schema::escape;

/// The largest request that is taken.
const REQUEST_BYTES_MAX: u64 = 3 * 1024 * 1024;

/// A size or a cost: the least and the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub min: u64,
    pub max: u64,
}

pub(super) const UNKNOWN: Range = Range { min: 0, max: u64::MAX };

pub(super) fn fixed(n: u64) -> Range {
    Range { min: n, max: n }
}

fn scaled(n: u64, factor: f64) -> u64 {
    // Beyond what a number holds it stays at the most, which is what the cast does.
    (n as f64 * factor).ceil() as u64
}

impl Range {
    pub fn add(self, other: Range) -> Range {
        Range { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }
    pub fn mul(self, other: Range) -> Range {
        Range { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }
    pub fn factor(self, factor: f64) -> Range {
        Range { min: scaled(self.min, factor), max: scaled(self.max, factor) }
    }
    pub fn union(self, other: Range) -> Range {
        Range { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// How large a value of a schema may be, and what is in it.
#[derive(Debug, Default)]
pub struct Shape {
    /// Items, entries or characters at most; nothing of what has no size.
    max: u64,
    /// Its bytes in JSON at least.
    min_bytes: u64,
    items: Option<Box<Shape>>,
    is_map: bool,
    fields: BTreeMap<String, Shape>,
}

fn text(max: u64) -> Shape {
    Shape { max, min_bytes: 2, ..Shape::default() }
}

impl Shape {
    /// The shape of what a schema describes; nothing where expressions see nothing of it.
    pub fn of(schema: &Value, root: bool) -> Option<Shape> {
        let limit = |key: &str| schema[key].as_i64().map(|n| u64::try_from(n).unwrap_or(0));
        // A character takes up to four bytes.
        let length = limit("maxLength").map(|n| n.saturating_mul(4));
        if schema["x-kubernetes-int-or-string"] == true {
            return Some(Shape { max: length.unwrap_or(REQUEST_BYTES_MAX - 2), min_bytes: 1, ..Shape::default() });
        }
        let scalar = |min_bytes| Some(Shape { min_bytes, ..Shape::default() });
        let root = root || schema["x-kubernetes-embedded-resource"] == true;
        match schema["type"].as_str().unwrap_or_default() {
            "boolean" => scalar(4),
            "integer" | "number" => scalar(1),
            "string" => Some(match schema["format"].as_str().unwrap_or_default() {
                "byte" => text(limit("maxLength").unwrap_or(REQUEST_BYTES_MAX - 2)),
                "duration" => Shape { max: 32, min_bytes: 3, ..Shape::default() },
                "date" => Shape { max: 12, min_bytes: 12, ..Shape::default() },
                "date-time" => Shape { max: 32, min_bytes: 21, ..Shape::default() },
                _ => text(length.or_else(|| longest(schema)).unwrap_or(REQUEST_BYTES_MAX - 2)),
            }),
            "array" => {
                let items = Shape::of(&schema["items"], false)?;
                let most = (REQUEST_BYTES_MAX - 2) / (items.min_bytes + 1);
                let max = limit("maxItems").unwrap_or(most);
                Some(Shape { max, min_bytes: 2, items: Some(Box::new(items)), ..Shape::default() })
            }
            "object" if schema["additionalProperties"].is_object() => {
                let values = Shape::of(&schema["additionalProperties"], false)?;
                let most = (REQUEST_BYTES_MAX - 2) / (values.min_bytes + 6);
                let max = limit("maxProperties").unwrap_or(most);
                Some(Shape { max, min_bytes: 2, items: Some(Box::new(values)), is_map: true, ..Shape::default() })
            }
            "object" => Some(Shape::object(schema, root)),
            _ => None,
        }
    }

    fn object(schema: &Value, root: bool) -> Shape {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut shape = Shape { min_bytes: 2, ..Shape::default() };
        let own = |name: &str| root && matches!(name, "apiVersion" | "kind" | "metadata");
        let mut all: Vec<(&str, Shape, bool)> = Vec::new();
        for (name, of) in schema["properties"].as_object().into_iter().flatten().filter(|(name, _)| !own(name)) {
            all.extend(Shape::of(of, false).map(|s| (name.as_str(), s, of["default"].is_null())));
        }
        if root {
            let any = || text(REQUEST_BYTES_MAX - 2);
            let metadata = [("name".to_owned(), any()), ("generateName".to_owned(), any())];
            let metadata = Shape { min_bytes: 2, fields: metadata.into_iter().collect(), ..Shape::default() };
            all.extend([("apiVersion", any(), true), ("kind", any(), true), ("metadata", metadata, true)]);
        }
        for (name, of, no_default) in all {
            if no_default && required.contains(&name) {
                shape.min_bytes += name.len() as u64 + of.min_bytes + 4;
            }
            if let Some(escaped) = escape(name) {
                shape.fields.insert(escaped, of);
            }
        }
        shape
    }

    /// How often such a value is at most in one request.
    pub fn times(&self) -> u64 {
        REQUEST_BYTES_MAX / (self.min_bytes + 1)
    }

    /// The size of what is at a path that begins with a variable.
    pub(super) fn at(&self, path: &[String]) -> Option<Range> {
        let mut here = self;
        let mut rest = path.iter();
        rest.next()?;
        for name in rest {
            here = match name.as_str() {
                "@items" | "@values" => here.items.as_deref()?,
                "@keys" if here.is_map => return Some(fixed(0)),
                name => here.fields.get(name)?,
            };
        }
        Some(Range { min: 0, max: here.max })
    }
}

/// The length of the longest value of an enum.
fn longest(schema: &Value) -> Option<u64> {
    let all = schema["enum"].as_array().filter(|all| !all.is_empty())?;
    Some(all.iter().filter_map(Value::as_str).map(str::len).max().unwrap_or(0) as u64)
}
