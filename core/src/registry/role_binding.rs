//! RoleBindings. Models `pkg/registry/rbac/rolebinding/strategy.go`.

use k8s_openapi::api::rbac::v1::RoleBinding;

use super::defaults;
use super::prelude::*;

/// The strategy of RoleBindings.
pub struct RoleBindings;

impl KindStrategy for RoleBindings {
    type Kind = RoleBinding;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("rbac.authorization.k8s.io", "v1", "rolebindings", "rolebinding", "RoleBinding")
    }

    fn default(&self, o: &mut Self::Kind) {
        defaults::rbac::role_binding(o);
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn name_rule(&self) -> crate::api::validation::NameCheck {
        crate::api::validation::name_is_path_segment
    }
}
