//! From a request's bytes to an object's JSON: Go's JSON and YAML readers, their strictness and their error texts.
//! Models apimachinery `pkg/runtime/serializer/json/json.go` and apiserver `pkg/endpoints/handlers/{create,rest}.go`.

use serde_json::Value;

use super::schema::{TypeId, schema};
use super::status::Status;

mod bind;
mod json;
mod time;
mod tree;
mod yaml;

pub use bind::Bound;
pub use time::{parse_rfc3339, parse_rfc3339_micro};
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
    const STRUCT: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
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
                        first_error.get_or_insert(format!("{} into Go struct field .{name} of type string", other.word()));
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
    let (data_version, data_kind) = interpret(&tree).map_err(unrecognized)?;
    let (mut group, mut version) = split(&data_version).map_err(unrecognized)?;
    let (default_group, default_version) = split(api_version).unwrap_or(("", api_version));
    let data_kind = if data_kind.is_empty() { kind.to_owned() } else { data_kind };
    if version.is_empty() && group.is_empty() {
        (group, version) = (default_group, default_version);
    } else if version.is_empty() && group == default_group {
        version = default_version;
    }
    let data_version = join(group, version);

    let schema = schema();
    let cannot = |e: String| {
        let version = super::field::quote(version);
        Status::bad_request(format!("{data_kind} in version {version} cannot be handled as a {kind}: {e}"))
    };
    let ours = data_version == api_version && data_kind == kind;
    if !ours && !schema.is_registered(&data_version, &data_kind) {
        return Err(cannot(format!(
            "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            super::field::quote(&data_kind),
            super::field::quote(&data_version)
        )));
    }
    let ty = schema.kind(&data_version, &data_kind);
    let bound = bind::bind(&tree, ty, yaml_errors).map_err(cannot)?;
    if !ours {
        let package = |v: &str, k: &str| schema.internal_package(v, k).map(str::to_owned);
        let theirs = package(&data_version, &data_kind);
        let wanted = package(api_version, kind);
        if data_kind != kind || (theirs.is_some() && wanted.is_some() && theirs != wanted) {
            return Err(cannot(format!(
                "converting ({version}.{data_kind}) to ({}.{kind}): unknown conversion",
                wanted.unwrap_or_default()
            )));
        }
    }
    let mut warnings = Vec::new();
    if !bound.strict_errors.is_empty() {
        match validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings = bound.warnings(),
            FieldValidation::Strict => return Err(cannot(bound.strict_error())),
        }
    }
    if !ours && data_version != api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({data_version}) does not match the expected API version ({api_version})"
        )));
    }
    let mut value = bound.value;
    if let Some(o) = value.as_object_mut() {
        o.insert("apiVersion".to_owned(), Value::from(data_version.clone()));
        o.insert("kind".to_owned(), Value::from(data_kind.clone()));
    }
    Ok(Decoded { value, api_version: data_version, kind: data_kind, warnings })
}

/// Reads any JSON text; the error is Go's, without a prefix.
pub fn parse_json(body: &[u8]) -> Result<Value, String> {
    json::parse(body)?.to_value()
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

/// Checks JSON against a type, as Go's decoder would read its text. The error is Go's.
pub fn bind_value(value: &Value, ty: Option<TypeId>) -> Result<Bound, String> {
    bind::bind(&Tree::from_value(value), ty, Vec::new())
}

#[cfg(test)]
mod tests;
