//! kubectl set image and set env. Models `pkg/cmd/set`.

use serde_json::{Value, json};

use super::show::{items, text};
use super::{Cx, Failure, Outcome, apply, label, print, resources};
use crate::api::field::quote;
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("selector", 'l'),
    value("containers", 'c'),
    value("output", 'o'),
    value("dry-run", ' '),
    value("field-manager", ' '),
    value("env", 'e'),
    switch("all", ' '),
];

/// The pod spec inside of an object, as a path of fields.
fn pod_spec(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pod" => &["spec"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => &["spec", "template", "spec"],
    }
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let Some((what, words)) = cx.args.words.split_first() else {
        return Err(Failure::plain("Configure application resources.\n\nAvailable Commands:\n  env, image"));
    };
    let (subject, pairs) = label::split_pairs(words);
    let all = resources::discover(cx).await?;
    if !matches!(what.as_str(), "image" | "env") {
        return Err(Failure::error(format!("unknown command {} for \"kubectl set\"", quote(what))));
    }
    if what == "image" && pairs.is_empty() {
        return Err(Failure::error("at least one image update is required"));
    }
    for f in label::objects(cx, &all, &subject).await? {
        let path = pod_spec(&f.resource.kind);
        let spec = path.iter().fold(&f.object, |v, k| &v[*k]);
        let mut patch = json!({});
        for list in ["initContainers", "containers"] {
            let mut changed = Vec::new();
            for c in items(&spec[list]) {
                let name = text(&c["name"]);
                let mut new = json!({"name": name});
                if what == "image" {
                    for (k, v) in pairs.iter().filter_map(|p| p.split_once('=')) {
                        if k == "*" || k == name {
                            new["image"] = v.into();
                        }
                    }
                } else if list == "containers" && cx.args.get("containers").is_none_or(|c| c == "*" || c == name) {
                    let env: Vec<Value> = pairs
                        .iter()
                        .map(|p| match p.split_once('=') {
                            Some((k, v)) => json!({"name": k, "value": v}),
                            None => json!({"name": p.trim_end_matches('-'), "$patch": "delete"}),
                        })
                        .collect();
                    new["env"] = json!(env);
                }
                if new.as_object().is_some_and(|o| o.len() > 1) {
                    changed.push(new);
                }
            }
            if !changed.is_empty() {
                patch[list] = json!(changed);
            }
        }
        if what == "image" {
            for k in pairs.iter().filter_map(|p| p.split_once('=')).map(|p| p.0).filter(|k| *k != "*") {
                let known =
                    ["initContainers", "containers"].iter().any(|l| items(&spec[*l]).iter().any(|c| c["name"] == k));
                if !known {
                    return Err(Failure::error(format!("unable to find container named {}", quote(k))));
                }
            }
        }
        let body = path.iter().rev().fold(patch, |v, k| json!({*k: v}));
        let (query, words, local) = apply::dry_run(cx)?;
        let mut new = f.object.clone();
        if !local {
            let q = format!("fieldManager=kubectl-set{query}");
            new = cx.patch(&f.path, "application/strategic-merge-patch+json", &body, &q).await?;
        }
        if new["metadata"]["resourceVersion"] == f.object["metadata"]["resourceVersion"] && !local {
            continue;
        }
        print::done(cx, &all, &new, &format!("{what} updated{words}"))?;
    }
    Ok(())
}
