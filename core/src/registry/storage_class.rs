//! StorageClasses. Models `pkg/registry/storage/storageclass/strategy.go`.

use k8s_openapi::api::storage::v1::StorageClass;

use super::prelude::*;
use super::{defaults, validation, warnings};
use crate::api::field::ErrorList;

/// The strategy of StorageClasses.
pub struct StorageClasses;

impl KindStrategy for StorageClasses {
    type Kind = StorageClass;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("storage.k8s.io", "v1", "storageclasses", "storageclass", "StorageClass").short(&["sc"])
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::storage::storage_class(o);
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::storage_class::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::storage_class::validate_update(new, old)
    }

    fn warnings(&self, o: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        warnings::storage::of_class(o)
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}
