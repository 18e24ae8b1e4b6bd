//! The RBAC authorizer, and the node authorizer's rules. Models `plugin/pkg/auth/authorizer/rbac/rbac.go` and
//! `pkg/registry/rbac/validation/rule.go`.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::{bootstrap, is_master};
use crate::api::object::{Kind, typed_rc};
use crate::apiserver::{ApiServer, Selection, User};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `get`, `list`, ..
    pub verb: &'a str,
    /// Empty for all.
    pub namespace: &'a str,
    /// Empty for the core group.
    pub group: &'a str,
    /// The plural name.
    pub resource: &'a str,
    /// Or empty.
    pub subresource: &'a str,
    /// The object's name, or empty.
    pub name: &'a str,
    /// The path, where it isn't about a resource.
    pub path: &'a str,
    /// Whether it is about a resource.
    pub is_resource: bool,
}

/// What an authorizer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why, may be empty.
    pub reason: String,
}

impl ApiServer {
    /// Every object of a kind, for the authorizer and admission; nothing is traced.
    pub(in crate::apiserver) fn all_of<K: Kind>(&self, namespace: Option<&str>) -> Vec<std::rc::Rc<K>> {
        let Some(id) = self.registry.id_of::<K>() else { return Vec::new() };
        self.list_silently(id, namespace, &Selection::default()).iter().filter_map(typed_rc).collect()
    }

    /// One object of a kind, likewise.
    pub(in crate::apiserver) fn one_of<K: Kind>(&self, namespace: &str, name: &str) -> Option<std::rc::Rc<K>> {
        let id = self.registry.id_of::<K>()?;
        self.load(id, namespace, name).and_then(|(o, _)| typed_rc(&o))
    }

    /// Asks the authorizers in order: masters, nodes, RBAC.
    pub fn authorize(&self, user: &User, a: &Attributes<'_>) -> Decision {
        if is_master(user) {
            return Decision { allowed: true, reason: String::new() };
        }
        if user.groups.iter().any(|g| g == "system:nodes") && bootstrap::node_rules().iter().any(|r| rule_allows(r, a))
        {
            return Decision { allowed: true, reason: String::new() };
        }
        let mut missing: Vec<String> = Vec::new();
        let mut found = Decision::default();
        self.visit_rules(user, a.namespace, |rule, source| match rule {
            Ok(rule) if rule_allows(rule, a) => {
                found = Decision { allowed: true, reason: format!("RBAC: allowed by {source}") };
                false
            }
            Ok(_) => true,
            Err(e) => {
                missing.push(e);
                true
            }
        });
        if !found.allowed && !missing.is_empty() {
            let text = if missing.len() == 1 { missing.remove(0) } else { format!("[{}]", missing.join(", ")) };
            found.reason = format!("RBAC: {text}");
        }
        found
    }

    /// Calls `visit` with every rule that binds the user, and where it comes from, until it returns false.
    pub(in crate::apiserver) fn visit_rules(
        &self,
        user: &User,
        namespace: &str,
        mut visit: impl FnMut(Result<&PolicyRule, String>, &str) -> bool,
    ) {
        use crate::api::field::quote;
        for b in self.all_of::<ClusterRoleBinding>(None) {
            let Some(subject) = b.subjects.iter().flatten().find(|s| applies(s, user, "")) else { continue };
            let source = format!(
                "ClusterRoleBinding {} of ClusterRole {} to {}",
                quote(b.metadata.name.as_deref().unwrap_or_default()),
                quote(&b.role_ref.name),
                describe(subject, "")
            );
            if !self.visit_role(&b.role_ref, "", &source, &mut visit) {
                return;
            }
        }
        if namespace.is_empty() {
            return;
        }
        for b in self.all_of::<RoleBinding>(Some(namespace)) {
            let Some(subject) = b.subjects.iter().flatten().find(|s| applies(s, user, namespace)) else { continue };
            let source = format!(
                "RoleBinding {} of {} {} to {}",
                quote(&format!("{}/{namespace}", b.metadata.name.as_deref().unwrap_or_default())),
                b.role_ref.kind,
                quote(&b.role_ref.name),
                describe(subject, namespace)
            );
            if !self.visit_role(&b.role_ref, namespace, &source, &mut visit) {
                return;
            }
        }
    }

    /// The rules of a role; the error is upstream's lister's.
    pub(in crate::apiserver) fn rules_of(&self, role: &RoleRef, namespace: &str) -> Result<Vec<PolicyRule>, String> {
        let missing =
            |kind: &str| format!("{kind}.rbac.authorization.k8s.io {} not found", crate::api::field::quote(&role.name));
        match role.kind.as_str() {
            "Role" => match self.one_of::<Role>(namespace, &role.name) {
                Some(r) => Ok(r.rules.clone().unwrap_or_default()),
                None => Err(missing("role")),
            },
            "ClusterRole" => match self.one_of::<ClusterRole>("", &role.name) {
                Some(r) => Ok(r.rules.clone().unwrap_or_default()),
                None => Err(missing("clusterrole")),
            },
            other => Err(format!("unsupported role reference kind: {}", crate::api::field::quote(other))),
        }
    }

    fn visit_role(
        &self,
        role: &RoleRef,
        namespace: &str,
        source: &str,
        visit: &mut impl FnMut(Result<&PolicyRule, String>, &str) -> bool,
    ) -> bool {
        match self.rules_of(role, namespace) {
            Ok(rules) => rules.iter().all(|r| visit(Ok(r), source)),
            Err(e) => visit(Err(e), source),
        }
    }
}

fn applies(s: &Subject, user: &User, namespace: &str) -> bool {
    match s.kind.as_str() {
        "User" => user.name == s.name,
        "Group" => user.groups.contains(&s.name),
        "ServiceAccount" => {
            let ns = s.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or(namespace);
            let rest = user.name.strip_prefix("system:serviceaccount:");
            !ns.is_empty() && rest.and_then(|r| r.split_once(':')) == Some((ns, s.name.as_str()))
        }
        _ => false,
    }
}

fn describe(s: &Subject, namespace: &str) -> String {
    use crate::api::field::quote;
    if s.kind == "ServiceAccount" {
        let ns = s.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or(namespace);
        return format!("{} {}", s.kind, quote(&format!("{}/{ns}", s.name)));
    }
    format!("{} {}", s.kind, quote(&s.name))
}

fn has(list: Option<&Vec<String>>, wanted: &str) -> bool {
    list.is_some_and(|l| l.iter().any(|x| x == "*" || x == wanted))
}

/// Whether a rule allows something. Models `RuleAllows`.
pub fn rule_allows(rule: &PolicyRule, a: &Attributes<'_>) -> bool {
    if !rule.verbs.iter().any(|v| v == "*" || v == a.verb) {
        return false;
    }
    if !a.is_resource {
        return rule
            .non_resource_urls
            .iter()
            .flatten()
            .any(|u| u == "*" || u == a.path || u.strip_suffix('*').is_some_and(|prefix| a.path.starts_with(prefix)));
    }
    let combined =
        if a.subresource.is_empty() { a.resource.to_owned() } else { format!("{}/{}", a.resource, a.subresource) };
    let resource = has(rule.resources.as_ref(), &combined)
        || (!a.subresource.is_empty()
            && rule.resources.iter().flatten().any(|r| r.strip_prefix("*/") == Some(a.subresource)));
    let named = rule.resource_names.as_ref().is_none_or(Vec::is_empty)
        || rule.resource_names.iter().flatten().any(|n| n == a.name);
    has(rule.api_groups.as_ref(), a.group) && resource && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let list = |s: &str| -> Vec<String> { s.split(' ').filter(|x| !x.is_empty()).map(str::to_owned).collect() };
        let check = |verbs: &str, groups: &str, resources: &str, names: &str, ask: (&str, &str, &str, &str, &str)| {
            let rule = PolicyRule {
                verbs: list(verbs),
                api_groups: Some(groups.split(' ').map(|g| g.replace("core", "")).collect()),
                resources: Some(list(resources)),
                resource_names: Some(list(names)),
                non_resource_urls: None,
            };
            let (verb, group, resource, subresource, name) = ask;
            rule_allows(
                &rule,
                &Attributes { verb, group, resource, subresource, name, is_resource: true, ..Attributes::default() },
            )
        };
        assert!(check("get", "core", "pods", "", ("get", "", "pods", "", "p")));
        assert!(!check("get", "core", "pods", "", ("get", "", "pods", "log", "p")));
        assert!(check("get", "core", "pods/log", "", ("get", "", "pods", "log", "p")));
        assert!(check("*", "*", "*", "", ("delete", "apps", "deployments", "scale", "d")));
        assert!(check("update", "*", "*/scale", "", ("update", "apps", "deployments", "scale", "d")));
        assert!(!check("get", "core", "pods", "a", ("get", "", "pods", "", "b")));
        assert!(!check("list", "core", "pods", "", ("get", "", "pods", "", "")));
        assert!(!check("get", "apps", "pods", "", ("get", "", "pods", "", "")));
    }
}
