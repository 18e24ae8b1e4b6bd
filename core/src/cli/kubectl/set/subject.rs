//! kubectl set subject. Models `pkg/cmd/set/set_subject.go`.

use serde_json::{Value, json};

use super::super::options::DryRun;
use super::super::{Cx, Failure, Outcome, resources};
use super::{check_all, has, objects, send};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) async fn run(cx: &Cx<'_>, dry: &DryRun) -> Outcome {
    check_all(cx)?;
    let (users, groups, accounts) = (cx.args.all("user"), cx.args.all("group"), cx.args.all("serviceaccount"));
    if users.is_empty() && groups.is_empty() && accounts.is_empty() {
        return Err(Failure::error("you must specify at least one value of user, group or serviceaccount"));
    }
    let mut subjects: Vec<Value> = Vec::new();
    subjects.extend(users.iter().map(|n| json!({"kind": "User", "apiGroup": GROUP, "name": n})));
    subjects.extend(groups.iter().map(|n| json!({"kind": "Group", "apiGroup": GROUP, "name": n})));
    for a in accounts {
        let Some((namespace, name)) = a.split_once(':').filter(|(_, n)| !n.is_empty()) else {
            return Err(Failure::error("serviceaccount must be <namespace>:<name>"));
        };
        let namespace = if namespace.is_empty() { cx.namespace.as_str() } else { namespace };
        subjects.push(json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}));
    }
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = objects(cx, &all, &cx.args.words).await?;
    for f in &found {
        if !matches!(f.resource.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
            wrong.push(Failure::error(format!(
                "{}/{} setting subjects is only supported for RoleBinding/ClusterRoleBinding",
                f.resource.plural, f.name
            )));
            continue;
        }
        let mut new = f.object.clone();
        for s in &subjects {
            if !has(&new["subjects"], s, &["kind", "name", "namespace", "apiGroup"]) {
                match new["subjects"].as_array_mut() {
                    Some(list) => list.push(s.clone()),
                    None => new["subjects"] = json!([s]),
                }
            }
        }
        wrong.extend(send(cx, &all, f, &new, "subjects", "failed to patch subjects to rolebinding:", dry).await.err());
    }
    Failure::many(wrong)
}
