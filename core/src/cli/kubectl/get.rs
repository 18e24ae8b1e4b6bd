//! kubectl get. Models `pkg/cmd/get`.

use serde_json::{Value, json};

use super::describe::with_kinds;
use super::jsonpath;
use super::resources::{self, Resource};
use super::show::{items, text};
use super::{Cx, Failure, Outcome, apply, encode, print, tabs};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("output", 'o'),
    value("selector", 'l'),
    value("field-selector", ' '),
    value("filename", 'f'),
    value("label-columns", 'L'),
    value("sort-by", ' '),
    value("raw", ' '),
    value("chunk-size", ' '),
    value("template", ' '),
    value("subresource", ' '),
    switch("all-namespaces", 'A'),
    switch("show-labels", ' '),
    switch("show-kind", ' '),
    switch("no-headers", ' '),
    switch("ignore-not-found", ' '),
    switch("watch", 'w'),
    switch("watch-only", ' '),
    switch("output-watch-events", ' '),
    switch("show-managed-fields", ' '),
    switch("server-print", ' '),
    switch("recursive", 'R'),
    switch("allow-missing-template-keys", ' '),
];

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// What is asked for: kinds and names.
pub(super) fn targets<'a>(
    all: &'a [Resource],
    words: &[String],
    verb: &str,
) -> Result<Vec<(&'a Resource, Vec<String>)>, Failure> {
    if words.is_empty() {
        let text = format!(
            "You must specify the type of resource to {verb}. Use \"kubectl api-resources\" for a complete list of supported resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl {verb} -h' for help and examples\n"
        );
        return Err(Failure { text, code: 1 });
    }
    if words[0].contains('/') {
        let mut out: Vec<(&Resource, Vec<String>)> = Vec::new();
        for w in words {
            let Some((kind, name)) = w.split_once('/') else {
                return Err(Failure::error(
                    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
                ));
            };
            if kind.is_empty() || name.is_empty() || name.contains('/') {
                return Err(Failure::error("arguments in resource/name form must have a single resource and name"));
            }
            let r = resources::find(all, kind)?;
            match (r.first(), out.last_mut()) {
                (Some(r), Some((last, names))) if last == r => names.push(name.to_owned()),
                (Some(r), _) => out.push((r, vec![name.to_owned()])),
                _ => {}
            }
        }
        return Ok(out);
    }
    if words[1..].iter().any(|w| w.contains('/')) {
        return Err(Failure::error(
            "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
        ));
    }
    let kinds = resources::find(all, &words[0])?;
    Ok(kinds.into_iter().map(|r| (r, words[1..].to_vec())).collect())
}

/// One request: where, and whether for an object by name.
struct Ask<'a> {
    resource: &'a Resource,
    path: String,
    by_name: bool,
}

fn asks<'a>(cx: &Cx<'_>, all: &'a [Resource]) -> Result<Vec<Ask<'a>>, Failure> {
    let sub = cx.args.get("subresource").map(|s| format!("/{s}")).unwrap_or_default();
    if !cx.args.all("filename").is_empty() {
        return apply::documents(cx)?
            .iter()
            .map(|d| {
                let (resource, namespace) = apply::place(cx, all, d)?;
                let path =
                    format!("{}/{}{sub}", resource.path(namespace.as_deref()), text(&d.body["metadata"]["name"]));
                Ok(Ask { resource, path, by_name: true })
            })
            .collect();
    }
    let everywhere = cx.args.on("all-namespaces");
    let mut out = Vec::new();
    for (resource, names) in targets(all, &cx.args.words, "get")? {
        let base = resource.path((!everywhere).then_some(cx.namespace.as_str()));
        if names.is_empty() {
            out.push(Ask { resource, path: base.clone(), by_name: false });
        } else if everywhere && resource.namespaced {
            return Err(Failure::error("a resource cannot be retrieved by name across all namespaces"));
        } else if cx.args.get("selector").is_some() {
            return Err(Failure::error("name cannot be provided when a selector is specified"));
        }
        out.extend(names.iter().map(|n| Ask { resource, path: format!("{base}/{n}{sub}"), by_name: true }));
    }
    Ok(out)
}

fn selectors(cx: &Cx<'_>) -> Vec<String> {
    [("selector", "labelSelector"), ("field-selector", "fieldSelector")]
        .iter()
        .filter_map(|(flag, parameter)| cx.args.get(flag).map(|s| format!("{parameter}={}", encode(s))))
        .collect()
}

/// A selector that the api-server could not take is said with what was asked. Models resource.EnhanceListError.
fn enhanced(cx: &Cx<'_>, r: &Resource, f: Failure) -> Failure {
    let (label, field) =
        (cx.args.get("selector").unwrap_or_default(), cx.args.get("field-selector").unwrap_or_default());
    if label.is_empty() && field.is_empty() {
        return f;
    }
    let Some(message) = f.text.strip_prefix("Error from server (BadRequest): ") else { return f };
    let gvr = format!("{}/{}, Resource={}", r.group, r.version, r.plural);
    let text = format!(
        "Error from server (BadRequest): Unable to find \"{gvr}\" that match label selector \"{label}\", field selector \"{field}\": {message}"
    );
    Failure { text, code: 1 }
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    if let Some(path) = cx.args.get("raw") {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let reply = cx.send("GET", path, query, &[("Accept", "application/json, */*")], Vec::new()).await?;
        if !reply.is_ok() {
            return Err(Failure::server(&reply));
        }
        cx.out(String::from_utf8_lossy(&reply.body).into_owned());
        return Ok(());
    }
    let output = cx.args.get("output").unwrap_or_default().to_owned();
    let format = print::parse(cx, &output)?;
    let all = resources::discover(cx).await?;
    let asks = asks(cx, &all)?;
    match format {
        Some(format) => objects(cx, &all, &format, &asks).await,
        None => tables(cx, &asks, output == "wide").await,
    }
}

async fn objects(cx: &Cx<'_>, all: &[Resource], format: &print::Format, asks: &[Ask<'_>]) -> Outcome {
    let mut found: Vec<Value> = Vec::new();
    let mut failed: Option<Failure> = None;
    for a in asks {
        match cx.ask("GET", &a.path, &selectors(cx).join("&"), None).await {
            Ok(v) if a.by_name => found.push(v),
            Ok(v) => found.extend(with_kinds(&v)),
            Err(f) if f.text.contains("(NotFound)") && cx.args.on("ignore-not-found") => {}
            Err(f) => {
                let f = enhanced(cx, a.resource, f);
                if asks.len() == 1 {
                    return Err(f);
                }
                cx.shell.err(f.text);
                failed = Some(Failure { text: String::new(), code: 1 });
            }
        }
    }
    for v in &mut found {
        print::trim_managed(cx, v);
    }
    if let Some(path) = cx.args.get("sort-by") {
        sort(&mut found, path)?;
    }
    let single = asks.len() == 1 && asks[0].by_name;
    if single && found.is_empty() {
        return failed.map_or(Ok(()), Err);
    }
    let v = match found.len() {
        1 if single => found.remove(0),
        _ => json!({"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}}),
    };
    print::print(cx, all, format, &v)?;
    failed.map_or(Ok(()), Err)
}

/// Sorts objects by what a path finds in each. Models get/sorter.go.
fn sort(found: &mut [Value], path: &str) -> Outcome {
    let t = jsonpath::relaxed(path).map_err(Failure::error)?;
    if !found.is_empty() && found.iter().all(|v| t.find(v).is_empty()) {
        return Err(Failure::error(format!(
            "couldn't find any field with path {} in the list of objects",
            crate::api::field::quote(&braced(path))
        )));
    }
    found.sort_by(|a, b| compare(t.find(a).first().copied(), t.find(b).first().copied()));
    Ok(())
}

fn braced(path: &str) -> String {
    let bare = path.trim_start_matches('{').trim_end_matches('}');
    format!("{{.{}}}", bare.trim_start_matches('.'))
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(Value::Number(x)), Some(Value::Number(y))) => {
            x.as_f64().partial_cmp(&y.as_f64()).unwrap_or(std::cmp::Ordering::Equal)
        }
        (Some(x), Some(y)) => {
            use crate::api::quantity::Quantity;
            let (x, y) = (text(x), text(y));
            match (Quantity::parse(&x), Quantity::parse(&y)) {
                (Ok(p), Ok(q))
                    if x.starts_with(|c: char| c.is_ascii_digit()) && y.starts_with(|c: char| c.is_ascii_digit()) =>
                {
                    p.sub(q).sign().cmp(&0)
                }
                _ => x.cmp(&y),
            }
        }
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

async fn tables(cx: &Cx<'_>, asks: &[Ask<'_>], wide: bool) -> Outcome {
    let sorted = cx.args.get("sort-by").map(jsonpath::relaxed).transpose().map_err(Failure::error)?;
    let mut of_kind: Vec<(&Resource, Value)> = Vec::new();
    let mut failed: Option<Failure> = None;
    for a in asks {
        let mut query = selectors(cx);
        if sorted.is_some() {
            query.push("includeObject=Object".into());
        }
        if !a.by_name {
            query.push("limit=500".into());
        }
        let mut at = String::new();
        loop {
            let mut q = query.clone();
            if !at.is_empty() {
                q.push(format!("continue={}", encode(&at)));
            }
            let reply = cx.send("GET", &a.path, &q.join("&"), &[("Accept", TABLE)], Vec::new()).await?;
            if !reply.is_ok() {
                if reply.code == 404 && a.by_name && cx.args.on("ignore-not-found") {
                    break;
                }
                let f = enhanced(cx, a.resource, Failure::server(&reply));
                if asks.len() == 1 {
                    return Err(f);
                }
                cx.shell.err(f.text);
                failed = Some(Failure { text: String::new(), code: 1 });
                break;
            }
            let mut t = reply.json();
            at = text(&t["metadata"]["continue"]);
            match of_kind.last_mut() {
                Some((r, all)) if *r == a.resource => {
                    if let (Some(rows), Value::Array(more)) = (all["rows"].as_array_mut(), t["rows"].take()) {
                        rows.extend(more);
                    }
                }
                _ => of_kind.push((a.resource, t)),
            }
            if at.is_empty() {
                break;
            }
        }
    }
    let kinds: std::collections::BTreeSet<&str> = asks.iter().map(|a| a.resource.plural.as_str()).collect();
    let with_kind = kinds.len() > 1 || cx.args.on("show-kind");
    let mut printed = false;
    for (r, t) in &mut of_kind {
        if let (Some(path), Some(rows)) = (&sorted, t["rows"].as_array_mut()) {
            rows.sort_by(|a, b| {
                compare(path.find(&a["object"]).first().copied(), path.find(&b["object"]).first().copied())
            });
        }
        if items(&t["rows"]).is_empty() {
            continue;
        }
        if printed {
            cx.out("\n");
        }
        cx.out(table_text(cx, r, t, wide, with_kind, !cx.args.on("no-headers")));
        printed = true;
    }
    let watching = cx.args.on("watch") || cx.args.on("watch-only");
    if !printed && failed.is_none() && !watching && !cx.args.on("ignore-not-found") {
        let within = !cx.args.on("all-namespaces") && asks.iter().any(|a| a.resource.namespaced);
        let text = if within {
            format!("No resources found in {} namespace.\n", cx.namespace)
        } else {
            "No resources found\n".into()
        };
        cx.shell.err(text);
    }
    if watching && failed.is_none() {
        return watch(cx, asks, &of_kind, wide, !printed).await;
    }
    failed.map_or(Ok(()), Err)
}

/// Prints what changes until the watch ends.
async fn watch(
    cx: &Cx<'_>,
    asks: &[Ask<'_>],
    of_kind: &[(&Resource, Value)],
    wide: bool,
    mut headers: bool,
) -> Outcome {
    let [a] = asks else {
        return Err(Failure::error("you may only specify a single resource type"));
    };
    let (path, mut query) = match a.path.rsplit_once('/') {
        Some((collection, name)) if a.by_name => {
            (collection.to_owned(), vec![format!("fieldSelector=metadata.name%3D{}", encode(name))])
        }
        _ => (a.path.clone(), selectors(cx)),
    };
    let rv = of_kind.first().map(|(_, t)| text(&t["metadata"]["resourceVersion"])).unwrap_or_default();
    query.push(format!("resourceVersion={rv}&watch=true"));
    let reply = cx.send("GET", &path, &query.join("&"), &[("Accept", TABLE)], Vec::new()).await?;
    if !reply.is_ok() {
        return Err(Failure::server(&reply));
    }
    let mut columns = of_kind.first().map(|(_, t)| t["columnDefinitions"].clone()).unwrap_or_default();
    let Some(mut stream) = reply.watch else { return Ok(()) };
    while let Some(bytes) = stream.next().await {
        let mut event: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if event["type"] == "BOOKMARK" {
            continue;
        }
        if event["type"] == "ERROR" {
            return Err(Failure::error(text(&event["object"]["message"])));
        }
        let mut t = event["object"].take();
        if !t["columnDefinitions"].is_null() {
            columns = t["columnDefinitions"].clone();
        }
        t["columnDefinitions"] = columns.clone();
        let mut text =
            table_text(cx, a.resource, &t, wide, cx.args.on("show-kind"), headers && !cx.args.on("no-headers"));
        if cx.args.on("output-watch-events") {
            let kind = event["type"].as_str().unwrap_or_default();
            text = text
                .lines()
                .enumerate()
                .map(|(i, l)| format!("{:<10} {l}\n", if headers && i == 0 { "EVENT" } else { kind }))
                .collect();
        }
        headers = false;
        cx.out(text);
    }
    Ok(())
}

fn cell(v: &Value) -> String {
    match v {
        Value::Null => "<none>".into(),
        // A cell's line ends would break the table.
        Value::String(s) => s.replace('\n', "\\n"),
        other => other.to_string(),
    }
}

/// A Table as text: its columns by priority.
fn table_text(cx: &Cx<'_>, r: &Resource, t: &Value, wide: bool, with_kind: bool, headers: bool) -> String {
    let namespaces = cx.args.on("all-namespaces") && r.namespaced;
    let labels = cx.args.on("show-labels");
    let label_columns: Vec<&str> = cx.args.all("label-columns").iter().flat_map(|l| l.split(',')).collect();
    let columns: Vec<(usize, String)> = items(&t["columnDefinitions"])
        .iter()
        .enumerate()
        .filter(|(_, c)| wide || c["priority"].as_i64().unwrap_or(0) == 0)
        .map(|(i, c)| (i, text(&c["name"]).to_uppercase()))
        .collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    if headers {
        let mut head: Vec<String> = columns.iter().map(|(_, n)| n.clone()).collect();
        if namespaces {
            head.insert(0, "NAMESPACE".into());
        }
        head.extend(label_columns.iter().map(|l| l.rsplit('/').next().unwrap_or(l).to_uppercase()));
        if labels {
            head.push("LABELS".into());
        }
        rows.push(head);
    }
    for row in items(&t["rows"]) {
        let meta = &row["object"]["metadata"];
        let mut cells: Vec<String> = columns.iter().map(|(i, _)| cell(&row["cells"][*i])).collect();
        if with_kind && let Some(first) = cells.first_mut() {
            *first = format!("{}/{first}", r.qualified());
        }
        if namespaces {
            cells.insert(0, text(&meta["namespace"]));
        }
        cells.extend(label_columns.iter().map(|l| text(&meta["labels"][*l])));
        if labels {
            cells.push(super::show::labels(&meta["labels"]));
        }
        rows.push(cells);
    }
    tabs::table(&rows)
}
