//! Reads a document into a type as Go's decoder does: what doesn't fit is an error in its words, what isn't known or is
//! there twice is noted, and what comes out is as Go would encode it again.
//! Models sigs.k8s.io/json `internal/golang/encoding/json/{decode,kubernetes_patch}.go`.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde_json::{Map, Value};

use super::time;
use super::tree::{Node, Tree, number};
use crate::api::field::quote;
use crate::api::quantity::Quantity;
use crate::api::schema::{Schema, Shape, TypeId, schema};

/// Upstream keeps no more strict errors than this.
const STRICT_ERRORS_MAX: usize = 100;
/// Types refer to themselves only in a CRD's schema; what nests deeper than this is refused.
const DEPTH_MAX: usize = 256;

/// What came of reading a document into a type.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The object as its type has it.
    pub value: Value,
    /// Unknown and duplicate fields, in upstream's words.
    pub strict_errors: Vec<String>,
}

impl Bound {
    /// All of it as one error.
    pub fn strict_error(&self) -> String {
        format!("strict decoding error: {}", self.strict_errors.join(", "))
    }

    /// Each as a warning, YAML's line by line.
    pub fn warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        for e in &self.strict_errors {
            match e.strip_prefix("yaml: unmarshal errors:\n") {
                Some(lines) => out.extend(lines.lines().map(|l| l.trim().to_owned())),
                None => out.push(e.clone()),
            }
        }
        out
    }
}

/// Go's decoder doesn't mind what the last character's unused bits are.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A CRD's schema, and the types of what may stand in its place.
const SCHEMA: &str = "apiextensions/v1.JSONSchemaProps";
const SCHEMA_OR: &str = "apiextensions/v1.JSONSchemaPropsOr";

struct Binder<'a> {
    tree: &'a Tree,
    schema: &'static Schema,
    /// The struct and fields that Go names in errors.
    structure: &'static str,
    fields: Vec<&'static str>,
    /// The path that strict errors name.
    path: String,
    first_error: Option<String>,
    strict_errors: Vec<String>,
}

/// Reads the document into the type, or as it is if there is none.
pub(super) fn bind(tree: &Tree, ty: Option<TypeId>, yaml_errors: Vec<String>) -> Result<Bound, String> {
    let mut strict_errors = Vec::new();
    if !yaml_errors.is_empty() {
        let lines: Vec<String> = yaml_errors.iter().map(|l| format!("\n  {l}")).collect();
        strict_errors.push(format!("yaml: unmarshal errors:{}", lines.concat()));
    }
    let mut b = Binder {
        tree,
        schema: schema(),
        structure: "",
        fields: Vec::new(),
        path: String::new(),
        first_error: None,
        strict_errors,
    };
    let value = match ty {
        Some(ty) => b.value(tree.root_id(), ty, 0)?.unwrap_or_else(|| Value::Object(Map::new())),
        None => b.any(tree.root_id(), 0)?,
    };
    match b.first_error {
        Some(e) => Err(e),
        None => Ok(Bound { value, strict_errors: b.strict_errors }),
    }
}

impl Binder<'_> {
    fn type_error(&self, what: &str, go_type: &str) -> String {
        if self.structure.is_empty() {
            return format!("json: cannot unmarshal {what} into Go value of type {go_type}");
        }
        format!(
            "json: cannot unmarshal {what} into Go struct field {}.{} of type {go_type}",
            self.structure,
            self.fields.join(".")
        )
    }

    /// Notes a value that doesn't fit; the first one is the answer, but reading goes on.
    fn mismatch(&mut self, what: &str, go_type: &str) {
        if self.first_error.is_none() {
            self.first_error = Some(self.type_error(what, go_type));
        }
    }

    fn strict(&mut self, what: &str, field: &str) {
        if self.strict_errors.len() >= STRICT_ERRORS_MAX {
            return;
        }
        let path = if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) };
        let e = format!("{what} {}", quote(&path));
        if !self.strict_errors.contains(&e) {
            self.strict_errors.push(e);
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

    /// A value of no type, as Go reads it into an interface.
    fn any(&mut self, id: u32, depth: usize) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err("exceeded max depth".to_owned());
        }
        let tree = self.tree;
        Ok(match tree.get(id) {
            Node::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    let before = self.path.len();
                    self.path.push_str(&format!("[{i}]"));
                    out.push(self.any(*item, depth + 1)?);
                    self.path.truncate(before);
                }
                Value::Array(out)
            }
            Node::Object(entries) => {
                let mut out = Map::new();
                for (key, v) in entries {
                    if out.contains_key(key) {
                        self.strict("duplicate field", key);
                    }
                    let before = self.push_key(key);
                    let value = self.any(*v, depth + 1)?;
                    self.path.truncate(before);
                    out.insert(key.clone(), value);
                }
                Value::Object(out)
            }
            Node::Number(n) => number(n),
            _ => return tree.value_of(id, depth),
        })
    }

    /// A value of this type; nothing where Go would leave the zero value or nil.
    fn value(&mut self, id: u32, ty: TypeId, depth: usize) -> Result<Option<Value>, String> {
        if depth > DEPTH_MAX {
            return Err("exceeded max depth".to_owned());
        }
        let (tree, schema) = (self.tree, self.schema);
        let t = schema.get(ty);
        let node = tree.get(id);
        if matches!(node, Node::Null) {
            return Ok(None);
        }
        match (&t.shape, node) {
            (Shape::Struct(_), Node::Object(entries)) => self.structure(entries, ty, depth).map(Some),
            (Shape::Map(of), Node::Object(entries)) => {
                let mut out = Map::new();
                for (key, v) in entries {
                    if out.contains_key(key) {
                        self.strict("duplicate field", key);
                    }
                    let before = self.push_key(key);
                    let value = self.value(*v, *of, depth + 1)?;
                    self.path.truncate(before);
                    out.insert(key.clone(), value.unwrap_or_else(|| zero(schema, *of)));
                }
                Ok(Some(Value::Object(out)))
            }
            (Shape::List(of), Node::Array(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    let before = self.path.len();
                    self.path.push_str(&format!("[{i}]"));
                    let value = self.value(*item, *of, depth + 1)?;
                    self.path.truncate(before);
                    out.push(value.unwrap_or_else(|| zero(schema, *of)));
                }
                Ok(Some(Value::Array(out)))
            }
            (Shape::String, Node::String(s)) => Ok(Some(Value::String(s.clone()))),
            (Shape::Bool, Node::Bool(b)) => Ok(Some(Value::Bool(*b))),
            (Shape::Int32 | Shape::Int64, Node::Number(n)) => {
                let fits =
                    n.parse::<i64>().ok().filter(|i| matches!(t.shape, Shape::Int64) || i32::try_from(*i).is_ok());
                if fits.is_none() {
                    self.mismatch(&format!("number {n}"), &t.go);
                }
                Ok(fits.map(Value::from))
            }
            (Shape::Float64, Node::Number(n)) => Ok(Some(number(n))),
            (Shape::Bytes, Node::String(s)) => self.bytes(s),
            (Shape::Time, Node::String(s)) => Ok(Some(Value::from(time::show_seconds(time::parse_rfc3339(s)?)))),
            (Shape::MicroTime, Node::String(s)) => {
                Ok(Some(Value::from(time::show_micros(time::parse_rfc3339_micro(s)?))))
            }
            (Shape::Duration, Node::String(s)) => Ok(Some(Value::String(s.clone()))),
            // These read their text by themselves, and what they say ends the reading.
            (Shape::Time | Shape::MicroTime | Shape::Duration, other) => Err(self.type_error(other.word(), "string")),
            (Shape::Quantity, other) => {
                let text = match other {
                    Node::String(s) | Node::Number(s) => s.as_str(),
                    Node::Bool(true) => "true",
                    _ => "{}",
                };
                Quantity::canonicalize(text).map(|q| Some(Value::from(q))).map_err(|e| e.to_string())
            }
            (Shape::IntOrString, Node::String(s)) => Ok(Some(Value::String(s.clone()))),
            (Shape::IntOrString, Node::Number(n)) => match n.parse::<i32>() {
                Ok(i) => Ok(Some(Value::from(i))),
                Err(_) => Err(self.type_error(&format!("number {n}"), "int32")),
            },
            (Shape::IntOrString, other) => Err(self.type_error(other.word(), "int32")),
            (Shape::Any, _) if t.name.starts_with(SCHEMA_OR) => self.schema_or(id, t.name, depth),
            // What an interface holds is read by the decoder, what encodes itself isn't looked into.
            (Shape::Any, _) if t.go == "interface {}" => self.any(id, depth).map(Some),
            (Shape::Any, _) => tree.value_of(id, depth).map(Some),
            (_, other) => {
                self.mismatch(other.word(), &t.go);
                Ok(None)
            }
        }
    }

    /// A CRD's schema or something else in its place. Those types read their text by themselves: without strictness, and
    /// what they say ends the reading. Models apiextensions `pkg/apis/apiextensions/v1/marshal.go`.
    fn schema_or(&mut self, id: u32, name: &str, depth: usize) -> Result<Option<Value>, String> {
        let tree = self.tree;
        let mut own = Binder {
            tree,
            schema: self.schema,
            structure: "",
            fields: Vec::new(),
            path: String::new(),
            first_error: None,
            strict_errors: Vec::new(),
        };
        let mut read = |id: u32, name: &str| -> Result<Option<Value>, String> {
            let Some(ty) = own.schema.named(name) else { return Ok(None) };
            let value = own.value(id, ty, depth + 1)?;
            own.first_error.take().map_or(Ok(value), Err)
        };
        let item = match name.strip_prefix(SCHEMA_OR).unwrap_or_default() {
            "StringArray" => "string",
            "Array" => SCHEMA,
            _ => "",
        };
        match tree.get(id) {
            Node::Object(_) => read(id, SCHEMA),
            Node::Bool(b) if item.is_empty() => Ok(Some(Value::Bool(*b))),
            _ if item.is_empty() => Err("boolean or JSON schema expected".to_owned()),
            Node::Array(items) => {
                let all: Result<Vec<_>, String> =
                    items.iter().map(|i| Ok(read(*i, item)?.unwrap_or_default())).collect();
                all.map(|all| Some(Value::Array(all)))
            }
            _ => Ok(None),
        }
    }

    fn bytes(&mut self, text: &str) -> Result<Option<Value>, String> {
        // Go's decoder passes over line ends.
        let clean: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        match LENIENT.decode(&clean) {
            Ok(bytes) => Ok(Some(Value::from(STANDARD.encode(bytes)))),
            Err(_) => {
                let at = illegal_base64(text.as_bytes());
                self.first_error.get_or_insert(format!("illegal base64 data at input byte {at}"));
                Ok(None)
            }
        }
    }

    fn structure(&mut self, entries: &[(String, u32)], ty: TypeId, depth: usize) -> Result<Value, String> {
        let schema = self.schema;
        let Some(s) = schema.structure(ty) else { return Ok(Value::Null) };
        let mut out = Map::new();
        let mut seen: Vec<bool> = vec![false; s.fields.len()];
        let outer = self.structure;
        for (key, v) in entries {
            let Some(index) = s.field_index(key) else {
                self.strict("unknown field", key);
                continue;
            };
            let Some(f) = s.fields.get(index) else { continue };
            if let Some(seen) = seen.get_mut(index)
                && std::mem::replace(seen, true)
            {
                self.strict("duplicate field", key);
            }
            self.structure = s.name;
            let above = self.fields.len();
            // Go names the structs that are embedded on the way.
            self.fields.extend(f.via.iter());
            self.fields.push(f.json);
            let before = self.push_key(f.json);
            let value = self.value(*v, f.ty, depth + 1)?;
            self.path.truncate(before);
            self.fields.truncate(above);
            self.structure = outer;
            match value {
                Some(v) => match (out.get_mut(f.json), v) {
                    // A struct that is there twice is read twice into the same place.
                    (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
                    (_, v) => {
                        out.insert(f.json.to_owned(), v);
                    }
                },
                None if matches!(self.tree.get(*v), Node::Null) => {
                    let resets = f.pointer
                        || matches!(schema.get(f.ty).shape, Shape::Map(_) | Shape::List(_) | Shape::Bytes | Shape::Any);
                    if resets {
                        out.remove(f.json);
                    }
                }
                None => {}
            }
        }
        Ok(Value::Object(out))
    }
}

/// What a null among a list's items or a map's values stands for.
pub(super) fn zero(schema: &Schema, ty: TypeId) -> Value {
    match schema.get(ty).shape {
        Shape::Struct(_) => Value::Object(Map::new()),
        Shape::String => Value::from(""),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::Float64 | Shape::IntOrString => Value::from(0),
        Shape::Quantity => Value::from("0"),
        _ => Value::Null,
    }
}

/// Where Go's base64 decoder stumbles.
fn illegal_base64(s: &[u8]) -> usize {
    let alphabet = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    let mut n = 0;
    for (i, &c) in s.iter().enumerate() {
        match c {
            b'\r' | b'\n' => {}
            b'=' => {
                // Padding is fine only as the third and fourth, or the fourth, of the last group.
                let rest: Vec<u8> = s.iter().skip(i).copied().filter(|c| !matches!(c, b'\r' | b'\n')).collect();
                return match n % 4 {
                    2 if rest.len() == 1 => s.len(),
                    2 if rest.get(1) != Some(&b'=') => i,
                    2 if rest.len() > 2 => i + 2,
                    3 if rest.len() > 1 => i + 1,
                    _ => i,
                };
            }
            c if alphabet(c) => n += 1,
            _ => return i,
        }
    }
    // The last group isn't whole: Go names the byte at which it began.
    s.len() - n % 4
}
