//! The roles and bindings that every cluster begins with. Models `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`.

use std::sync::OnceLock;

use k8s_openapi::api::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

/// The policy as text, so that it stays small in the page: a role a block, a rule a line.
///
/// `role NAME` begins one, `+label` adds a label, `aggregate label` makes it the sum of others. A rule is
/// `verbs groups resources [names]`, lists with commas, `core` for the core group; a rule whose second word begins with a slash
/// is about paths. `rw` stands for the writing verbs with reads, `ro` for the reading verbs.
const POLICY: &str = include_str!("bootstrap.txt");

/// Everything that the api-server makes sure of at its start.
#[derive(Debug, Default)]
pub(in crate::apiserver) struct Policy {
    pub cluster_roles: Vec<ClusterRole>,
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    pub roles: Vec<Role>,
    pub role_bindings: Vec<RoleBinding>,
}

const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

fn words(text: &str) -> Vec<String> {
    text.split(',').map(|w| if w == "core" { String::new() } else { w.to_owned() }).collect()
}

fn verbs(text: &str) -> Vec<String> {
    let all = match text {
        "ro" => "get,list,watch",
        "w" => "create,delete,deletecollection,patch,update",
        "rw" => "create,delete,deletecollection,get,list,patch,update,watch",
        other => other,
    };
    words(all)
}

fn rule(line: &str) -> Option<PolicyRule> {
    let mut parts = line.split_whitespace();
    let (v, second) = (parts.next()?, parts.next()?);
    if second.starts_with('/') || (second == "*" && parts.clone().next().is_none()) {
        return Some(PolicyRule { verbs: verbs(v), non_resource_urls: Some(words(second)), ..PolicyRule::default() });
    }
    Some(PolicyRule {
        verbs: verbs(v),
        api_groups: Some(words(second)),
        resources: Some(words(parts.next()?)),
        resource_names: parts.next().map(words),
        non_resource_urls: None,
    })
}

fn meta(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        annotations: Some([("rbac.authorization.kubernetes.io/autoupdate".to_owned(), "true".to_owned())].into()),
        labels: Some([(BOOTSTRAPPING.to_owned(), "rbac-defaults".to_owned())].into()),
        ..ObjectMeta::default()
    }
}

fn subject(text: &str) -> Option<Subject> {
    let (kind, name) = text.split_once(':')?;
    let rbac = Some("rbac.authorization.k8s.io".to_owned());
    Some(match kind {
        "g" => Subject { kind: "Group".into(), name: name.to_owned(), api_group: rbac, namespace: None },
        "u" => Subject { kind: "User".into(), name: name.to_owned(), api_group: rbac, namespace: None },
        _ => Subject {
            kind: "ServiceAccount".into(),
            name: name.to_owned(),
            api_group: None,
            namespace: Some("kube-system".into()),
        },
    })
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: Some("rbac.authorization.k8s.io".into()), kind: kind.to_owned(), name: name.to_owned() }
}

fn parse(text: &str) -> Policy {
    let mut p = Policy::default();
    // Whether rules go to the last namespaced role rather than to the last cluster role.
    let mut in_namespace = false;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        match parts.as_slice() {
            ["role", name] => {
                in_namespace = false;
                p.cluster_roles.push(ClusterRole { metadata: meta(name, ""), ..ClusterRole::default() });
            }
            ["nsrole", namespace, name] => {
                in_namespace = true;
                p.roles.push(Role { metadata: meta(name, namespace), ..Role::default() });
            }
            ["aggregate", label] => {
                if let Some(r) = p.cluster_roles.last_mut() {
                    let selector = LabelSelector {
                        match_labels: Some([((*label).to_owned(), "true".to_owned())].into()),
                        match_expressions: None,
                    };
                    r.aggregation_rule = Some(AggregationRule { cluster_role_selectors: Some(vec![selector]) });
                }
            }
            ["bind", name, subjects @ ..] => p.cluster_role_bindings.push(ClusterRoleBinding {
                metadata: meta(name, ""),
                role_ref: role_ref("ClusterRole", name),
                subjects: (!subjects.is_empty()).then(|| subjects.iter().filter_map(|s| subject(s)).collect()),
            }),
            ["nsbind", namespace, name, role, subjects @ ..] => p.role_bindings.push(RoleBinding {
                metadata: meta(name, namespace),
                role_ref: role_ref("Role", role),
                subjects: Some(subjects.iter().filter_map(|s| subject(s)).collect()),
            }),
            [label] if label.starts_with('+') => {
                if let Some(r) = p.cluster_roles.last_mut() {
                    let labels = r.metadata.labels.get_or_insert_default();
                    labels.insert(label.trim_start_matches('+').to_owned(), "true".into());
                }
            }
            _ => {
                let rules = if in_namespace {
                    p.roles.last_mut().map(|r| r.rules.get_or_insert_default())
                } else {
                    p.cluster_roles.last_mut().map(|r| r.rules.get_or_insert_default())
                };
                if let (Some(rules), Some(rule)) = (rules, rule(line)) {
                    rules.push(rule);
                }
            }
        }
    }
    // Aggregated roles begin as the sum that their controller would make.
    let parts = p.cluster_roles.clone();
    for r in &mut p.cluster_roles {
        let Some(aggregation) = &r.aggregation_rule else { continue };
        let mut rules = Vec::new();
        for label in aggregation.cluster_role_selectors.iter().flatten().flat_map(|s| s.match_labels.iter().flatten()) {
            let chosen =
                parts.iter().filter(|o| o.metadata.labels.as_ref().is_some_and(|l| l.get(label.0) == Some(label.1)));
            for rule in chosen.flat_map(|o| o.rules.iter().flatten()) {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
        r.rules = Some(rules);
    }
    p
}

/// The policy, parsed.
pub(in crate::apiserver) fn bootstrap_policy() -> Policy {
    parse(POLICY)
}

/// What kubelets may do: the rules of the role system:node, which the node authorizer applies.
pub(super) fn node_rules() -> &'static [PolicyRule] {
    static RULES: OnceLock<Vec<PolicyRule>> = OnceLock::new();
    RULES.get_or_init(|| {
        let role = bootstrap_policy().cluster_roles.into_iter();
        let mut node = role.filter(|r| r.metadata.name.as_deref() == Some("system:node"));
        node.next().and_then(|r| r.rules).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_counts() {
        let p = bootstrap_policy();
        assert!(p.cluster_roles.iter().all(|r| r.rules.as_ref().is_some_and(|r| !r.is_empty())));
        let admin = p.cluster_roles.iter().find(|r| r.metadata.name.as_deref() == Some("admin"));
        let rules = admin.and_then(|r| r.rules.clone()).unwrap_or_default();
        assert!(rules.iter().any(|r| r.resources.iter().flatten().any(|x| x == "rolebindings")));
        for b in &p.cluster_role_bindings {
            assert!(
                p.cluster_roles.iter().any(|r| r.metadata.name.as_deref() == Some(b.role_ref.name.as_str())),
                "{}",
                b.role_ref.name
            );
        }
        assert!(!node_rules().is_empty());
    }
}
