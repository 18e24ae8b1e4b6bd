//! The events below a description.

use jiff::Timestamp;
use serde_json::Value;

use super::super::show::{since, text, time};
use super::Writer;

pub(super) fn table(w: &mut Writer, events: &[Value], now: Timestamp) {
    if events.is_empty() {
        w.line(0, "Events:\t<none>");
        return;
    }
    w.flush();
    let mut sorted: Vec<&Value> = events.iter().collect();
    // By when each was last seen, as SortableEvents has it.
    sorted.sort_by_key(|e| {
        let series = &e["series"]["lastObservedTime"];
        time(series).or_else(|| time(&e["lastTimestamp"])).or_else(|| time(&e["eventTime"]))
    });
    w.put(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
    w.put(1, "----\t------\t----\t----\t-------\n");
    for e in sorted {
        let first =
            if e["eventTime"].is_null() { since(&e["firstTimestamp"], now) } else { since(&e["eventTime"], now) };
        let count = e["count"].as_i64().unwrap_or(0);
        let interval = if e["series"].is_object() {
            format!("{} (x{} over {first})", since(&e["series"]["lastObservedTime"], now), text(&e["series"]["count"]))
        } else if count > 1 {
            format!("{} (x{count} over {first})", since(&e["lastTimestamp"], now))
        } else {
            first
        };
        let mut source = text(&e["source"]["component"]);
        if source.is_empty() {
            source = text(&e["reportingComponent"]);
        }
        let mut message = text(&e["message"]).trim().to_owned();
        let path = text(&e["involvedObject"]["fieldPath"]);
        if !path.is_empty() {
            message = format!("{path}: {message}");
        }
        w.put(1, format!("{}\t{}\t{interval}\t{source}\t{message}\n", text(&e["type"]), text(&e["reason"])));
    }
}
