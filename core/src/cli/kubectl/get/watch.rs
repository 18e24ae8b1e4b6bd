//! `kubectl get --watch`. Models `pkg/cmd/get/get.go` (watch).

use serde_json::{Value, json};

use super::super::builder::{selectors, with_kinds};
use super::super::print::{self, Format};
use super::super::resources::Resource;
use super::super::show::text;
use super::super::{Cx, Failure, Outcome, encode};
use super::table::Table;
use super::{Ask, TABLE, pages};

/// Prints what is there, then what changes, until the watch ends.
pub(super) async fn run(cx: &Cx<'_>, all: &[Resource], format: Option<&Format>, asks: &[Ask<'_>]) -> Outcome {
    let [a] = asks else {
        return Err(Failure::error(if asks.is_empty() {
            "you must specify the type of resource to get".to_owned()
        } else {
            "you may only specify a single resource type".to_owned()
        }));
    };
    let accept = if format.is_some() { "application/json" } else { TABLE };
    let first = match pages(cx, a, accept, &[]).await {
        Ok(p) => p,
        Err(f) if f.is_not_found() && cx.args.on("ignore-not-found") => return Ok(()),
        Err(f) => return Err(f),
    };
    let mut table = Table::new(cx, a.resource, cx.args.on("show-kind"));
    let events = cx.args.on("output-watch-events");
    for t in first.iter().filter(|_| !cx.args.on("watch-only")) {
        match format {
            None if t["rows"].as_array().is_some_and(|r| !r.is_empty()) => {
                cx.out(table.events(t, events.then_some("ADDED")));
            }
            None => {}
            Some(f) => {
                let objects = if a.name.is_some() { vec![t.clone()] } else { with_kinds(t) };
                for o in objects {
                    object(cx, all, f, o, events.then_some("ADDED"))?;
                }
            }
        }
    }
    let rv = first.last().map(|t| text(&t["metadata"]["resourceVersion"])).unwrap_or_default();
    let mut query = if a.name.is_none() { selectors(cx) } else { Vec::new() };
    if let Some(n) = &a.name {
        query.push(format!("fieldSelector={}", encode(&format!("metadata.name={n}"))));
    }
    query.push(format!("resourceVersion={rv}&watch=true"));
    let reply = cx.send("GET", &a.collection, &query.join("&"), &[("Accept", accept)], Vec::new()).await?;
    if !reply.is_ok() {
        return Err(Failure::server(&reply));
    }
    let Some(mut stream) = reply.watch else { return Ok(()) };
    while let Some(bytes) = stream.next().await {
        let mut event: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let kind = text(&event["type"]);
        let o = event["object"].take();
        match kind.as_str() {
            "BOOKMARK" => {}
            "ERROR" => return Err(Failure::error(text(&o["message"]))),
            kind => match format {
                None => cx.out(table.events(&o, events.then_some(kind))),
                Some(f) => object(cx, all, f, o, events.then_some(kind))?,
            },
        }
    }
    Ok(())
}

fn object(cx: &Cx<'_>, all: &[Resource], format: &Format, mut o: Value, event: Option<&str>) -> Outcome {
    print::trim_managed(cx, &mut o);
    match event {
        Some(kind) => print::print(cx, all, format, &json!({"type": kind, "object": o})),
        None => print::print(cx, all, format, &o),
    }
}
