//! kubectl apply view-last-applied, set-last-applied and edit-last-applied. Models `pkg/cmd/apply/apply_view_last_applied.go` and beside.

use serde_json::{Value, json};

use super::apply::{LAST_APPLIED, last_applied};
use super::show::{go_json_pretty, text};
use super::{Cx, Failure, Outcome, builder, elsewhere, options, print, resources};
use crate::api::yaml::to_yaml;

pub(super) async fn run(cx: &Cx<'_>, verb: &str) -> Outcome {
    match verb {
        "view-last-applied" => view(cx).await,
        "set-last-applied" => set(cx).await,
        _ => elsewhere::edit(cx).await,
    }
}

async fn view(cx: &Cx<'_>) -> Outcome {
    let output = cx.args.text("output");
    if !matches!(output, "" | "yaml" | "json") {
        return Err(super::usage(
            cx,
            &format!("Unexpected -o output mode: {output}, the flag 'output' must be one of yaml|json"),
        ));
    }
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::objects(cx, &all, &cx.args.words).await?;
    Failure::many(wrong)?;
    let mut configurations: Vec<Value> = Vec::new();
    for f in &found {
        let kept = f.object["metadata"]["annotations"][LAST_APPLIED].as_str();
        let Some(v) = kept.and_then(|s| serde_json::from_str(s).ok()) else {
            return Err(Failure::error(format!(
                "no last-applied-configuration annotation found on resource: {}",
                f.name
            )));
        };
        configurations.push(v);
    }
    for v in &configurations {
        match output {
            "json" => cx.out(format!("{}\n", go_json_pretty(v))),
            _ => cx.out(to_yaml(v)),
        }
    }
    Ok(())
}

async fn set(cx: &Cx<'_>) -> Outcome {
    let dry = options::dry_run(cx)?;
    let all = resources::discover(cx).await?;
    let (found, wrong) = builder::places(cx, &all, &[]).await?;
    Failure::many(wrong)?;
    for f in &found {
        let mut body = f.body.clone();
        if let Some(n) = &f.namespace {
            body["metadata"]["namespace"] = n.as_str().into();
        }
        let current = cx.ask("GET", &f.path, "", None).await?;
        let have = &current["metadata"]["annotations"][LAST_APPLIED];
        if have.is_null() && !cx.args.on("create-annotation") {
            return Err(Failure::error(format!(
                "no last-applied-configuration annotation found on resource: {}, to create the annotation, run the command with --create-annotation",
                f.name
            )));
        }
        let wanted = last_applied(&body);
        if text(have) == wanted {
            cx.out(format!("set-last-applied {}: no changes required.\n", f.name));
            continue;
        }
        let patch = json!({"metadata": {"annotations": {LAST_APPLIED: wanted}}});
        let mut new = current.clone();
        if dry.client {
            crate::api::patch::merge_patch(&mut new, &patch);
        } else {
            new = cx.patch(&f.path, "application/merge-patch+json", &patch, dry.query.trim_start_matches('&')).await?;
        }
        print::done(cx, &all, &new, &format!("configured{}", dry.words))?;
    }
    Ok(())
}
