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

/// Keeps apart, through decoding, a selector that is empty from one that is missing: the typed object has no room for
/// the difference, and upstream's complaints differ. To be called on the body of a ReplicaSet, Deployment, DaemonSet or
/// StatefulSet before it is decoded.
pub fn mark_empty_selector(body: &mut Value) {
    if let Some(selector) = body.pointer_mut("/spec/selector").and_then(Value::as_object_mut)
        && selector.is_empty()
    {
        selector.insert("matchLabels".to_owned(), Value::Object(serde_json::Map::new()));
    }
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
