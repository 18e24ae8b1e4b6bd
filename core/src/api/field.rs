//! Validation errors with field paths, and their aggregate's wording.
//! Models apimachinery `pkg/util/validation/field/{errors,path}.go` and `pkg/util/errors`.

use std::fmt;

use serde_json::Value;

/// A path to a field of an object, printed as upstream does: `spec.containers[0].image`, `metadata.labels[a/b]`.
///
/// It borrows its parent and is rendered only when an error is made, so that walking a valid object allocates
/// nothing. A dotted name in `child` stands for several steps: `child("a.b")` is `child("a")` then `child("b")`.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Root,
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// A root path of one name, such as `spec`.
    pub const fn new(name: &'a str) -> Self {
        Path { parent: None, part: Part::Name(name) }
    }
    /// No path at all: children are roots.
    pub const fn root() -> Self {
        Path { parent: None, part: Part::Root }
    }
    /// Whether this is no path at all, upstream's nil.
    pub fn is_root(&self) -> bool {
        matches!(self.part, Part::Root)
    }
    /// The named field below this one.
    pub fn child<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path { parent: Some(self), part: Part::Name(name) }
    }
    /// The element at `index` of this list.
    pub fn index(&self, index: usize) -> Path<'_> {
        Path { parent: Some(self), part: Part::Index(index) }
    }
    /// The entry under `key` of this map.
    pub fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path { parent: Some(self), part: Part::Key(key) }
    }

    fn render(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.render(out);
        }
        match self.part {
            Part::Root => {}
            // Go takes a step without a name for an index without a number.
            Part::Name("") => out.push_str("[]"),
            Part::Name(name) => {
                if self.parent.is_some_and(|p| !p.is_root()) {
                    out.push('.');
                }
                out.push_str(name);
            }
            Part::Index(i) => {
                out.push('[');
                out.push_str(&i.to_string());
                out.push(']');
            }
            Part::Key(k) => {
                out.push('[');
                out.push_str(k);
                out.push(']');
            }
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("<nil>");
        }
        let mut out = String::new();
        self.render(&mut out);
        f.write_str(&out)
    }
}

/// Upstream's `field.ErrorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Internal,
    TypeInvalid,
}

impl ErrorType {
    /// The machine-readable reason in `Status.details.causes[].reason`.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorType::NotFound => "FieldValueNotFound",
            ErrorType::Required => "FieldValueRequired",
            ErrorType::Duplicate => "FieldValueDuplicate",
            ErrorType::Invalid => "FieldValueInvalid",
            ErrorType::NotSupported => "FieldValueNotSupported",
            ErrorType::Forbidden => "FieldValueForbidden",
            ErrorType::TooLong => "FieldValueTooLong",
            ErrorType::TooMany => "FieldValueTooMany",
            ErrorType::Internal => "InternalError",
            ErrorType::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
    /// The words that a person reads, such as `Invalid value`.
    pub fn words(self) -> &'static str {
        match self {
            ErrorType::NotFound => "Not found",
            ErrorType::Required => "Required value",
            ErrorType::Duplicate => "Duplicate value",
            ErrorType::Invalid => "Invalid value",
            ErrorType::NotSupported => "Unsupported value",
            ErrorType::Forbidden => "Forbidden",
            ErrorType::TooLong => "Too long",
            ErrorType::TooMany => "Too many",
            ErrorType::Internal => "Internal error",
            ErrorType::TypeInvalid => "Invalid value",
        }
    }
}

/// One validation error.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What kind of error.
    pub kind: ErrorType,
    /// The field, as printed.
    pub field: String,
    /// The bad value as upstream prints it: `None` where the type shows no value.
    pub bad_value: Option<String>,
    /// What is wrong, in upstream's words; may be empty.
    pub detail: String,
}

/// All errors of one object, in upstream's order.
pub type ErrorList = Vec<Error>;

/// How Go prints a bad value in an error: strings quoted, objects as JSON, `null` for nil.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(s) => quote(s),
        Value::Number(n) if n.is_f64() => crate::api::patch::go_double(n.as_f64().unwrap_or_default()),
        other => escape_html(&json(other)),
    }
}

/// JSON as Go writes it: numbers that are whole without a fraction.
fn json(value: &Value) -> String {
    fn whole(value: &Value) -> Value {
        match value {
            Value::Number(n) => match n.as_f64().filter(|f| n.is_f64() && f.fract() == 0.0 && f.abs() < 9e15) {
                Some(f) => (f as i64).into(),
                None => value.clone(),
            },
            Value::Array(items) => items.iter().map(whole).collect(),
            Value::Object(o) => o.iter().map(|(k, v)| (k.clone(), whole(v))).collect::<serde_json::Map<_, _>>().into(),
            other => other.clone(),
        }
    }
    whole(value).to_string()
}

/// Go's JSON encoder writes `<`, `>` and `&` as escapes.
fn escape_html(json: &str) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// The Go type that untyped JSON is read as.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Go's `%q`.
pub fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn make(kind: ErrorType, path: &Path, bad_value: Option<String>, detail: impl Into<String>) -> Error {
    Error { kind, field: path.to_string(), bad_value, detail: detail.into() }
}

impl Error {
    /// `field.NotFound`.
    pub fn not_found(path: &Path, value: &Value) -> Self {
        make(ErrorType::NotFound, path, Some(show(value)), "")
    }
    /// `field.Required`.
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        make(ErrorType::Required, path, None, detail)
    }
    /// `field.Duplicate`.
    pub fn duplicate(path: &Path, value: &Value) -> Self {
        make(ErrorType::Duplicate, path, Some(show(value)), "")
    }
    /// `field.Invalid`.
    pub fn invalid(path: &Path, value: &Value, detail: impl Into<String>) -> Self {
        make(ErrorType::Invalid, path, Some(show(value)), detail)
    }
    /// `field.Invalid` of a string, the common case.
    pub fn invalid_str(path: &Path, value: &str, detail: impl Into<String>) -> Self {
        make(ErrorType::Invalid, path, Some(quote(value)), detail)
    }
    /// `field.Invalid` of a value already printed, such as an internal struct's JSON.
    pub fn invalid_shown(path: &Path, shown: impl Into<String>, detail: impl Into<String>) -> Self {
        make(ErrorType::Invalid, path, Some(shown.into()), detail)
    }
    /// `field.Invalid` of `OmitValueType`: the value isn't shown.
    pub fn invalid_omitted(path: &Path, detail: impl Into<String>) -> Self {
        make(ErrorType::Invalid, path, None, detail)
    }
    /// `field.Duplicate` of a value already printed.
    pub fn duplicate_shown(path: &Path, shown: impl Into<String>) -> Self {
        make(ErrorType::Duplicate, path, Some(shown.into()), "")
    }
    /// `field.NotSupported` of a value already printed.
    pub fn not_supported_shown(path: &Path, shown: impl Into<String>, supported: &[&str]) -> Self {
        Error { bad_value: Some(shown.into()), ..Self::not_supported(path, "", supported) }
    }
    /// The same error with another detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
    /// `field.TypeInvalid`.
    pub fn type_invalid(path: &Path, value: &Value, detail: impl Into<String>) -> Self {
        make(ErrorType::TypeInvalid, path, Some(show(value)), detail)
    }
    /// `field.NotSupported`: `supported` is printed in the order given.
    pub fn not_supported(path: &Path, value: &str, supported: &[&str]) -> Self {
        let detail = if supported.is_empty() {
            String::new()
        } else {
            let quoted: Vec<String> = supported.iter().map(|s| quote(s)).collect();
            format!("supported values: {}", quoted.join(", "))
        };
        make(ErrorType::NotSupported, path, Some(quote(value)), detail)
    }
    /// `field.Forbidden`.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        make(ErrorType::Forbidden, path, None, detail)
    }
    /// `field.TooLong`: the value itself is never printed.
    pub fn too_long(path: &Path, max_bytes: usize) -> Self {
        make(ErrorType::TooLong, path, None, format!("may not be more than {max_bytes} bytes"))
    }
    /// `field.TooMany`.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        make(ErrorType::TooMany, path, Some(actual.to_string()), format!("must have at most {max} items"))
    }
    /// `field.InternalError`.
    pub fn internal(path: &Path, detail: impl Into<String>) -> Self {
        make(ErrorType::Internal, path, None, detail)
    }

    /// The error without its field: `Error.ErrorBody`.
    pub fn body(&self) -> String {
        let mut s = self.kind.words().to_owned();
        if let Some(v) = &self.bad_value {
            s.push_str(": ");
            s.push_str(v);
        }
        if !self.detail.is_empty() {
            s.push_str(": ");
            s.push_str(&self.detail);
        }
        s
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// `ErrorList.ToAggregate().Error()`: one error bare, several in brackets, each text once.
pub fn aggregate(errors: &[Error]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for e in errors {
        let t = e.to_string();
        if !texts.contains(&t) {
            texts.push(t);
        }
    }
    match texts.len() {
        1 => texts.remove(0),
        _ => format!("[{}]", texts.join(", ")),
    }
}
