//! ControllerRevisions. Models `pkg/registry/apps/controllerrevision/strategy.go`.

use k8s_openapi::api::apps::v1::ControllerRevision;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

/// The strategy of ControllerRevisions.
pub struct ControllerRevisions;

impl KindStrategy for ControllerRevisions {
    type Kind = ControllerRevision;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("apps", "v1", "controllerrevisions", "controllerrevision", "ControllerRevision")
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::workloads::validate_controller_revision_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::workloads::validate_controller_revision_update(new, old)
    }
}
