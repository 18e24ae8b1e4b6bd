//! kubectl label and annotate. Models `pkg/cmd/label` and `pkg/cmd/annotate`.

use serde_json::{Map, Value, json};

use super::builder::{self, Found};
use super::options::{self, DryRun};
use super::resources::{self, Resource};
use super::show::text;
use super::{Cx, Failure, Outcome, print};
use crate::api::field::quote;
use crate::api::validation::is_valid_label_value;

/// The change that is always allowed.
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// What is to be set and taken away.
struct Change {
    labels: bool,
    set: Map<String, Value>,
    remove: Vec<String>,
}

impl Change {
    fn noun(&self) -> &'static str {
        if self.labels { "label" } else { "annotation" }
    }

    fn parse(labels: bool, pairs: &[String]) -> Result<Self, Failure> {
        let mut c = Change { labels, set: Map::new(), remove: Vec::new() };
        for p in pairs {
            if let Some((k, v)) = p.split_once('=') {
                if labels && v.contains('=') {
                    return Err(Failure::error(format!("invalid label spec: {p}")));
                }
                let wrong = if labels { is_valid_label_value(v) } else { Vec::new() };
                if !wrong.is_empty() {
                    return Err(Failure::error(format!("invalid label value: {}: {}", quote(p), wrong.join(";"))));
                }
                c.set.insert(k.to_owned(), v.into());
            } else if let Some(k) = p.strip_suffix('-') {
                c.remove.push(k.to_owned());
            }
        }
        let both: Vec<&str> = c.remove.iter().filter(|k| c.set.contains_key(*k)).map(String::as_str).collect();
        if both.is_empty() {
            return Ok(c);
        }
        Err(Failure::error(if labels {
            "can not both modify and remove a label in the same command".to_owned()
        } else {
            format!(
                "can not both modify and remove the following annotation(s) in the same command: {}",
                both.join(", ")
            )
        }))
    }

    /// What would be overwritten.
    fn clash(&self, have: &Value) -> Option<Failure> {
        let mut found: Vec<String> = Vec::new();
        for (k, v) in &self.set {
            let old = &have[k.as_str()];
            if !old.is_null() && old != v && (self.labels || k != CHANGE_CAUSE) {
                found.push(format!("'{k}' already has a value ({})", text(old)));
            }
        }
        if found.is_empty() {
            return None;
        }
        Some(Failure::error(if self.labels {
            let each: Vec<String> = found.iter().map(|f| format!("{f}, and --overwrite is false")).collect();
            if each.len() == 1 { each.concat() } else { format!("[{}]", each.join(", ")) }
        } else {
            format!("--overwrite is false but found the following declared annotation(s): {}", found.join("; "))
        }))
    }
}

fn check_flags(cx: &Cx<'_>, about: &[String], noun: &str) -> Outcome {
    if cx.args.on("list") && !cx.args.text("output").is_empty() {
        return Err(Failure::error("--list and --output may not be specified together"));
    }
    if cx.args.on("all") {
        for flag in ["selector", "field-selector"] {
            if cx.args.get(flag).is_some() {
                return Err(Failure::error(format!("cannot set --all and --{flag} at the same time")));
            }
        }
    }
    let file = if noun == "label" { "pod" } else { "rsrc" };
    if cx.args.on("local") {
        if !about.is_empty() {
            return Err(Failure::error(format!(
                "can only use local files by -f {file}.yaml or --filename={file}.json when --local=true is set"
            )));
        }
        if !builder::has_files(cx) {
            return Err(Failure::error(format!(
                "one or more files must be specified as -f {file}.yaml or --filename={file}.json"
            )));
        }
    } else if about.is_empty() && !builder::has_files(cx) {
        return Err(Failure::error(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>",
        ));
    }
    Ok(())
}

/// Sets and takes away labels (`field` is `labels`) or annotations.
pub(super) async fn run(cx: &Cx<'_>, field: &str) -> Outcome {
    let labels = field == "labels";
    let (about, pairs) = options::resources_and_pairs(&cx.args.words, if labels { "label" } else { "annotation" })?;
    let change = Change::parse(labels, &pairs)?;
    check_flags(cx, &about, change.noun())?;
    if pairs.is_empty() && !cx.args.on("list") {
        return Err(Failure::error(format!("at least one {} update is required", change.noun())));
    }
    let dry = options::dry_run(cx)?;
    let all = resources::discover(cx).await?;
    let local = cx.args.on("local");
    let (mut found, mut wrong) =
        if local { builder::places(cx, &all, &about).await? } else { builder::objects(cx, &all, &about).await? };
    if local {
        found.iter_mut().for_each(|f| f.object = f.body.clone());
    }
    let one =
        found.len() + wrong.len() == 1 && (about.len() <= 2) && cx.args.get("selector").is_none() && !cx.args.on("all");
    if !one && cx.args.get("resource-version").is_some() {
        return Err(Failure::error("--resource-version may only be used with a single resource"));
    }
    for f in &found {
        if let Err(e) = change_one(cx, &all, f, field, &change, &dry, one).await {
            wrong.push(e);
        }
    }
    Failure::many(wrong)
}

async fn change_one(
    cx: &Cx<'_>,
    all: &[Resource],
    f: &Found<'_>,
    field: &str,
    change: &Change,
    dry: &DryRun,
    one: bool,
) -> Outcome {
    let have = &f.object["metadata"][field];
    let sends = !dry.client && !cx.args.on("local") && !cx.args.on("list");
    if sends && change.labels {
        for k in change.remove.iter().filter(|k| have[k.as_str()].is_null()) {
            cx.out(format!("label {} not found.\n", quote(k)));
        }
    }
    if !cx.args.on("overwrite")
        && let Some(clash) = change.clash(have)
    {
        return Err(clash);
    }
    let mut patch = change.set.clone();
    patch.retain(|k, v| have[k.as_str()] != *v);
    let added = !patch.is_empty();
    let gone: Vec<&String> = change.remove.iter().filter(|k| !have[k.as_str()].is_null()).collect();
    patch.extend(gone.iter().map(|k| ((*k).clone(), Value::Null)));
    let done = match (change.labels, added, !gone.is_empty()) {
        (false, _, _) => "annotated",
        (true, true, true) => "modified",
        (true, true, false) => "labeled",
        (true, false, true) => "unlabeled",
        (true, false, false) => "not labeled",
    };
    let mut new = f.object.clone();
    let mut body = json!({"metadata": {field: patch.clone()}});
    if let Some(rv) = cx.args.get("resource-version") {
        body["metadata"]["resourceVersion"] = rv.into();
    }
    if sends && (!patch.is_empty() || !change.labels) {
        if patch.is_empty() {
            body = json!({});
        }
        let q = format!("{}{}", options::manager(cx), dry.query);
        new = cx.patch(&f.path, "application/merge-patch+json", &body, &q).await?;
    } else {
        crate::api::patch::merge_patch(&mut new, &body);
    }
    if cx.args.on("list") {
        if !one {
            let group = if f.resource.group.is_empty() { String::new() } else { f.resource.group.clone() };
            cx.out(format!("Listing {field} for {}.{group}/{}:\n", f.resource.kind, f.name));
        }
        for (k, v) in new["metadata"][field].as_object().into_iter().flatten() {
            cx.out(format!("{}{k}={}\n", if one { "" } else { " " }, text(v)));
        }
        return Ok(());
    }
    print::done(cx, all, &new, &format!("{done}{}", dry.words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_checked() {
        let words = |w: &str| w.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (labels, pairs, why) in [
            (true, "a=b=c", "error: invalid label spec: a=b=c\n"),
            (true, "a=b a-", "error: can not both modify and remove a label in the same command\n"),
            (
                false,
                "a=b a-",
                "error: can not both modify and remove the following annotation(s) in the same command: a\n",
            ),
        ] {
            assert_eq!(Change::parse(labels, &words(pairs)).err().expect("an error").text, why);
        }
        let c = Change::parse(true, &words("a=b")).expect("a change");
        assert!(c.clash(&json!({"a": "b"})).is_none());
        let clash = c.clash(&json!({"a": "x"})).expect("a clash");
        assert_eq!(clash.text, "error: 'a' already has a value (x), and --overwrite is false\n");
    }
}
