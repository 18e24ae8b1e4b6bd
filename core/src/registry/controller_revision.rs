//! ControllerRevisions. Models `pkg/registry/apps/controllerrevision/strategy.go`.

use k8s_openapi::api::apps::v1::ControllerRevision;

use super::prelude::*;

/// The strategy of ControllerRevisions.
pub struct ControllerRevisions;

impl KindStrategy for ControllerRevisions {
    type Kind = ControllerRevision;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("apps", "v1", "controllerrevisions", "controllerrevision", "ControllerRevision")
    }
}
