//! Events. Models `pkg/registry/core/event/strategy.go`.

use k8s_openapi::api::core::v1::Event;

use super::prelude::*;

/// The strategy of Events.
pub struct Events;

impl KindStrategy for Events {
    type Kind = Event;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "events", "event", "Event").short(&["ev"])
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
