//! ClusterRoles. Models `pkg/registry/rbac/clusterrole/strategy.go`.

use k8s_openapi::api::rbac::v1::ClusterRole;

use super::prelude::*;

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

    fn name_rule(&self) -> crate::api::validation::NameCheck {
        crate::api::validation::name_is_path_segment
    }
}
