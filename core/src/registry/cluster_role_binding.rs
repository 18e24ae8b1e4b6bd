//! ClusterRoleBindings. Models `pkg/registry/rbac/clusterrolebinding/strategy.go`.

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

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

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::rbac::validate_cluster_role_binding(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::rbac::validate_cluster_role_binding_update(new, old)
    }
}
