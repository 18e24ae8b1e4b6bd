//! kubectl taint. Models `pkg/cmd/taint`.

use serde_json::{Value, json};

use super::show::{items, text};
use super::{Cx, Failure, Outcome, builder, options, print, resources};
use crate::api::validation::{is_qualified_name, is_valid_label_value};

/// Reads `key=value:Effect`, `key:Effect` or `key`.
fn parse_one(s: &str) -> Result<(String, String, String), String> {
    let parts: Vec<&str> = s.split(':').collect();
    let (key, value, effect) = match parts.as_slice() {
        [key] => (*key, "", ""),
        [key_value, effect] => {
            if !matches!(*effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
                return Err(format!("invalid taint effect: {effect}, unsupported taint effect"));
            }
            match key_value.split('=').collect::<Vec<_>>().as_slice() {
                [key] => (*key, "", *effect),
                [key, value] => {
                    let wrong = is_valid_label_value(value);
                    if !wrong.is_empty() {
                        return Err(format!("invalid taint spec: {s}, {}", wrong.join("; ")));
                    }
                    (*key, *value, *effect)
                }
                _ => return Err(format!("invalid taint spec: {s}")),
            }
        }
        _ => return Err(format!("invalid taint spec: {s}")),
    };
    let wrong = is_qualified_name(key);
    if !wrong.is_empty() {
        return Err(format!("invalid taint spec: {s}, {}", wrong.join("; ")));
    }
    Ok((key.to_owned(), value.to_owned(), effect.to_owned()))
}

/// What is to be taken away: a key, with one effect or all.
type Gone = (String, String);

fn parse(specs: &[String]) -> Result<(Vec<Value>, Vec<Gone>), String> {
    let (mut add, mut gone) = (Vec::new(), Vec::new());
    for s in specs {
        if let Some(s) = s.strip_suffix('-') {
            let (key, _, effect) = parse_one(s)?;
            gone.push((key, effect));
            continue;
        }
        let (key, value, effect) = parse_one(s)?;
        if effect.is_empty() {
            return Err(format!("invalid taint spec: {s}"));
        }
        let mut t = json!({"key": key, "effect": effect});
        if !value.is_empty() {
            t["value"] = value.clone().into();
        }
        if add.iter().any(|a: &Value| a["key"] == t["key"] && a["effect"] == t["effect"]) {
            return Err(format!("duplicated taints with the same key and effect: {{{key} {value} {effect} <nil>}}"));
        }
        add.push(t);
    }
    Ok((add, gone))
}

/// A node's taints with what was added and taken away, and the word for what happened. Models reorganizeTaints.
fn reorganize(old: &[Value], add: &[Value], gone: &[Gone], overwrite: bool) -> (Vec<Value>, &'static str, Vec<String>) {
    let same = |a: &Value, b: &Value| a["key"] == b["key"] && a["effect"] == b["effect"];
    let mut missing = Vec::new();
    let mut list: Vec<Value> = add.to_vec();
    list.extend(old.iter().filter(|o| !add.iter().any(|a| same(a, o))).cloned());
    let added = old.len() != list.len();
    let mut removed = false;
    for (key, effect) in gone {
        let before = list.len();
        list.retain(|t| !(t["key"] == key.as_str() && (effect.is_empty() || t["effect"] == effect.as_str())));
        removed = list.len() < before;
        if !removed {
            let shown = if effect.is_empty() { key.clone() } else { format!("{key}:{effect}") };
            missing.push(format!("taint \"{shown}\" not found"));
        }
    }
    let word = match (added, removed, overwrite) {
        (true, true, _) | (_, _, true) => "modified",
        (true, false, false) => "tainted",
        _ => "untainted",
    };
    (list, word, missing)
}

fn joined(all: &[String]) -> String {
    if all.len() == 1 { all.concat() } else { format!("[{}]", all.join(", ")) }
}

/// The words' nodes and taints, checked in upstream's order.
fn checked(cx: &Cx<'_>) -> Result<(Vec<String>, Vec<Value>, Vec<Gone>), Failure> {
    let is_taint = |w: &str| w.contains('=') || w.contains(':') || w.ends_with('-');
    let at = cx.args.words.iter().position(|w| is_taint(w)).unwrap_or(cx.args.words.len());
    let (about, specs) = cx.args.words.split_at(at);
    if let Some(w) = specs.iter().find(|w| !is_taint(w)) {
        return Err(Failure::error(format!("all resources must be specified before taint changes: {w}")));
    }
    if about.is_empty() {
        return Err(Failure::error("one or more resources must be specified as <resource> <name>"));
    }
    if specs.is_empty() {
        return Err(Failure::error("at least one taint update is required"));
    }
    let (add, gone) = parse(specs).map_err(|e| super::usage(cx, &e))?;
    let both: Vec<String> = gone
        .iter()
        .filter(|(key, effect)| {
            add.iter().any(|a| a["key"] == key.as_str() && (effect.is_empty() || a["effect"] == effect.as_str()))
        })
        .map(|(key, effect)| format!("{key}={effect}"))
        .collect();
    if !both.is_empty() {
        return Err(Failure::error(format!(
            "can not both modify and remove the following taint(s) in the same command: {}",
            both.join(", ")
        )));
    }
    Ok((about.to_vec(), add, gone))
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let dry = options::dry_run(cx)?;
    let validation = options::validation(cx)?;
    let (about, add, gone) = checked(cx)?;
    let all = resources::discover(cx).await?;
    let kind = about[0].to_lowercase();
    if resources::find(&all, &kind)?.first().is_none_or(|r| r.kind != "Node") {
        return Err(Failure::error(format!("invalid resource type {kind}, only node types are supported")));
    }
    let selected = cx.args.get("selector").is_some();
    if cx.args.on("all") && selected {
        return Err(Failure::error("setting 'all' parameter with a non empty selector is prohibited"));
    }
    if !cx.args.on("all") && !selected && about.len() < 2 {
        return Err(Failure::error("at least one resource name must be specified since 'all' parameter is not set"));
    }
    let (found, mut wrong) = builder::objects(cx, &all, &about).await?;
    for f in found {
        let old = items(&f.object["spec"]["taints"]);
        let overwrite = cx.args.on("overwrite");
        let clash: Vec<String> = add
            .iter()
            .filter(|a| !overwrite && old.iter().any(|o| o["key"] == a["key"] && o["effect"] == a["effect"]))
            .map(|a| text(&a["key"]))
            .collect();
        if !clash.is_empty() {
            wrong.push(Failure::error(format!(
                "node {} already has {} taint(s) with same effect(s) and --overwrite is false",
                f.name,
                clash.join(",")
            )));
            continue;
        }
        let (list, word, missing) = reorganize(old, &add, &gone, overwrite);
        if !missing.is_empty() {
            wrong.push(Failure::error(joined(&missing)));
            continue;
        }
        let mut new = f.object.clone();
        let taints = if list.is_empty() { Value::Null } else { Value::Array(list) };
        if dry.client {
            new["spec"]["taints"] = taints;
        } else {
            let q = format!("{}&fieldValidation={validation}{}", options::manager(cx), dry.query);
            let body = json!({"spec": {"taints": taints}});
            match cx.patch(&f.path, "application/merge-patch+json", &body, &q).await {
                Ok(n) => new = n,
                Err(e) => {
                    wrong.push(e);
                    continue;
                }
            }
        }
        print::done(cx, &all, &new, &format!("{word}{}", dry.words))?;
    }
    Failure::many(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_come_and_go() {
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let (add, gone) = parse(&words(&["a=b:NoSchedule", "c:NoExecute-", "d-"])).expect("taints");
        assert_eq!(add, [json!({"key": "a", "value": "b", "effect": "NoSchedule"})]);
        assert_eq!(gone, [("c".to_owned(), "NoExecute".to_owned()), ("d".to_owned(), String::new())]);
        let old = [json!({"key": "c", "effect": "NoExecute"})];
        let (list, word, missing) = reorganize(&old, &add, &gone[..1], false);
        assert_eq!((list.len(), word, missing.len()), (1, "modified", 0));
        let (_, word, missing) = reorganize(&old, &[], &gone[1..], false);
        assert_eq!((word, missing), ("untainted", vec!["taint \"d\" not found".to_owned()]));
    }

    #[test]
    fn what_is_no_taint_is_refused() {
        for (spec, why) in [
            ("a:Nope", "invalid taint effect: Nope, unsupported taint effect"),
            ("a=b", "invalid taint spec: a=b, name part must consist of"),
            ("a=b=c:NoSchedule", "invalid taint spec: a=b=c:NoSchedule"),
            ("a:b:c", "invalid taint spec: a:b:c"),
        ] {
            assert!(parse(&[spec.to_owned()]).expect_err("an error").starts_with(why), "{spec}");
        }
    }
}
