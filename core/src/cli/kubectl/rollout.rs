//! kubectl rollout. Models `pkg/cmd/rollout`, `pkg/polymorphichelpers/{history,rollback,rollout_status}.go`.

use std::time::Duration;

use serde_json::{Value, json};

use super::describe::{self, Writer};
use super::label::{self, Found};
use super::show::{parse_duration, selector_query, text};
use super::{Cx, Failure, Outcome, apply, encode, print, resources, tabs};
use crate::api::field::quote;
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("selector", 'l'),
    value("output", 'o'),
    value("dry-run", ' '),
    value("field-manager", ' '),
    value("revision", ' '),
    value("to-revision", ' '),
    value("timeout", ' '),
    switch("watch", 'w'),
];

const REVISION: &str = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let Some((verb, words)) = cx.args.words.split_first() else {
        return Err(Failure::plain(
            "Manage the rollout of one or many resources.\n\nAvailable Commands:\n  history, pause, restart, resume, status, undo",
        ));
    };
    if words.is_empty() && cx.args.all("filename").is_empty() {
        return Err(Failure::error("required resource not specified"));
    }
    let all = resources::discover(cx).await?;
    for f in label::objects(cx, &all, words).await? {
        let name = text(&f.object["metadata"]["name"]);
        match verb.as_str() {
            "status" => status(cx, &f, &name).await?,
            "history" => history(cx, &f).await?,
            "undo" => undo(cx, &all, &f, &name).await?,
            "pause" | "resume" => {
                let pause = verb == "pause";
                if f.resource.kind != "Deployment" {
                    return Err(Failure::error(format!(
                        "{}.{} {} pausing is not supported",
                        f.resource.plural,
                        f.resource.group,
                        quote(&name)
                    )));
                }
                if (f.object["spec"]["paused"] == true) == pause {
                    let what = if pause { "already paused" } else { "not paused" };
                    return Err(Failure::error(format!(
                        "{}.{} {} is {what}",
                        f.resource.plural,
                        f.resource.group,
                        quote(&name)
                    )));
                }
                let paused = if pause { json!(true) } else { Value::Null };
                change(cx, &all, &f, &json!({"spec": {"paused": paused}}), if pause { "paused" } else { "resumed" })
                    .await?;
            }
            "restart" => {
                if f.object["spec"]["paused"] == true {
                    return Err(Failure::error(format!(
                        "{}.{} {} can't restart paused deployment (run rollout resume first)",
                        f.resource.plural,
                        f.resource.group,
                        quote(&name)
                    )));
                }
                let now = cx.shell.door.sim.timestamp();
                let at = jiff::Timestamp::from_second(now.as_second()).map(|t| t.to_string()).unwrap_or_default();
                let patch = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}}});
                change(cx, &all, &f, &patch, "restarted").await?;
            }
            other => return Err(Failure::error(format!("unknown command {}", quote(&format!("rollout {other}"))))),
        }
    }
    Ok(())
}

async fn change(cx: &Cx<'_>, all: &[resources::Resource], f: &Found<'_>, patch: &Value, verb: &str) -> Outcome {
    let (query, words, _) = apply::dry_run(cx)?;
    let q = format!("fieldManager=kubectl-rollout{query}");
    let new = cx.patch(&f.path, "application/strategic-merge-patch+json", patch, &q).await?;
    print::done(cx, all, &new, &format!("{verb}{words}"))
}

/// Where a rollout is: what is said, and whether it is over. Models rollout_status.go.
fn progress(o: &Value, name: &str) -> Result<(String, bool), String> {
    let n = |v: &Value| v.as_i64().unwrap_or(0);
    let (spec, status) = (&o["spec"], &o["status"]);
    let observed = n(&o["metadata"]["generation"]) <= n(&status["observedGeneration"]);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    match o["kind"].as_str().unwrap_or_default() {
        "Deployment" => {
            if !observed {
                return Ok(("Waiting for deployment spec update to be observed...\n".into(), false));
            }
            let stuck = super::show::items(&status["conditions"])
                .iter()
                .any(|c| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded");
            if stuck {
                return Err(format!("deployment {} exceeded its progress deadline", quote(name)));
            }
            let (updated, replicas, available) =
                (n(&status["updatedReplicas"]), n(&status["replicas"]), n(&status["availableReplicas"]));
            let waits = if updated < wanted {
                format!("{updated} out of {wanted} new replicas have been updated...")
            } else if replicas > updated {
                format!("{} old replicas are pending termination...", replicas - updated)
            } else if available < updated {
                format!("{available} of {updated} updated replicas are available...")
            } else {
                return Ok((format!("deployment {} successfully rolled out\n", quote(name)), true));
            };
            Ok((format!("Waiting for deployment {} rollout to finish: {waits}\n", quote(name)), false))
        }
        "DaemonSet" => {
            if spec["updateStrategy"]["type"] != "RollingUpdate" {
                return Err("rollout status is only available for RollingUpdate strategy type".into());
            }
            if !observed {
                return Ok(("Waiting for daemon set spec update to be observed...\n".into(), false));
            }
            let (updated, desired, available) = (
                n(&status["updatedNumberScheduled"]),
                n(&status["desiredNumberScheduled"]),
                n(&status["numberAvailable"]),
            );
            if updated < desired {
                return Ok((
                    format!(
                        "Waiting for daemon set {} rollout to finish: {updated} out of {desired} new pods have been updated...\n",
                        quote(name)
                    ),
                    false,
                ));
            }
            if available < desired {
                return Ok((
                    format!(
                        "Waiting for daemon set {} rollout to finish: {available} of {desired} updated pods are available...\n",
                        quote(name)
                    ),
                    false,
                ));
            }
            Ok((format!("daemon set {} successfully rolled out\n", quote(name)), true))
        }
        "StatefulSet" => {
            if spec["updateStrategy"]["type"] != "RollingUpdate" {
                return Err("rollout status is only available for RollingUpdate strategy type".into());
            }
            if !observed {
                return Ok(("Waiting for statefulset spec update to be observed...\n".into(), false));
            }
            if n(&status["readyReplicas"]) < wanted {
                return Ok((
                    format!("Waiting for {} pods to be ready...\n", wanted - n(&status["readyReplicas"])),
                    false,
                ));
            }
            let partition = n(&spec["updateStrategy"]["rollingUpdate"]["partition"]);
            if partition > 0 {
                let updated = n(&status["updatedReplicas"]);
                if updated < wanted - partition {
                    return Ok((
                        format!(
                            "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...\n",
                            wanted - partition
                        ),
                        false,
                    ));
                }
                return Ok((format!("partitioned roll out complete: {updated} new pods have been updated...\n"), true));
            }
            if status["updateRevision"] != status["currentRevision"] {
                return Ok((
                    format!(
                        "waiting for statefulset rolling update to complete {} pods at revision {}...\n",
                        n(&status["updatedReplicas"]),
                        text(&status["updateRevision"])
                    ),
                    false,
                ));
            }
            Ok((
                format!(
                    "statefulset rolling update complete {} pods at revision {}...\n",
                    n(&status["currentReplicas"]),
                    text(&status["currentRevision"])
                ),
                true,
            ))
        }
        other => Err(format!("no status viewer has been implemented for {other}")),
    }
}

async fn status(cx: &Cx<'_>, f: &Found<'_>, name: &str) -> Outcome {
    let sim = cx.shell.door.sim.clone();
    let limit = cx.args.get("timeout").and_then(parse_duration).filter(|d| !d.is_zero());
    let until = limit.map(|d| sim.now() + d);
    let mut object = f.object.clone();
    let mut said = String::new();
    loop {
        let (words, done) = progress(&object, name).map_err(Failure::error)?;
        if words != said {
            cx.out(words.clone());
            said = words;
        }
        if done || cx.args.get("watch") == Some("false") {
            return Ok(());
        }
        if until.is_some_and(|u| sim.now() >= u) {
            return Err(Failure::error("timed out waiting for the condition"));
        }
        let pause = until.map_or(Duration::from_millis(100), |u| Duration::from_millis(100).min(u.since(sim.now())));
        sim.sleep(pause).await;
        object = cx.ask("GET", &f.path, "", None).await?;
    }
}

/// What was before: revision numbers with the templates, oldest first.
async fn revisions(cx: &Cx<'_>, f: &Found<'_>) -> Result<Vec<(i64, Value, String)>, Failure> {
    let o = &f.object;
    let ns = text(&o["metadata"]["namespace"]);
    let query = format!("labelSelector={}", encode(&selector_query(&o["spec"]["selector"])));
    let deployment = f.resource.kind == "Deployment";
    let plural = if deployment { "replicasets" } else { "controllerrevisions" };
    let list = cx.ask("GET", &format!("/apis/apps/v1/namespaces/{ns}/{plural}"), &query, None).await?;
    let uid = &o["metadata"]["uid"];
    let mut out: Vec<(i64, Value, String)> = describe::with_kinds(&list)
        .into_iter()
        .filter(|r| {
            super::show::items(&r["metadata"]["ownerReferences"])
                .iter()
                .any(|c| c["controller"] == true && c["uid"] == *uid)
        })
        .filter_map(|r| {
            let cause = text(&r["metadata"]["annotations"][CHANGE_CAUSE]);
            if deployment {
                let n = text(&r["metadata"]["annotations"][REVISION]).parse().ok()?;
                Some((n, r["spec"]["template"].clone(), cause))
            } else {
                Some((r["revision"].as_i64()?, r["data"]["spec"]["template"].clone(), cause))
            }
        })
        .collect();
    out.sort_by_key(|r| r.0);
    Ok(out)
}

async fn history(cx: &Cx<'_>, f: &Found<'_>) -> Outcome {
    if !matches!(f.resource.kind.as_str(), "Deployment" | "DaemonSet" | "StatefulSet") {
        return Err(Failure::error(format!("no history viewer has been implemented for {}", quote(&f.resource.kind))));
    }
    let wanted: i64 = cx.args.get("revision").and_then(|r| r.parse().ok()).unwrap_or(0);
    let list = revisions(cx, f).await?;
    let name = format!("{}/{}", f.resource.qualified(), text(&f.object["metadata"]["name"]));
    if wanted > 0 {
        let Some((_, template, cause)) = list.into_iter().find(|r| r.0 == wanted) else {
            return Err(Failure::error("unable to find the specified revision"));
        };
        let mut template = template;
        if !cause.is_empty() {
            if !template["metadata"]["annotations"].is_object() {
                template["metadata"]["annotations"] = json!({});
            }
            template["metadata"]["annotations"][CHANGE_CAUSE] = cause.into();
        }
        let mut w = Writer::new();
        describe::pod_template(&mut w, &template);
        cx.out(format!("{name} with revision #{wanted}\n{}\n", w.raw()));
        return Ok(());
    }
    if list.is_empty() {
        cx.out(format!("{name} \nNo rollout history found.\n"));
        return Ok(());
    }
    let mut rows = String::from("REVISION\tCHANGE-CAUSE\n");
    for (n, _, cause) in &list {
        rows.push_str(&format!("{n}\t{}\n", super::show::or_none(cause.clone())));
    }
    cx.out(format!("{name} \n{}\n", tabs::align(&rows, 0, 2)));
    Ok(())
}

async fn undo(cx: &Cx<'_>, all: &[resources::Resource], f: &Found<'_>, name: &str) -> Outcome {
    let o = &f.object;
    if !o["metadata"]["annotations"][apply::LAST_APPLIED].is_null() {
        cx.shell.err(format!(
            "Warning: resource {}/{name} was previously managed with 'kubectl apply'. Rolling back will not update the {} annotation, which may cause unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your previous configuration file instead.\n",
            f.resource.plural,
            apply::LAST_APPLIED
        ));
    }
    if o["spec"]["paused"] == true {
        return Err(Failure::error(format!(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume deployment/{name}' and try again"
        )));
    }
    let wanted: i64 = cx.args.get("to-revision").and_then(|r| r.parse().ok()).unwrap_or(0);
    let list = revisions(cx, f).await?;
    let chosen = match wanted {
        0 => list
            .iter()
            .rev()
            .nth(1)
            .ok_or_else(|| Failure::error(format!("no rollout history found for deployment {}", quote(name))))?,
        n => list
            .iter()
            .find(|r| r.0 == n)
            .ok_or_else(|| Failure::error(format!("unable to find specified revision {n} in history")))?,
    };
    let mut template = chosen.1.clone();
    if let Some(l) = template["metadata"]["labels"].as_object_mut() {
        l.remove("pod-template-hash");
    }
    if template == o["spec"]["template"] {
        cx.out(format!(
            "{}/{name} skipped rollback (current template already matches revision {})\n",
            f.resource.qualified(),
            chosen.0
        ));
        return Ok(());
    }
    let (query, words, local) = apply::dry_run(cx)?;
    if !local {
        let body = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
        cx.patch(&f.path, "application/json-patch+json", &body, &format!("fieldManager=kubectl-rollout{query}"))
            .await?;
    }
    print::done(cx, all, o, &format!("rolled back{words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_says_what_it_waits_for() {
        let d = |updated: i64, replicas: i64, available: i64| {
            json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 4},
                "status": {"observedGeneration": 2, "updatedReplicas": updated, "replicas": replicas, "availableReplicas": available}})
        };
        for (o, want) in [
            (
                d(2, 5, 3),
                "Waiting for deployment \"web\" rollout to finish: 2 out of 4 new replicas have been updated...\n",
            ),
            (
                d(4, 5, 3),
                "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...\n",
            ),
            (
                d(4, 4, 3),
                "Waiting for deployment \"web\" rollout to finish: 3 of 4 updated replicas are available...\n",
            ),
            (d(4, 4, 4), "deployment \"web\" successfully rolled out\n"),
        ] {
            assert_eq!(progress(&o, "web").expect("no failure").0, want);
        }
    }
}
