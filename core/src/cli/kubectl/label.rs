//! kubectl label and annotate. Models `pkg/cmd/label` and `pkg/cmd/annotate`.

use serde_json::{Map, Value, json};

use super::resources::{self, Resource};
use super::show::text;
use super::{Cx, Failure, Outcome, apply, describe, encode, get, print};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("filename", 'f'),
    value("selector", 'l'),
    value("field-selector", ' '),
    value("output", 'o'),
    value("dry-run", ' '),
    value("field-manager", ' '),
    value("resource-version", ' '),
    switch("overwrite", ' '),
    switch("all", ' '),
    switch("all-namespaces", 'A'),
    switch("list", ' '),
    switch("local", ' '),
];

/// Splits a command's words into what they are about and what is to be set (`a=b`) or taken away (`a-`).
pub(super) fn split_pairs(words: &[String]) -> (Vec<String>, Vec<String>) {
    let is_pair = |w: &str| w.contains('=') || (w.ends_with('-') && w.len() > 1);
    let at = words.iter().position(|w| is_pair(w)).unwrap_or(words.len());
    (words[..at].to_vec(), words[at..].to_vec())
}

/// An object that a command is about, with where it is.
pub(super) struct Found<'a> {
    pub resource: &'a Resource,
    pub path: String,
    pub object: Value,
}

/// The objects that words, files or selectors name. Models cli-runtime's resource.Builder.
pub(super) async fn objects<'a>(cx: &Cx<'_>, all: &'a [Resource], words: &[String]) -> Result<Vec<Found<'a>>, Failure> {
    let mut out = Vec::new();
    if !cx.args.all("filename").is_empty() {
        for d in apply::documents(cx)? {
            let (resource, namespace) = apply::place(cx, all, &d)?;
            let path = format!("{}/{}", resource.path(namespace.as_deref()), text(&d.body["metadata"]["name"]));
            out.push(Found { resource, object: cx.ask("GET", &path, "", None).await?, path });
        }
        return Ok(out);
    }
    if words.is_empty() {
        return Err(Failure::error(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        ));
    }
    let chosen = cx.args.get("selector").is_some() || cx.args.get("field-selector").is_some() || cx.args.on("all");
    for (resource, names) in get::targets(all, words, "get")? {
        let scope = (!cx.args.on("all-namespaces")).then_some(cx.namespace.as_str());
        let base = resource.path(scope);
        if names.is_empty() {
            if !chosen {
                return Err(Failure::error("resource(s) were provided, but no name was specified"));
            }
            let mut query = Vec::new();
            if let Some(l) = cx.args.get("selector") {
                query.push(format!("labelSelector={}", encode(l)));
            }
            if let Some(f) = cx.args.get("field-selector") {
                query.push(format!("fieldSelector={}", encode(f)));
            }
            let list = cx.ask("GET", &base, &query.join("&"), None).await?;
            for object in describe::with_kinds(&list) {
                let ns = object["metadata"]["namespace"].as_str();
                let path = format!("{}/{}", resource.path(ns), text(&object["metadata"]["name"]));
                out.push(Found { resource, path, object });
            }
        }
        for n in names {
            let path = format!("{base}/{n}");
            out.push(Found { resource, object: cx.ask("GET", &path, "", None).await?, path });
        }
    }
    Ok(out)
}

/// Sets and takes away labels (`field` is `labels`) or annotations.
pub(super) async fn run(cx: &Cx<'_>, field: &str) -> Outcome {
    let (subject, pairs) = split_pairs(&cx.args.words);
    let labels = field == "labels";
    let (verb, noun) = if labels { ("label", "label") } else { ("annotate", "annotation") };
    if pairs.is_empty() && !cx.args.on("list") {
        return Err(Failure::error(format!("at least one {noun} update is required")));
    }
    let mut set: Map<String, Value> = Map::new();
    let mut remove: Vec<String> = Vec::new();
    for p in &pairs {
        if let Some((k, v)) = p.split_once('=') {
            if k.is_empty() {
                return Err(Failure::error(format!("invalid {noun} spec: {p}")));
            }
            set.insert(k.to_owned(), v.into());
        } else if let Some(k) = p.strip_suffix('-') {
            remove.push(k.to_owned());
        } else {
            return Err(Failure::error(format!("unknown {noun} spec: {p}")));
        }
    }
    if let Some(k) = remove.iter().find(|k| set.contains_key(*k)) {
        let what = if labels { "a label" } else { "an annotation" };
        return Err(Failure::error(format!("can not both modify and remove {what} in the same command: {k}")));
    }
    let all = resources::discover(cx).await?;
    let found = objects(cx, &all, &subject).await?;
    if found.is_empty() {
        cx.shell.err(if cx.args.on("all-namespaces") {
            "No resources found\n".to_owned()
        } else {
            format!("No resources found in {} namespace.\n", cx.namespace)
        });
        return Ok(());
    }
    for f in &found {
        let have = &f.object["metadata"][field];
        if cx.args.on("list") && pairs.is_empty() {
            for (k, v) in have.as_object().into_iter().flatten() {
                cx.out(format!("{k}={}\n", text(v)));
            }
            continue;
        }
        if !cx.args.on("overwrite") {
            for (k, v) in &set {
                let old = text(&have[k.as_str()]);
                if !have[k.as_str()].is_null() && (!labels || old != text(v)) {
                    return Err(Failure::error(if labels {
                        format!("'{k}' already has a value ({old}), and --overwrite is false")
                    } else {
                        format!(
                            "--overwrite is false but found the following declared annotation(s): '{k}' already has a value ({old})"
                        )
                    }));
                }
            }
        }
        for k in remove.iter().filter(|k| have[k.as_str()].is_null()) {
            cx.out(format!("{noun} \"{k}\" not found.\n"));
        }
        let mut patch = set.clone();
        patch.retain(|k, v| have[k.as_str()] != *v);
        let sets = !patch.is_empty();
        patch.extend(remove.iter().filter(|k| !have[k.as_str()].is_null()).map(|k| (k.clone(), Value::Null)));
        let (query, words, local) = apply::dry_run(cx)?;
        let mut new = f.object.clone();
        let removes = patch.values().any(Value::is_null);
        if !patch.is_empty() && !local {
            let q =
                format!("fieldManager={}{query}", cx.args.get("field-manager").unwrap_or(&format!("kubectl-{verb}")));
            new = cx.patch(&f.path, "application/merge-patch+json", &json!({"metadata": {field: patch}}), &q).await?;
        }
        let done = match (labels, patch_state(sets, removes)) {
            (false, _) => "annotated",
            (true, State::Nothing) => "not labeled",
            (true, State::Removed) => "unlabeled",
            (true, State::Set) => "labeled",
        };
        print::done(cx, &all, &new, &format!("{done}{words}"))?;
    }
    Ok(())
}

enum State {
    Nothing,
    Set,
    Removed,
}

fn patch_state(sets: bool, removes: bool) -> State {
    match (sets, removes) {
        (true, _) => State::Set,
        (false, true) => State::Removed,
        _ => State::Nothing,
    }
}
