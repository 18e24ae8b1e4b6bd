//! Schemas of CustomResourceDefinitions: that they are structural, and that what they say of lists and maps fits together.
//! Models apiextensions `pkg/apiserver/schema/validation.go` and `pkg/apis/apiextensions/validation/validation.go`.

use serde_json::Value;

use super::budget::{self, Budget};
use super::extensions::field_path;
use super::{completeness, merging};
use crate::api::go_regex;
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

/// Checks a version's schema; whether its status is a subresource, and whether it is another one than before.
pub(super) fn schema_into(schema: &Value, (status, changed): (bool, bool), path: &str, errs: &mut ErrorList) {
    if status {
        completeness::root_fields(schema, path, errs);
    }
    let mut structural = ErrorList::new();
    // What can't be structural at all is only told to be so.
    let (known, before) = (!is_unsupported(schema), errs.len());
    if known {
        invariants(schema, Level::Root, path, &mut structural);
        completeness::complete(schema, path, &mut structural);
    }
    if structural.is_empty() {
        if known {
            defaults(schema, false, path, &mut structural);
        }
    } else {
        structural.sort_by_cached_key(|e| format!("{}: {}", e.field, e.body()));
    }
    if flag_of(schema, "nullable") {
        errs.push(Error::forbidden(&Path::new(&format!("{path}.nullable")), "nullable cannot be true at the root"));
    }
    errs.extend(structural);
    fitting(schema, &Where { root: true, ..Where::default() }, path, errs);
    let mut found = Found { errs, of_rules: ErrorList::new(), budget: Budget::new(changed) };
    rules(schema, &Spot { root: true, unmatched: None, times: Some(1) }, path, &mut found);
    let Found { mut of_rules, budget, .. } = found;
    budget.close(path, &mut of_rules);
    // Expressions aren't looked at in a schema that is wrong otherwise.
    if errs.len() == before && known {
        errs.extend(of_rules);
    }
}

/// Whether a schema says anything that no structural one can.
fn is_unsupported(s: &Value) -> bool {
    let below = ["items", "additionalProperties", "not"].into_iter().map(|k| &s[k]).filter(|v| v.is_object());
    let mut all = below
        .chain(s["properties"].as_object().into_iter().flatten().map(|(_, of)| of))
        .chain(["allOf", "anyOf", "oneOf"].into_iter().flat_map(|k| list_of(s, k)));
    UNSUPPORTED.iter().any(|field| is_set(s, field)) || s["items"].is_array() || all.any(is_unsupported)
}

const REASONS: &[&str] = &["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Where rules stand.
struct Spot<'a> {
    root: bool,
    /// Where what is below can't be told from what was there before.
    unmatched: Option<&'a str>,
    /// How often there may be such a value, if what it is in says so.
    times: Option<u64>,
}

/// What is found on the way through a schema's rules: what their fields say, and apart from that what their expressions do.
struct Found<'e> {
    errs: &'e mut ErrorList,
    of_rules: ErrorList,
    budget: Budget,
}

/// The rules of a schema and of what is below it.
fn rules(s: &Value, spot: &Spot<'_>, path: &str, found: &mut Found<'_>) {
    let (unmatched, times) = (spot.unmatched, budget::times_below(s, spot.times));
    if s["additionalProperties"].is_object() {
        let spot = Spot { root: false, unmatched, times };
        rules(&s["additionalProperties"], &spot, &child(path, "additionalProperties"), found);
    }
    for (_, at, of) in properties(s, path) {
        rules(of, &Spot { root: false, unmatched, times }, &at, found);
    }
    if s["items"].is_object() {
        let matched = opt_str(s, "x-kubernetes-list-type") == Some("map");
        let unmatched = if matched { unmatched } else { unmatched.or(Some(path)) };
        rules(&s["items"], &Spot { root: false, unmatched, times }, &child(path, "items"), found);
    }
    chosen_rules(s, path, found.errs);
    let at = child(path, "x-kubernetes-validations");
    let all = list_of(s, "x-kubernetes-validations");
    let before = found.errs.len();
    for (i, rule) in all.iter().enumerate() {
        rule_fields(rule, s, &format!("{at}[{i}]"), found.errs);
    }
    if found.errs.len() > before || all.is_empty() {
        return;
    }
    let (costs, most) = crate::registry::rule_costs(s, spot.root);
    let complaints = crate::registry::rule_complaints(s, spot.root);
    for (i, rule) in all.iter().enumerate() {
        let at = format!("{at}[{i}]");
        let (own, message) = costs.get(i).copied().unwrap_or_default();
        let cost = own.saturating_mul(spot.times.unwrap_or(most));
        found.budget.spend("rule", cost, &child(&at, "rule"), &mut found.of_rules);
        for (_, field, why) in complaints.iter().filter(|(of, ..)| *of == i) {
            complaint(rule, (field, why), spot.unmatched, &at, &mut found.of_rules);
        }
        if let Some(cost) = message {
            found.budget.spend("messageExpression", cost, &child(&at, "messageExpression"), &mut found.of_rules);
        }
    }
}

/// The rules within junctors, which may not be there: their fields are looked at all the same.
fn chosen_rules(s: &Value, path: &str, errs: &mut ErrorList) {
    let mut look = |of: &Value, at: &str| {
        for (i, rule) in list_of(of, "x-kubernetes-validations").iter().enumerate() {
            rule_fields(rule, of, &format!("{at}.x-kubernetes-validations[{i}]"), errs);
        }
        chosen_rules(of, at, errs);
        if of["items"].is_object() {
            chosen_rules(&of["items"], &child(at, "items"), errs);
        }
        properties(of, at).for_each(|(_, at, of)| chosen_rules(of, &at, errs));
    };
    for name in ["allOf", "anyOf", "oneOf"] {
        junctor(s, name, path).for_each(|(at, of)| look(of, &at));
    }
    if s["not"].is_object() {
        look(&s["not"], &child(path, "not"));
    }
}

/// What is wrong with a rule's expression.
fn complaint(rule: &Value, (field, why): (&str, &str), unmatched: Option<&str>, at: &str, of_rules: &mut ErrorList) {
    let of = |field: &str| child(at, field);
    match (field, unmatched) {
        ("oldSelf", None) => {}
        ("oldSelf", Some(unmatched)) => {
            let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {unmatched}");
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

pub(super) fn child(path: &str, name: &str) -> String {
    format!("{path}.{name}")
}

/// The properties of a schema with their paths.
pub(super) fn properties<'a>(schema: &'a Value, path: &'a str) -> impl Iterator<Item = (&'a str, String, &'a Value)> {
    let all = schema["properties"].as_object().into_iter().flatten();
    all.map(move |(name, of)| (name.as_str(), format!("{path}.properties[{name}]"), of))
}

/// The schemas of a junctor with their paths.
pub(super) fn junctor<'a>(
    schema: &'a Value,
    name: &'a str,
    path: &'a str,
) -> impl Iterator<Item = (String, &'a Value)> {
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
    let first = list_of(s, "allOf").first();
    let skipped = (is_int_or_string(&s["anyOf"]), first.is_some_and(|of| is_int_or_string(&of["anyOf"])));
    values(s, skipped, path, errs);
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
    if embedded && is_set(s, "additionalProperties") {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errs.push(Error::forbidden(&Path::new(&child(path, "additionalProperties")), why));
    }
    let properties_said = s["properties"].as_object().is_some_and(|p| !p.is_empty());
    if embedded && !flag_of(s, "x-kubernetes-preserve-unknown-fields") && !properties_said {
        let why =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errs.push(Error::required(&Path::new(&child(path, "properties")), why));
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

/// `validateValueValidation`: without `anyOf`, or that of the first of `allOf`, where these only say that a value is a number
/// or a string.
fn values(s: &Value, (skip_any, skip_first): (bool, bool), path: &str, errs: &mut ErrorList) {
    if !skip_any {
        junctor(s, "anyOf", path).for_each(|(at, of)| nested(of, false, &at, errs));
    }
    for (i, (at, of)) in junctor(s, "allOf", path).enumerate() {
        nested(of, i == 0 && skip_first, &at, errs);
    }
    junctor(s, "oneOf", path).for_each(|(at, of)| nested(of, false, &at, errs));
    if s["not"].is_object() {
        nested(&s["not"], false, &child(path, "not"), errs);
    }
    let pattern = str_of(s, "pattern");
    if let Err(why) = go_regex::check(pattern) {
        let why = format!("must be a valid regular expression, but isn't: {why}");
        errs.push(Error::invalid_str(&Path::new(&child(path, "pattern")), pattern, why));
    }
}

/// `validateNestedValueValidation`.
fn nested(s: &Value, skip_any_of: bool, path: &str, errs: &mut ErrorList) {
    values(s, (skip_any_of, false), path, errs);
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

/// Defaults are what the schema asks for, and hold nothing that it doesn't know. Models `ValidateDefaults`, which does not
/// follow `additionalProperties`. `meta` is within an object's metadata.
fn defaults(s: &Value, meta: bool, path: &str, errs: &mut ErrorList) {
    let embedded = flag_of(s, "x-kubernetes-embedded-resource");
    let meta = meta && !embedded;
    if is_set(s, "default") {
        let at = child(path, "default");
        if !meta && crate::registry::is_pruned_by(&s["default"], s, embedded) {
            errs.push(Error::invalid(&Path::new(&at), &s["default"], "must not have unknown fields"));
        }
        for mut e in crate::registry::schema_errors(&s["default"], s) {
            e.field = if e.field == "<nil>" { at.clone() } else { child(&at, &e.field) };
            errs.push(e);
        }
    }
    if s["items"].is_object() {
        defaults(&s["items"], meta, &child(path, "items"), errs);
    }
    for (name, at, of) in properties(s, path) {
        defaults(of, meta || (embedded && META_FIELDS.contains(&name)), &at, errs);
    }
}

const META_FIELDS: &[&str] = &["metadata", "kind", "apiVersion"];

/// Where within a whole a schema stands, for what may be said there.
#[derive(Clone, Default)]
struct Where {
    root: bool,
    meta: bool,
    /// Why there may be no default, if there may be none.
    no_default: Option<String>,
}

impl Where {
    fn inner(&self) -> Self {
        Where { root: false, ..self.clone() }
    }

    /// Below `additionalProperties`: pruning without a value at hand would be ambiguous.
    fn additional(&self) -> Self {
        let why = "inside additionalProperties applying to object metadata";
        Where {
            root: false,
            meta: self.meta,
            no_default: self.meta.then(|| why.to_owned()).or(self.no_default.clone()),
        }
    }

    fn property(&self, name: &str, embedded: bool) -> Self {
        let mut w = self.inner();
        if (self.root || embedded) && META_FIELDS.contains(&name) {
            w.meta = true;
            if self.root {
                w.no_default = Some(format!("in top-level {name}"));
            }
        }
        w
    }
}

/// `ValidateCustomResourceDefinitionOpenAPISchema`.
fn fitting(s: &Value, place: &Where, path: &str, errs: &mut ErrorList) {
    let ty = str_of(s, "type");
    if !ty.is_empty() && !TYPES.contains(&ty) {
        errs.push(Error::not_supported(&Path::new(&child(path, "type")), ty, TYPES));
    }
    if let (true, Some(why)) = (is_set(s, "default"), &place.no_default) {
        errs.push(Error::forbidden(&Path::new(&child(path, "default")), format!("must not be set {why}")));
    }
    for field in UNSUPPORTED {
        if is_set(s, field) {
            errs.push(Error::forbidden(&Path::new(&child(path, field)), format!("{field} is not supported")));
        }
    }
    if ty == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        errs.push(Error::forbidden(&Path::new(&child(path, "type")), why));
    }
    if s["items"].is_array() {
        let why = "items must be a schema object and not an array";
        errs.push(Error::forbidden(&Path::new(&child(path, "items")), why));
    }
    if place.meta && flag_of(s, "x-kubernetes-embedded-resource") {
        let at = child(path, "x-kubernetes-embedded-resource");
        errs.push(Error::forbidden(&Path::new(&at), "must not be used inside of resource meta"));
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
        fitting(additional, &place.additional(), &at, errs);
    }
    let embedded = flag_of(s, "x-kubernetes-embedded-resource");
    properties(s, path).for_each(|(name, at, of)| fitting(of, &place.property(name, embedded), &at, errs));
    let inner = place.inner();
    if s["not"].is_object() {
        fitting(&s["not"], &inner, &child(path, "not"), errs);
    }
    for name in ["allOf", "oneOf", "anyOf"] {
        junctor(s, name, path).for_each(|(at, of)| fitting(of, &inner, &at, errs));
    }
    if s["items"].is_object() {
        fitting(&s["items"], &inner, &child(path, "items"), errs);
    }
    if s["x-kubernetes-preserve-unknown-fields"] == false {
        let at = child(path, "x-kubernetes-preserve-unknown-fields");
        errs.push(Error::invalid(&Path::new(&at), &json!(false), "must be true or undefined"));
    }
    merging::check(s, ty, path, errs);
}
