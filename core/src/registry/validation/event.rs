//! Validation of Events, in both of their groups.
//! Models `pkg/apis/core/validation/events.go`.

use k8s_openapi::api::core::v1::{Event, EventSource};

use super::prelude::*;
use crate::api::validation::{is_dns1123_subdomain, name_is_dns_subdomain};

const TEXT_MAX: usize = 128;
const NOTE_MAX: usize = 1024;

/// Upstream's `legacyValidateEvent`: what an Event of either group must be.
pub fn validate(event: &Event) -> ErrorList {
    let mut errs = ErrorList::new();
    let namespace = text(&event.metadata.namespace);
    let about = text(&event.involved_object.namespace);
    let mut mismatch = || {
        errs.push(Error::invalid_str(&Path::new("involvedObject.namespace"), about, "does not match event.namespace"));
    };
    if event.event_time.is_none() {
        let matches = if about.is_empty() { matches!(namespace, "" | "default") } else { namespace == about };
        if !matches {
            mismatch();
        }
    } else {
        if about.is_empty() && !matches!(namespace, "default" | "kube-system") {
            mismatch();
        }
        new_style(event, &mut errs);
    }
    invalid_each(is_dns1123_subdomain(namespace), namespace, &Path::new("namespace"), &mut errs);
    errs
}

/// What an Event with an `eventTime` must have.
fn new_style(event: &Event, errs: &mut ErrorList) {
    let controller = text(&event.reporting_component);
    let path = Path::new("reportingController");
    if controller.is_empty() {
        errs.push(Error::required(&path, ""));
    }
    names::qualified_name(controller, &path, errs);
    let fields = [
        ("reportingInstance", text(&event.reporting_instance)),
        ("action", text(&event.action)),
        ("reason", text(&event.reason)),
    ];
    for (field, value) in fields {
        if value.is_empty() {
            errs.push(Error::required(&Path::new(field), ""));
        }
        at_most(value, TEXT_MAX, field, errs);
    }
    at_most(text(&event.message), NOTE_MAX, "message", errs);
}

fn at_most(value: &str, max: usize, field: &str, errs: &mut ErrorList) {
    if value.len() > max {
        errs.push(Error::invalid_str(&Path::new(field), "", format!("can have at most {max} characters")));
    }
}

fn series(event: &Event, errs: &mut ErrorList) {
    let Some(series) = &event.series else { return };
    if series.count.unwrap_or(0) < 2 {
        errs.push(Error::invalid_str(&Path::new("series.count"), "", "should be at least 2"));
    }
    if series.last_observed_time.is_none() {
        errs.push(Error::required(&Path::new("series.lastObservedTime"), ""));
    }
}

/// Checks a new Event that is sent by way of events.k8s.io/v1, which is stricter.
pub fn validate_strict_create(event: &Event) -> ErrorList {
    const UNSET: &str = "needs to be unset";
    let mut errs = validate(event);
    names::object_meta(&event.metadata, true, name_is_dns_subdomain, &mut errs);
    series(event, &mut errs);
    if event.event_time.is_none() {
        errs.push(Error::required(&Path::new("eventTime"), ""));
    }
    let kind = text(&event.type_);
    if !matches!(kind, "Normal" | "Warning") {
        errs.push(Error::invalid_str(&Path::new("type"), "", format!("has invalid value: {kind}")));
    }
    let source = event.source.as_ref().is_some_and(|s| *s != EventSource::default());
    let old_fields = [
        ("firstTimestamp", event.first_timestamp.is_some()),
        ("lastTimestamp", event.last_timestamp.is_some()),
        ("count", event.count.unwrap_or(0) != 0),
        ("source", source),
    ];
    for (field, _) in old_fields.iter().filter(|(_, is_set)| *is_set) {
        errs.push(Error::invalid_str(&Path::new(field), "", UNSET));
    }
    errs
}

/// Checks a changed Event that is sent by way of events.k8s.io/v1: but for its series it stays as it is.
pub fn validate_strict_update(new: &Event, old: &Event) -> ErrorList {
    let mut errs = validate(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if new.series != old.series {
        series(new, &mut errs);
    }
    macro_rules! immutable {
        ($($name:literal: $($field:ident)?;)*) => { $($(
            if new.$field != old.$field {
                errs.push(Error::invalid(&Path::new($name), &json!(new.$field), "field is immutable"));
            }
        )?)* };
    }
    immutable! {
        "involvedObject": involved_object;
        "reason": reason;
        "message": message;
        "source": source;
        "firstTimestamp": first_timestamp;
        "lastTimestamp": last_timestamp;
        "count": count;
        "reason": reason;
        "type": type_;
        "eventTime": event_time;
        "action": action;
        "related": related;
        "reportingController": reporting_component;
        "reportingInstance": reporting_instance;
    }
    errs
}
