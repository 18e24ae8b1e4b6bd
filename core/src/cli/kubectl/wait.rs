//! kubectl wait. Models `pkg/cmd/wait`.

use std::time::Duration;

use serde_json::Value;

use super::jsonpath::{self, Template};
use super::show::{items, parse_duration, text};
use super::{Cx, Failure, Outcome, label, resources};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("for", ' '),
    value("timeout", ' '),
    value("filename", 'f'),
    value("selector", 'l'),
    value("field-selector", ' '),
    value("output", 'o'),
    switch("all", ' '),
    switch("all-namespaces", 'A'),
];

enum Wanted {
    Gone,
    There,
    Condition(String, String),
    Path(Template, Option<String>),
}

fn wanted(s: &str) -> Result<Wanted, Failure> {
    let lower = s.to_lowercase();
    if lower == "delete" {
        return Ok(Wanted::Gone);
    }
    if lower == "create" {
        return Ok(Wanted::There);
    }
    if let Some(c) = s.strip_prefix("condition=") {
        let (name, status) = c.split_once('=').unwrap_or((c, "true"));
        return Ok(Wanted::Condition(name.to_owned(), status.to_owned()));
    }
    if let Some(p) = s.strip_prefix("jsonpath=") {
        // `{.a}=b`: the value comes after the closing brace; without one any value will do.
        let p = p.trim_matches('\'');
        let end = p.rfind('}').map_or(p.len(), |at| at + 1);
        let (path, rest) = if p.starts_with('{') {
            p.split_at(end)
        } else {
            p.split_once('=').map_or((p, ""), |(a, b)| (a, &p[p.len() - b.len() - 1..]))
        };
        let value = rest.strip_prefix('=').map(|v| v.trim_matches(['"', '\'']).to_owned());
        if value.as_deref() == Some("") {
            return Err(Failure::error(
                "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
            ));
        }
        return Ok(Wanted::Path(jsonpath::relaxed(path).map_err(Failure::error)?, value));
    }
    Err(Failure::error(format!("unrecognized condition: {}", crate::api::field::quote(s))))
}

fn met(w: &Wanted, o: &Value) -> bool {
    match w {
        Wanted::Gone => false,
        Wanted::There => true,
        Wanted::Condition(name, status) => items(&o["status"]["conditions"]).iter().any(|c| {
            let stale = match (c["observedGeneration"].as_i64(), o["metadata"]["generation"].as_i64()) {
                (Some(seen), Some(now)) => seen < now,
                _ => match (o["status"]["observedGeneration"].as_i64(), o["metadata"]["generation"].as_i64()) {
                    (Some(seen), Some(now)) => seen < now,
                    _ => false,
                },
            };
            !stale && text(&c["type"]).eq_ignore_ascii_case(name) && text(&c["status"]).eq_ignore_ascii_case(status)
        }),
        Wanted::Path(t, value) => {
            let found = t.find(o);
            match value {
                Some(v) => found.first().is_some_and(|f| text(f) == *v),
                None => !found.is_empty(),
            }
        }
    }
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let wanted = wanted(cx.args.get("for").unwrap_or_default())?;
    let limit = cx.args.get("timeout").unwrap_or("30s");
    let limit = match limit.strip_prefix('-') {
        Some(_) => Duration::from_secs(7 * 24 * 3600),
        None => parse_duration(limit).ok_or_else(|| {
            Failure::error(format!(
                "invalid argument \"{limit}\" for \"--timeout\" flag: time: invalid duration \"{limit}\""
            ))
        })?,
    };
    let sim = cx.shell.door.sim.clone();
    let until = sim.now() + limit;
    let all = resources::discover(cx).await?;
    let found = loop {
        match label::objects(cx, &all, &cx.args.words).await {
            Ok(f) => break f,
            Err(f) if f.text.contains("(NotFound)") => match wanted {
                Wanted::Gone => return Ok(()),
                Wanted::There if sim.now() < until => sim.sleep(Duration::from_millis(500)).await,
                _ => return Err(f),
            },
            Err(f) => return Err(f),
        }
    };
    if found.is_empty() {
        return match wanted {
            Wanted::Gone => Ok(()),
            _ => Err(Failure::error("no matching resources found")),
        };
    }
    for f in found {
        let (name, uid) = (text(&f.object["metadata"]["name"]), f.object["metadata"]["uid"].clone());
        let mut object = Some(f.object);
        let ok = loop {
            match (&wanted, &object) {
                (Wanted::Gone, None) => break true,
                (Wanted::Gone, Some(o)) if o["metadata"]["uid"] != uid => break true,
                (w, Some(o)) if met(w, o) => break true,
                _ => {}
            }
            if sim.now() >= until {
                break false;
            }
            sim.sleep(Duration::from_millis(100).min(until.since(sim.now()))).await;
            let reply = cx.send("GET", &f.path, "", &[("Accept", "application/json")], Vec::new()).await?;
            object = match reply.code {
                404 => None,
                _ if reply.is_ok() => Some(reply.json()),
                _ => return Err(Failure::server(&reply)),
            };
        };
        if !ok {
            return Err(Failure::error(format!("timed out waiting for the condition on {}/{name}", f.resource.plural)));
        }
        cx.out(format!("{}/{name} condition met\n", f.resource.qualified()));
    }
    Ok(())
}
