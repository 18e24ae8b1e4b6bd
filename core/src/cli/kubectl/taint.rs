//! kubectl taint. Models `pkg/cmd/taint`.

use serde_json::{Value, json};

use super::show::{items, text};
use super::{Cx, Failure, Outcome, apply, label, print, resources};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("selector", 'l'),
    value("output", 'o'),
    value("dry-run", ' '),
    value("field-manager", ' '),
    switch("overwrite", ' '),
    switch("all", ' '),
];

/// What is to be taken away: a key, with one effect or all.
type Gone = (String, String);

fn parse(specs: &[String]) -> Result<(Vec<Value>, Vec<Gone>), Failure> {
    let (mut add, mut gone) = (Vec::new(), Vec::new());
    for s in specs {
        let (spec, removes) = s.strip_suffix('-').map_or((s.as_str(), false), |s| (s, true));
        let (key_value, effect) = spec.split_once(':').map_or((spec, ""), |(k, e)| (k, e));
        let (key, value) = key_value.split_once('=').map_or((key_value, ""), |(k, v)| (k, v));
        let known = matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") || (removes && effect.is_empty());
        if !known {
            return Err(Failure::error(if effect.is_empty() && !spec.contains(':') {
                format!("unknown taint spec: {s}")
            } else {
                format!("invalid taint effect: {effect}, unsupported taint effect")
            }));
        }
        if removes {
            gone.push((key.to_owned(), effect.to_owned()));
        } else {
            let mut t = json!({"key": key, "effect": effect});
            if !value.is_empty() {
                t["value"] = value.into();
            }
            if add.iter().any(|a: &Value| a["key"] == t["key"] && a["effect"] == t["effect"]) {
                return Err(Failure::error(format!("duplicated taints with the same key and effect: {spec}")));
            }
            add.push(t);
        }
    }
    Ok((add, gone))
}

/// A node's taints with what was added and taken away, and the word for what happened. Models taints.ReorganizeTaints.
fn reorganize(old: &[Value], add: &[Value], gone: &[Gone], overwrite: bool) -> (Vec<Value>, &'static str, Vec<String>) {
    let same = |a: &Value, b: &Value| a["key"] == b["key"] && a["effect"] == b["effect"];
    let mut missing = Vec::new();
    let mut list: Vec<Value> = add.to_vec();
    list.extend(old.iter().filter(|o| !add.iter().any(|a| same(a, o))).cloned());
    let mut removed = false;
    for (key, effect) in gone {
        let before = list.len();
        list.retain(|t| !(t["key"] == key.as_str() && (effect.is_empty() || t["effect"] == effect.as_str())));
        if list.len() == before {
            let shown = if effect.is_empty() { key.clone() } else { format!("{key}:{effect}") };
            missing.push(format!("taint \"{shown}\" not found"));
        }
        removed |= list.len() < before;
    }
    let word = match (add.is_empty(), removed, overwrite) {
        (true, true, _) => "untainted",
        (false, false, false) => "tainted",
        _ => "modified",
    };
    (list, word, missing)
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let is_taint = |w: &String| w.contains('=') || w.contains(':') || (w.ends_with('-') && w.len() > 1);
    let at = cx.args.words.iter().position(is_taint).unwrap_or(cx.args.words.len());
    let (subject, specs) = cx.args.words.split_at(at);
    if specs.is_empty() {
        return Err(Failure::error("at least one taint update is required"));
    }
    let (add, gone) = parse(specs)?;
    let all = resources::discover(cx).await?;
    for f in label::objects(cx, &all, subject).await? {
        if f.resource.kind != "Node" {
            return Err(Failure::error(format!(
                "invalid resource type {}, only node(s) is supported",
                f.resource.plural
            )));
        }
        let name = text(&f.object["metadata"]["name"]);
        let old = items(&f.object["spec"]["taints"]);
        let overwrite = cx.args.on("overwrite");
        if !overwrite {
            let clash: Vec<String> = add
                .iter()
                .filter(|a| old.iter().any(|o| o["key"] == a["key"] && o["effect"] == a["effect"]))
                .map(|a| text(&a["key"]))
                .collect();
            if !clash.is_empty() {
                return Err(Failure::error(format!(
                    "node {name} already has {} taint(s) with same effect(s) and --overwrite is false",
                    clash.join(",")
                )));
            }
        }
        let (list, word, missing) = reorganize(old, &add, &gone, overwrite);
        if !missing.is_empty() {
            return Err(Failure::error(missing.join(", ")));
        }
        let (query, words, local) = apply::dry_run(cx)?;
        let mut new = f.object.clone();
        if !local {
            let q = format!("fieldManager=kubectl-taint{query}");
            let taints = if list.is_empty() { Value::Null } else { Value::Array(list) };
            new = cx.patch(&f.path, "application/merge-patch+json", &json!({"spec": {"taints": taints}}), &q).await?;
        }
        print::done(cx, &all, &new, &format!("{word}{words}"))?;
    }
    Ok(())
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
        assert_eq!((word, missing), ("modified", vec!["taint \"d\" not found".to_owned()]));
        assert!(parse(&words(&["a:Nope"])).is_err());
    }
}
