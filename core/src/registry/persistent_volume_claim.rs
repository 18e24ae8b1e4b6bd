//! PersistentVolumeClaims. Models `pkg/registry/core/persistentvolumeclaim/strategy.go`.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimStatus};

use super::prelude::*;

/// The strategy of PersistentVolumeClaims.
pub struct PersistentVolumeClaims;

impl KindStrategy for PersistentVolumeClaims {
    type Kind = PersistentVolumeClaim;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim")
            .short(&["pvc"])
            .subresources(&["status"])
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(PersistentVolumeClaimStatus { phase: Some("Pending".into()), ..Default::default() });
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
