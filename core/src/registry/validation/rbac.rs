//! Validation of the rbac group.
//! Models `pkg/apis/rbac/validation/validation.go`.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::go::fields;
use super::prelude::*;
use super::selector;
use crate::api::validation::{
    is_path_segment_name, name_is_dns_subdomain, name_is_path_segment, validate_label_selector,
};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks a new Role.
pub fn validate_role(role: &Role) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&role.metadata, true, name_is_path_segment, &mut errs);
    rules(list(&role.rules), true, &mut errs);
    errs
}

/// Checks a changed Role.
pub fn validate_role_update(new: &Role, old: &Role) -> ErrorList {
    let mut errs = validate_role(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    errs
}

/// Checks a new ClusterRole.
pub fn validate_cluster_role(role: &ClusterRole) -> ErrorList {
    cluster_role(role, false)
}

/// Checks a changed ClusterRole.
pub fn validate_cluster_role_update(new: &ClusterRole, old: &ClusterRole) -> ErrorList {
    let had = old.aggregation_rule.as_ref().map_or(&[][..], |a| list(&a.cluster_role_selectors));
    let was_bad = had.iter().any(|s| !validate_label_selector(Some(s), false, &Path::root()).is_empty());
    let mut errs = cluster_role(new, was_bad);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    errs
}

fn cluster_role(role: &ClusterRole, allow_bad_values: bool) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&role.metadata, false, name_is_path_segment, &mut errs);
    rules(list(&role.rules), false, &mut errs);
    let Some(aggregation) = &role.aggregation_rule else { return errs };
    let path = Path::new("aggregationRule.clusterRoleSelectors");
    let selectors = list(&aggregation.cluster_role_selectors);
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errs.push(Error::required(&path, detail));
    }
    for (i, s) in selectors.iter().enumerate() {
        let at = path.index(i);
        errs.extend(validate_label_selector(Some(s), allow_bad_values, &at));
        if selector::is_unusable(s) {
            // Upstream prints the selector that it failed to make.
            errs.push(Error::invalid_shown(&at, "null", "invalid label selector."));
        }
    }
    errs
}

fn rules(rules: &[PolicyRule], namespaced: bool, errs: &mut ErrorList) {
    let path = Path::new("rules");
    for (i, rule) in rules.iter().enumerate() {
        policy_rule(rule, namespaced, &path.index(i), errs);
    }
}

fn policy_rule(rule: &PolicyRule, namespaced: bool, path: &Path, errs: &mut ErrorList) {
    if rule.verbs.is_empty() {
        errs.push(Error::required(&path.child("verbs"), "verbs must contain at least one value"));
    }
    let (groups, resources) = (list(&rule.api_groups), list(&rule.resources));
    let urls = list(&rule.non_resource_urls);
    if urls.is_empty() {
        if groups.is_empty() {
            errs.push(Error::required(&path.child("apiGroups"), "resource rules must supply at least one api group"));
        }
        if resources.is_empty() {
            errs.push(Error::required(&path.child("resources"), "resource rules must supply at least one resource"));
        }
        return;
    }
    let at = path.child("nonResourceURLs");
    if namespaced {
        errs.push(Error::invalid(&at, &json!(urls), "namespaced rules cannot apply to non-resource URLs"));
    }
    if !groups.is_empty() || !resources.is_empty() || !list(&rule.resource_names).is_empty() {
        let detail = "rules cannot apply to both regular resources and non-resource URLs";
        errs.push(Error::invalid(&at, &json!(urls), detail));
    }
}

/// Checks a new RoleBinding.
pub fn validate_role_binding(binding: &RoleBinding) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&binding.metadata, true, name_is_path_segment, &mut errs);
    role_ref(&binding.role_ref, &["Role", "ClusterRole"], &mut errs);
    subjects(list(&binding.subjects), true, &mut errs);
    errs
}

/// Checks a changed RoleBinding.
pub fn validate_role_binding_update(new: &RoleBinding, old: &RoleBinding) -> ErrorList {
    let mut errs = validate_role_binding(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    same_role(&new.role_ref, &old.role_ref, &mut errs);
    errs
}

/// Checks a new ClusterRoleBinding.
pub fn validate_cluster_role_binding(binding: &ClusterRoleBinding) -> ErrorList {
    let mut errs = ErrorList::new();
    names::object_meta(&binding.metadata, false, name_is_path_segment, &mut errs);
    role_ref(&binding.role_ref, &["ClusterRole"], &mut errs);
    subjects(list(&binding.subjects), false, &mut errs);
    errs
}

/// Checks a changed ClusterRoleBinding.
pub fn validate_cluster_role_binding_update(new: &ClusterRoleBinding, old: &ClusterRoleBinding) -> ErrorList {
    let mut errs = validate_cluster_role_binding(new);
    names::object_meta_update(&new.metadata, &old.metadata, &mut errs);
    same_role(&new.role_ref, &old.role_ref, &mut errs);
    errs
}

fn role_ref(role: &RoleRef, kinds: &[&str], errs: &mut ErrorList) {
    let path = Path::new("roleRef");
    one_of(text(&role.api_group), &[GROUP], &path.child("apiGroup"), errs);
    one_of(&role.kind, kinds, &path.child("kind"), errs);
    let at = path.child("name");
    if role.name.is_empty() {
        errs.push(Error::required(&at, ""));
    } else {
        invalid_each(is_path_segment_name(&role.name), &role.name, &at, errs);
    }
}

fn same_role(new: &RoleRef, old: &RoleRef, errs: &mut ErrorList) {
    if new != old {
        let shown = fields! { "APIGroup": text(&new.api_group), "Kind": &new.kind, "Name": &new.name };
        errs.push(Error::invalid_shown(&Path::new("roleRef"), shown.compact(), "cannot change roleRef"));
    }
}

fn subjects(subjects: &[Subject], namespaced: bool, errs: &mut ErrorList) {
    let path = Path::new("subjects");
    for (i, s) in subjects.iter().enumerate() {
        subject(s, namespaced, &path.index(i), errs);
    }
}

fn subject(subject: &Subject, namespaced: bool, path: &Path, errs: &mut ErrorList) {
    let (name_path, group_path) = (path.child("name"), path.child("apiGroup"));
    if subject.name.is_empty() {
        errs.push(Error::required(&name_path, ""));
    }
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                invalid_each(name_is_dns_subdomain(&subject.name, false), &subject.name, &name_path, errs);
            }
            one_of(text(&subject.api_group), &[""], &group_path, errs);
            if !namespaced && text(&subject.namespace).is_empty() {
                errs.push(Error::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => one_of(text(&subject.api_group), &[GROUP], &group_path, errs),
        kind => {
            errs.push(Error::not_supported(&path.child("kind"), kind, &["ServiceAccount", "User", "Group"]));
        }
    }
}
