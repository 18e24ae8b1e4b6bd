//! VolumeAttributesClasses. Models `pkg/registry/storage/volumeattributesclass/strategy.go`.

use k8s_openapi::api::storage::v1::VolumeAttributesClass;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

/// The strategy of VolumeAttributesClasses.
pub struct VolumeAttributesClasses;

impl KindStrategy for VolumeAttributesClasses {
    type Kind = VolumeAttributesClass;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster(
            "storage.k8s.io",
            "v1",
            "volumeattributesclasses",
            "volumeattributesclass",
            "VolumeAttributesClass",
        )
        .short(&["vac"])
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::storage_class::validate_attributes(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::storage_class::validate_attributes_update(new, old)
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
