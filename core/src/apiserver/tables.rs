//! Tables: the columns and rows of `kubectl get`. Models `pkg/printers/internalversion/printers.go`.

mod age;
mod cluster;
mod config;
mod network;
mod pod;
mod storage;
mod workloads;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

pub use age::{human_duration, since};

use crate::api::decode::show_seconds;
use crate::api::dynamic::DynamicObject;
use crate::api::object::Object;
use crate::registry::{CustomVersion, ResourceInfo, Served};

/// A row: its cells, and conditions such as `Completed`.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub cells: Vec<Value>,
    pub conditions: Vec<Value>,
}

/// The columns of every kind that has its own: `= resource.group` begins a kind, then a column a line: name, type, format,
/// priority and description between tabs. `@name` and `@age` are texts that many columns share.
const COLUMNS: &str = include_str!("tables/columns.txt");

fn parse() -> BTreeMap<&'static str, Vec<Value>> {
    let mut shared: BTreeMap<&str, String> = BTreeMap::new();
    let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut kind = "";
    for line in COLUMNS.lines() {
        if let Some(name) = line.strip_prefix("= ") {
            kind = name;
            continue;
        }
        if line.starts_with('@') {
            if let Some((name, text)) = line.split_once(' ') {
                shared.insert(name, text.replace("\\n", "\n"));
            }
            continue;
        }
        let parts: Vec<&str> = line.splitn(5, '\t').collect();
        let [name, ty, format, priority, description] = parts.as_slice() else { continue };
        let text = shared.get(description).cloned().unwrap_or_else(|| description.replace("\\n", "\n"));
        let priority: i32 = priority.parse().unwrap_or(0);
        all.entry(kind)
            .or_default()
            .push(json!({"name": name, "type": ty, "format": format, "description": text, "priority": priority}));
    }
    all
}

fn key(info: &ResourceInfo) -> String {
    if info.group.is_empty() || info.group == "events.k8s.io" {
        info.resource.to_owned()
    } else {
        format!("{}.{}", info.resource, info.group)
    }
}

/// The column definitions of a kind; kinds without their own have a name and when they were made.
pub(super) fn columns(served: &Served) -> Value {
    let Some(version) = &served.custom else { return columns_of(&key(&served.info)) };
    // The name is described as it is for all.
    let name = columns_of("configmaps").get_mut(0).map(Value::take);
    name.into_iter().chain(version.columns.iter().map(|c| c.definition.clone())).collect()
}

/// The same by the name that the list of columns has.
pub(super) fn columns_of(key: &str) -> Value {
    static ALL: OnceLock<BTreeMap<&'static str, Vec<Value>>> = OnceLock::new();
    let all = ALL.get_or_init(parse);
    let own = all.get(key).or_else(|| all.get("limitranges"));
    Value::Array(own.cloned().unwrap_or_default())
}

/// What the row of one object is made with.
struct Printer<'a> {
    object: &'a dyn Object,
    now: jiff::Timestamp,
}

impl Printer<'_> {
    fn name(&self) -> Value {
        self.object.meta().name.clone().unwrap_or_default().into()
    }

    /// The object's age.
    fn age(&self) -> Value {
        self.since(self.object.meta().creation_timestamp.as_ref().map(|t| t.0)).into()
    }

    fn since(&self, t: Option<jiff::Timestamp>) -> String {
        since(t, self.now)
    }

    /// A field of a dynamic object.
    fn at(&self, path: &[&str]) -> &Value {
        let any: &dyn std::any::Any = self.object;
        any.downcast_ref::<DynamicObject>().map_or(&Value::Null, |o| o.at(path))
    }

    fn text(&self, path: &[&str]) -> String {
        self.at(path).as_str().unwrap_or_default().to_owned()
    }
}

/// What a column of a custom kind says of a value. Models apiextensions `pkg/registry/customresource/tableconvertor`.
fn custom_cell(kind: &str, value: &Value, now: jiff::Timestamp) -> Value {
    match kind {
        "integer" => value.as_i64().or_else(|| value.as_f64().map(|f| f as i64)).map_or(Value::Null, Value::from),
        "number" if value.is_number() => value.clone(),
        "number" => Value::Null,
        "boolean" => value.as_bool().map_or(Value::Null, Value::from),
        "date" => match value.as_str().map(crate::api::decode::parse_rfc3339) {
            Some(Ok(_)) => since(value.as_str().and_then(|t| t.parse().ok()), now).into(),
            Some(Err(_)) if matches!(value.as_str(), Some("" | "null")) => "<unknown>".into(),
            Some(Err(_)) => "<invalid>".into(),
            None => Value::Null,
        },
        _ if value.is_null() => Value::Null,
        _ => match value {
            Value::Object(_) | Value::Array(_) => crate::api::schema::go_json(value, None).into(),
            other => crate::api::jsonpath::text(other).into(),
        },
    }
}

fn custom_row(version: &CustomVersion, o: &dyn Object, now: jiff::Timestamp) -> Row {
    let value = o.to_value();
    let cell = |c: &crate::registry::CustomColumn| {
        let kind = c.definition["type"].as_str().unwrap_or_default();
        c.of(&value).map_or(Value::Null, |v| custom_cell(kind, v, now))
    };
    let name = Value::from(o.meta().name.clone().unwrap_or_default());
    Row { cells: std::iter::once(name).chain(version.columns.iter().map(cell)).collect(), conditions: Vec::new() }
}

/// An object's row.
pub(super) fn row(served: &Served, o: &dyn Object, now: jiff::Timestamp) -> Row {
    if let Some(version) = &served.custom {
        return custom_row(version, o, now);
    }
    let info = served.info;
    let p = Printer { object: o, now };
    if let Some(row) = pod::row(&p) {
        return row;
    }
    let cells = workloads::cells(&p)
        .or_else(|| network::cells(&p))
        .or_else(|| storage::cells(&p, &info))
        .or_else(|| cluster::cells(&p, &info))
        .or_else(|| config::cells(&p, &info));
    let cells = cells.unwrap_or_else(|| {
        let made = o.meta().creation_timestamp.as_ref().map(|t| show_seconds(t.0));
        vec![p.name(), made.into()]
    });
    Row { cells, conditions: Vec::new() }
}

/// Names and images of containers, joined by commas.
fn containers(spec: Option<&k8s_openapi::api::core::v1::PodSpec>) -> (Value, Value) {
    let all = spec.map(|s| s.containers.as_slice()).unwrap_or_default();
    let join = |f: &dyn Fn(&k8s_openapi::api::core::v1::Container) -> String| -> Value {
        all.iter().map(f).collect::<Vec<_>>().join(",").into()
    };
    (join(&|c| c.name.clone()), join(&|c| c.image.clone().unwrap_or_default()))
}

/// The object's name, and whether it is the one that is taken where none is named: one of `keys` says so.
fn default_name(p: &Printer<'_>, keys: &[&str]) -> Value {
    let meta = p.object.meta();
    let is_default = |key: &&str| meta.annotations.as_ref().and_then(|a| a.get(*key)).is_some_and(|v| v == "true");
    let name = meta.name.as_deref().unwrap_or_default();
    if keys.iter().any(is_default) { format!("{name} (default)").into() } else { name.into() }
}

/// The order in which a Table's rows come, if it isn't the list's: flow schemas are shown as they are asked.
/// Models `printFlowSchemaList`.
pub(super) fn sort_rows(objects: &mut [&dyn Object], served: &Served) {
    if served.info.resource != "flowschemas" || served.info.group != "flowcontrol.apiserver.k8s.io" {
        return;
    }
    objects.sort_by_key(|o| {
        let any: &dyn std::any::Any = *o;
        let precedence =
            any.downcast_ref::<DynamicObject>().and_then(|d| d.at(&["spec", "matchingPrecedence"]).as_i64());
        (precedence.unwrap_or(0), o.meta().name.clone())
    });
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}
