//! ClusterRoles. Models `pkg/registry/rbac/clusterrole/strategy.go`.

use k8s_openapi::api::rbac::v1::ClusterRole;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

/// The strategy of ClusterRoles.
pub struct ClusterRoles;

impl KindStrategy for ClusterRoles {
    type Kind = ClusterRole;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster("rbac.authorization.k8s.io", "v1", "clusterroles", "clusterrole", "ClusterRole")
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::rbac::validate_cluster_role(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::rbac::validate_cluster_role_update(new, old)
    }
}
