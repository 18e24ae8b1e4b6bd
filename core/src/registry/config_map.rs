//! ConfigMaps. Models `pkg/registry/core/configmap/strategy.go`.

use k8s_openapi::api::core::v1::ConfigMap;

use super::prelude::*;

/// The strategy of ConfigMaps.
pub struct ConfigMaps;

impl KindStrategy for ConfigMaps {
    type Kind = ConfigMap;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "configmaps", "configmap", "ConfigMap").short(&["cm"])
    }
}
