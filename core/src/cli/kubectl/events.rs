//! kubectl events. Models `pkg/cmd/events`.

use serde_json::{Value, json};

use super::builder::with_kinds;
use super::resources;
use super::show::{since, text, time};
use super::{Cx, Failure, Outcome, encode, print, tabs};

/// When an event was seen last.
fn event_time(e: &Value) -> Option<jiff::Timestamp> {
    if e["series"].is_object() {
        return time(&e["series"]["lastObservedTime"]);
    }
    time(&e["lastTimestamp"]).or_else(|| time(&e["eventTime"]))
}

/// Models event_printer.go.
fn row(e: &Value, now: jiff::Timestamp, namespaces: bool) -> Vec<String> {
    let first = if e["eventTime"].is_null() { &e["firstTimestamp"] } else { &e["eventTime"] };
    let series = &e["series"];
    let (last, count) = if series.is_object() {
        (&series["lastObservedTime"], series["count"].as_i64().unwrap_or(0))
    } else {
        (&e["lastTimestamp"], e["count"].as_i64().unwrap_or(0))
    };
    let seen = if count > 1 || series.is_object() {
        format!("{} (x{count} over {})", since(last, now), since(first, now))
    } else {
        since(first, now)
    };
    let about = &e["involvedObject"];
    let object = format!("{}/{}", text(&about["kind"]), text(&about["name"]));
    let message = text(&e["message"]);
    let mut cells = vec![seen, text(&e["type"]), text(&e["reason"]), object, message.trim().to_owned()];
    if namespaces {
        cells.insert(0, text(&e["metadata"]["namespace"]));
    }
    cells
}

async fn query(cx: &Cx<'_>) -> Result<String, Failure> {
    let Some(about) = cx.args.get("for") else { return Ok(String::new()) };
    let parts: Vec<&str> = about.split('/').collect();
    let [kind, name] = parts.as_slice() else {
        return Err(Failure::error(match parts.len() {
            1 => "--for must be in resource/name form",
            _ => "arguments in resource/name form may not have more than one slash",
        }));
    };
    let all = resources::discover(cx).await?;
    let r = resources::find(&all, kind)?;
    let Some(r) = r.first() else { return Ok(String::new()) };
    let fields = format!(
        "involvedObject.kind={},involvedObject.apiVersion={},involvedObject.name={name}",
        r.kind,
        r.api_version()
    );
    Ok(format!("fieldSelector={}", encode(&fields)))
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let types = cx.args.all("types");
    if types.iter().any(|t| !t.eq_ignore_ascii_case("normal") && !t.eq_ignore_ascii_case("warning")) {
        return Err(Failure::error("valid --types are Normal or Warning"));
    }
    let format = print::parse(cx, cx.args.text("output"))?;
    let query = query(cx).await?;
    let everywhere = cx.args.on("all-namespaces");
    let path =
        if everywhere { "/api/v1/events".to_owned() } else { format!("/api/v1/namespaces/{}/events", cx.namespace) };
    let wanted = |e: &Value| types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case(&text(&e["type"])));
    let mut head = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"].map(str::to_owned).to_vec();
    if everywhere {
        head.insert(0, "NAMESPACE".into());
    }
    let mut aligned = tabs::Aligner::default();
    let mut rows: Vec<Vec<String>> = if cx.args.on("no-headers") { Vec::new() } else { vec![head] };
    let now = || cx.shell.door.sim.timestamp();
    if cx.args.on("watch") {
        let q = format!("{query}{}watch=true", if query.is_empty() { "" } else { "&" });
        let reply = cx.send("GET", &path, &q, &[("Accept", "application/json")], Vec::new()).await?;
        if !reply.is_ok() {
            return Err(Failure::server(&reply));
        }
        let Some(mut stream) = reply.watch else { return Ok(()) };
        while let Some(bytes) = stream.next().await {
            let event: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let e = &event["object"];
            if !matches!(event["type"].as_str(), Some("ADDED" | "MODIFIED")) || !wanted(e) {
                continue;
            }
            match &format {
                Some(f) => print::print(cx, &[], f, e)?,
                None => {
                    rows.push(row(e, now(), everywhere));
                    cx.out(aligned.rows(&rows));
                    rows.clear();
                }
            }
        }
        return Ok(());
    }
    let mut found: Vec<Value> = with_kinds(&cx.ask("GET", &path, &query, None).await?);
    found.retain(&wanted);
    if found.is_empty() {
        cx.shell.err(if everywhere {
            "No events found.\n".to_owned()
        } else {
            format!("No events found in {} namespace.\n", cx.namespace)
        });
        return Ok(());
    }
    found.sort_by_key(event_time);
    if let Some(f) = &format {
        found.iter_mut().for_each(|e| print::trim_managed(cx, e));
        let list =
            json!({"apiVersion": "v1", "kind": "EventList", "metadata": {"resourceVersion": ""}, "items": found});
        return print::print(cx, &[], f, &list);
    }
    rows.extend(found.iter().map(|e| row(e, now(), everywhere)));
    cx.out(aligned.rows(&rows));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_rows() {
        let now: jiff::Timestamp = "2026-11-22T08:01:00Z".parse().expect("a time");
        let e = json!({"type": "Normal", "reason": "Pulled", "message": "x\n", "count": 3, "involvedObject": {"kind": "Pod", "name": "a"},
            "firstTimestamp": "2026-11-22T08:00:00Z", "lastTimestamp": "2026-11-22T08:00:50Z"});
        assert_eq!(row(&e, now, false), ["10s (x3 over 60s)", "Normal", "Pulled", "Pod/a", "x"]);
    }
}
