//! An event, packed: five of them are kept for an hour for every pod.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use serde::{Deserialize, Serialize};

type Text<'a> = Option<&'a str>;

/// What an event usually says.
#[derive(Deserialize, Serialize)]
struct Parts<'a> {
    /// Name, namespace, uid and resourceVersion.
    #[serde(borrow)]
    metadata: [Text<'a>; 4],
    /// apiVersion, field path, kind, name, namespace, resourceVersion and uid.
    about: [Text<'a>; 7],
    /// Component and host.
    source: Option<[Text<'a>; 2]>,
    /// Action, message, reason, component, instance and type.
    words: [Text<'a>; 6],
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

fn text(words: Text<'_>) -> Option<String> {
    words.map(str::to_owned)
}

/// Packs an event; `None` if it says more than events usually do.
pub(crate) fn pack(event: &Event) -> Option<Box<[u8]>> {
    super::packed(&Parts::of(event)?)
}

/// The event again.
pub(crate) fn unpack(packed: &[u8]) -> Event {
    // What was packed can be unpacked.
    postcard::from_bytes::<Parts<'_>>(packed).map(Event::from).unwrap_or_default()
}

impl<'a> Parts<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        let Event {
            action,
            count,
            event_time,
            first_timestamp,
            involved_object: o,
            last_timestamp,
            message,
            metadata,
            reason,
            related: None,
            reporting_component,
            reporting_instance,
            series: None,
            source,
            type_,
        } = event
        else {
            return None;
        };
        let ObjectMeta {
            annotations: None,
            creation_timestamp,
            deletion_grace_period_seconds: None,
            deletion_timestamp: None,
            finalizers: None,
            generate_name: None,
            generation: None,
            labels: None,
            managed_fields: None,
            name,
            namespace,
            owner_references: None,
            resource_version,
            self_link: None,
            uid,
        } = metadata
        else {
            return None;
        };
        let about = [&o.api_version, &o.field_path, &o.kind, &o.name, &o.namespace, &o.resource_version, &o.uid];
        let words = [action, message, reason, reporting_component, reporting_instance, type_];
        Some(Parts {
            metadata: [name, namespace, uid, resource_version].map(Option::as_deref),
            about: about.map(Option::as_deref),
            source: source.as_ref().map(|s| [&s.component, &s.host].map(Option::as_deref)),
            words: words.map(Option::as_deref),
            times: [
                instant(creation_timestamp.as_ref().map(|t| t.0)),
                instant(first_timestamp.as_ref().map(|t| t.0)),
                instant(last_timestamp.as_ref().map(|t| t.0)),
                instant(event_time.as_ref().map(|t| t.0)),
            ],
            count: *count,
        })
    }
}

impl From<Parts<'_>> for Event {
    fn from(parts: Parts<'_>) -> Self {
        let [name, namespace, uid, resource_version] = parts.metadata.map(text);
        let [created, first, last, at] = parts.times.map(timestamp);
        let creation_timestamp = created.map(Time);
        let metadata =
            ObjectMeta { name, namespace, uid, resource_version, creation_timestamp, ..ObjectMeta::default() };
        let [api_version, field_path, kind, name, namespace, resource_version, uid] = parts.about.map(text);
        let about = ObjectReference { api_version, field_path, kind, name, namespace, resource_version, uid };
        let [action, message, reason, reporting_component, reporting_instance, type_] = parts.words.map(text);
        Event {
            metadata,
            involved_object: about,
            source: parts.source.map(|s| s.map(text)).map(|[component, host]| EventSource { component, host }),
            action,
            message,
            reason,
            reporting_component,
            reporting_instance,
            type_,
            first_timestamp: first.map(Time),
            last_timestamp: last.map(Time),
            event_time: at.map(MicroTime),
            count: parts.count,
            related: None,
            series: None,
        }
    }
}
