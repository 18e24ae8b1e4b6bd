//! A watch as HTTP streams it: one JSON document a line. Models apiserver's `pkg/endpoints/handlers/watch.go`.

use serde_json::{Value, json};

use super::encode::{self, IncludeObject};
use super::negotiate::{Accepted, Transform};
use crate::api::status::Status;
use crate::apiserver::tables;
use crate::apiserver::{WatchEvent, WatchEventType, WatchStream};
use crate::registry::Served;
use crate::sim::Sim;

/// The body of a watch: each piece is one event, encoded.
pub struct WatchBody {
    sim: Sim,
    stream: WatchStream,
    served: Served,
    accepted: Accepted,
    include: IncludeObject,
    first: bool,
}

impl std::fmt::Debug for WatchBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchBody").field("resource", &self.served.info.resource).finish_non_exhaustive()
    }
}

impl WatchBody {
    pub(super) fn new(
        sim: Sim,
        stream: WatchStream,
        served: Served,
        accepted: Accepted,
        include: IncludeObject,
    ) -> Self {
        WatchBody { sim, stream, served, accepted, include, first: true }
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let event = self.stream.next().await?;
        Some(self.encode(event))
    }

    /// The next piece that is there by now.
    pub fn try_next(&mut self) -> Option<Vec<u8>> {
        let event = self.stream.try_next()?;
        Some(self.encode(event))
    }

    /// Whether nothing more can come.
    pub fn is_closed(&self) -> bool {
        self.stream.is_closed()
    }

    fn encode(&mut self, event: Result<WatchEvent, Status>) -> Vec<u8> {
        let (kind, object) = match event {
            Ok(e) => {
                let kind = match e.kind {
                    WatchEventType::Added => "ADDED",
                    WatchEventType::Modified => "MODIFIED",
                    WatchEventType::Deleted => "DELETED",
                    WatchEventType::Bookmark => "BOOKMARK",
                };
                (kind, self.object(&e))
            }
            Err(status) => ("ERROR", status.to_value()),
        };
        let mut bytes = serde_json::to_vec(&json!({"type": kind, "object": object})).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    fn object(&mut self, e: &WatchEvent) -> Value {
        let served = &self.served;
        let Some(o) = &e.object else {
            let mut metadata = json!({"resourceVersion": e.revision.to_string()});
            if e.initial_events_end {
                metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            }
            if self.accepted.transform == Transform::Table {
                return self.table(metadata, Vec::new());
            }
            let bare = json!({"kind": served.info.kind, "apiVersion": &*served.api_version, "metadata": metadata});
            return encode::completed(bare);
        };
        let full = encode::object(&**o, served);
        let version = if self.accepted.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
        let partial = |mut v: Value| json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": v["metadata"].take()});
        match self.accepted.transform {
            Transform::PartialObject | Transform::PartialObjectList => partial(full),
            Transform::Table => {
                let printed = tables::row(served.info, &**o, self.sim.timestamp());
                let mut row = json!({"cells": printed.cells});
                if !printed.conditions.is_empty() {
                    row["conditions"] = Value::Array(printed.conditions);
                }
                let rv = full["metadata"]["resourceVersion"].clone();
                row["object"] = match self.include {
                    IncludeObject::None => Value::Null,
                    IncludeObject::Object => full,
                    IncludeObject::Metadata => partial(full),
                };
                self.table(json!({"resourceVersion": rv}), vec![row])
            }
            _ => full,
        }
    }

    fn table(&mut self, metadata: Value, rows: Vec<Value>) -> Value {
        let version = if self.accepted.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
        // Only the first says what the columns are.
        let columns = if std::mem::take(&mut self.first) { tables::columns(self.served.info) } else { Value::Null };
        json!({"kind": "Table", "apiVersion": version, "metadata": metadata, "columnDefinitions": columns, "rows": rows})
    }
}
