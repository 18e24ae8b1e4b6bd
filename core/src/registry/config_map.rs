//! ConfigMaps. Models `pkg/registry/core/configmap/strategy.go`.

use k8s_openapi::api::core::v1::ConfigMap;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

/// The strategy of ConfigMaps.
pub struct ConfigMaps;

impl KindStrategy for ConfigMaps {
    type Kind = ConfigMap;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("", "v1", "configmaps", "configmap", "ConfigMap").short(&["cm"])
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::config_map::validate_create(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::config_map::validate_update(new, old)
    }
}
