//! An event that nobody looks at, packed: five of them are kept for an hour for every pod.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use serde::{Deserialize, Serialize};

type Text = Option<String>;

/// Room for most: what is too much is given back.
const BYTES: usize = 640;

/// What an event usually says.
#[derive(Deserialize, Serialize)]
struct Parts {
    /// Name, namespace, uid and resourceVersion.
    metadata: [Text; 4],
    /// apiVersion, field path, kind, name, namespace, resourceVersion and uid.
    about: [Text; 7],
    /// Component and host.
    source: Option<[Text; 2]>,
    /// Action, message, reason, component, instance and type.
    words: [Text; 6],
    /// Of creation, first, last and event time.
    times: [Option<i128>; 4],
    count: Option<i32>,
}

fn instant(at: Option<Timestamp>) -> Option<i128> {
    at.map(Timestamp::as_nanosecond)
}

fn timestamp(ns: Option<i128>) -> Option<Timestamp> {
    ns.and_then(|ns| Timestamp::from_nanosecond(ns).ok())
}

/// Packs an event; `None`, and the event as it was, if it says more than events usually do.
pub(super) fn pack(event: &mut Event) -> Option<Box<[u8]>> {
    let parts = take(event);
    let packed =
        if *event == Event::default() { postcard::to_extend(&parts, Vec::with_capacity(BYTES)).ok() } else { None };
    if packed.is_none() {
        put(parts, event);
    }
    packed.map(Vec::into_boxed_slice)
}

/// The event again.
pub(super) fn unpack(packed: &[u8]) -> Event {
    let mut event = Event::default();
    if let Ok(parts) = postcard::from_bytes(packed) {
        put(parts, &mut event);
    }
    event
}

fn take(e: &mut Event) -> Parts {
    let (m, o) = (&mut e.metadata, &mut e.involved_object);
    Parts {
        metadata: [m.name.take(), m.namespace.take(), m.uid.take(), m.resource_version.take()],
        about: [
            o.api_version.take(),
            o.field_path.take(),
            o.kind.take(),
            o.name.take(),
            o.namespace.take(),
            o.resource_version.take(),
            o.uid.take(),
        ],
        source: e.source.take().map(|s| [s.component, s.host]),
        words: [
            e.action.take(),
            e.message.take(),
            e.reason.take(),
            e.reporting_component.take(),
            e.reporting_instance.take(),
            e.type_.take(),
        ],
        times: [
            instant(m.creation_timestamp.take().map(|t| t.0)),
            instant(e.first_timestamp.take().map(|t| t.0)),
            instant(e.last_timestamp.take().map(|t| t.0)),
            instant(e.event_time.take().map(|t| t.0)),
        ],
        count: e.count.take(),
    }
}

fn put(parts: Parts, e: &mut Event) {
    let m = &mut e.metadata;
    [m.name, m.namespace, m.uid, m.resource_version] = parts.metadata;
    let [api_version, field_path, kind, name, namespace, resource_version, uid] = parts.about;
    e.involved_object = ObjectReference { api_version, field_path, kind, name, namespace, resource_version, uid };
    e.source = parts.source.map(|[component, host]| EventSource { component, host });
    [e.action, e.message, e.reason, e.reporting_component, e.reporting_instance, e.type_] = parts.words;
    let [created, first, last, at] = parts.times.map(timestamp);
    e.metadata.creation_timestamp = created.map(Time);
    (e.first_timestamp, e.last_timestamp) = (first.map(Time), last.map(Time));
    e.event_time = at.map(MicroTime);
    e.count = parts.count;
}
