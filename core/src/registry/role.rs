//! Roles. Models `pkg/registry/rbac/role/strategy.go`.

use k8s_openapi::api::rbac::v1::Role;

use super::prelude::*;
use super::validation;
use crate::api::field::ErrorList;

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

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::rbac::validate_role(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::rbac::validate_role_update(new, old)
    }
}
