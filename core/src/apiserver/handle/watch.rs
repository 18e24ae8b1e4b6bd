//! A watch as HTTP streams it: one JSON document a line. Models apiserver's `pkg/endpoints/handlers/watch.go`.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::encode::{self, IncludeObject};
use super::encoded::Encoded;
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
    timeout: Duration,
    how: Presentation,
    first: bool,
}

/// How events are written.
pub(super) struct Presentation {
    pub served: Served,
    pub accepted: Accepted,
    pub include: IncludeObject,
    pub encoded: Rc<Encoded>,
}

impl std::fmt::Debug for WatchBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchBody").field("resource", &self.how.served.info.resource).finish_non_exhaustive()
    }
}

impl WatchBody {
    pub(super) fn new(sim: Sim, stream: WatchStream, timeout: Duration, how: Presentation) -> Self {
        WatchBody { sim, stream, timeout, how, first: true }
    }

    /// After how long it ends.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Its door will end it soon: the last bookmark is due, if the client takes bookmarks.
    pub fn ends_soon(&mut self) {
        self.stream.ends_soon();
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
        let kind = match &event {
            Ok(e) => match e.kind {
                WatchEventType::Added => "ADDED",
                WatchEventType::Modified => "MODIFIED",
                WatchEventType::Deleted => "DELETED",
                WatchEventType::Bookmark => "BOOKMARK",
            },
            Err(_) => "ERROR",
        };
        let object = match event {
            Ok(WatchEvent { object: Some(o), .. }) if self.how.accepted.transform == Transform::None => {
                self.how.encoded.json(&o, &self.how.served)
            }
            Ok(e) => to_json(&self.object(&e)),
            Err(status) => to_json(&status.to_value()),
        };
        [b"{\"type\":\"", kind.as_bytes(), b"\",\"object\":", &object, b"}\n"].concat()
    }

    fn object(&mut self, e: &WatchEvent) -> Value {
        let served = &self.how.served;
        let Some(o) = &e.object else {
            let mut metadata = json!({"resourceVersion": e.revision.to_string()});
            if e.initial_events_end {
                metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            }
            if self.how.accepted.transform == Transform::Table {
                return self.table(metadata, Vec::new());
            }
            let bare = json!({"kind": served.info.kind, "apiVersion": &*served.api_version, "metadata": metadata});
            return encode::completed(bare);
        };
        let full = self.how.encoded.value(&**o, served);
        let partial = |v: Value| encode::partial(v, self.how.accepted.beta);
        match self.how.accepted.transform {
            Transform::PartialObject | Transform::PartialObjectList => partial(full),
            Transform::Table => {
                let printed = tables::row(served, &**o, self.sim.timestamp());
                let mut row = json!({"cells": printed.cells});
                if !printed.conditions.is_empty() {
                    row["conditions"] = Value::Array(printed.conditions);
                }
                let rv = full["metadata"]["resourceVersion"].clone();
                row["object"] = match self.how.include {
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
        let version = if self.how.accepted.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
        // Only the first says what the columns are.
        let columns = if std::mem::take(&mut self.first) { tables::columns(&self.how.served) } else { Value::Null };
        json!({"kind": "Table", "apiVersion": version, "metadata": metadata, "columnDefinitions": columns, "rows": rows})
    }
}

fn to_json(v: &Value) -> Rc<[u8]> {
    serde_json::to_vec(v).unwrap_or_default().into()
}
