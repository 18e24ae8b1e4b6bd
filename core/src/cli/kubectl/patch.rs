//! kubectl patch. Models `pkg/cmd/patch`.

use super::{Cx, Failure, Outcome, builder, options, print, resources};
use crate::api::decode::FieldValidation;
use crate::api::field::quote;
use crate::api::patch::{self, PatchKind};

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let (given, file) = (cx.args.text("patch"), cx.args.text("patch-file"));
    let dry = options::dry_run(cx)?;
    let text = match (given.is_empty(), file.is_empty()) {
        (false, false) => return Err(Failure::error("cannot specify --patch and --patch-file together")),
        (true, true) => {
            return Err(Failure::error("must specify --patch or --patch-file containing the contents of the patch"));
        }
        (false, true) => given.to_owned(),
        (true, false) => cx.shell.read(file).ok_or_else(|| {
            Failure::error(format!("unable to read patch file: open {file}: no such file or directory"))
        })?,
    };
    let local = cx.args.on("local");
    if local && !cx.args.words.is_empty() {
        return Err(Failure::error("cannot specify --local and server resources"));
    }
    let media = match cx.args.text("type").to_lowercase().as_str() {
        "strategic" | "" => "application/strategic-merge-patch+json",
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        _ => {
            let given = quote(cx.args.text("type"));
            return Err(Failure::error(format!("--type must be one of [json merge strategic], not {given}")));
        }
    };
    let body = crate::api::decode::parse_yaml(text.as_bytes())
        .map_err(|e| Failure::error(format!("unable to parse {}: {e}", quote(given))))?;
    let all = resources::discover(cx).await?;
    let sub = cx.args.get("subresource").map(|s| format!("/{s}")).unwrap_or_default();
    let (mut found, mut wrong) = if local {
        builder::places(cx, &all, &cx.args.words).await?
    } else {
        builder::objects(cx, &all, &cx.args.words).await?
    };
    if found.is_empty() && wrong.is_empty() {
        return Err(Failure::error("no objects passed to patch"));
    }
    for f in &mut found {
        if local {
            f.object = f.body.clone();
        }
        let new = if local || dry.client {
            let (version, kind) = (super::show::text(&f.object["apiVersion"]), f.resource.kind.as_str());
            let kinds = PatchKind::from_content_type(media).unwrap_or(PatchKind::Merge);
            let bytes = body.to_string().into_bytes();
            patch::apply(kinds, &f.object, &bytes, &version, kind, FieldValidation::Ignore)
                .map(|p| p.value)
                .map_err(|s| Failure::error(s.message))
        } else {
            let q = format!("{}{}", options::manager(cx), dry.query);
            cx.patch(&format!("{}{sub}", f.path), media, &body, &q).await
        };
        match new {
            Ok(new) => {
                let same = new["metadata"]["resourceVersion"] == f.object["metadata"]["resourceVersion"]
                    && (dry.query.is_empty() || new["spec"] == f.object["spec"])
                    && (!dry.client || new == f.object);
                let change = if same { " (no change)" } else { "" };
                print::done(cx, &all, &new, &format!("patched{change}{}", dry.words))?;
            }
            Err(e) => wrong.push(e),
        }
    }
    Failure::many(wrong)
}
