//! PersistentVolumeClaims. Models `pkg/registry/core/persistentvolumeclaim/strategy.go`.

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, TypedLocalObjectReference,
    TypedObjectReference,
};

use super::prelude::*;
use super::{defaults, validation, warnings};
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

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::volume::of_claim(o)
    }

    fn prepare_for_create(&self, _cx: &StrategyContext<'_>, o: &mut Self::Kind) {
        o.status = Some(PersistentVolumeClaimStatus { phase: Some("Pending".into()), ..Default::default() });
        settle_data_sources(o.spec.get_or_insert_default(), None);
    }

    fn prepare_for_update(&self, cx: &StrategyContext<'_>, new: &mut Self::Kind, old: &Self::Kind) {
        if cx.subresource == "status" {
            keep(&mut new.spec, &old.spec);
            return;
        }
        keep(&mut new.status, &old.status);
        settle_data_sources(new.spec.get_or_insert_default(), old.spec.as_ref());
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}

/// The two ways to say what a claim is to be filled with agree, and what could never be said by the old one is dropped.
/// Models `pkg/api/persistentvolumeclaim/util.go` (EnforceDataSourceBackwardsCompatibility, NormalizeDataSources).
fn settle_data_sources(spec: &mut PersistentVolumeClaimSpec, old: Option<&PersistentVolumeClaimSpec>) {
    let foreign = |r: &TypedObjectReference| r.namespace.as_deref().is_some_and(|n| !n.is_empty());
    // Sources in other namespaces are a feature that is off.
    if old.is_none_or(|old| old.data_source_ref.is_none()) {
        spec.data_source_ref.take_if(|r| foreign(r));
    }
    let had = old.is_some_and(|old| old.data_source.is_some() || old.data_source_ref.is_some());
    if !had && spec.data_source_ref.is_none() {
        spec.data_source.take_if(|s| {
            let group = s.api_group.as_deref().unwrap_or_default();
            !matches!(
                (s.kind.as_str(), group),
                ("PersistentVolumeClaim", "") | ("VolumeSnapshot", "snapshot.storage.k8s.io")
            )
        });
    }
    match (&spec.data_source, &spec.data_source_ref) {
        (Some(s), None) => {
            let (api_group, kind, name) = (s.api_group.clone(), s.kind.clone(), s.name.clone());
            spec.data_source_ref = Some(TypedObjectReference { api_group, kind, name, namespace: None });
        }
        (None, Some(r)) if !foreign(r) => {
            let (api_group, kind, name) = (r.api_group.clone(), r.kind.clone(), r.name.clone());
            spec.data_source = Some(TypedLocalObjectReference { api_group, kind, name });
        }
        _ => {}
    }
}
