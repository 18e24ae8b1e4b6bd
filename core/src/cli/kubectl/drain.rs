//! kubectl cordon, uncordon and drain. Models `pkg/cmd/drain` and `pkg/drain`.

use std::time::Duration;

use serde_json::{Value, json};

use super::builder::{self, Found};
use super::options::{self, DryRun};
use super::show::text;
use super::{Cx, Failure, Outcome, delete, encode, resources};
use crate::api::field::quote;
use crate::sim::SimTime;

/// How often an evicted pod is looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// When a refused eviction is tried again.
const RETRY: Duration = Duration::from_secs(5);

async fn nodes<'a>(cx: &Cx<'_>, all: &'a [resources::Resource]) -> Result<Vec<Found<'a>>, Failure> {
    let words = &cx.args.words;
    let selected = cx.args.get("selector").is_some();
    if words.is_empty() && !selected {
        let verb = cx.command.path;
        return Err(super::usage(cx, &format!("USAGE: {verb} NODE [flags]")));
    }
    if !words.is_empty() && selected {
        return Err(super::usage(cx, "error: cannot specify both a node name and a --selector option"));
    }
    let mut named = vec!["nodes".to_owned()];
    named.extend(words.iter().map(|w| w.split_once('/').map_or(w.clone(), |(_, n)| n.to_owned())));
    let (found, wrong) = builder::objects(cx, all, &named).await?;
    match wrong.into_iter().next() {
        Some(f) => Err(f),
        None => Ok(found),
    }
}

async fn set_unschedulable(cx: &Cx<'_>, f: &Found<'_>, wanted: bool, dry: &DryRun) {
    let have = f.object["spec"]["unschedulable"].as_bool().unwrap_or(false);
    let word = if wanted { "cordoned" } else { "uncordoned" };
    if have == wanted {
        cx.out(format!("node/{} already {word}{}\n", f.name, dry.words));
        return;
    }
    if !dry.client {
        let patch = json!({"spec": {"unschedulable": if wanted { json!(true) } else { Value::Null }}});
        let query = dry.query.trim_start_matches('&');
        if let Err(e) = cx.patch(&f.path, "application/strategic-merge-patch+json", &patch, query).await {
            let verb = word.trim_end_matches("ed");
            cx.shell.err(format!("error: unable to {verb} node {}: {}\n", quote(&f.name), e.message()));
            return;
        }
    }
    cx.out(format!("node/{} {word}{}\n", f.name, dry.words));
}

pub(super) async fn cordon(cx: &Cx<'_>, wanted: bool) -> Outcome {
    let dry = options::dry_run(cx)?;
    let all = resources::discover(cx).await?;
    for f in nodes(cx, &all).await? {
        set_unschedulable(cx, &f, wanted, &dry).await;
    }
    Ok(())
}

/// What is to become of a pod.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Go,
    /// It stays, without a word.
    Stay,
    /// It goes, or stays, with a warning.
    Warn(bool, String),
    /// The drain can't go on.
    Error(String),
}

/// What flags allow.
struct Allowed {
    daemon_sets: bool,
    empty_dirs: bool,
    force: bool,
}

/// The filters in their order; the last that lets a pod go has the word. Models filterPods.
fn fate(p: &Value, allowed: &Allowed, daemon_set_there: bool) -> Fate {
    let m = &p["metadata"];
    let ended = matches!(p["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let controller = m["ownerReferences"].as_array().into_iter().flatten().find(|r| r["controller"] == true);
    let mut fate = Fate::Go;
    if controller.is_some_and(|c| c["kind"] == "DaemonSet" && c["apiVersion"] == "apps/v1") && !ended {
        let name = controller.map(|c| text(&c["name"])).unwrap_or_default();
        let gone = format!("daemonsets.apps {} not found", quote(&name));
        match (daemon_set_there, allowed.force, allowed.daemon_sets) {
            (false, true, _) => fate = Fate::Warn(true, gone),
            (false, false, _) => return Fate::Error(gone),
            (true, _, false) => {
                return Fate::Error("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)".into());
            }
            (true, _, true) => return Fate::Warn(false, "ignoring DaemonSet-managed Pods".into()),
        }
    }
    if !m["annotations"]["kubernetes.io/config.mirror"].is_null() {
        return Fate::Stay;
    }
    if p["spec"]["volumes"].as_array().into_iter().flatten().any(|v| !v["emptyDir"].is_null()) && !ended {
        if !allowed.empty_dirs {
            return Fate::Error("Pods with local storage (use --delete-emptydir-data to override)".into());
        }
        fate = Fate::Warn(true, "deleting Pods with local storage".into());
    } else if !matches!(fate, Fate::Warn(..)) {
        fate = Fate::Go;
    }
    if ended || controller.is_some() {
        return if ended { Fate::Go } else { fate };
    }
    if allowed.force {
        return Fate::Warn(true, "deleting Pods that declare no controller".into());
    }
    Fate::Error("Pods that declare no controller (use --force to override)".into())
}

/// Messages with the pods that they are about: `message: ns/a, ns/b`.
fn grouped<'a>(list: impl Iterator<Item = (&'a str, String)>) -> Vec<String> {
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    for (message, pod) in list {
        match out.iter_mut().find(|(m, _)| m == message) {
            Some((_, pods)) => pods.push(pod),
            None => out.push((message.to_owned(), vec![pod])),
        }
    }
    out.into_iter().map(|(m, pods)| format!("{m}: {}", pods.join(", "))).collect()
}

/// The node's pods with what is to become of them.
async fn plan(cx: &Cx<'_>, node: &str) -> Result<Vec<(Value, Fate)>, Failure> {
    let mut query = format!("fieldSelector={}", encode(&format!("spec.nodeName={node}")));
    if let Some(l) = cx.args.get("pod-selector") {
        query.push_str(&format!("&labelSelector={}", encode(l)));
    }
    let list = cx.ask("GET", "/api/v1/pods", &query, None).await?;
    let allowed = Allowed {
        daemon_sets: cx.args.on("ignore-daemonsets"),
        empty_dirs: cx.args.on("delete-emptydir-data"),
        force: cx.args.on("force"),
    };
    let mut out = Vec::new();
    for p in list["items"].as_array().into_iter().flatten() {
        let owner =
            p["metadata"]["ownerReferences"].as_array().into_iter().flatten().find(|r| r["kind"] == "DaemonSet");
        let mut there = true;
        if let Some(o) = owner {
            let path = format!(
                "/apis/apps/v1/namespaces/{}/daemonsets/{}",
                text(&p["metadata"]["namespace"]),
                text(&o["name"])
            );
            there = cx.ask("GET", &path, "", None).await.is_ok();
        }
        out.push((p.clone(), fate(p, &allowed, there)));
    }
    Ok(out)
}

fn full_name(p: &Value) -> String {
    format!("{}/{}", text(&p["metadata"]["namespace"]), text(&p["metadata"]["name"]))
}

pub(super) async fn drain(cx: &Cx<'_>) -> Outcome {
    let dry = options::dry_run(cx)?;
    let all = resources::discover(cx).await?;
    let found = nodes(cx, &all).await?;
    for f in &found {
        set_unschedulable(cx, f, true, &dry).await;
    }
    let (mut fatal, mut left) = (Vec::new(), Vec::new());
    for f in &found {
        match drain_one(cx, &f.name, &dry).await {
            Ok(()) => cx.out(format!("node/{} drained{}\n", f.name, dry.words)),
            Err(errors) => {
                let joined = match errors.as_slice() {
                    [one] => one.clone(),
                    many => format!("[{}]", many.join(", ")),
                };
                cx.shell.err(format!(
                    "error: unable to drain node {} due to error: {joined}, continuing command...\n",
                    quote(&f.name)
                ));
                fatal.extend(errors);
                left.push(f.name.as_str());
            }
        }
    }
    if fatal.is_empty() {
        return Ok(());
    }
    cx.shell.err("There are pending nodes to be drained:\n");
    left.iter().for_each(|n| cx.shell.err(format!(" {n}\n")));
    Err(Failure::printed(fatal.iter().map(|e| format!("{e}\n")).collect()))
}

async fn drain_one(cx: &Cx<'_>, node: &str, dry: &DryRun) -> Result<(), Vec<String>> {
    let plan = plan(cx, node).await.map_err(|f| vec![f.message()])?;
    let errors = grouped(plan.iter().filter_map(|(p, f)| match f {
        Fate::Error(e) => Some((e.as_str(), full_name(p))),
        _ => None,
    }));
    if !errors.is_empty() {
        return Err(errors.into_iter().map(|e| format!("cannot delete {e}")).collect());
    }
    let warnings = grouped(plan.iter().filter_map(|(p, f)| match f {
        Fate::Warn(_, w) => Some((w.as_str(), full_name(p))),
        _ => None,
    }));
    if !warnings.is_empty() {
        cx.shell.err(format!("Warning: {}\n", warnings.join("; ")));
    }
    let go: Vec<&Value> =
        plan.iter().filter(|(_, f)| matches!(f, Fate::Go | Fate::Warn(true, _))).map(|(p, _)| p).collect();
    if dry.client {
        go.iter().for_each(|p| cx.out(format!("evicting pod {} (dry run)\n", full_name(p))));
        return Ok(());
    }
    let limit = cx.args.duration("timeout");
    let until = cx.shell.door.sim.now() + if limit.is_zero() { delete::FOR_EVER } else { limit };
    let evicts = !cx.args.on("disable-eviction");
    let errors = empty(cx, &go, dry, evicts, until).await;
    if errors.is_empty() {
        return Ok(());
    }
    let why = match errors.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let pending: Vec<String> = match self::plan(cx, node).await {
        Ok(p) => p
            .iter()
            .filter(|(_, f)| matches!(f, Fate::Go | Fate::Warn(true, _)))
            .map(|(p, _)| text(&p["metadata"]["name"]))
            .collect(),
        Err(_) => Vec::new(),
    };
    if !pending.is_empty() {
        cx.shell.err(format!("There are pending pods in node {} when an error occurred: {why}\n", quote(node)));
        pending.iter().for_each(|p| cx.shell.err(format!("pod/{p}\n")));
    }
    Err(errors)
}

/// Where a pod is on its way out.
enum Stage {
    /// To be asked to go at this time.
    Asked(SimTime),
    Waiting,
    Done,
}

/// Evicts or deletes pods side by side, and waits until they are gone; what went wrong.
async fn empty(cx: &Cx<'_>, pods: &[&Value], dry: &DryRun, evicts: bool, until: SimTime) -> Vec<String> {
    let sim = cx.shell.door.sim.clone();
    let mut stages: Vec<Stage> = pods.iter().map(|_| Stage::Asked(sim.now())).collect();
    let mut errors = Vec::new();
    loop {
        for (p, stage) in pods.iter().zip(&mut stages) {
            let next = match stage {
                Stage::Asked(at) if *at <= sim.now() => ask(cx, p, dry, evicts, until).await,
                Stage::Waiting => gone(cx, p, evicts).await,
                _ => continue,
            };
            *stage = next.unwrap_or_else(|e| {
                errors.push(e);
                Stage::Done
            });
        }
        if stages.iter().all(|s| matches!(s, Stage::Done)) {
            return errors;
        }
        if sim.now() >= until {
            for (p, _) in pods.iter().zip(&stages).filter(|(_, s)| !matches!(s, Stage::Done)) {
                let (ns, name) = (text(&p["metadata"]["namespace"]), text(&p["metadata"]["name"]));
                let global = cx.args.text("timeout");
                errors.push(format!(
                    "error when waiting for pod {} in namespace {} to terminate: global timeout reached: {global}",
                    quote(&name),
                    quote(&ns)
                ));
            }
            return errors;
        }
        sim.sleep(INTERVAL.min(until.since(sim.now()))).await;
    }
}

async fn ask(cx: &Cx<'_>, p: &Value, dry: &DryRun, evicts: bool, until: SimTime) -> Result<Stage, String> {
    let (ns, name) = (text(&p["metadata"]["namespace"]), text(&p["metadata"]["name"]));
    let path = format!("/api/v1/namespaces/{ns}/pods/{name}");
    let mut options = json!({});
    let grace = cx.args.get("grace-period").and_then(|g| g.parse::<i64>().ok()).unwrap_or(-1);
    if grace >= 0 {
        options["gracePeriodSeconds"] = grace.into();
    }
    if !dry.query.is_empty() {
        options["dryRun"] = json!(["All"]);
    }
    let sim = &cx.shell.door.sim;
    let failed = |what: &str| format!("error when evicting pods/{} -n {}{what}", quote(&name), quote(&ns));
    let outcome = if evicts {
        cx.out(format!("evicting pod {ns}/{name}{}\n", dry.words));
        if sim.now() >= until {
            return Err(failed(&format!(": global timeout reached: {}", cx.args.text("timeout"))));
        }
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": ns}, "deleteOptions": options});
        cx.ask("POST", &format!("{path}/eviction"), "", Some(&body)).await
    } else {
        options["kind"] = "DeleteOptions".into();
        options["apiVersion"] = "v1".into();
        cx.ask("DELETE", &path, dry.query.trim_start_matches('&'), Some(&options)).await
    };
    match outcome {
        Ok(_) if !dry.query.is_empty() => Ok(Stage::Done),
        Ok(_) => gone(cx, p, evicts).await,
        Err(f) if f.is_not_found() => Ok(Stage::Done),
        Err(f) if f.is("TooManyRequests") => {
            cx.shell.err(format!("{}: {}\n", failed(" (will retry after 5s)"), f.message()));
            Ok(Stage::Asked(sim.now() + RETRY))
        }
        Err(f) if evicts => Err(failed(&format!(": {}", f.message()))),
        Err(f) => Err(f.message()),
    }
}

async fn gone(cx: &Cx<'_>, p: &Value, evicts: bool) -> Result<Stage, String> {
    let (ns, name) = (text(&p["metadata"]["namespace"]), text(&p["metadata"]["name"]));
    let there = match cx.ask("GET", &format!("/api/v1/namespaces/{ns}/pods/{name}"), "", None).await {
        Ok(o) => o["metadata"]["uid"] == p["metadata"]["uid"],
        Err(f) if f.is_not_found() => false,
        Err(f) => {
            return Err(format!(
                "error when waiting for pod {} in namespace {} to terminate: {}",
                quote(&name),
                quote(&ns),
                f.message()
            ));
        }
    };
    if there {
        return Ok(Stage::Waiting);
    }
    cx.out(format!("pod/{name} {}\n", if evicts { "evicted" } else { "deleted" }));
    Ok(Stage::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_have_fates() {
        let owned = |kind: &str| json!({"metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": "x", "controller": true}]}});
        let with_dir = |mut p: Value| {
            p["spec"] = json!({"volumes": [{"emptyDir": {}}]});
            p
        };
        let none = Allowed { daemon_sets: false, empty_dirs: false, force: false };
        let all = Allowed { daemon_sets: true, empty_dirs: true, force: true };
        let error = |s: &str| Fate::Error(s.into());
        for (p, allowed, want) in [
            (owned("ReplicaSet"), &none, Fate::Go),
            (json!({}), &none, error("Pods that declare no controller (use --force to override)")),
            (json!({}), &all, Fate::Warn(true, "deleting Pods that declare no controller".into())),
            (owned("DaemonSet"), &none, error("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)")),
            (owned("DaemonSet"), &all, Fate::Warn(false, "ignoring DaemonSet-managed Pods".into())),
            (
                with_dir(owned("ReplicaSet")),
                &none,
                error("Pods with local storage (use --delete-emptydir-data to override)"),
            ),
            (with_dir(owned("ReplicaSet")), &all, Fate::Warn(true, "deleting Pods with local storage".into())),
            (json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}), &none, Fate::Stay),
            (json!({"status": {"phase": "Failed"}}), &none, Fate::Go),
        ] {
            assert_eq!(fate(&p, allowed, true), want, "{p}");
        }
        let pods = [("a", "x/1".to_owned()), ("b", "x/2".to_owned()), ("a", "x/3".to_owned())];
        assert_eq!(grouped(pods.into_iter()), ["a: x/1, x/3", "b: x/2"]);
    }
}
