//! Objects, lists and errors as the client wants them written.

use serde_json::{Map, Value, json};

use super::negotiate::{Accepted, MediaType, Transform};
use super::{ApiServer, Body, Response};
use crate::api::managed_fields::Managers;
use crate::api::object::Object;
use crate::api::schema::{complete, schema};
use crate::api::status::Status;
use crate::api::yaml::to_yaml;
use crate::apiserver::{ObjectList, owners, tables};
use crate::registry::{Served, TEMPLATE_GENERATION};

/// An error as a response.
pub(super) fn status(status: &Status, media: MediaType) -> Response {
    let accepted = Accepted { media, ..Accepted::default() };
    let mut response = value(status.code, &status.to_value(), accepted);
    if let Some(d) = &status.details
        && d.retry_after_seconds > 0
        && matches!(status.code, 429 | 503 | 504)
    {
        response.headers.push(("Retry-After", d.retry_after_seconds.to_string()));
    }
    response
}

/// JSON or YAML as a response.
pub(super) fn value(code: u16, value: &Value, accepted: Accepted) -> Response {
    let bytes = match accepted.media {
        MediaType::Json => {
            let mut bytes = serde_json::to_vec(value).unwrap_or_default();
            bytes.push(b'\n');
            bytes
        }
        MediaType::Yaml => to_yaml(value).into_bytes(),
    };
    Response { code, headers: vec![("Content-Type", accepted.content_type())], body: Body::Full(bytes) }
}

/// What is written as JSON as a response.
fn json(code: u16, bytes: Vec<u8>, accepted: Accepted) -> Response {
    Response { code, headers: vec![("Content-Type", accepted.content_type())], body: Body::Full(bytes) }
}

/// JSON for people: a line a field.
pub(super) fn indent(response: &mut Response) {
    if !response.header("Content-Type").is_some_and(|t| t.starts_with("application/json")) {
        return;
    }
    if let Body::Full(bytes) = &mut response.body
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
    {
        *bytes = serde_json::to_vec_pretty(&value).unwrap_or_default();
    }
}

/// Refuses to make metadata of what it isn't asked for, be that a list or one object. The Go type is upstream's internal one.
pub(super) fn check_partial(served: &Served, accepted: Accepted, list: bool) -> Result<(), Status> {
    let (asked, not) = match (accepted.transform, list) {
        (Transform::PartialObject, true) => ("PartialObjectMetadata", "a list"),
        (Transform::PartialObjectList, false) => ("PartialObjectMetadataList", "not a list"),
        _ => return Ok(()),
    };
    let package = match served.info.group {
        "" | "events.k8s.io" => "core",
        group => group.split('.').next().unwrap_or_default(),
    };
    let suffix = if list { "List" } else { "" };
    let kind = served.info.kind;
    let message = format!("you requested {asked}, but the requested object is {not} (*{package}.{kind}{suffix})");
    Err(Status::other(406, "NotAcceptable", message))
}

/// An object as its kind's version that the client asked for has it.
pub(super) fn object(o: &dyn Object, served: &Served) -> Value {
    let mut v = o.to_value();
    served.from_stored(&mut v);
    if let Some(ty) = schema().kind(&served.api_version, served.info.kind) {
        complete(&mut v, ty);
    }
    v
}

/// A type that has no strategy, such as Scale, as Go would write it.
pub(super) fn completed(mut v: Value) -> Value {
    let (api_version, kind) = (v["apiVersion"].as_str().unwrap_or_default(), v["kind"].as_str().unwrap_or_default());
    if let Some(ty) = schema().kind(api_version, kind) {
        complete(&mut v, ty);
    }
    v
}

/// Metadata alone.
pub(super) fn partial(mut v: Value, beta: bool) -> Value {
    let version = if beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
    let mut metadata = v["metadata"].take();
    // It is taken from the object inside, where what v1 keeps in an annotation is a field.
    if let Some(metadata) = metadata.as_object_mut().filter(|_| v["kind"] == "DaemonSet")
        && let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        notes.remove(TEMPLATE_GENERATION);
        if notes.is_empty() {
            metadata.remove("annotations");
        }
    }
    json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": metadata})
}

/// What goes with the rows of a Table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum IncludeObject {
    /// Their metadata.
    #[default]
    Metadata,
    /// The objects.
    Object,
    /// Nothing.
    None,
}

impl IncludeObject {
    /// The query parameter's value.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Status> {
        Ok(match text {
            None | Some("" | "Metadata") => IncludeObject::Metadata,
            Some("Object") => IncludeObject::Object,
            Some("None") => IncludeObject::None,
            Some(other) => {
                return Err(Status::bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', \
                     'Object', 'None', or empty",
                    crate::api::field::quote(other)
                )));
            }
        })
    }
}

impl ApiServer {
    /// Rows of a Table for objects.
    fn rows(&self, objects: &[&dyn Object], served: &Served, accepted: Accepted, include: IncludeObject) -> Vec<Value> {
        let now = self.sim.timestamp();
        let mut rows = Vec::with_capacity(objects.len());
        for o in objects {
            let printed = tables::row(served, *o, now);
            let mut row = Map::new();
            row.insert("cells".into(), Value::Array(printed.cells));
            if !printed.conditions.is_empty() {
                row.insert("conditions".into(), Value::Array(printed.conditions));
            }
            let object = match include {
                IncludeObject::None => Value::Null,
                IncludeObject::Object => self.encoded.value(*o, served),
                IncludeObject::Metadata => partial(self.encoded.value(*o, served), accepted.beta),
            };
            row.insert("object".into(), object);
            rows.push(Value::Object(row));
        }
        rows
    }

    /// A Table of these objects. `columns`: whether it defines its columns, which only the first of a watch does.
    pub(super) fn table(
        &self,
        objects: &[&dyn Object],
        served: &Served,
        accepted: Accepted,
        include: IncludeObject,
        metadata: Value,
        columns: bool,
    ) -> Value {
        let version = if accepted.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
        let definitions = if columns { tables::columns(served) } else { Value::Null };
        json!({
            "kind": "Table",
            "apiVersion": version,
            "metadata": metadata,
            "columnDefinitions": definitions,
            "rows": self.rows(objects, served, accepted, include),
        })
    }

    /// One object as a response.
    pub(super) fn object_response(
        &self,
        code: u16,
        o: &dyn Object,
        served: &Served,
        accepted: Accepted,
        include: IncludeObject,
    ) -> Response {
        self.managed_response(code, o, &self.managers_of(o), served, accepted, include)
    }

    /// One object with these managers of its fields as a response.
    pub(super) fn managed_response(
        &self,
        code: u16,
        o: &dyn Object,
        managers: &Managers,
        served: &Served,
        accepted: Accepted,
        include: IncludeObject,
    ) -> Response {
        let body = match accepted.transform {
            Transform::None if accepted.media == MediaType::Json => {
                let mut bytes = self.encoded.managed_bytes(o, managers, served, false);
                bytes.push(b'\n');
                return json(code, bytes, accepted);
            }
            Transform::Table => {
                let mut metadata = Map::new();
                if let Some(rv) = &o.meta().resource_version {
                    metadata.insert("resourceVersion".into(), rv.as_str().into());
                }
                self.table(&[o], served, accepted, include, Value::Object(metadata), true)
            }
            transform => {
                let mut body = object(o, served);
                owners::show(managers, &mut body);
                if transform == Transform::PartialObject { partial(body, accepted.beta) } else { body }
            }
        };
        value(code, &body, accepted)
    }

    /// A list written as JSON.
    fn list_bytes(&self, list: &ObjectList, served: &Served, metadata: &Value) -> Vec<u8> {
        let head = json!({"apiVersion": &*served.api_version}).to_string();
        let mut bytes = [head.trim_end_matches('}'), ",\"items\":["].concat().into_bytes();
        for (i, o) in list.items.iter().enumerate() {
            if i > 0 {
                bytes.push(b',');
            }
            // Items of a typed list don't repeat what the list says.
            bytes.extend_from_slice(&self.encoded.bytes(&**o, served, true));
        }
        let tail = json!({"kind": format!("{}List", served.info.kind), "metadata": metadata}).to_string();
        bytes.extend_from_slice(b"],");
        bytes.extend_from_slice(tail.trim_start_matches('{').as_bytes());
        bytes.push(b'\n');
        bytes
    }

    /// A list as a response.
    pub(super) fn list_response(
        &self,
        list: &ObjectList,
        served: &Served,
        accepted: Accepted,
        include: IncludeObject,
    ) -> Response {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), list.resource_version.to_string().into());
        if !list.continue_token.is_empty() {
            metadata.insert("continue".into(), list.continue_token.as_str().into());
        }
        if let Some(n) = list.remaining {
            metadata.insert("remainingItemCount".into(), n.into());
        }
        let metadata = Value::Object(metadata);
        let body = match accepted.transform {
            Transform::None if accepted.media == MediaType::Json => {
                return json(200, self.list_bytes(list, served, &metadata), accepted);
            }
            Transform::Table => {
                let mut objects: Vec<&dyn Object> = list.items.iter().map(|o| &**o).collect();
                tables::sort_rows(&mut objects, served);
                self.table(&objects, served, accepted, include, metadata, true)
            }
            Transform::PartialObjectList => {
                let version = if accepted.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
                let items: Vec<Value> =
                    list.items.iter().map(|o| partial(self.encoded.value(&**o, served), accepted.beta)).collect();
                // Go's list is nil until something is in it.
                let items = if items.is_empty() { Value::Null } else { items.into() };
                json!({"kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": metadata, "items": items})
            }
            _ => {
                let items: Vec<Value> = list
                    .items
                    .iter()
                    .map(|o| {
                        let mut v = self.encoded.value(&**o, served);
                        // Items of a typed list don't repeat what the list says.
                        if let Some(m) = v.as_object_mut() {
                            m.remove("kind");
                            m.remove("apiVersion");
                        }
                        v
                    })
                    .collect();
                json!({
                    "kind": format!("{}List", served.info.kind),
                    "apiVersion": &*served.api_version,
                    "metadata": metadata,
                    "items": items,
                })
            }
        };
        value(200, &body, accepted)
    }
}
