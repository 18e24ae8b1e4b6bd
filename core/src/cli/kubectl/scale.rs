//! kubectl scale. Models `pkg/cmd/scale` and `pkg/scale`.

use std::time::Duration;

use serde_json::json;

use super::{Cx, Failure, Outcome, builder, options, print, resources};
use crate::api::field::quote;

/// How often the new size is looked for.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    options::required(cx, &["replicas"])?;
    let dry = options::dry_run(cx)?;
    let replicas = cx.args.number("replicas");
    if replicas < 0 {
        return Err(Failure::error(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
        ));
    }
    let expected = cx.args.number("current-replicas");
    if expected < -1 {
        return Err(Failure::error("The --current-replicas must specify an integer of -1 or greater"));
    }
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::objects(cx, &all, &cx.args.words).await?;
    let version = cx.args.text("resource-version").to_owned();
    if !version.is_empty() && found.len() > 1 {
        return Err(Failure::error("cannot use --resource-version with multiple resources"));
    }
    if found.is_empty() && wrong.is_empty() {
        return Err(Failure::error("no objects passed to scale"));
    }
    for f in &found {
        let mut object = f.object.clone();
        let body = json!({"spec": {"replicas": replicas}});
        if !dry.client {
            let path = format!("{}/scale", f.path);
            if expected != -1 || !version.is_empty() {
                let scale = cx.ask("GET", &path, "", None).await?;
                let (have, now) =
                    (scale["spec"]["replicas"].as_i64().unwrap_or(0), &scale["metadata"]["resourceVersion"]);
                if expected != -1 && have != expected {
                    return Err(Failure::error(format!("Expected replicas to be {expected}, was {have}")));
                }
                if !version.is_empty() && *now != version.as_str() {
                    let now = super::show::text(now);
                    return Err(Failure::error(format!("Expected resource version to be {version}, was {now}")));
                }
            }
            cx.patch(&path, "application/merge-patch+json", &body, dry.query.trim_start_matches('&')).await?;
            if dry.query.is_empty() {
                wait(cx, &path, &f.name, replicas).await?;
            }
        }
        if matches!(f.resource.group.as_str(), "" | "apps") {
            object["spec"]["replicas"] = replicas.into();
        }
        print::done(cx, &all, &object, &format!("scaled{}", dry.words))?;
    }
    Failure::many(wrong)
}

/// Waits for the new size if `--timeout` says so.
async fn wait(cx: &Cx<'_>, path: &str, name: &str, replicas: i64) -> Outcome {
    let limit = cx.args.duration("timeout");
    if limit.is_zero() {
        return Ok(());
    }
    let sim = &cx.shell.door.sim;
    let until = sim.now() + limit;
    loop {
        let scale = cx.ask("GET", path, "", None).await?;
        let (spec, status) = (scale["spec"]["replicas"].as_i64().unwrap_or(0), scale["status"]["replicas"].as_i64());
        if spec != replicas || status.unwrap_or(0) == replicas {
            return Ok(());
        }
        if sim.now() >= until {
            return Err(Failure::error(format!("timed out waiting for {} to be synced", quote(name))));
        }
        sim.sleep(INTERVAL.min(until.since(sim.now()))).await;
    }
}
