//! Validation of Events, in both of their groups.
//! Models `pkg/apis/core/validation/events.go`.

use k8s_openapi::api::core::v1::{Event, EventSource};

use super::go::{Go, fields};
use super::go_struct::optional;
use super::go_volume;
use super::prelude::*;
use crate::api::validation::{is_dns1123_subdomain, name_is_dns_subdomain};

const TEXT_MAX: usize = 128;
const NOTE_MAX: usize = 1024;

/// What an Event of v1 must be.
pub fn validate(event: &Event) -> ErrorList {
    of_either(event, "reportingComponent")
}

/// Upstream's `legacyValidateEvent`: what an Event of either group must be. The reporting controller is called what its
/// version calls it.
fn of_either(event: &Event, controller: &str) -> ErrorList {
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
        new_style(event, controller, &mut errs);
    }
    invalid_each(is_dns1123_subdomain(namespace), namespace, &Path::new("namespace"), &mut errs);
    errs
}

/// What an Event with an `eventTime` must have.
fn new_style(event: &Event, field: &str, errs: &mut ErrorList) {
    let controller = text(&event.reporting_component);
    let path = Path::new(field);
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
    let mut errs = of_either(event, "reportingController");
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
    let mut errs = of_either(new, "reportingController");
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    if new.series != old.series {
        series(new, &mut errs);
    }
    let mut same = |name: &str, is: Go, was: Go| {
        if is != was {
            errs.push(Error::invalid_shown(&Path::new(name), is.compact(), "field is immutable"));
        }
    };
    let object = go_volume::object;
    same("involvedObject", object(&new.involved_object), object(&old.involved_object));
    same("reason", text(&new.reason).into(), text(&old.reason).into());
    same("message", text(&new.message).into(), text(&old.message).into());
    same("source", source(new), source(old));
    same("firstTimestamp", time(&new.first_timestamp), time(&old.first_timestamp));
    same("lastTimestamp", time(&new.last_timestamp), time(&old.last_timestamp));
    same("count", new.count.unwrap_or(0).into(), old.count.unwrap_or(0).into());
    same("reason", text(&new.reason).into(), text(&old.reason).into());
    same("type", text(&new.type_).into(), text(&old.type_).into());
    same("eventTime", time(&new.event_time), time(&old.event_time));
    same("action", text(&new.action).into(), text(&old.action).into());
    same("related", optional(&new.related, object), optional(&old.related, object));
    same("reportingController", text(&new.reporting_component).into(), text(&old.reporting_component).into());
    same("reportingInstance", text(&new.reporting_instance).into(), text(&old.reporting_instance).into());
    errs
}

fn source(event: &Event) -> Go {
    let source = event.source.clone().unwrap_or_default();
    fields! { "Component": text(&source.component), "Host": text(&source.host) }
}

/// A time as JSON has it.
fn time<T: serde::Serialize>(time: &Option<T>) -> Go {
    json!(time).as_str().map_or(Go::Null, Go::from)
}
