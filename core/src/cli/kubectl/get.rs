//! kubectl get. Models `pkg/cmd/get`.

mod sort;
mod table;
mod watch;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::builder::{self, enhanced, selectors, with_kinds};
use super::resources::{self, Resource};
use super::show::{items, text};
use super::{Cx, Failure, Outcome, encode, print};
use table::Table;

/// What asks for tables.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// One request: where, and whether for an object by name.
struct Ask<'a> {
    resource: &'a Resource,
    /// The objects' collection.
    collection: String,
    /// The object's name; none for a list.
    name: Option<String>,
    /// `/status`
    sub: String,
}

impl Ask<'_> {
    fn path(&self) -> String {
        match &self.name {
            Some(n) => format!("{}/{n}{}", self.collection, self.sub),
            None => self.collection.clone(),
        }
    }
}

fn asks<'a>(cx: &Cx<'_>, all: &'a [Resource]) -> Result<(Vec<Ask<'a>>, Vec<Failure>), Failure> {
    let sub = cx.args.get("subresource").map(|s| format!("/{s}")).unwrap_or_default();
    let mut out = Vec::new();
    if builder::has_files(cx) {
        let (documents, mut wrong) = builder::documents(cx)?;
        for d in &documents {
            match builder::place(cx, all, d) {
                Ok((resource, namespace)) => {
                    let name = Some(text(&d.body["metadata"]["name"]));
                    let collection = resource.path(namespace.as_deref());
                    out.push(Ask { resource, collection, name, sub: sub.clone() });
                }
                Err(f) => wrong.push(f),
            }
        }
        return Ok((out, wrong));
    }
    let everywhere = cx.args.on("all-namespaces");
    for (resource, names) in builder::targets(all, &cx.args.words)? {
        let collection = resource.path((!everywhere).then_some(cx.namespace.as_str()));
        if names.is_empty() {
            out.push(Ask { resource, collection: collection.clone(), name: None, sub: String::new() });
        } else if everywhere && resource.namespaced {
            return Err(Failure::error("a resource cannot be retrieved by name across all namespaces"));
        } else if !selectors(cx).is_empty() {
            return Err(Failure::error("name cannot be provided when a selector is specified"));
        }
        let by_name = |n: String| Ask { resource, collection: collection.clone(), name: Some(n), sub: sub.clone() };
        out.extend(names.into_iter().map(by_name));
    }
    Ok((out, Vec::new()))
}

fn check_flags(cx: &Cx<'_>, output: &str) -> Outcome {
    if cx.args.on("show-labels") && !matches!(output, "" | "wide") {
        return Err(Failure::error(format!("--show-labels option cannot be used with {output} printer")));
    }
    if !cx.args.all("label-columns").is_empty() && output.starts_with("custom-columns") {
        return Err(Failure::error(format!("--label-columns option cannot be used with {output} printer")));
    }
    let watching = cx.args.on("watch") || cx.args.on("watch-only");
    if cx.args.on("output-watch-events") && !watching {
        return Err(Failure::error("--output-watch-events option can only be used with --watch or --watch-only"));
    }
    if cx.args.get("sort-by").is_some() && watching {
        cx.shell.err(if cx.args.on("watch") {
            "warning: --watch requested, --sort-by will be ignored for watch events received\n"
        } else {
            "warning: --watch-only requested, --sort-by will be ignored\n"
        });
    }
    if !watching && cx.args.words.is_empty() && !builder::has_files(cx) {
        cx.shell.err("You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\n");
        return Err(super::usage(
            cx,
            "Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).",
        ));
    }
    Ok(())
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let output = cx.args.text("output").to_owned();
    if let Some(path) = cx.args.get("raw") {
        if !cx.args.words.is_empty() {
            return Err(Failure::error("arguments may not be passed when --raw is specified"));
        }
        return raw(cx, path).await;
    }
    let format = print::parse(cx, &output)?;
    check_flags(cx, &output)?;
    let all = resources::discover(cx).await?;
    let (asks, wrong) = asks(cx, &all)?;
    if cx.args.on("watch") || cx.args.on("watch-only") {
        Failure::many(wrong)?;
        return watch::run(cx, &all, format.as_ref(), &asks).await;
    }
    match format {
        Some(format) => objects(cx, &all, &format, &asks, wrong).await,
        None => tables(cx, &asks, wrong).await,
    }
}

async fn raw(cx: &Cx<'_>, path: &str) -> Outcome {
    if !path.starts_with('/') {
        return Err(Failure::error(format!(
            "--raw must be a valid URL path: parse {}: invalid URI for request",
            crate::api::field::quote(path)
        )));
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let reply = cx.send("GET", path, query, &[("Accept", "application/json, */*")], Vec::new()).await?;
    if !reply.is_ok() {
        return Err(Failure::server(&reply));
    }
    cx.out(String::from_utf8_lossy(&reply.body).into_owned());
    Ok(())
}

/// A list's pages, one after the other.
async fn pages(cx: &Cx<'_>, ask: &Ask<'_>, accept: &str, extra: &[&str]) -> Result<Vec<Value>, Failure> {
    let mut query = if ask.name.is_none() { selectors(cx) } else { Vec::new() };
    query.extend(extra.iter().map(|e| (*e).to_owned()));
    let chunk = cx.args.number("chunk-size");
    if ask.name.is_none() && chunk > 0 {
        query.push(format!("limit={chunk}"));
    }
    let (mut out, mut at) = (Vec::new(), String::new());
    loop {
        let mut q = query.clone();
        if !at.is_empty() {
            q.push(format!("continue={}", encode(&at)));
        }
        let reply = cx.send("GET", &ask.path(), &q.join("&"), &[("Accept", accept)], Vec::new()).await?;
        if !reply.is_ok() {
            return Err(enhanced(cx, ask.resource, Failure::server(&reply)));
        }
        let v = reply.json();
        at = text(&v["metadata"]["continue"]);
        out.push(v);
        if at.is_empty() || ask.name.is_some() {
            return Ok(out);
        }
    }
}

async fn objects(
    cx: &Cx<'_>,
    all: &[Resource],
    format: &print::Format,
    asks: &[Ask<'_>],
    mut wrong: Vec<Failure>,
) -> Outcome {
    let single = asks.len() == 1 && asks[0].name.is_some();
    let lenient = cx.args.on("ignore-not-found");
    let mut found: Vec<Value> = Vec::new();
    for a in asks {
        match pages(cx, a, "application/json", &[]).await {
            Ok(v) if a.name.is_some() => found.extend(v),
            Ok(v) => found.extend(v.iter().flat_map(with_kinds)),
            Err(f) if f.is_not_found() && lenient => {}
            Err(f) if single => return Err(f),
            Err(f) => wrong.push(f),
        }
    }
    for v in &mut found {
        print::trim_managed(cx, v);
    }
    if found.is_empty() && lenient {
        return Failure::many(wrong);
    }
    if let Some(path) = cx.args.get("sort-by")
        && !found.is_empty()
    {
        sort::objects(&mut found, path)?;
    }
    let v = match found.len() {
        1 if single => found.remove(0),
        _ => json!({"apiVersion": "v1", "items": found, "kind": "List", "metadata": {"resourceVersion": ""}}),
    };
    print::print(cx, all, format, &v)?;
    Failure::many(wrong)
}

async fn tables(cx: &Cx<'_>, asks: &[Ask<'_>], mut wrong: Vec<Failure>) -> Outcome {
    let sorted = cx.args.get("sort-by");
    let extra: &[&str] = if sorted.is_some() { &["includeObject=Object"] } else { &[] };
    let mut of_kind: Vec<(&Resource, Value)> = Vec::new();
    let lenient = cx.args.on("ignore-not-found");
    for a in asks {
        let pages = match pages(cx, a, TABLE, extra).await {
            Ok(p) => p,
            Err(f) if f.is_not_found() && lenient => continue,
            Err(f) => {
                wrong.push(f);
                continue;
            }
        };
        for mut t in pages {
            match of_kind.last_mut() {
                Some((r, all)) if *r == a.resource => {
                    if let (Some(rows), Value::Array(more)) = (all["rows"].as_array_mut(), t["rows"].take()) {
                        rows.extend(more);
                    }
                }
                _ => of_kind.push((a.resource, t)),
            }
        }
    }
    let kinds: BTreeSet<(&str, &str)> = of_kind.iter().map(|(r, _)| (r.group.as_str(), r.kind.as_str())).collect();
    let with_kind = kinds.len() > 1 || cx.args.on("show-kind");
    let mut printed = false;
    for (r, t) in &mut of_kind {
        if let (Some(path), Some(rows)) = (sorted, t["rows"].as_array_mut())
            && rows.len() > 1
            && sort::rows(rows, path).is_err()
        {
            // Upstream drops this error: nothing of the table is printed.
            continue;
        }
        if items(&t["rows"]).is_empty() {
            continue;
        }
        if printed && !cx.args.on("no-headers") {
            cx.out("\n");
        }
        let mut table = Table::new(cx, r, with_kind);
        cx.out(table.text(t));
        printed = true;
    }
    if !printed && wrong.is_empty() && !lenient {
        let namespaced = of_kind.iter().all(|(r, _)| r.namespaced);
        cx.shell.err(builder::nothing(cx, namespaced));
    }
    Failure::many(wrong)
}
