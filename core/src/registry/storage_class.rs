//! StorageClasses. Models `pkg/registry/storage/storageclass/strategy.go`.

use k8s_openapi::api::storage::v1::StorageClass;

use super::defaults;
use super::prelude::*;

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

    fn returns_deleted(&self) -> bool {
        true
    }
}
