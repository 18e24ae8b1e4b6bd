//! What schemas say within junctors must stand in the schema itself, and the root of one whose status is a subresource says
//! only what may be said there.
//! Models apiextensions `pkg/apiserver/schema/complete.go`, `pkg/apis/apiextensions/validation/validation.go` (the root's
//! fields), and the schema's formats as `pkg/apiserver/validation/formats.go` knows them.

use serde_json::Value;

use super::structural::{child, junctor, properties};
use crate::api::formats;
use crate::registry::validation::go::Go;
use crate::registry::validation::go_schema::internal;
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

/// What the root of a schema may say where the status is a subresource, in upstream's order.
const ROOT_FIELDS: &[&str] = &[
    "Description",
    "Type",
    "Format",
    "Title",
    "Maximum",
    "ExclusiveMaximum",
    "Minimum",
    "ExclusiveMinimum",
    "MaxLength",
    "MinLength",
    "Pattern",
    "MaxItems",
    "MinItems",
    "UniqueItems",
    "MultipleOf",
    "Required",
    "Items",
    "Properties",
    "ExternalDocs",
    "Example",
    "XPreserveUnknownFields",
    "XValidations",
];

/// Checks the root of a schema whose status is a subresource: its schema is taken from below `properties`.
pub(super) fn root_fields(schema: &Value, path: &str, errs: &mut ErrorList) {
    let shown = internal(schema, "apiextensions/v1.JSONSchemaProps");
    let Go::Fields(fields) = &shown else { return };
    let said = |v: &Go| !matches!(v, Go::Null | Go::Bool(false)) && *v != Go::Text(String::new());
    for (name, _) in fields.iter().filter(|(_, v)| said(v)) {
        if name == "Type" {
            let ty = str_of(schema, "type");
            if ty != "object" {
                let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
                return errs.push(Error::invalid_str(&Path::new(&child(path, "type")), ty, why));
            }
        } else if !ROOT_FIELDS.contains(&name.as_str()) {
            let why = format!(
                "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
                ROOT_FIELDS.join(" ")
            );
            return errs.push(Error::invalid_shown(&Path::new(path), shown.compact(), why));
        }
    }
}

/// `validateStructuralCompleteness`.
pub(super) fn complete(s: &Value, path: &str, errs: &mut ErrorList) {
    choices(s, s, path, path, errs);
}

fn choices(v: &Value, s: &Value, at: &str, said_at: &str, errs: &mut ErrorList) {
    if v["not"].is_object() {
        nested(&v["not"], s, at, &child(said_at, "not"), errs);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        junctor(v, name, said_at).for_each(|(said_at, of)| nested(of, s, at, &said_at, errs));
    }
}

fn nested(v: &Value, s: &Value, at: &str, said_at: &str, errs: &mut ErrorList) {
    let missing =
        |at: &str, said_at: &str| Error::required(&Path::new(at), format!("because it is defined in {said_at}"));
    choices(v, s, at, said_at, errs);
    if v["items"].is_object() {
        let (at, said_at) = (child(at, "items"), child(said_at, "items"));
        if s["items"].is_object() {
            nested(&v["items"], &s["items"], &at, &said_at, errs);
        } else {
            errs.push(missing(&at, &said_at));
        }
    }
    for (name, said_at, of) in properties(v, said_at) {
        let at = format!("{at}.properties[{name}]");
        match &s["properties"][name] {
            Value::Null => errs.push(missing(&at, &said_at)),
            below => nested(of, below, &at, &said_at, errs),
        }
    }
}

/// Formats that nobody looks at, in the order in which upstream walks a schema.
pub(super) fn unknown_formats(schema: &Value, out: &mut Vec<String>) {
    let format = str_of(schema, "format");
    if !format.is_empty() && formats::of(schema).is_empty() {
        out.push(format.to_owned());
    }
    if schema["items"].is_object() {
        unknown_formats(&schema["items"], out);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        list_of(schema, name).iter().for_each(|of| unknown_formats(of, out));
    }
    if schema["not"].is_object() {
        unknown_formats(&schema["not"], out);
    }
    schema["properties"].as_object().into_iter().flatten().for_each(|(_, of)| unknown_formats(of, out));
    if schema["additionalProperties"].is_object() {
        unknown_formats(&schema["additionalProperties"], out);
    }
}
