//! kubectl diff: what apply would change, as `diff -u -N` of two folders shows it. Models `pkg/cmd/diff`.

use serde_json::Value;

use super::apply::{self, LAST_APPLIED, difference};
use super::builder::{self, Found};
use super::{Cx, Failure, Outcome, resources};
use crate::api::yaml::to_yaml;

/// Lines around a change.
const CONTEXT: usize = 3;
/// From this many pairs of lines on, the middle is taken as changed as a whole.
const PAIRS_MAX: usize = 16 << 20;

/// One line of a comparison: it went, came, or stayed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Same,
    Gone,
    New,
}

/// How lines become others: the longest common lines stay.
fn steps(a: &[&str], b: &[&str]) -> Vec<Step> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    let mut out = vec![Step::Same; head];
    let (n, m) = (a.len(), b.len());
    if n.saturating_mul(m) > PAIRS_MAX {
        out.extend(std::iter::repeat_n(Step::Gone, n));
        out.extend(std::iter::repeat_n(Step::New, m));
    } else {
        // The length of the longest common lines from each pair of places on.
        let mut longest = vec![0u32; (n + 1) * (m + 1)];
        let at = |i: usize, j: usize| i * (m + 1) + j;
        for i in (0..n).rev() {
            for j in (0..m).rev() {
                longest[at(i, j)] = if a[i] == b[j] {
                    longest[at(i + 1, j + 1)] + 1
                } else {
                    longest[at(i + 1, j)].max(longest[at(i, j + 1)])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < n || j < m {
            if i < n && j < m && a[i] == b[j] {
                out.push(Step::Same);
                i += 1;
                j += 1;
            } else if j == m || (i < n && longest[at(i + 1, j)] >= longest[at(i, j + 1)]) {
                out.push(Step::Gone);
                i += 1;
            } else {
                out.push(Step::New);
                j += 1;
            }
        }
    }
    out.extend(std::iter::repeat_n(Step::Same, tail));
    out
}

/// `from,count` as unified diffs have it.
fn range(from: usize, count: usize) -> String {
    match count {
        1 => format!("{}", from + 1),
        0 => format!("{from},0"),
        n => format!("{},{n}", from + 1),
    }
}

/// The hunks of a unified diff; none for equal texts.
fn hunks(a: &str, b: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let steps = steps(&a, &b);
    let changed: Vec<usize> = (0..steps.len()).filter(|i| steps[*i] != Step::Same).collect();
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for i in changed {
        match groups.last_mut() {
            Some((_, end)) if i <= *end + 2 * CONTEXT => *end = i + 1,
            _ => groups.push((i, i + 1)),
        }
    }
    let mut out = String::new();
    for (start, end) in groups {
        let (start, end) = (start.saturating_sub(CONTEXT), (end + CONTEXT).min(steps.len()));
        let count = |s: &[Step], not: Step| s.iter().filter(|x| **x != not).count();
        let (mut i, mut j) = (count(&steps[..start], Step::New), count(&steps[..start], Step::Gone));
        let (of_a, of_b) = (count(&steps[start..end], Step::New), count(&steps[start..end], Step::Gone));
        out.push_str(&format!("@@ -{} +{} @@\n", range(i, of_a), range(j, of_b)));
        for s in &steps[start..end] {
            let (mark, line) = match s {
                Step::Same => (' ', a.get(i)),
                Step::Gone => ('-', a.get(i)),
                Step::New => ('+', b.get(j)),
            };
            out.push(mark);
            out.push_str(line.copied().unwrap_or_default());
            out.push('\n');
            i += usize::from(*s != Step::New);
            j += usize::from(*s != Step::Gone);
        }
    }
    out
}

/// Secrets' values are shown as stars, changed ones as before and after.
fn mask(from: &mut Value, to: &mut Value) {
    let keys =
        |v: &Value| -> Vec<String> { v["data"].as_object().into_iter().flatten().map(|(k, _)| k.clone()).collect() };
    let all = [keys(from), keys(to)].concat();
    for k in &all {
        let (old, new) = (from["data"].get(k).cloned(), to["data"].get(k).cloned());
        let changed = old.is_some() && new.is_some() && old != new;
        let done = [&old, &new].into_iter().flatten().any(|v| v.as_str().is_some_and(|s| s.starts_with("***")));
        if done {
            continue;
        }
        if old.is_some() {
            from["data"][k] = if changed { "*** (before)" } else { "***" }.into();
        }
        if new.is_some() {
            to["data"][k] = if changed { "*** (after)" } else { "***" }.into();
        }
    }
}

/// What the object would be after apply; nothing is kept.
async fn merged(cx: &Cx<'_>, f: &Found<'_>, live: &Value) -> Result<Value, Failure> {
    let q = format!("fieldManager={}&dryRun=All", apply::manager(cx));
    if cx.args.on("server-side") {
        let q = format!("{q}&force={}", cx.args.on("force-conflicts"));
        return cx.patch(&f.path, "application/apply-patch+yaml", &f.body, &q).await;
    }
    if live.is_null() {
        return cx.ask("POST", &f.resource.path(f.namespace.as_deref()), &q, Some(&f.body)).await;
    }
    let mut modified = f.body.clone();
    // The annotation is left as it is: only what it would take away is looked up in it.
    match modified["metadata"]["annotations"].as_object_mut() {
        Some(a) => drop(a.remove(LAST_APPLIED)),
        // An empty map, as upstream leaves one: what others annotated stays.
        None => modified["metadata"]["annotations"] = Value::Object(serde_json::Map::new()),
    }
    let (mut patch, media) = difference(f, &modified, live);
    if let Some(a) = patch.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        a.remove(LAST_APPLIED);
    }
    prune_empty(&mut patch);
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(live.clone());
    }
    patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
    cx.patch(&f.path, media, &patch, &q).await
}

/// A patch whose metadata lost all that it had says nothing of it.
fn prune_empty(patch: &mut Value) {
    let empty = |v: &Value| v.as_object().is_some_and(serde_json::Map::is_empty);
    if empty(&patch["metadata"]["annotations"])
        && let Some(m) = patch["metadata"].as_object_mut()
    {
        m.remove("annotations");
    }
    let bare = patch["metadata"].is_null() || empty(&patch["metadata"]);
    if let Some(o) = patch.as_object_mut().filter(|_| bare) {
        o.remove("metadata");
    }
}

/// Failures of diff itself have exit codes above one.
fn beyond(mut f: Failure) -> Failure {
    f.code += 1;
    f
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    if !cx.args.words.is_empty() {
        return Err(beyond(super::usage(cx, &format!("Unexpected args: [{}]", cx.args.words.join(" ")))));
    }
    if !builder::has_files(cx) {
        return Err(beyond(Failure::error("must specify one of -f and -k")));
    }
    if cx.args.on("force-conflicts") && !cx.args.on("server-side") {
        return Err(beyond(Failure::error("--force-conflicts only works with --server-side")));
    }
    let all = resources::discover(cx).await.map_err(beyond)?;
    let (mut found, wrong) = builder::places(cx, &all, &[]).await.map_err(beyond)?;
    Failure::many(wrong).map_err(beyond)?;
    let sim = &cx.shell.door.sim;
    // The folders' names end in digits that nothing else has.
    let number = sim.now().as_nanos() % 10_000_000_000;
    let (live_dir, merged_dir) = (format!("/tmp/LIVE-{number}"), format!("/tmp/MERGED-{}", number + 1));
    let mut texts = String::new();
    let mut files: Vec<(String, String, String)> = Vec::new();
    for f in &mut found {
        if let Some(n) = &f.namespace {
            f.body["metadata"]["namespace"] = n.as_str().into();
        }
        let mut live = match cx.ask("GET", &f.path, "", None).await {
            Ok(o) => o,
            Err(e) if e.is_not_found() => Value::Null,
            Err(e) => return Err(beyond(e)),
        };
        let mut new = merged(cx, f, &live).await.map_err(beyond)?;
        for o in [&mut live, &mut new] {
            let meta = o.pointer_mut("/metadata").and_then(Value::as_object_mut);
            if let Some(m) = meta.filter(|_| !cx.args.on("show-managed-fields")) {
                m.remove("managedFields");
            }
        }
        if f.resource.kind == "Secret" && f.resource.group.is_empty() && !cx.args.on("show-secrets") {
            mask(&mut live, &mut new);
        }
        let group = if f.resource.group.is_empty() { String::new() } else { format!("{}.", f.resource.group) };
        let namespace = f.namespace.as_deref().unwrap_or_default();
        let name = format!("{group}{}.{}.{namespace}.{}", f.resource.version, f.resource.kind, f.name);
        let before = if live.is_null() { String::new() } else { to_yaml(&live) };
        files.push((name, before, to_yaml(&new)));
    }
    files.sort();
    let at = sim.timestamp().to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S.%9f +0000").to_string();
    for (name, before, after) in &files {
        let hunks = hunks(before, after);
        if !hunks.is_empty() {
            texts.push_str(&format!(
                "diff -u -N {live_dir}/{name} {merged_dir}/{name}\n--- {live_dir}/{name}\t{at}\n+++ {merged_dir}/{name}\t{at}\n{hunks}"
            ));
        }
    }
    if texts.is_empty() {
        return Ok(());
    }
    cx.out(texts);
    Err(Failure::silent())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hunks_have_three_lines_around() {
        let lines = |n: &[i32]| n.iter().map(|i| format!("{i}\n")).collect::<String>();
        let a = lines(&(1..=20).collect::<Vec<_>>());
        let mut changed: Vec<i32> = (1..=20).collect();
        changed[9] = 99;
        changed.push(21);
        assert_eq!(
            hunks(&a, &lines(&changed)),
            "@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+99\n 11\n 12\n 13\n@@ -18,3 +18,4 @@\n 18\n 19\n 20\n+21\n"
        );
        assert_eq!(hunks("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(hunks("a\n", "a\n"), "");
    }

    #[test]
    fn secrets_are_masked() {
        let (mut a, mut b) =
            (json!({"data": {"x": "1", "y": "1", "z": "1"}}), json!({"data": {"x": "1", "y": "2", "w": "1"}}));
        mask(&mut a, &mut b);
        assert_eq!(a["data"], json!({"x": "***", "y": "*** (before)", "z": "***"}));
        assert_eq!(b["data"], json!({"x": "***", "y": "*** (after)", "w": "***"}));
    }
}
