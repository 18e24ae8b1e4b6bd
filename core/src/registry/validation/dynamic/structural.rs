//! Schemas of CustomResourceDefinitions: that they are structural, and that what they say of lists and maps fits together.
//! Models apiextensions `pkg/apiserver/schema/validation.go` and `pkg/apis/apiextensions/validation/validation.go`.

use serde_json::Value;

use super::extensions::field_path;
use crate::registry::validation::go_schema::internal;
use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

/// Where a schema stands within another.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];

/// What may not be said within allOf, anyOf, oneOf and not, and what it must be there.
const FORBIDDEN: &[(&str, &str)] = &[
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

/// What a schema may not have at all.
const UNSUPPORTED: &[&str] = &["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];

/// Checks a version's schema.
pub(super) fn schema_into(schema: &Value, path: &str, errs: &mut ErrorList) {
    let mut structural = ErrorList::new();
    invariants(schema, Level::Root, path, &mut structural);
    if structural.is_empty() {
        defaults(schema, path, &mut structural);
    } else {
        structural.sort_by_cached_key(|e| format!("{}: {}", e.field, e.body()));
    }
    if flag_of(schema, "nullable") {
        errs.push(Error::forbidden(&Path::new(&format!("{path}.nullable")), "nullable cannot be true at the root"));
    }
    errs.extend(structural);
    let (before, mut of_rules) = (errs.len(), ErrorList::new());
    fitting(schema, path, errs);
    rules(schema, true, None, path, errs, &mut of_rules);
    // Expressions aren't looked at in a schema that is wrong otherwise.
    if errs.len() == before {
        errs.extend(of_rules);
    }
}

const REASONS: &[&str] = &["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// The rules of a schema and of what is below it: what their fields say, and apart from that what their expressions do.
/// `unmatched` is where what is below can't be told from what was there before.
fn rules(s: &Value, root: bool, unmatched: Option<&str>, path: &str, errs: &mut ErrorList, of_rules: &mut ErrorList) {
    if s["additionalProperties"].is_object() {
        rules(&s["additionalProperties"], false, unmatched, &child(path, "additionalProperties"), errs, of_rules);
    }
    for (_, at, of) in properties(s, path) {
        rules(of, false, unmatched, &at, errs, of_rules);
    }
    if s["items"].is_object() {
        let matched = opt_str(s, "x-kubernetes-list-type") == Some("map");
        let unmatched = if matched { unmatched } else { unmatched.or(Some(path)) };
        rules(&s["items"], false, unmatched, &child(path, "items"), errs, of_rules);
    }
    let at = child(path, "x-kubernetes-validations");
    let all = list_of(s, "x-kubernetes-validations");
    let before = errs.len();
    for (i, rule) in all.iter().enumerate() {
        rule_fields(rule, s, &format!("{at}[{i}]"), errs);
    }
    if errs.len() > before {
        return;
    }
    for (i, field, why) in crate::registry::rule_complaints(s, root) {
        let rule = all.get(i).unwrap_or(&Value::Null);
        let at = format!("{at}[{i}]");
        let of = |field: &str| child(&at, field);
        match (field, unmatched) {
            ("oldSelf", None) => {}
            ("oldSelf", Some(unmatched)) => {
                let why =
                    format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {unmatched}");
                of_rules.push(Error::invalid_str(&Path::new(&of("rule")), str_of(rule, "rule"), why));
            }
            ("optionalOldSelf", _) => {
                of_rules.push(Error::invalid(&Path::new(&of(field)), &rule["optionalOldSelf"], why));
            }
            _ => {
                let shown = internal(rule, "apiextensions/v1.ValidationRule").compact();
                of_rules.push(Error::invalid_shown(&Path::new(&of(field)), shown, why));
            }
        }
    }
}

fn rule_fields(rule: &Value, schema: &Value, path: &str, errs: &mut ErrorList) {
    let (text, message) = (str_of(rule, "rule"), str_of(rule, "message"));
    let at = |field: &str| child(path, field);
    if text.trim().is_empty() {
        errs.push(Error::required(&Path::new(&at("rule")), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        errs.push(Error::invalid_str(&Path::new(&at("message")), message, "must be non-empty if specified"));
    } else if message.trim().contains('\n') {
        errs.push(Error::invalid_str(&Path::new(&at("message")), message, "must not contain line breaks"));
    } else if text.trim().contains('\n') && message.trim().is_empty() {
        let why = "message must be specified if rule contains line breaks";
        errs.push(Error::required(&Path::new(&at("message")), why));
    }
    let expression = str_of(rule, "messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        errs.push(Error::required(&Path::new(&at("messageExpression")), why));
    }
    if let Some(reason) = opt_str(rule, "reason") {
        one_of(reason, REASONS, &Path::new(&at("reason")), errs);
    }
    let field = str_of(rule, "fieldPath");
    let mut bad = |why: &str| errs.push(Error::invalid_str(&Path::new(&at("fieldPath")), field, why));
    if !field.is_empty() && field.trim().is_empty() {
        bad("must be non-empty if specified");
    }
    if field.contains('\n') {
        bad("must not contain line breaks");
    }
    if !field.is_empty() && field_path(schema, field).is_err() {
        bad("must be a valid path");
    }
}

fn child(path: &str, name: &str) -> String {
    format!("{path}.{name}")
}

/// The properties of a schema with their paths.
fn properties<'a>(schema: &'a Value, path: &'a str) -> impl Iterator<Item = (&'a str, String, &'a Value)> {
    let all = schema["properties"].as_object().into_iter().flatten();
    all.map(move |(name, of)| (name.as_str(), format!("{path}.properties[{name}]"), of))
}

/// The schemas of a junctor with their paths.
fn junctor<'a>(schema: &'a Value, name: &'a str, path: &'a str) -> impl Iterator<Item = (String, &'a Value)> {
    list_of(schema, name).iter().enumerate().map(move |(i, of)| (format!("{path}.{name}[{i}]"), of))
}

/// `validateStructuralInvariants`.
fn invariants(s: &Value, level: Level, path: &str, errs: &mut ErrorList) {
    let ty = str_of(s, "type");
    if ty == "array" && !is_set(s, "items") {
        errs.push(Error::required(&Path::new(&child(path, "items")), "must be specified"));
    }
    if s["items"].is_object() {
        invariants(&s["items"], Level::Item, &child(path, "items"), errs);
    }
    for (_, at, of) in properties(s, path) {
        invariants(of, Level::Field, &at, errs);
    }
    let additional = child(path, "additionalProperties");
    if is_set(s, "additionalProperties") {
        if level == Level::Root {
            errs.push(Error::forbidden(&Path::new(&additional), "must not be used at the root"));
        }
        if s["additionalProperties"].is_object() {
            invariants(&s["additionalProperties"], Level::Field, &additional, errs);
        }
    }
    extensions(s, path, errs);
    values(s, path, errs);
    types(s, level, path, errs);
}

fn extensions(s: &Value, path: &str, errs: &mut ErrorList) {
    if !flag_of(s, "x-kubernetes-int-or-string") {
        return;
    }
    for field in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag_of(s, field) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            errs.push(Error::invalid(&Path::new(&child(path, field)), &json!(true), why));
        }
    }
}

fn types(s: &Value, level: Level, path: &str, errs: &mut ErrorList) {
    let (ty, at) = (str_of(s, "type"), child(path, "type"));
    let at = Path::new(&at);
    let embedded = flag_of(s, "x-kubernetes-embedded-resource");
    let any = flag_of(s, "x-kubernetes-int-or-string") || flag_of(s, "x-kubernetes-preserve-unknown-fields");
    if embedded && ty != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        errs.push(if ty.is_empty() { Error::required(&at, why) } else { Error::invalid_str(&at, ty, why) });
    } else if ty.is_empty() && !any {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errs.push(Error::required(&at, why));
    }
    if level == Level::Root && !ty.is_empty() && ty != "object" {
        errs.push(Error::invalid_str(&at, ty, "must be object at the root"));
    }
    if level != Level::Root && !embedded {
        return;
    }
    for field in ["kind", "apiVersion"] {
        let of = &s["properties"][field];
        if is_set(&s["properties"], field) && str_of(of, "type") != "string" {
            let at = format!("{path}.properties[{field}].type");
            errs.push(Error::invalid_str(&Path::new(&at), str_of(of, "type"), "must be string"));
        }
    }
    let metadata = &s["properties"]["metadata"];
    if metadata.is_null() {
        return;
    }
    let at = format!("{path}.properties[metadata]");
    if str_of(metadata, "type") != "object" {
        errs.push(Error::invalid_str(&Path::new(&child(&at, "type")), str_of(metadata, "type"), "must be object"));
    }
    let says = metadata.as_object().into_iter().flatten().any(|(k, v)| match k.as_str() {
        "type" | "default" => false,
        "properties" => v.as_object().is_none_or(|p| p.keys().any(|k| k != "name" && k != "generateName")),
        _ => true,
    });
    if level == Level::Root && says {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errs.push(Error::forbidden(&Path::new(&at), why));
    }
}

/// Whether these choices say no more than that a value is a number or a string.
fn is_int_or_string(choices: &Value) -> bool {
    *choices == json!([{"type": "integer"}, {"type": "string"}])
}

/// `validateValueValidation`.
fn values(s: &Value, path: &str, errs: &mut ErrorList) {
    if !is_int_or_string(&s["anyOf"]) {
        junctor(s, "anyOf", path).for_each(|(at, of)| nested(of, false, &at, errs));
    }
    for (i, (at, of)) in junctor(s, "allOf", path).enumerate() {
        nested(of, i == 0 && is_int_or_string(&of["anyOf"]), &at, errs);
    }
    junctor(s, "oneOf", path).for_each(|(at, of)| nested(of, false, &at, errs));
    if s["not"].is_object() {
        nested(&s["not"], false, &child(path, "not"), errs);
    }
}

/// `validateNestedValueValidation`.
fn nested(s: &Value, skip_any_of: bool, path: &str, errs: &mut ErrorList) {
    if !skip_any_of {
        values(s, path, errs);
    }
    if s["items"].is_object() {
        nested(&s["items"], false, &child(path, "items"), errs);
    }
    for (_, at, of) in properties(s, path) {
        nested(of, false, &at, errs);
    }
    for (field, why) in FORBIDDEN {
        let empty = match &s[*field] {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(all) => all.is_empty(),
            _ => false,
        };
        if !empty {
            errs.push(Error::forbidden(&Path::new(&child(path, field)), *why));
        }
    }
    if is_set(&s["properties"], "metadata") {
        let at = format!("{path}.properties[metadata]");
        errs.push(Error::forbidden(&Path::new(&at), "must not be specified in a nested context"));
    }
}

/// Defaults are what the schema asks for. Models `ValidateDefaults`.
fn defaults(s: &Value, path: &str, errs: &mut ErrorList) {
    if is_set(s, "default") {
        let at = child(path, "default");
        for mut e in crate::registry::schema_errors(&s["default"], s) {
            e.field = if e.field == "<nil>" { at.clone() } else { child(&at, &e.field) };
            errs.push(e);
        }
    }
    for (_, at, of) in properties(s, path) {
        defaults(of, &at, errs);
    }
    for field in ["items", "additionalProperties"] {
        if s[field].is_object() {
            defaults(&s[field], &child(path, field), errs);
        }
    }
}

/// `ValidateCustomResourceDefinitionOpenAPISchema`.
fn fitting(s: &Value, path: &str, errs: &mut ErrorList) {
    let ty = str_of(s, "type");
    for field in UNSUPPORTED {
        if is_set(s, field) {
            errs.push(Error::forbidden(&Path::new(&child(path, field)), format!("{field} is not supported")));
        }
    }
    if ty == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        errs.push(Error::forbidden(&Path::new(&child(path, "type")), why));
    } else if !ty.is_empty() && !TYPES.contains(&ty) {
        errs.push(Error::not_supported(&Path::new(&child(path, "type")), ty, TYPES));
    }
    if s["items"].is_array() {
        let why = "items must be a schema object and not an array";
        errs.push(Error::forbidden(&Path::new(&child(path, "items")), why));
    }
    if flag_of(s, "uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errs.push(Error::forbidden(&Path::new(&child(path, "uniqueItems")), why));
    }
    let additional = &s["additionalProperties"];
    let at = child(path, "additionalProperties");
    if (additional.is_object() || *additional == false) && s["properties"].as_object().is_some_and(|p| !p.is_empty()) {
        errs.push(Error::forbidden(&Path::new(&at), "additionalProperties and properties are mutual exclusive"));
    }
    if additional.is_object() {
        fitting(additional, &at, errs);
    }
    properties(s, path).for_each(|(_, at, of)| fitting(of, &at, errs));
    for name in ["allOf", "oneOf", "anyOf"] {
        junctor(s, name, path).for_each(|(at, of)| fitting(of, &at, errs));
    }
    for name in ["not", "items"] {
        if s[name].is_object() {
            fitting(&s[name], &child(path, name), errs);
        }
    }
    if s["x-kubernetes-preserve-unknown-fields"] == false {
        let at = child(path, "x-kubernetes-preserve-unknown-fields");
        errs.push(Error::invalid(&Path::new(&at), &json!(false), "must be true or undefined"));
    }
    merging(s, ty, path, errs);
}

/// What lists and maps say about how they are merged.
fn merging(s: &Value, ty: &str, path: &str, errs: &mut ErrorList) {
    let kinds = [
        ("x-kubernetes-map-type", "object", &["atomic", "granular"][..]),
        ("x-kubernetes-list-type", "array", &["atomic", "set", "map"][..]),
    ];
    for (field, wanted, supported) in kinds {
        let Some(how) = opt_str(s, field) else { continue };
        let why = format!("must be {wanted} if {field} is specified");
        let at = child(path, "type");
        if ty.is_empty() {
            errs.push(Error::required(&Path::new(&at), why));
        } else if ty != wanted {
            errs.push(Error::invalid_str(&Path::new(&at), ty, why));
        }
        if !supported.contains(&how) {
            errs.push(Error::not_supported(&Path::new(&child(path, field)), how, supported));
        }
    }
    let (how, keys) = (opt_str(s, "x-kubernetes-list-type"), texts_of(s, "x-kubernetes-list-map-keys"));
    let (how_at, keys_at) = (child(path, "x-kubernetes-list-type"), child(path, "x-kubernetes-list-map-keys"));
    let why = "must be map if x-kubernetes-list-map-keys is non-empty";
    match how {
        None if !keys.is_empty() => errs.push(Error::required(&Path::new(&how_at), why)),
        Some(how) if !keys.is_empty() && how != "map" => errs.push(Error::invalid_str(&Path::new(&how_at), how, why)),
        _ => {}
    }
    if how != Some("map") {
        return;
    }
    let keys_path = Path::new(&keys_at);
    if keys.is_empty() {
        errs.push(Error::required(&keys_path, "must not be empty if x-kubernetes-list-type is map"));
    }
    let items = &s["items"];
    let items_at = child(path, "items");
    if !items.is_object() {
        let why = "must have a schema if x-kubernetes-list-type is map";
        return errs.push(Error::required(&Path::new(&items_at), why));
    }
    if str_of(items, "type") != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        return errs.push(Error::invalid_str(&Path::new(&child(&items_at, "type")), str_of(items, "type"), why));
    }
    for (i, key) in keys.iter().enumerate() {
        let of = &items["properties"][*key];
        if of.is_null() {
            errs.push(Error::invalid(&keys_path, &json!(keys), "entries must all be names of item properties"));
        } else if matches!(str_of(of, "type"), "array" | "object") {
            let (at, why) = (
                format!("{items_at}.properties[{key}].type"),
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            );
            errs.push(Error::invalid_str(&Path::new(&at), str_of(items, "type"), why));
        } else if !items["required"].as_array().is_some_and(|r| r.iter().any(|n| n == key)) && !is_set(of, "default") {
            let at = format!("{items_at}.properties[{key}].default");
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errs.push(Error::required(&Path::new(&at), why));
        }
        if keys.iter().take(i).any(|k| k == key) {
            errs.push(Error::invalid(&keys_path, &json!(keys), "must not contain duplicate entries"));
        }
    }
}
