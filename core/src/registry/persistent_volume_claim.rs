//! PersistentVolumeClaims. Models `pkg/registry/core/persistentvolumeclaim/strategy.go`.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimStatus};

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

/// The strategy of PersistentVolumeClaims.
pub struct PersistentVolumeClaims;

impl KindStrategy for PersistentVolumeClaims {
    type Kind = PersistentVolumeClaim;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim")
            .short(&["pvc"])
            .subresources(&["status"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::core::persistent_volume_claim(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::persistent_volume_claim::validate_create(o)
    }

    fn validate_update(&self, cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        if cx.subresource == "status" {
            return validation::persistent_volume_claim::validate_status_update(new, old);
        }
        validation::persistent_volume_claim::validate_update(new, old)
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
