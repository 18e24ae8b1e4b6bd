//! kubectl wait. Models `pkg/cmd/wait`.

use std::time::Duration;

use serde_json::Value;

use super::builder::{self, Found};
use super::resources::{self, Resource};
use super::show::{items, text};
use super::{Cx, Failure, Outcome, delete, print};
use crate::api::field::quote;
use crate::api::jsonpath::{self, Template};
use crate::sim::SimTime;

/// How often the object is looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// How often an object is looked for that isn't there yet.
const INTERVAL_CREATE: Duration = Duration::from_millis(500);

enum Wanted {
    Gone,
    There,
    Condition(String, String),
    /// A path, and the value; any will do without one.
    Path(Template, Option<String>),
}

/// Splits at single equals signs.
fn split_path(input: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut rest = input;
    while let Some(c) = rest.chars().next() {
        if let Some(r) = rest.strip_prefix("==") {
            if let Some(last) = out.last_mut() {
                last.push_str("==");
            }
            rest = r;
            continue;
        }
        match out.last_mut() {
            _ if c == '=' => out.push(String::new()),
            Some(last) => last.push(c),
            None => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn wanted(s: &str) -> Result<Wanted, String> {
    match s.to_lowercase().as_str() {
        "delete" => return Ok(Wanted::Gone),
        "create" => return Ok(Wanted::There),
        _ => {}
    }
    if let Some(c) = s.strip_prefix("condition=") {
        let (name, status) = c.split_once('=').unwrap_or((c, "true"));
        return Ok(Wanted::Condition(name.to_owned(), status.to_owned()));
    }
    let Some(p) = s.strip_prefix("jsonpath=") else { return Err(format!("unrecognized condition: {}", quote(s))) };
    let parts = split_path(p);
    let value = match parts.as_slice() {
        [_] => None,
        [_, value] => Some(value.trim_matches(['\'', '"']).to_owned()),
        _ => {
            return Err("jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'".into());
        }
    };
    let path = jsonpath::relaxed(parts[0].trim_matches('\''))?;
    if value.as_deref() == Some("") {
        return Err(
            "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3"
                .into(),
        );
    }
    Ok(Wanted::Path(path, value))
}

/// Whether the object is as wanted.
fn met(w: &Wanted, o: &Value) -> Result<bool, String> {
    match w {
        Wanted::Gone => Ok(false),
        Wanted::There => Ok(true),
        Wanted::Condition(name, status) => {
            let Some(c) =
                items(&o["status"]["conditions"]).iter().find(|c| text(&c["type"]).eq_ignore_ascii_case(name))
            else {
                return Ok(false);
            };
            let observed = c["observedGeneration"].as_i64().or(o["status"]["observedGeneration"].as_i64());
            let stale = observed.zip(o["metadata"]["generation"].as_i64()).is_some_and(|(seen, now)| seen < now);
            Ok(!stale && text(&c["status"]).eq_ignore_ascii_case(status))
        }
        Wanted::Path(t, value) => {
            let found = t.find(o);
            let [one] = found.as_slice() else {
                return if found.is_empty() {
                    Ok(false)
                } else {
                    Err("given jsonpath expression matches more than one value".into())
                };
            };
            let Some(value) = value else { return Ok(true) };
            if one.is_object() || one.is_array() {
                return Err("jsonpath leads to a nested object or list which is not supported".into());
            }
            Ok(text(one).trim() == value.trim())
        }
    }
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let all_wanted: Vec<Wanted> =
        cx.args.all("for").iter().map(|f| wanted(f)).collect::<Result<_, _>>().map_err(Failure::error)?;
    if all_wanted.is_empty() {
        return Err(Failure::error("unrecognized condition: []"));
    }
    let limit = if cx.args.text("timeout").starts_with('-') { delete::FOR_EVER } else { cx.args.duration("timeout") };
    let sim = cx.shell.door.sim.clone();
    let until = sim.now() + limit;
    let all = resources::discover(cx).await?;
    let creates = all_wanted.iter().any(|w| matches!(w, Wanted::There));
    let deletes = all_wanted.iter().any(|w| matches!(w, Wanted::Gone));
    let (found, mut wrong) = loop {
        let (found, wrong) = builder::objects(cx, &all, &cx.args.words).await?;
        let missing = (found.is_empty() && wrong.is_empty()) || wrong.iter().any(Failure::is_not_found);
        if !creates || !missing {
            break (found, wrong);
        }
        if sim.now() >= until {
            return Err(Failure::error("timed out waiting for the condition"));
        }
        sim.sleep(INTERVAL_CREATE.min(until.since(sim.now()))).await;
    };
    if deletes {
        wrong.retain(|f| !f.is_not_found());
    }
    if found.is_empty() && wrong.is_empty() && !deletes {
        return Err(Failure::error("no matching resources found"));
    }
    for f in &found {
        for w in &all_wanted {
            if let Err(e) = wait_one(cx, &all, f, w, limit, until).await {
                wrong.push(e);
                break;
            }
        }
    }
    Failure::many(wrong)
}

async fn wait_one(
    cx: &Cx<'_>,
    all: &[Resource],
    f: &Found<'_>,
    w: &Wanted,
    limit: Duration,
    until: SimTime,
) -> Outcome {
    let sim = &cx.shell.door.sim;
    let name = format!("{}/{}", f.resource.plural, f.name);
    let uid = &f.object["metadata"]["uid"];
    let mut last = f.object.clone();
    loop {
        let done = match cx.ask("GET", &f.path, "", None).await {
            Err(e) if e.is_not_found() && matches!(w, Wanted::Gone) => true,
            Err(e) => return Err(e),
            Ok(o) if matches!(w, Wanted::Gone) && o["metadata"]["uid"] != *uid => true,
            Ok(o) => {
                let met = met(w, &o).map_err(Failure::error)?;
                last = o;
                met
            }
        };
        if done {
            return print::done(cx, all, &last, "condition met");
        }
        if limit.is_zero() {
            return Err(Failure::error(format!("condition not met for {name}")));
        }
        if sim.now() >= until {
            return Err(Failure::error(format!("timed out waiting for the condition on {name}")));
        }
        sim.sleep(INTERVAL.min(until.since(sim.now()))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_are_met() {
        let o = json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "ready": 3, "list": [1, 2],
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "True", "observedGeneration": 1}]}});
        for (spec, want) in [
            ("condition=Ready", Ok(true)),
            ("condition=ready=TRUE", Ok(true)),
            ("condition=Ready=false", Ok(false)),
            ("condition=Old", Ok(false)),
            ("jsonpath={.status.ready}=3", Ok(true)),
            ("jsonpath='{.status.ready}'=4", Ok(false)),
            ("jsonpath=.status.ready", Ok(true)),
            ("jsonpath={.status.none}", Ok(false)),
            ("jsonpath={.status.list[*]}=1", Err("given jsonpath expression matches more than one value".to_owned())),
        ] {
            let w = wanted(spec).expect(spec);
            assert_eq!(met(&w, &o), want, "{spec}");
        }
        for (spec, why) in
            [("Ready", "unrecognized condition: \"Ready\""), ("jsonpath={.a}=", "jsonpath wait has to have")]
        {
            assert!(wanted(spec).err().expect(spec).starts_with(why), "{spec}");
        }
    }
}
