//! kubectl rollout. Models `pkg/cmd/rollout`, `pkg/polymorphichelpers/{history,rollback,rollout_status}.go`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::builder::{self, Found, with_kinds};
use super::describe::{self, Writer};
use super::options::{self, DryRun};
use super::resources::Resource;
use super::show::{selector_query, text};
use super::{Cx, Failure, Outcome, apply, encode, print, resources, tabs};
use crate::api::decode::FieldValidation;
use crate::api::field::quote;
use crate::api::patch::{self, PatchKind};

const REVISION: &str = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
/// Annotations of a Deployment that a rollback leaves as they are.
const KEPT: &[&str] = &[
    apply::LAST_APPLIED,
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

pub(super) async fn run(cx: &Cx<'_>, verb: &str) -> Outcome {
    if cx.args.words.is_empty() && !builder::has_files(cx) {
        return Err(Failure::error("required resource not specified"));
    }
    if matches!(verb, "status" | "history") && cx.args.number("revision") < 0 {
        let n = cx.args.number("revision");
        return Err(Failure::error(format!("revision must be a positive integer: {n}")));
    }
    let dry = options::dry_run(cx)?;
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = builder::objects(cx, &all, &cx.args.words).await?;
    if found.is_empty() && wrong.is_empty() {
        cx.shell.err(format!("No resources found in {} namespace.\n", cx.namespace));
        return Ok(());
    }
    for f in &found {
        let outcome = match verb {
            "status" => status(cx, f, &f.name).await,
            "history" => history(cx, &all, f).await,
            "undo" => undo(cx, &all, f, &dry).await,
            "restart" => restart(cx, &all, f).await,
            _ => pause(cx, &all, f, verb == "pause").await,
        };
        wrong.extend(outcome.err());
    }
    Failure::many(wrong)
}

/// An error about an object: `deployments.apps "web" is already paused`.
fn about(f: &Found<'_>, why: &str) -> Failure {
    let dot = if f.resource.group.is_empty() { "" } else { "." };
    Failure::error(format!("{}{dot}{} {} {why}", f.resource.plural, f.resource.group, quote(&f.name)))
}

async fn pause(cx: &Cx<'_>, all: &[Resource], f: &Found<'_>, pause: bool) -> Outcome {
    let (verb, done) = if pause { ("pausing", "paused") } else { ("resuming", "resumed") };
    if f.resource.kind != "Deployment" {
        return Err(about(f, &format!("{verb} is not supported")));
    }
    if (f.object["spec"]["paused"] == true) == pause {
        return Err(about(f, if pause { "is already paused" } else { "is not paused" }));
    }
    let paused = if pause { json!(true) } else { Value::Null };
    change(cx, all, f, &json!({"spec": {"paused": paused}}), done).await
}

async fn restart(cx: &Cx<'_>, all: &[Resource], f: &Found<'_>) -> Outcome {
    if !matches!(f.resource.kind.as_str(), "Deployment" | "DaemonSet" | "StatefulSet") {
        return Err(about(f, "restarting is not supported"));
    }
    if f.resource.kind == "Deployment" && f.object["spec"]["paused"] == true {
        return Err(about(f, "can't restart paused deployment (run rollout resume first)"));
    }
    let now = cx.shell.door.sim.timestamp();
    let at = jiff::Timestamp::from_second(now.as_second()).map(|t| t.to_string()).unwrap_or_default();
    let key = "kubectl.kubernetes.io/restartedAt";
    if f.object["spec"]["template"]["metadata"]["annotations"][key] == at.as_str() {
        return Err(Failure::error(format!(
            "failed to create patch for {}: if restart has already been triggered within the past second, please wait before attempting to trigger another",
            f.name
        )));
    }
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {key: at}}}}});
    change(cx, all, f, &patch, "restarted").await
}

async fn change(cx: &Cx<'_>, all: &[Resource], f: &Found<'_>, patch: &Value, done: &str) -> Outcome {
    let new = cx
        .patch(&f.path, "application/strategic-merge-patch+json", patch, &options::manager(cx))
        .await
        .map_err(|e| Failure::error(format!("failed to patch: {}", e.message())))?;
    print::done(cx, all, &new, done)
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
    let limit = cx.args.duration("timeout");
    let until = (!limit.is_zero()).then(|| sim.now() + limit);
    let pinned = cx.args.number("revision");
    let mut object = f.object.clone();
    let mut said = String::new();
    loop {
        let revision: i64 = text(&object["metadata"]["annotations"][REVISION]).parse().unwrap_or(0);
        if pinned > 0 && object["kind"] == "Deployment" && revision != pinned {
            return Err(Failure::error(format!(
                "desired revision ({pinned}) is different from the running revision ({revision})"
            )));
        }
        let (words, done) = progress(&object, name).map_err(Failure::error)?;
        if words != said {
            cx.out(words.clone());
            said = words;
        }
        if done || !cx.args.on("watch") {
            return Ok(());
        }
        if until.is_some_and(|u| sim.now() >= u) {
            return Err(Failure::error("timed out waiting for the condition"));
        }
        let pause = until.map_or(INTERVAL, |u| INTERVAL.min(u.since(sim.now())));
        sim.sleep(pause).await;
        object = match cx.ask("GET", &f.path, "", None).await {
            Err(e) if e.is_not_found() => return Err(Failure::error("object has been deleted")),
            other => other?,
        };
    }
}

/// How often a rollout is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// What was before.
struct Past {
    number: i64,
    template: Value,
    cause: String,
    annotations: Value,
    /// The ReplicaSet, or the ControllerRevision.
    object: Value,
}

/// The revisions, oldest first.
async fn revisions(cx: &Cx<'_>, f: &Found<'_>) -> Result<Vec<Past>, Failure> {
    let o = &f.object;
    let ns = text(&o["metadata"]["namespace"]);
    let query = format!("labelSelector={}", encode(&selector_query(&o["spec"]["selector"])));
    let deployment = f.resource.kind == "Deployment";
    let plural = if deployment { "replicasets" } else { "controllerrevisions" };
    let list = cx.ask("GET", &format!("/apis/apps/v1/namespaces/{ns}/{plural}"), &query, None).await?;
    let uid = &o["metadata"]["uid"];
    let owned = |r: &Value| {
        super::show::items(&r["metadata"]["ownerReferences"])
            .iter()
            .any(|c| c["controller"] == true && c["uid"] == *uid)
    };
    let mut out: Vec<Past> = with_kinds(&list)
        .into_iter()
        .filter(|r| owned(r))
        .filter_map(|r| {
            let annotations = r["metadata"]["annotations"].clone();
            let cause = text(&annotations[CHANGE_CAUSE]);
            let (number, template) = if deployment {
                (text(&annotations[REVISION]).parse().ok()?, r["spec"]["template"].clone())
            } else {
                (r["revision"].as_i64()?, r["data"]["spec"]["template"].clone())
            };
            Some(Past { number, template, cause, annotations, object: r })
        })
        .collect();
    out.sort_by_key(|r| r.number);
    Ok(out)
}

/// `Deployment.apps`
fn group_kind(r: &Resource) -> String {
    if r.group.is_empty() { r.kind.clone() } else { format!("{}.{}", r.kind, r.group) }
}

/// The pod template in words. Models printTemplate.
fn template_words(p: &Past) -> String {
    let mut template = p.template.clone();
    if let Some(o) = template.as_object_mut() {
        o.remove("$patch");
    }
    if !p.cause.is_empty() {
        if !template["metadata"]["annotations"].is_object() {
            template["metadata"]["annotations"] = json!({});
        }
        template["metadata"]["annotations"][CHANGE_CAUSE] = p.cause.as_str().into();
    }
    let mut w = Writer::new();
    describe::pod_template(&mut w, &template);
    w.raw()
}

async fn history(cx: &Cx<'_>, all: &[Resource], f: &Found<'_>) -> Outcome {
    if !matches!(f.resource.kind.as_str(), "Deployment" | "DaemonSet" | "StatefulSet") {
        let kind = quote(&group_kind(f.resource));
        return Err(Failure::error(format!("no history viewer has been implemented for {kind}")));
    }
    let wanted = cx.args.number("revision");
    let list = revisions(cx, f).await?;
    if let Some(format) = print::parse(cx, cx.args.text("output"))? {
        if wanted > 0 && list.iter().all(|p| p.number != wanted) {
            return Err(Failure::error("unable to find the specified revision"));
        }
        for p in list.iter().filter(|p| wanted == 0 || p.number == wanted) {
            let mut o = if f.resource.kind == "Deployment" {
                p.object.clone()
            } else {
                restored(f, &p.object["data"]).unwrap_or_else(|| f.object.clone())
            };
            print::trim_managed(cx, &mut o);
            print::print(cx, all, &format, &o)?;
        }
        return Ok(());
    }
    let name = format!("{}/{}", f.resource.qualified(), f.name);
    if list.is_empty() {
        cx.out(format!("{name} \nNo rollout history found.\n"));
        return Ok(());
    }
    if wanted > 0 {
        let Some(p) = list.iter().find(|r| r.number == wanted) else {
            return Err(Failure::error("unable to find the specified revision"));
        };
        cx.out(format!("{name} with revision #{wanted}\n{}\n", template_words(p)));
        return Ok(());
    }
    let mut rows = String::from("REVISION\tCHANGE-CAUSE\n");
    for p in &list {
        rows.push_str(&format!("{}\t{}\n", p.number, super::show::or_none(p.cause.clone())));
    }
    cx.out(format!("{name} \n{}\n", tabs::align(&rows, 0, 2)));
    Ok(())
}

/// The object as a ControllerRevision has it.
fn restored(f: &Found<'_>, data: &Value) -> Option<Value> {
    let bytes = data.to_string().into_bytes();
    let (version, kind) = (f.resource.api_version(), f.resource.kind.as_str());
    patch::apply(PatchKind::Strategic, &f.object, &bytes, &version, kind, FieldValidation::Ignore).ok().map(|p| p.value)
}

/// The revision that an undo goes to.
fn chosen<'a>(f: &Found<'_>, list: &'a [Past], wanted: i64) -> Result<&'a Past, Failure> {
    if wanted == 0 {
        let none = match f.resource.kind.as_str() {
            "Deployment" => format!("no rollout history found for deployment {}", quote(&f.name)),
            _ => "no last revision to roll back to".to_owned(),
        };
        return list.iter().rev().nth(1).ok_or_else(|| Failure::error(none));
    }
    let found = list.iter().find(|r| r.number == wanted);
    found.ok_or_else(|| Failure::error(format!("unable to find specified revision {wanted} in history")))
}

async fn undo(cx: &Cx<'_>, all: &[Resource], f: &Found<'_>, dry: &DryRun) -> Outcome {
    let o = &f.object;
    if !o["metadata"]["annotations"][apply::LAST_APPLIED].is_null() {
        cx.shell.err(format!(
            "Warning: resource {}/{} was previously managed with 'kubectl apply'. Rolling back will not update the {} annotation, which may cause unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your previous configuration file instead.\n",
            f.resource.plural,
            f.name,
            apply::LAST_APPLIED
        ));
    }
    if !matches!(f.resource.kind.as_str(), "Deployment" | "DaemonSet" | "StatefulSet") {
        let kind = quote(&group_kind(f.resource));
        return Err(Failure::error(format!("no rollbacker has been implemented for {kind}")));
    }
    let wanted = cx.args.number("to-revision");
    let list = revisions(cx, f).await?;
    let p = chosen(f, &list, wanted)?;
    let deployment = f.resource.kind == "Deployment";
    if dry.client {
        let lead = if deployment { "" } else { "will roll back to " };
        return print::done(cx, all, o, &format!("{lead}{}{}", template_words(p), dry.words));
    }
    if deployment && o["spec"]["paused"] == true {
        return Err(Failure::error(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
        ));
    }
    let mut template = p.template.clone();
    if let Some(l) = template["metadata"]["labels"].as_object_mut().filter(|_| deployment) {
        l.remove("pod-template-hash");
    }
    if let Some(t) = template.as_object_mut() {
        t.remove("$patch");
    }
    if template == o["spec"]["template"] {
        let words = format!("skipped rollback (current template already matches revision {wanted}){}", dry.words);
        return print::done(cx, all, o, &words);
    }
    let query = dry.query.trim_start_matches('&');
    let sent = if deployment {
        let body = json!([
            {"op": "replace", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/metadata/annotations", "value": annotations(&o["metadata"]["annotations"], &p.annotations)},
        ]);
        cx.patch(&f.path, "application/json-patch+json", &body, query).await
    } else {
        cx.patch(&f.path, "application/strategic-merge-patch+json", &p.object["data"], query).await
    };
    sent.map_err(|e| Failure::error(format!("failed restoring revision {wanted}: {}", e.message())))?;
    print::done(cx, all, o, &format!("rolled back{}", dry.words))
}

/// A Deployment's annotations after a rollback: its own where they are of the Deployment, the revision's otherwise.
fn annotations(own: &Value, revision: &Value) -> Value {
    let each = |v: &Value| v.as_object().cloned().unwrap_or_default();
    let kept = |k: &String| KEPT.contains(&k.as_str());
    let mut out: Map<String, Value> = each(own).into_iter().filter(|(k, _)| kept(k)).collect();
    out.extend(each(revision).into_iter().filter(|(k, _)| !kept(k)));
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_brings_annotations_back() {
        let own = json!({REVISION: "3", CHANGE_CAUSE: "new", apply::LAST_APPLIED: "{}"});
        let was = json!({REVISION: "1", "note": "old"});
        assert_eq!(annotations(&own, &was), json!({REVISION: "3", apply::LAST_APPLIED: "{}", "note": "old"}));
    }

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
