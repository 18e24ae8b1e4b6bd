//! ClusterRoleBindings. Models `pkg/registry/rbac/clusterrolebinding/strategy.go`.

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;

use super::defaults;
use super::prelude::*;

/// The strategy of ClusterRoleBindings.
pub struct ClusterRoleBindings;

impl KindStrategy for ClusterRoleBindings {
    type Kind = ClusterRoleBinding;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::cluster(
            "rbac.authorization.k8s.io",
            "v1",
            "clusterrolebindings",
            "clusterrolebinding",
            "ClusterRoleBinding",
        )
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::rbac::cluster_role_binding(o);
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn name_rule(&self) -> crate::api::validation::NameCheck {
        crate::api::validation::name_is_path_segment
    }
}
