//! ReplicationControllers. Models `pkg/registry/core/replicationcontroller/strategy.go`.

use k8s_openapi::api::core::v1::{PodSpec, ReplicationController};

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of ReplicationControllers.
pub struct ReplicationControllers;

impl KindStrategy for ReplicationControllers {
    type Kind = ReplicationController;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "replicationcontrollers", "replicationcontroller", "ReplicationController")
            .short(&["rc"])
            .categories(&["all"])
            .subresources(&["scale", "status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::replication_controller(o);
    }

    fn pod_spec<'a>(&self, o: &'a mut Self::Kind) -> Option<&'a mut PodSpec> {
        o.spec.as_mut()?.template.as_mut()?.spec.as_mut()
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::workloads::validate_replication_controller_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::workloads::validate_replication_controller_status_update(new, old);
        }
        validation::workloads::validate_replication_controller_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, old: Option<&Self::Kind>) -> Vec<String> {
        // Of a change it is the old template that upstream looks at.
        let template = old.unwrap_or(o).spec.as_ref().and_then(|s| s.template.as_ref());
        warnings::pod::of_workload(&o.metadata, old.map(|o| &o.metadata), template)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(Default::default());
        o.metadata.generation = Some(1);
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        if differs(&new.spec, &old.spec) {
            bump_generation(&mut new.metadata, &old.metadata);
        }
    }

    fn gc_policy(&self) -> GcPolicy {
        GcPolicy::OrphanDependents
    }

    fn field<'a>(&self, o: &'a Self::Kind, path: &str) -> Option<Cow<'a, str>> {
        (path == "status.replicas").then(|| Cow::Owned(o.status.as_ref().map_or(0, |s| s.replicas).to_string()))
    }

    fn selectable_fields(&self) -> &'static [&'static str] {
        &["status.replicas"]
    }

    fn scale(&self, o: &Self::Kind) -> Option<ScaleSpec> {
        let spec = o.spec.as_ref()?;
        Some(ScaleSpec {
            replicas: spec.replicas.unwrap_or(0),
            status_replicas: o.status.as_ref().map_or(0, |s| s.replicas),
            selector: crate::api::labels::format_labels(spec.selector.as_ref()),
        })
    }

    fn set_scale(&self, o: &mut Self::Kind, replicas: i32) {
        if let Some(spec) = &mut o.spec {
            spec.replicas = Some(replicas);
        }
    }
}
