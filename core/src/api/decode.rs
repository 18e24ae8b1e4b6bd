//! From a request's bytes to an object's JSON: Go's JSON and YAML readers, their strictness and their error texts.
//! Models apimachinery `pkg/runtime/serializer/json/json.go` and apiserver `pkg/endpoints/handlers/{create,rest}.go`.

use serde_json::Value;

use super::schema::{TypeId, schema};
use super::status::Status;

mod bind;
mod convert;
mod json;
mod protobuf;
mod time;
mod tree;
mod yaml;

pub use bind::Bound;
pub use protobuf::Numbers;
pub use time::{parse_rfc3339, parse_rfc3339_micro, parse_rfc3339_nano, show_seconds};
use tree::{Node, Tree};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Yaml,
}

/// What becomes of unknown and duplicate fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

impl FieldValidation {
    /// The query parameter's value; `Warn` if there is none. Others are for validation to refuse.
    pub fn parse(s: &str) -> Self {
        match s {
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            _ => FieldValidation::Warn,
        }
    }
}

/// A decoded object.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Checked against its type: unknown fields and nulls are gone, quantities and times canonical.
    pub value: Value,
    /// What the data says, or the default where it says nothing.
    pub api_version: String,
    pub kind: String,
    /// For Warning headers.
    pub warnings: Vec<String>,
}

/// `summarizeData`: the first 30 bytes of a body, in hexadecimal unless it looks like JSON.
fn summarize(body: &[u8]) -> String {
    const MAX: usize = 30;
    let (head, more) = match body.get(..MAX) {
        Some(head) if body.len() > MAX => (head, " ..."),
        _ => (body, ""),
    };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(head)),
        Some(_) => format!("{}{more}", head.iter().map(|b| format!("{b:02x}")).collect::<String>()),
    }
}

/// Reads JSON or YAML; for YAML also what is wrong with it in strict mode.
fn read(body: &[u8], format: Format) -> Result<(Tree, Vec<String>), String> {
    match format {
        Format::Json => Ok((json::parse(body)?, Vec::new())),
        Format::Yaml => yaml::parse(body),
    }
}

/// `SimpleMetaFactory.Interpret`: apiVersion and kind, whose names may be in any case here.
fn interpret(tree: &Tree) -> Result<(String, String), String> {
    const STRUCT: &str =
        r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let fail = |e: String| Err(format!("couldn't get version/kind; json parse error: json: cannot unmarshal {e}"));
    let mut api_version = String::new();
    let mut kind = String::new();
    let mut first_error = None;
    match tree.root() {
        Node::Object(entries) => {
            for (key, id) in entries {
                let (target, name) = if key.eq_ignore_ascii_case("apiVersion") {
                    (&mut api_version, "apiVersion")
                } else if key.eq_ignore_ascii_case("kind") {
                    (&mut kind, "kind")
                } else {
                    continue;
                };
                match tree.get(*id) {
                    Node::String(s) => s.clone_into(target),
                    Node::Null => {}
                    other => {
                        first_error
                            .get_or_insert(format!("{} into Go struct field .{name} of type string", other.word()));
                    }
                }
            }
        }
        Node::Null => {}
        other => return fail(format!("{} into Go value of type {STRUCT}", other.word())),
    }
    match first_error {
        Some(e) => fail(e),
        None => Ok((api_version, kind)),
    }
}

fn split(api_version: &str) -> Result<(&str, &str), String> {
    match api_version.split_once('/') {
        None => Ok(("", api_version)),
        Some((_, v)) if v.contains('/') => Err(format!("unexpected GroupVersion string: {api_version}")),
        Some(both) => Ok(both),
    }
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Decodes an object that is to be of this apiVersion and kind, as a POST or PUT does.
pub fn decode_object(
    body: &[u8],
    format: Format,
    api_version: &str,
    kind: &str,
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let unrecognized = |e: String| {
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {e} ({})",
            summarize(body)
        ))
    };
    let (tree, yaml_errors) = read(body, format).map_err(|e| match format {
        Format::Json => unrecognized(format!("couldn't get version/kind; json parse error: {e}")),
        Format::Yaml => unrecognized(e),
    })?;
    let custom = schema().kind(api_version, kind).is_none();
    if custom {
        let (data_version, data_kind) = interpret(&tree).map_err(unrecognized)?;
        for (name, given) in [("Kind", data_kind), ("apiVersion", data_version)] {
            if given.is_empty() {
                let whole = String::from_utf8_lossy(body);
                return Err(unrecognized(format!("Object '{name}' is missing in '{whole}'")));
            }
        }
    }
    let found = identify(&tree, api_version, kind).map_err(unrecognized)?;
    let cannot = |e: String| {
        let version = super::field::quote(found.version());
        Status::bad_request(format!("{} in version {version} cannot be handled as a {kind}: {e}", found.kind))
    };
    if custom && found.api_version != api_version {
        let e = format!("request to convert CR from an invalid group/version: {}", found.api_version);
        return Err(cannot(e));
    }
    let bound = bind_identified(&tree, &found, api_version, kind, yaml_errors).map_err(cannot)?;
    let mut warnings = Vec::new();
    if !bound.strict_errors.is_empty() {
        match validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings = bound.warnings(),
            FieldValidation::Strict => return Err(cannot(bound.strict_error())),
        }
    }
    if found.api_version != api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({api_version})",
            found.api_version
        )));
    }
    Ok(Decoded { value: bound.value, api_version: found.api_version, kind: found.kind, warnings })
}

/// What an object says it is, with defaults where it says nothing.
struct Found {
    api_version: String,
    kind: String,
}

impl Found {
    fn version(&self) -> &str {
        self.api_version.rsplit('/').next().unwrap_or("")
    }
}

fn identify(tree: &Tree, api_version: &str, kind: &str) -> Result<Found, String> {
    let (data_version, data_kind) = interpret(tree)?;
    let (mut group, mut version) = split(&data_version)?;
    let (default_group, default_version) = split(api_version).unwrap_or(("", api_version));
    if version.is_empty() && group.is_empty() {
        (group, version) = (default_group, default_version);
    } else if version.is_empty() && group == default_group {
        version = default_version;
    }
    let kind = if data_kind.is_empty() { kind.to_owned() } else { data_kind };
    Ok(Found { api_version: join(group, version), kind })
}

/// Reads the document into the type that it says it is, and sees whether that converts to the one wanted.
fn bind_identified(
    tree: &Tree,
    found: &Found,
    api_version: &str,
    kind: &str,
    yaml_errors: Vec<String>,
) -> Result<Bound, String> {
    let schema = schema();
    // Of a custom kind, the kind itself is looked at when the object is validated.
    let ours = found.api_version == api_version && (found.kind == kind || schema.kind(api_version, kind).is_none());
    if !ours && !schema.is_registered(&found.api_version, &found.kind) {
        return Err(format!(
            "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            super::field::quote(&found.kind),
            super::field::quote(&found.api_version)
        ));
    }
    let mut bound = bind::bind(tree, schema.kind(&found.api_version, &found.kind), yaml_errors)?;
    if !ours {
        let theirs = schema.internal_package(&found.api_version, &found.kind);
        let wanted = schema.internal_package(api_version, kind);
        if found.kind != kind || (theirs.is_some() && wanted.is_some() && theirs != wanted) {
            let (version, found) = (found.version(), &found.kind);
            let wanted = wanted.unwrap_or_default();
            return Err(format!("converting ({version}.{found}) to ({wanted}.{kind}): unknown conversion"));
        }
    }
    if let Some(o) = bound.value.as_object_mut() {
        o.insert("apiVersion".to_owned(), Value::from(found.api_version.clone()));
        o.insert("kind".to_owned(), Value::from(found.kind.clone()));
    }
    Ok(bound)
}

/// `runtime.DecodeInto`: an object that a patch made, which is to be of this kind.
pub fn decode_into(value: &Value, api_version: &str, kind: &str) -> Result<Bound, String> {
    let tree = Tree::from_value(value);
    let found = identify(&tree, api_version, kind)?;
    bind_identified(&tree, &found, api_version, kind, Vec::new())
}

/// Checks untyped JSON against a type, as Go's unstructured converter does, whose errors are other than the decoder's.
pub fn convert_value(value: &Value, ty: TypeId) -> Result<Bound, String> {
    convert::convert(value, ty)
}

/// What Go's decoder says of JSON that is to be an object of anything; `None` if it is one.
pub fn json_object_complaint(text: &[u8]) -> Option<String> {
    match json::parse(text) {
        Err(complaint) => Some(complaint),
        Ok(tree) => match tree.root() {
            Node::Object(_) | Node::Null => None,
            other => {
                Some(format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", other.word()))
            }
        },
    }
}

/// Reads any JSON text; the error is Go's, without a prefix.
pub fn parse_json(body: &[u8]) -> Result<Value, String> {
    json::parse(body)?.to_value()
}

/// What Go's errors call a value that they can't take.
pub fn word_of(value: &Value) -> &'static str {
    Tree::from_value(value).root().word()
}

/// Reads any YAML (or JSON) text; the error is Go's.
pub fn parse_yaml(body: &[u8]) -> Result<Value, String> {
    yaml::parse(body)?.0.to_value()
}

/// Reads any YAML (or JSON) text, with what strict mode says of it: duplicate keys with their lines.
pub fn parse_yaml_strict(body: &[u8]) -> Result<(Value, Vec<String>), String> {
    let (tree, errors) = yaml::parse(body)?;
    Ok((tree.to_value()?, errors))
}

/// Checks text against a type, as Go's decoder would read it into that struct. The error is Go's.
pub fn bind_bytes(body: &[u8], format: Format, ty: Option<TypeId>) -> Result<Bound, String> {
    let (tree, yaml_errors) = read(body, format)?;
    bind::bind(&tree, ty, yaml_errors)
}

/// The same of text that names its version and kind, for which Go's decoder looks first.
pub fn bind_options(body: &[u8], format: Format, ty: Option<TypeId>) -> Result<Bound, String> {
    let (tree, yaml_errors) = read(body, format).map_err(|e| match format {
        Format::Json => format!("couldn't get version/kind; json parse error: {e}"),
        Format::Yaml => e,
    })?;
    interpret(&tree)?;
    bind::bind(&tree, ty, yaml_errors)
}

/// Checks JSON against a type, as Go's decoder would read its text. The error is Go's.
pub fn bind_value(value: &Value, ty: Option<TypeId>) -> Result<Bound, String> {
    bind::bind(&Tree::from_value(value), ty, Vec::new())
}

#[cfg(test)]
mod tests;
