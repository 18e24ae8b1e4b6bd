//! Roles. Models `pkg/registry/rbac/role/strategy.go`.

use k8s_openapi::api::rbac::v1::Role;

use super::prelude::*;

/// The strategy of Roles.
pub struct Roles;

impl KindStrategy for Roles {
    type Kind = Role;

    fn info(&self) -> ResourceInfo {
        ResourceInfo::namespaced("rbac.authorization.k8s.io", "v1", "roles", "role", "Role")
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn name_rule(&self) -> crate::api::validation::NameCheck {
        crate::api::validation::name_is_path_segment
    }
}
