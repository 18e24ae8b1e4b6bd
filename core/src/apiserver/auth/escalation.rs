//! Nobody grants by a role or a binding what they may not do themselves, unless they may `escalate` or `bind`.
//! Models `pkg/registry/rbac/{escalation_check.go,validation,*/policybased}` and component-helpers `auth/rbac/validation`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef};

use super::is_master;
use super::rbac::Attributes;
use crate::api::field::quote;
use crate::api::object::{Obj, make_mut, typed};
use crate::api::status::Status;
use crate::apiserver::{ApiServer, Caller};
use crate::registry::ResourceInfo;

const GROUP: &str = "rbac.authorization.k8s.io";

impl ApiServer {
    /// Refuses a role or binding that grants more than its author has.
    pub(in crate::apiserver) fn check_escalation(
        &self,
        caller: &Caller,
        info: &ResourceInfo,
        namespace: &str,
        new: &Obj,
        old: Option<&Obj>,
    ) -> Result<(), Status> {
        if info.group != GROUP || is_master(&caller.user) || old.is_some_and(|old| only_collectable(new, old)) {
            return Ok(());
        }
        let name = new.meta().name.as_deref().unwrap_or_default();
        let forbid = |why: String| Status::forbidden(GROUP, info.resource, name, &why);
        let confirm = |rules: &[PolicyRule]| self.confirm_no_escalation(caller, namespace, rules);
        if let Some(role) = typed::<Role>(&**new) {
            if self.may(caller, "escalate", namespace, info.resource, name) {
                return Ok(());
            }
            return confirm(role.rules.as_deref().unwrap_or_default()).map_err(forbid);
        }
        if let Some(role) = typed::<ClusterRole>(&**new) {
            if self.may(caller, "escalate", "", info.resource, name) {
                return Ok(());
            }
            confirm(role.rules.as_deref().unwrap_or_default()).map_err(forbid)?;
            let gathers = |r: &ClusterRole| {
                r.aggregation_rule
                    .as_ref()
                    .and_then(|a| a.cluster_role_selectors.as_ref())
                    .is_some_and(|s| !s.is_empty())
            };
            let gathered = old.and_then(|o| typed::<ClusterRole>(&**o)).is_some_and(gathers);
            if (gathers(role) || gathered) && confirm(&full_authority()).is_err() {
                return Err(forbid("must have cluster-admin privileges to use the aggregationRule".to_owned()));
            }
            return Ok(());
        }
        let role = typed::<RoleBinding>(&**new).map(|b| &b.role_ref);
        let Some(role) = role.or_else(|| typed::<ClusterRoleBinding>(&**new).map(|b| &b.role_ref)) else {
            return Ok(());
        };
        if self.may_bind(caller, namespace, role) {
            return Ok(());
        }
        let rules = self.rules_of(role, namespace).map_err(|e| match role.kind.as_str() {
            "Role" => Status::not_found(GROUP, "role", &role.name),
            "ClusterRole" => Status::not_found(GROUP, "clusterrole", &role.name),
            _ => Status::internal(e),
        })?;
        confirm(&rules).map_err(forbid)
    }

    fn may(&self, caller: &Caller, verb: &str, namespace: &str, resource: &str, name: &str) -> bool {
        let attributes =
            Attributes { verb, namespace, group: GROUP, resource, name, is_resource: true, ..Attributes::default() };
        self.authorize(&caller.user, &attributes).allowed
    }

    fn may_bind(&self, caller: &Caller, namespace: &str, role: &RoleRef) -> bool {
        let resource = match role.kind.as_str() {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            _ => return false,
        };
        self.may(caller, "bind", namespace, resource, &role.name)
    }

    /// What is missing to grant these rules, in upstream's words.
    fn confirm_no_escalation(&self, caller: &Caller, namespace: &str, rules: &[PolicyRule]) -> Result<(), String> {
        let mut owned: Vec<PolicyRule> = Vec::new();
        let mut unresolved: Vec<String> = Vec::new();
        self.visit_rules(&caller.user, namespace, |rule, _| {
            match rule {
                Ok(rule) => owned.push(rule.clone()),
                Err(e) => unresolved.push(e),
            }
            true
        });
        let missing: Vec<PolicyRule> = rules
            .iter()
            .flat_map(break_down)
            .filter(|wanted| !owned.iter().any(|owner| covers(owner, wanted)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let described: BTreeSet<String> = compacted(missing).iter().map(describe).collect();
        let described: Vec<String> = described.into_iter().collect();
        let mut message = format!(
            "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            quote(&caller.user.name),
            quoted(&caller.user.groups),
            described.join("\n")
        );
        if !unresolved.is_empty() {
            let all = unresolved.join(", ");
            let all = if unresolved.len() > 1 { format!("[{all}]") } else { all };
            message.push_str(&format!("; resolution errors: [{all}]"));
        }
        Err(message)
    }
}

/// Whether only what the garbage collector moves differs.
fn only_collectable(new: &Obj, old: &Obj) -> bool {
    let mut copy = new.clone();
    let (meta, had) = (make_mut(&mut copy).meta_mut(), old.meta());
    meta.owner_references.clone_from(&had.owner_references);
    meta.finalizers.clone_from(&had.finalizers);
    meta.self_link.clone_from(&had.self_link);
    meta.managed_fields.clone_from(&had.managed_fields);
    copy.equals(&**old)
}

fn one(value: &str) -> Option<Vec<String>> {
    Some(vec![value.to_owned()])
}

fn full_authority() -> [PolicyRule; 2] {
    let all = PolicyRule { verbs: vec!["*".to_owned()], ..PolicyRule::default() };
    [
        PolicyRule { api_groups: one("*"), resources: one("*"), ..all.clone() },
        PolicyRule { non_resource_urls: one("*"), ..all },
    ]
}

fn items(list: &Option<Vec<String>>) -> &[String] {
    list.as_deref().unwrap_or_default()
}

/// The rules of one verb, one resource and one name at most that a rule stands for.
fn break_down(rule: &PolicyRule) -> Vec<PolicyRule> {
    let mut all = Vec::new();
    for group in items(&rule.api_groups) {
        for resource in items(&rule.resources) {
            for verb in &rule.verbs {
                let plain = PolicyRule {
                    api_groups: one(group),
                    resources: one(resource),
                    verbs: vec![verb.clone()],
                    ..PolicyRule::default()
                };
                match items(&rule.resource_names) {
                    [] => all.push(plain),
                    names => {
                        all.extend(names.iter().map(|name| PolicyRule { resource_names: one(name), ..plain.clone() }))
                    }
                }
            }
        }
    }
    for url in items(&rule.non_resource_urls) {
        for verb in &rule.verbs {
            all.push(PolicyRule { non_resource_urls: one(url), verbs: vec![verb.clone()], ..PolicyRule::default() });
        }
    }
    all
}

/// Whether an owner's rule covers one that `break_down` made.
fn covers(owner: &PolicyRule, wanted: &PolicyRule) -> bool {
    let within =
        |have: &[String], want: &[String]| have.iter().any(|h| h == "*") || want.iter().all(|w| have.contains(w));
    let resource = |w: &String| {
        items(&owner.resources).contains(w)
            || w.split_once('/').is_some_and(|(_, sub)| items(&owner.resources).contains(&format!("*/{sub}")))
    };
    let url = |w: &String| {
        items(&owner.non_resource_urls)
            .iter()
            .any(|o| o == w || (o.ends_with('*') && w.starts_with(o.trim_end_matches('*'))))
    };
    let names = items(&owner.resource_names);
    let of_names = items(&wanted.resource_names);
    within(&owner.verbs, &wanted.verbs)
        && within(items(&owner.api_groups), items(&wanted.api_groups))
        && (items(&owner.resources).iter().any(|r| r == "*") || items(&wanted.resources).iter().all(resource))
        && items(&wanted.non_resource_urls).iter().all(url)
        && (names.is_empty() || (!of_names.is_empty() && of_names.iter().all(|n| names.contains(n))))
}

/// Rules of one resource put together. Models `CompactRules`.
fn compacted(rules: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut all = Vec::new();
    let mut simple: BTreeMap<(String, String, Option<String>), PolicyRule> = BTreeMap::new();
    for rule in rules {
        let (Some([group]), Some([resource])) = (rule.api_groups.as_deref(), rule.resources.as_deref()) else {
            all.push(rule);
            continue;
        };
        let key = (group.clone(), resource.clone(), items(&rule.resource_names).first().cloned());
        match simple.get_mut(&key) {
            Some(same) => same.verbs.extend(rule.verbs),
            None => {
                simple.insert(key, rule);
            }
        }
    }
    all.extend(simple.into_values());
    all
}

/// `["a" "b"]`, as Go's `%q` prints a slice.
fn quoted(items: &[String]) -> String {
    let all: Vec<String> = items.iter().map(|i| quote(i)).collect();
    format!("[{}]", all.join(" "))
}

/// Models `CompactString`.
fn describe(rule: &PolicyRule) -> String {
    let parts: Vec<String> = [
        ("APIGroups", items(&rule.api_groups)),
        ("Resources", items(&rule.resources)),
        ("NonResourceURLs", items(&rule.non_resource_urls)),
        ("ResourceNames", items(&rule.resource_names)),
        ("Verbs", &rule.verbs),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(name, values)| format!("{name}:{}", quoted(values)))
    .collect();
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(groups: &[&str], resources: &[&str], names: &[&str], verbs: &[&str]) -> PolicyRule {
        let all = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        PolicyRule {
            api_groups: Some(all(groups)),
            resources: Some(all(resources)),
            resource_names: (!names.is_empty()).then(|| all(names)),
            verbs: all(verbs),
            non_resource_urls: None,
        }
    }

    #[test]
    fn what_is_missing_is_said_shortly() {
        let owner = rule(&[""], &["pods", "*/scale"], &[], &["get"]);
        let wanted = rule(&["", "apps"], &["pods", "deployments/scale"], &[], &["get", "list"]);
        let missing: Vec<PolicyRule> = break_down(&wanted).into_iter().filter(|w| !covers(&owner, w)).collect();
        let said: Vec<String> = compacted(missing).iter().map(describe).collect();
        assert_eq!(
            said,
            [
                r#"{APIGroups:[""], Resources:["deployments/scale"], Verbs:["list"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["list"]}"#,
                r#"{APIGroups:["apps"], Resources:["deployments/scale"], Verbs:["get" "list"]}"#,
                r#"{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list"]}"#,
            ]
        );
    }

    #[test]
    fn names_narrow_a_rule() {
        let of_one = rule(&[""], &["secrets"], &["a"], &["get"]);
        assert!(covers(&of_one, &break_down(&of_one)[0]));
        assert!(!covers(&of_one, &break_down(&rule(&[""], &["secrets"], &[], &["get"]))[0]));
        assert!(covers(&rule(&["*"], &["*"], &[], &["*"]), &break_down(&of_one)[0]));
    }
}
