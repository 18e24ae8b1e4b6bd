//! Namespaces. Models `pkg/registry/core/namespace/strategy.go`.

use k8s_openapi::api::core::v1::{Namespace, NamespaceStatus};

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The finalizer of the namespace controller.
pub const KUBERNETES: &str = "kubernetes";

/// The strategy of Namespaces.
pub struct Namespaces;

impl KindStrategy for Namespaces {
    type Kind = Namespace;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("", "v1", "namespaces", "namespace", "Namespace")
            .short(&["ns"])
            .subresources(&["finalize", "status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::namespace(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::namespace::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        match cx.subresource {
            "status" => return validation::namespace::validate_status_update(new, old),
            "finalize" => return validation::namespace::validate_finalize_update(new, old),
            _ => {}
        }
        validation::namespace::validate_update(new, old)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(NamespaceStatus { phase: Some("Active".into()), conditions: None });
        // A name that was made up has come since defaulting.
        defaults::core::namespace(o);
        // Every namespace is held by the namespace controller, which empties it.
        let finalizers = o.spec.get_or_insert_default().finalizers.get_or_insert_default();
        if !finalizers.iter().any(|f| f == KUBERNETES) {
            finalizers.push(KUBERNETES.into());
        }
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        match cx.subresource {
            "status" => keep(&mut new.spec, &old.spec),
            "finalize" => keep(&mut new.status, &old.status),
            _ => {
                keep(&mut new.spec, &old.spec);
                keep(&mut new.status, &old.status);
            }
        }
    }

    fn may_go(&self, o: &Self::Kind) -> bool {
        o.spec.as_ref().and_then(|s| s.finalizers.as_ref()).is_none_or(Vec::is_empty)
    }

    fn marks_itself(&self) -> bool {
        true
    }

    fn mark_deleting(&self, o: &mut Self::Kind) {
        o.status.get_or_insert_default().phase = Some("Terminating".into());
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        match path {
            "status.phase" => Some(o.status.as_ref().map_or(Cow::Borrowed(""), |s| text(&s.phase))),
            "name" => Some(text(&o.metadata.name)),
            _ => None,
        }
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["status.phase"]
    }
}
