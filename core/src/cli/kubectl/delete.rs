//! kubectl delete. Models `pkg/cmd/delete`.

use std::time::Duration;

use serde_json::{Value, json};

use super::builder::{self, Found};
use super::options::{self, DryRun};
use super::{Cx, Failure, Outcome, resources};

/// How long deletion is waited for when nothing else is said: a week.
pub(super) const FOR_EVER: Duration = Duration::from_secs(168 * 3600);

/// What is deleted how.
pub(super) struct How {
    grace: i64,
    policy: &'static str,
    dry: DryRun,
}

fn policy(cx: &Cx<'_>) -> Result<&'static str, Failure> {
    let given = cx.args.text("cascade");
    let deprecated = |instead: &str| {
        cx.shell.err(format!(
            "warning: --cascade={given} is deprecated (boolean value) and can be replaced with --cascade={instead}.\n"
        ));
    };
    match given {
        "orphan" => Ok("Orphan"),
        "foreground" => Ok("Foreground"),
        "background" | "" => Ok("Background"),
        "true" | "1" | "t" | "T" | "TRUE" | "True" => {
            deprecated("background");
            Ok("Background")
        }
        "false" | "0" | "f" | "F" | "FALSE" | "False" => {
            deprecated("orphan");
            Ok("Orphan")
        }
        other => Err(Failure::error(format!(
            "invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""
        ))),
    }
}

/// Reads the flags, in upstream's order.
pub(super) fn how(cx: &Cx<'_>) -> Result<How, Failure> {
    let policy = policy(cx)?;
    let mut grace = cx.args.number("grace-period");
    let forced = cx.args.on("force");
    if cx.args.on("now") {
        if grace != -1 {
            return Err(Failure::error("--now and --grace-period cannot be specified together"));
        }
        grace = 1;
    }
    if grace == 0 && !forced {
        grace = 1;
    }
    if forced && grace < 0 {
        grace = 0;
    }
    let dry = options::dry_run(cx)?;
    let output = cx.args.text("output");
    if cx.command.path == "delete" && !output.is_empty() && output != "name" {
        return Err(Failure::error(format!("unexpected -o output mode: {output}. We only support '-o name'")));
    }
    for flag in ["selector", "field-selector"] {
        if cx.args.on("all") && cx.args.get(flag).is_some() {
            return Err(Failure::error(format!("cannot set --all and --{flag} at the same time")));
        }
    }
    if grace == 0 && forced {
        cx.shell.err("Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n");
    }
    if grace > 0 && forced {
        return Err(Failure::error("--force and --grace-period greater than 0 cannot be specified together"));
    }
    Ok(How { grace, policy, dry })
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let how = how(cx)?;
    if let Some(path) = cx.args.get("raw") {
        let reply = cx.send("DELETE", path, "", &[("Accept", "application/json, */*")], Vec::new()).await?;
        if !reply.is_ok() {
            return Err(Failure::server(&reply));
        }
        cx.out(String::from_utf8_lossy(&reply.body).into_owned());
        return Ok(());
    }
    let all = resources::discover(cx).await?;
    let (found, mut wrong) = builder::places(cx, &all, &cx.args.words).await?;
    let selected = cx.args.on("all") || cx.args.get("selector").is_some() || cx.args.get("field-selector").is_some();
    let lenient = cx.args.on("ignore-not-found") || (selected && cx.args.get("ignore-not-found").is_none());
    if found.is_empty() && wrong.is_empty() {
        cx.out("No resources found\n");
        return Ok(());
    }
    if cx.args.on("interactive") && !confirmed(cx, &found) {
        cx.out("deletion is cancelled\n");
        return Ok(());
    }
    let mut warn = cx.namespace_given && !cx.args.on("all-namespaces");
    let mut gone: Vec<(Found<'_>, Value)> = Vec::new();
    for f in found {
        if warn && !f.resource.namespaced {
            cx.shell.err("Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n");
            warn = false;
        }
        match delete_one(cx, &f, &how).await {
            Ok(uid) => gone.push((f, uid)),
            Err(e) if lenient && e.is_not_found() => {}
            Err(e) => wrong.push(match &f.file {
                Some(file) => e.about_file("deleting", file),
                None => e,
            }),
        }
    }
    Failure::many(wrong)?;
    if !cx.args.on("wait") || how.dry.client || !how.dry.query.is_empty() {
        return Ok(());
    }
    let limit = cx.args.duration("timeout");
    let sim = &cx.shell.door.sim;
    let until = sim.now() + if limit.is_zero() { FOR_EVER } else { limit };
    let mut late = Vec::new();
    for (f, uid) in gone {
        if !wait_gone(cx, &f.path, &uid, until).await? {
            late.push(Failure::error(format!(
                "timed out waiting for the condition on {}/{}",
                f.resource.plural, f.name
            )));
        }
    }
    Failure::many(late)
}

/// Asks whether to go on; what is fed in answers.
fn confirmed(cx: &Cx<'_>, found: &[Found<'_>]) -> bool {
    cx.out(format!("You are about to delete the following {} resource(s):\n", found.len()));
    for f in found {
        cx.out(format!("{}/{}\n", f.resource.qualified(), f.name));
    }
    cx.out("Do you want to continue? (y/N): ");
    cx.shell.stdin.as_deref().is_some_and(|s| s.split_whitespace().next().is_some_and(|w| w.eq_ignore_ascii_case("y")))
}

/// Deletes an object and says so; its uid.
pub(super) async fn delete_one(cx: &Cx<'_>, f: &Found<'_>, how: &How) -> Result<Value, Failure> {
    let mut uid = Value::Null;
    if !how.dry.client {
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": how.policy});
        if how.grace >= 0 {
            options["gracePeriodSeconds"] = how.grace.into();
        }
        let v = cx.ask("DELETE", &f.path, how.dry.query.trim_start_matches('&'), Some(&options)).await?;
        uid = if v["kind"] == "Status" { v["details"]["uid"].clone() } else { v["metadata"]["uid"].clone() };
    }
    if cx.command.path == "delete" && cx.args.text("output") == "name" {
        cx.out(format!("{}/{}\n", f.resource.qualified(), f.name));
        return Ok(uid);
    }
    let verb = if how.grace == 0 { "force deleted" } else { "deleted" };
    let within = f.namespace.as_ref().map_or_else(String::new, |n| format!(" from {n} namespace"));
    cx.out(format!("{} \"{}\" {verb}{within}{}\n", f.resource.qualified(), f.name, how.dry.words));
    Ok(uid)
}

/// Waits until the object is gone, or another has its name; whether it came to that in time.
pub(super) async fn wait_gone(
    cx: &Cx<'_>,
    path: &str,
    uid: &Value,
    until: crate::sim::SimTime,
) -> Result<bool, Failure> {
    let sim = &cx.shell.door.sim;
    loop {
        match cx.ask("GET", path, "", None).await {
            Err(e) if e.is_not_found() => return Ok(true),
            // Who may not look need not wait.
            Err(e) if e.is("Forbidden") || e.is("MethodNotAllowed") => return Ok(true),
            Err(e) => return Err(e),
            Ok(o) if !uid.is_null() && o["metadata"]["uid"] != *uid => return Ok(true),
            Ok(_) => {}
        }
        if sim.now() >= until {
            return Ok(false);
        }
        sim.sleep(Duration::from_millis(100).min(until.since(sim.now()))).await;
    }
}
