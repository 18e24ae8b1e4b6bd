//! Events. Models `pkg/registry/core/event/strategy.go`.

use k8s_openapi::api::core::v1::Event;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;
use crate::api::object::{Object, typed};

/// The strategy of Events.
pub struct Events;

impl KindStrategy for Events {
    type Kind = Event;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "events", "event", "Event").short(&["ev"])
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::event::validate(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, _old: &Self::Kind) -> ErrorList {
        validation::event::validate(new)
    }

    fn gc_policy(&self) -> GcPolicy {
        GcPolicy::Unsupported
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn ttl_seconds(&self) -> u64 {
        3600
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        let about = &o.involved_object;
        Some(match path {
            "involvedObject.kind" => text(&about.kind),
            "involvedObject.namespace" => text(&about.namespace),
            "involvedObject.name" => text(&about.name),
            "involvedObject.uid" => text(&about.uid),
            "involvedObject.apiVersion" => text(&about.api_version),
            "involvedObject.resourceVersion" => text(&about.resource_version),
            "involvedObject.fieldPath" => text(&about.field_path),
            "reason" => text(&o.reason),
            "reportingComponent" => text(&o.reporting_component),
            // The source that the object was made by, and failing that the reporting component.
            "source" => match o.source.as_ref().map(|s| text(&s.component)) {
                Some(s) if !s.is_empty() => s,
                _ => text(&o.reporting_component),
            },
            "type" => text(&o.type_),
            _ => return None,
        })
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    }
}

/// What events.k8s.io/v1 says of an Event that is sent by way of it: it asks more than v1 does.
pub(super) fn strict_errors(new: &dyn Object, old: Option<&dyn Object>, namespace: &str) -> ErrorList {
    let Some(mut event) = typed::<Event>(new).cloned() else { return ErrorList::new() };
    let meta = &mut event.metadata;
    if meta.namespace.as_deref().unwrap_or_default().is_empty() {
        meta.namespace = Some(namespace.to_owned());
    }
    if meta.name.as_deref().unwrap_or_default().is_empty() {
        // As it will be called when the rest of the name is made up.
        meta.name = meta.generate_name.as_ref().map(|base| format!("{base}x"));
    }
    match old.and_then(typed::<Event>) {
        Some(old) => {
            meta.creation_timestamp.clone_from(&old.metadata.creation_timestamp);
            meta.uid.clone_from(&old.metadata.uid);
            validation::event::validate_strict_update(&event, old)
        }
        None => validation::event::validate_strict_create(&event),
    }
}
