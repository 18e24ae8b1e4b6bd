//! What many commands share: `--dry-run`, `--validate`, `--field-manager`, required flags, `key=value` words.
//! Models `pkg/cmd/util/helpers.go`.

use serde_json::{Map, Value};

use super::{Cx, Failure, Outcome};
use crate::api::field::quote;

/// `--dry-run`: what to add to the query, what to add to the words, and whether nothing is sent at all.
pub(super) struct DryRun {
    pub query: &'static str,
    pub words: &'static str,
    pub client: bool,
}

/// Reads `--dry-run`.
pub(super) fn dry_run(cx: &Cx<'_>) -> Result<DryRun, Failure> {
    let (query, words, client) = match cx.args.text("dry-run") {
        "" | "none" => ("", "", false),
        "server" => ("&dryRun=All", " (server dry run)", false),
        "client" => ("", " (dry run)", true),
        "unchanged" => {
            return Err(Failure::error(
                "--dry-run flag without a value was specified. A value must be set: \"none\", \"server\", or \"client\".",
            ));
        }
        other => {
            return Err(Failure::error(format!(
                "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
            )));
        }
    };
    Ok(DryRun { query, words, client })
}

/// Reads `--validate`.
pub(super) fn validation(cx: &Cx<'_>) -> Result<&'static str, Failure> {
    match cx.args.text("validate") {
        "strict" | "true" | "" => Ok("Strict"),
        "warn" => Ok("Warn"),
        "ignore" | "false" => Ok("Ignore"),
        other => Err(Failure::error(format!(
            "invalid - validate option {}; must be one of: strict (or true), warn, ignore (or false)",
            quote(other)
        ))),
    }
}

/// `fieldManager=..`
pub(super) fn manager(cx: &Cx<'_>) -> String {
    format!("fieldManager={}", super::encode(cx.args.text("field-manager")))
}

/// Flags that must be given. Models cobra's ValidateRequiredFlags.
pub(super) fn required(cx: &Cx<'_>, flags: &[&str]) -> Outcome {
    let missing: Vec<String> = flags.iter().filter(|f| cx.args.get(f).is_none()).map(|f| quote(f)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::error(format!("required flag(s) {} not set", missing.join(", "))))
}

/// Splits a command's words into what they are about and what is to be set (`a=b`) or taken away (`a-`).
/// Models cmdutil.GetResourcesAndPairs.
pub(super) fn resources_and_pairs(words: &[String], what: &str) -> Result<(Vec<String>, Vec<String>), Failure> {
    let is_pair = |w: &str| (w.contains('=') && !w.starts_with('=')) || (w.ends_with('-') && w != "-");
    let at = words.iter().position(|w| is_pair(w)).unwrap_or(words.len());
    if let Some(w) = words[at..].iter().find(|w| !is_pair(w)) {
        return Err(Failure::error(format!("all resources must be specified before {what} changes: {w}")));
    }
    Ok((words[..at].to_vec(), words[at..].to_vec()))
}

/// `a=b,c=d` as a map of labels. Models generate.ParseLabels.
pub(super) fn labels(s: &str) -> Result<Value, Failure> {
    let mut map = Map::new();
    for p in s.split(',') {
        let (k, v) = p
            .split_once('=')
            .filter(|(_, v)| !v.contains('='))
            .ok_or_else(|| Failure::error(format!("unexpected label spec: {p}")))?;
        if k.is_empty() {
            return Err(Failure::error("unexpected empty label key"));
        }
        map.insert(k.to_owned(), v.into());
    }
    Ok(Value::Object(map))
}

/// The name that a command needs exactly one of. Models NameFromCommandArgs.
pub(super) fn name<'a>(cx: &'a Cx<'_>) -> Result<&'a str, Failure> {
    match cx.args.words.as_slice() {
        [name] => Ok(name),
        words => Err(super::usage(cx, &format!("exactly one NAME is required, got {}", words.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_last() {
        let words = |w: &str| w.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (about, pairs) = resources_and_pairs(&words("pod web a=b c-"), "label").expect("words");
        assert_eq!((about, pairs), (words("pod web"), words("a=b c-")));
        let e = resources_and_pairs(&words("pod a=b web"), "label").expect_err("an error");
        assert_eq!(e.text, "error: all resources must be specified before label changes: web\n");
        assert!(labels("a=b,c").is_err());
    }
}
