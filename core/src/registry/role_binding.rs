//! RoleBindings. Models `pkg/registry/rbac/rolebinding/strategy.go`.

use k8s_openapi::api::rbac::v1::RoleBinding;

use super::prelude::*;
use super::{defaults, validation};
use crate::api::field::ErrorList;

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

    fn validate(&self, o: &Self::Kind) -> ErrorList {
        validation::rbac::validate_role_binding(o)
    }

    fn validate_update(&self, _cx: &StrategyContext<'_>, new: &Self::Kind, old: &Self::Kind) -> ErrorList {
        validation::rbac::validate_role_binding_update(new, old)
    }
}
