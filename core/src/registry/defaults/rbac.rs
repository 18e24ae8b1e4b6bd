//! Defaults of role bindings.
//! Models `pkg/apis/rbac/v1/defaults.go`.

use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};

use super::text;

const GROUP: &str = "rbac.authorization.k8s.io";

fn of(role: &mut RoleRef, subjects: &mut Option<Vec<Subject>>) {
    text(&mut role.api_group, GROUP);
    for subject in subjects.iter_mut().flatten() {
        if matches!(subject.kind.as_str(), "User" | "Group") {
            text(&mut subject.api_group, GROUP);
        }
    }
}

/// A RoleBinding.
pub fn role_binding(binding: &mut RoleBinding) {
    of(&mut binding.role_ref, &mut binding.subjects);
}

/// A ClusterRoleBinding.
pub fn cluster_role_binding(binding: &mut ClusterRoleBinding) {
    of(&mut binding.role_ref, &mut binding.subjects);
}
