//! kubectl get. Models `pkg/cmd/get`.

use std::fmt::Write as _;

use serde_json::Value;

use super::resources::{self, Resource};
use super::{Cx, Failure, Outcome, encode};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("output", 'o'),
    value("selector", 'l'),
    value("field-selector", ' '),
    value("filename", 'f'),
    value("sort-by", ' '),
    switch("all-namespaces", 'A'),
    switch("show-labels", ' '),
    switch("no-headers", ' '),
    switch("ignore-not-found", ' '),
    switch("watch", 'w'),
    switch("show-events", ' '),
    switch("show-managed-fields", ' '),
];

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// What is asked for: kinds and names.
pub(super) fn targets<'a>(all: &'a [Resource], words: &[String]) -> Result<Vec<(&'a Resource, Vec<String>)>, Failure> {
    if words.is_empty() {
        return Err(Failure { text: "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples\n".into(), code: 1 });
    }
    if words.iter().any(|w| w.contains('/')) {
        let mut out: Vec<(&Resource, Vec<String>)> = Vec::new();
        for w in words {
            let Some((kind, name)) = w.split_once('/') else {
                return Err(Failure::error(
                    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
                ));
            };
            let r = resources::find(all, kind)?;
            match (r.first(), out.last_mut()) {
                (Some(r), Some((last, names))) if last == r => names.push(name.to_owned()),
                (Some(r), _) => out.push((r, vec![name.to_owned()])),
                _ => {}
            }
        }
        return Ok(out);
    }
    let kinds = resources::find(all, &words[0])?;
    Ok(kinds.into_iter().map(|r| (r, words[1..].to_vec())).collect())
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let all = resources::discover(cx).await?;
    let targets = targets(&all, &cx.args.words)?;
    let output = cx.args.get("output").unwrap_or_default();
    let many = targets.len() > 1;
    let mut items: Vec<Value> = Vec::new();
    let mut printed = false;
    let mut failed: Option<Failure> = None;
    for (r, names) in &targets {
        let everywhere = cx.args.on("all-namespaces");
        let base = r.path((!everywhere).then_some(cx.namespace.as_str()));
        let mut query = Vec::new();
        if let Some(l) = cx.args.get("selector") {
            query.push(format!("labelSelector={}", encode(l)));
        }
        if let Some(f) = cx.args.get("field-selector") {
            query.push(format!("fieldSelector={}", encode(f)));
        }
        let paths: Vec<String> =
            if names.is_empty() { vec![base] } else { names.iter().map(|n| format!("{base}/{n}")).collect() };
        if query.is_empty() && names.is_empty() {
            query.push("limit=500".into());
        }
        let mut table: Option<Value> = None;
        for path in paths {
            let as_table = matches!(output, "" | "wide");
            let accept = if as_table { TABLE } else { "application/json" };
            let reply = cx.send("GET", &path, &query.join("&"), &[("Accept", accept)], Vec::new()).await?;
            if !reply.is_ok() {
                if !(cx.args.on("ignore-not-found") && reply.code == 404) {
                    let f = Failure::server(&reply);
                    if names.len() < 2 && !many {
                        return Err(f);
                    }
                    cx.shell.err(f.text.clone());
                    failed = Some(Failure { text: String::new(), code: 1 });
                }
                continue;
            }
            let v = reply.json();
            if as_table {
                match &mut table {
                    None => table = Some(v),
                    Some(t) => {
                        let more = v["rows"].as_array().cloned().unwrap_or_default();
                        if let Some(rows) = t["rows"].as_array_mut() {
                            rows.extend(more);
                        }
                    }
                }
            } else if let Some(list) = v["items"].as_array() {
                let kind = v["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
                for i in list {
                    let mut i = i.clone();
                    i["kind"] = i.get("kind").cloned().unwrap_or_else(|| Value::String(kind.clone()));
                    i["apiVersion"] = i.get("apiVersion").cloned().unwrap_or_else(|| v["apiVersion"].clone());
                    items.push(i);
                }
            } else {
                items.push(v);
            }
        }
        if let Some(t) = table {
            let rows = t["rows"].as_array().map_or(0, Vec::len);
            if rows > 0 {
                if printed {
                    cx.out("\n");
                }
                cx.out(table_text(cx, r, &t, output == "wide", many));
                printed = true;
            } else if !many && names.is_empty() {
                let text = if r.namespaced && !everywhere {
                    format!("No resources found in {} namespace.\n", cx.namespace)
                } else {
                    "No resources found\n".into()
                };
                cx.shell.err(text);
            }
        }
    }
    if matches!(output, "" | "wide") {
        if many && !printed && failed.is_none() {
            let text = if cx.args.on("all-namespaces") {
                "No resources found\n".to_owned()
            } else {
                format!("No resources found in {} namespace.\n", cx.namespace)
            };
            cx.shell.err(text);
        }
    } else {
        print_objects(cx, &all, output, items, &targets)?;
    }
    failed.map_or(Ok(()), Err)
}

fn print_objects(
    cx: &Cx<'_>,
    all: &[Resource],
    output: &str,
    mut items: Vec<Value>,
    targets: &[(&Resource, Vec<String>)],
) -> Outcome {
    if !cx.args.on("show-managed-fields") {
        for i in &mut items {
            if let Some(m) = i["metadata"].as_object_mut() {
                m.remove("managedFields");
            }
        }
    }
    if output == "name" {
        for i in &items {
            let r = resources::find_kind(
                all,
                i["apiVersion"].as_str().unwrap_or_default(),
                i["kind"].as_str().unwrap_or_default(),
            );
            let name = i["metadata"]["name"].as_str().unwrap_or_default();
            cx.out(format!("{}/{name}\n", r.map(Resource::qualified).unwrap_or_default()));
        }
        return Ok(());
    }
    let single = targets.len() == 1 && targets[0].1.len() == 1 && items.len() == 1;
    let v = if single {
        items.remove(0)
    } else {
        serde_json::json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
    };
    match output {
        "json" => cx.out(format!("{}\n", pretty(&v))),
        "yaml" => cx.out(serde_yaml::to_string(&v).unwrap_or_default()),
        other => {
            return Err(Failure::error(format!(
                "unable to match a printer suitable for the output format {}, allowed formats are: json,name,wide,yaml",
                crate::api::field::quote(other)
            )));
        }
    }
    Ok(())
}

/// JSON with four blanks a level, as kubectl prints it.
fn pretty(v: &Value) -> String {
    use serde::Serialize as _;
    let mut out = Vec::new();
    let mut s =
        serde_json::Serializer::with_formatter(&mut out, serde_json::ser::PrettyFormatter::with_indent(b"    "));
    // Writing a value into memory can't fail.
    let _ = v.serialize(&mut s);
    String::from_utf8(out).unwrap_or_default()
}

fn cell(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        Value::Null => "<none>".into(),
        other => other.to_string(),
    }
}

/// A Table as text: columns by priority, padded as Go's tabwriter does.
fn table_text(cx: &Cx<'_>, r: &Resource, t: &Value, wide: bool, with_kind: bool) -> String {
    let namespaces = cx.args.on("all-namespaces") && r.namespaced;
    let labels = cx.args.on("show-labels");
    let columns: Vec<(usize, String)> = t["columnDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, c)| wide || c["priority"].as_i64().unwrap_or(0) == 0)
        .map(|(i, c)| (i, c["name"].as_str().unwrap_or_default().to_uppercase()))
        .collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !cx.args.on("no-headers") {
        let mut head: Vec<String> = columns.iter().map(|(_, n)| n.clone()).collect();
        if namespaces {
            head.insert(0, "NAMESPACE".into());
        }
        if labels {
            head.push("LABELS".into());
        }
        rows.push(head);
    }
    for row in t["rows"].as_array().into_iter().flatten() {
        let meta = &row["object"]["metadata"];
        let mut cells: Vec<String> = columns.iter().map(|(i, _)| cell(&row["cells"][*i])).collect();
        if with_kind && let Some(first) = cells.first_mut() {
            *first = format!("{}/{first}", r.qualified());
        }
        if namespaces {
            cells.insert(0, meta["namespace"].as_str().unwrap_or_default().to_owned());
        }
        if labels {
            let text: Vec<String> = meta["labels"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
                .collect();
            cells.push(if text.is_empty() { "<none>".into() } else { text.join(",") });
        }
        rows.push(cells);
    }
    columns_text(&rows)
}

/// Rows in columns three blanks apart.
pub(super) fn columns_text(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|i| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        for (i, c) in row.iter().enumerate() {
            if i + 1 == row.len() {
                out.push_str(c);
            } else {
                let _ = write!(out, "{c:<width$}", width = widths[i] + 3);
            }
        }
        out.push('\n');
    }
    out
}
