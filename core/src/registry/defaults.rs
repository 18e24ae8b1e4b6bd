//! Defaults of every kind, as decoding fills them in.
//! Models `pkg/apis/*/v1/defaults.go` and the generated code that walks the objects. Structs that Go's types hold by
//! value are there after defaulting, as an api-server shows them, even if empty.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use serde_json::Value;

use crate::api::quantity::Quantity;

pub mod autoscaling;
pub mod batch;
pub mod core;
mod image;
pub mod networking;
pub mod pod;
pub mod rbac;
pub mod storage;
pub mod webhooks;
pub mod workloads;

/// Stands for an exit code list that is null, in the first place of one.
const NO_CODES: [i32; 2] = [i32::MIN, i32::MIN];
/// Stands for a text that is there and empty.
const EMPTY_TEXT: &str = "\u{0}";

/// Keeps apart, through decoding, what the typed object has no room to tell apart and upstream's complaints do: what is
/// empty from what is missing. To be called on the body before it is decoded.
pub fn keep_apart(resource: &str, body: &mut Value) {
    match resource {
        "replicasets" | "deployments" | "daemonsets" | "statefulsets" => mark_empty_selector(body),
        "ingresses" => mark_path_types(body),
        "jobs" => mark_exit_codes(body.pointer_mut("/spec/podFailurePolicy")),
        "poddisruptionbudgets" | "services" => mark_untimed(body.pointer_mut("/status/conditions")),
        "cronjobs" => mark_exit_codes(body.pointer_mut("/spec/jobTemplate/spec/podFailurePolicy")),
        _ => {}
    }
}

fn mark_empty_selector(body: &mut Value) {
    if let Some(selector) = body.pointer_mut("/spec/selector").and_then(Value::as_object_mut)
        && selector.is_empty()
    {
        selector.insert("matchLabels".to_owned(), Value::Object(serde_json::Map::new()));
    }
}

/// The items of a list at a path.
fn items_at<'a>(value: &'a mut Value, path: &str) -> impl Iterator<Item = &'a mut Value> {
    value.pointer_mut(path).and_then(Value::as_array_mut).into_iter().flatten()
}

fn mark_path_types(body: &mut Value) {
    for rule in items_at(body, "/spec/rules") {
        for path in items_at(rule, "/http/paths") {
            if let Some(kind) = path.get_mut("pathType").filter(|t| **t == "") {
                *kind = EMPTY_TEXT.into();
            }
        }
    }
}

/// Whether a path's type was given as an empty text.
pub fn is_marked_empty(text: &str) -> bool {
    text == EMPTY_TEXT
}

fn mark_exit_codes(policy: Option<&mut Value>) {
    for rule in policy.into_iter().flat_map(|p| items_at(p, "/rules")) {
        let codes = rule.get_mut("onExitCodes").and_then(Value::as_object_mut);
        if let Some(codes) = codes.filter(|c| c.get("values").is_none_or(Value::is_null)) {
            codes.insert("values".to_owned(), NO_CODES.to_vec().into());
        }
    }
}

/// Go's zero time, which stands for one that is missing.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Gives conditions that don't say since when they are Go's zero time.
pub fn mark_untimed(conditions: Option<&mut Value>) {
    let conditions = conditions.and_then(Value::as_array_mut);
    for c in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        let since = c.entry("lastTransitionTime").or_insert(Value::Null);
        if since.is_null() {
            *since = NO_TIME.into();
        }
    }
}

/// Whether a time is Go's zero time.
pub fn is_untimed(time: jiff::Timestamp) -> bool {
    NO_TIME.parse().is_ok_and(|none: jiff::Timestamp| time == none)
}

/// An exit code list; nothing where it was null.
pub fn exit_codes(values: &[i32]) -> Option<&[i32]> {
    (values != NO_CODES).then_some(values)
}

/// Sets a text that is absent or empty.
fn text(value: &mut Option<String>, default: &str) {
    if value.as_deref().unwrap_or("").is_empty() {
        *value = Some(default.to_owned());
    }
}

/// Sets a pointer that is absent.
fn pointer<T>(value: &mut Option<T>, default: T) {
    if value.is_none() {
        *value = Some(default);
    }
}

/// Sets a number that is absent or zero.
fn number(value: &mut Option<i32>, default: i32) {
    if value.unwrap_or(0) == 0 {
        *value = Some(default);
    }
}

/// Rounds up to thousandths and writes canonically, as the api-server does with quantities in resource lists.
fn resource_list(list: &mut Option<BTreeMap<String, Text>>) {
    for value in list.iter_mut().flat_map(BTreeMap::values_mut) {
        let Ok(mut q) = Quantity::parse(&value.0) else { continue };
        if !q.is_milli_exact() {
            q = Quantity::from_milli(q.milli_value(), q.format());
        }
        write(value, q);
    }
}

/// Writes a quantity canonically.
fn quantity(value: &mut Text) {
    if let Ok(q) = Quantity::parse(&value.0) {
        write(value, q);
    }
}

fn write(value: &mut Text, q: Quantity) {
    let canonical = q.to_string();
    if canonical != value.0 {
        value.0 = canonical;
    }
}
