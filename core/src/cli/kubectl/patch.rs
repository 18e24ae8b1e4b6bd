//! kubectl patch. Models `pkg/cmd/patch`.

use serde_json::Value;

use super::{Cx, Failure, Outcome, apply, label, print, resources};
use crate::cli::args::{Flag, value};

pub(super) const FLAGS: &[Flag] = &[
    value("patch", 'p'),
    value("patch-file", ' '),
    value("type", ' '),
    value("filename", 'f'),
    value("output", 'o'),
    value("dry-run", ' '),
    value("field-manager", ' '),
    value("subresource", ' '),
];

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let text = match (cx.args.get("patch"), cx.args.get("patch-file")) {
        (Some(p), _) => p.to_owned(),
        (None, Some(f)) => {
            cx.shell.files.get(f).cloned().ok_or_else(|| {
                Failure::error(format!("unable to read patch file: open {f}: no such file or directory"))
            })?
        }
        (None, None) => {
            return Err(Failure::error("must specify --patch or --patch-file containing the contents of the patch"));
        }
    };
    let kind = match cx.args.get("type").unwrap_or("strategic") {
        "strategic" => "application/strategic-merge-patch+json",
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        other => {
            return Err(Failure::error(format!(
                "--type must be one of [json merge strategic], not {}",
                crate::api::field::quote(other)
            )));
        }
    };
    let patch = crate::api::decode::parse_yaml(text.as_bytes())
        .map_err(|e| Failure::error(format!("unable to parse {}: yaml: {e}", crate::api::field::quote(&text))))?;
    let all = resources::discover(cx).await?;
    let (query, words, local) = apply::dry_run(cx)?;
    let sub = cx.args.get("subresource").map(|s| format!("/{s}")).unwrap_or_default();
    for f in label::objects(cx, &all, &cx.args.words).await? {
        let mut new = f.object.clone();
        if !local {
            let q = format!("fieldManager={}{query}", cx.args.get("field-manager").unwrap_or("kubectl-patch"));
            new = cx.patch(&format!("{}{sub}", f.path), kind, &patch, &q).await?;
        }
        let change = if same(&new, &f.object) { " (no change)" } else { "" };
        print::done(cx, &all, &new, &format!("patched{words}{change}"))?;
    }
    Ok(())
}

fn same(a: &Value, b: &Value) -> bool {
    a["metadata"]["resourceVersion"] == b["metadata"]["resourceVersion"]
}
