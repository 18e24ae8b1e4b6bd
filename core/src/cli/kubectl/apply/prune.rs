//! kubectl apply --prune: what was applied before and is no longer in the files goes. Models `pkg/cmd/apply/prune.go`.

use std::collections::BTreeSet;

use super::super::builder::with_kinds;
use super::super::options::DryRun;
use super::super::resources::Resource;
use super::super::show::text;
use super::super::{Cx, Failure, Outcome, encode, print};
use super::LAST_APPLIED;

/// Kinds that are pruned unless others are named. Models prune.ParseResources.
const KINDS: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "Endpoints"),
    ("", "Namespace"),
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("", "Secret"),
    ("", "Service"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("networking.k8s.io", "Ingress"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
];

fn kinds<'a>(cx: &Cx<'_>, all: &'a [Resource]) -> Result<Vec<&'a Resource>, Failure> {
    let given = cx.args.all("prune-allowlist");
    if given.is_empty() {
        let find = |(g, k): &(&str, &str)| all.iter().find(|r| r.group == *g && r.kind == *k);
        return Ok(KINDS.iter().filter_map(find).collect());
    }
    let mut out = Vec::new();
    for g in given {
        let parts: Vec<&str> = g.split('/').collect();
        let [group, version, kind] = parts.as_slice() else {
            return Err(Failure::error(format!(
                "invalid GroupVersionKind format: {g}, please follow <group/version/kind>"
            )));
        };
        let group = if *group == "core" { "" } else { group };
        let found = all.iter().find(|r| r.group == group && r.version == *version && r.kind == *kind);
        out.push(found.ok_or_else(|| {
            Failure::error(format!("no matches for kind \"{kind}\" in version \"{group}/{version}\""))
        })?);
    }
    Ok(out)
}

pub(super) async fn run(
    cx: &Cx<'_>,
    all: &[Resource],
    uids: &BTreeSet<String>,
    namespaces: &BTreeSet<String>,
    dry: &DryRun,
) -> Outcome {
    let query = cx.args.get("selector").map(|l| format!("labelSelector={}", encode(l))).unwrap_or_default();
    for r in kinds(cx, all)? {
        let places: Vec<Option<&str>> =
            if r.namespaced { namespaces.iter().map(|n| Some(n.as_str())).collect() } else { vec![None] };
        for place in places {
            let list = match cx.ask("GET", &r.path(place), &query, None).await {
                Ok(l) => l,
                Err(f) if f.is_not_found() => continue,
                Err(f) => return Err(f.wrapped(&format!("error retrieving RESTMappings to prune: {}", r.kind))),
            };
            for o in with_kinds(&list) {
                let applied = !o["metadata"]["annotations"][LAST_APPLIED].is_null();
                let going = !o["metadata"]["deletionTimestamp"].is_null();
                if !applied || going || uids.contains(&text(&o["metadata"]["uid"])) {
                    continue;
                }
                if !dry.client {
                    let path = format!("{}/{}", r.path(place), text(&o["metadata"]["name"]));
                    let options = serde_json::json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
                    match cx.ask("DELETE", &path, dry.query.trim_start_matches('&'), Some(&options)).await {
                        Err(f) if !f.is_not_found() => return Err(f.wrapped("pruning")),
                        _ => {}
                    }
                }
                print::done(cx, all, &o, &format!("pruned{}", dry.words))?;
            }
        }
    }
    Ok(())
}
