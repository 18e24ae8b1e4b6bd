//! kubectl logs. Models `pkg/cmd/logs` and `pkg/polymorphichelpers/logsforobject.go`.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;

use super::builder::with_kinds;
use super::pods;
use super::show::text;
use super::{Cx, Failure, Outcome, encode, resources};
use crate::cli::{Shell, Stream};
use crate::kubelet::LogReader;
use crate::sim::Notify;

/// What is said when the command can't be understood.
const USAGE: &str = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command";
/// A container whose log is read.
struct Source {
    pod: String,
    container: String,
    path: String,
    query: Vec<String>,
}

/// The flags as the request's parameters.
fn options(cx: &Cx<'_>) -> Result<Vec<String>, Failure> {
    let mut query = Vec::new();
    let since = cx.args.duration("since");
    let since_time = cx.args.text("since-time");
    if !since_time.is_empty() && !since.is_zero() {
        return Err(Failure::error("at most one of `sinceTime` or `sinceSeconds` may be specified"));
    }
    let limit = cx.args.number("limit-bytes");
    if limit < 0 {
        return Err(Failure::error("--limit-bytes must be greater than 0"));
    }
    if cx.args.text("since").starts_with('-') {
        return Err(Failure::error("--since must be greater than 0"));
    }
    let tail = cx.args.number("tail");
    if tail < -1 {
        return Err(Failure::error("--tail must be greater than or equal to -1"));
    }
    for (flag, parameter) in [("follow", "follow"), ("previous", "previous"), ("timestamps", "timestamps")] {
        if cx.args.on(flag) {
            query.push(format!("{parameter}=true"));
        }
    }
    if !since_time.is_empty() {
        query.push(format!("sinceTime={}", encode(since_time)));
    }
    if !since.is_zero() {
        query.push(format!("sinceSeconds={}", since.as_secs_f64().round() as i64));
    }
    if limit > 0 {
        query.push(format!("limitBytes={limit}"));
    }
    if tail >= 0 {
        query.push(format!("tailLines={tail}"));
    } else if cx.args.get("selector").is_some() && cx.args.get("tail").is_none() {
        query.push("tailLines=10".into());
    }
    Ok(query)
}

/// The containers of a pod that are meant.
fn sources(cx: &Cx<'_>, pod: &Value, container: &str, query: &[String]) -> Result<Vec<Source>, Failure> {
    let (ns, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let source = |container: String| {
        let mut query = query.to_vec();
        query.push(format!("container={}", encode(&container)));
        Source { pod: name.clone(), container, path: format!("/api/v1/namespaces/{ns}/pods/{name}/log"), query }
    };
    if cx.args.on("all-containers") {
        return Ok(pods::containers(pod).into_iter().map(source).collect());
    }
    let chosen = pods::container(cx, pod, container, false)?;
    Ok(vec![source(chosen)])
}

/// The pods that are meant.
async fn subjects(cx: &Cx<'_>) -> Result<Vec<Value>, Failure> {
    if let Some(l) = cx.args.get("selector") {
        let path = format!("/api/v1/namespaces/{}/pods", cx.namespace);
        let found = with_kinds(&cx.ask("GET", &path, &format!("labelSelector={}", encode(l)), None).await?);
        if found.is_empty() {
            cx.shell.err(format!("No resources found in {} namespace.\n", cx.namespace));
        }
        return Ok(found);
    }
    let given = &cx.args.words[0];
    let all = resources::discover(cx).await?;
    let (kind, name) = given.split_once('/').unwrap_or(("pods", given));
    let r = resources::find(&all, kind)?;
    let Some(r) = r.first() else { return Err(Failure::error("expected a resource")) };
    let path = format!("{}/{name}", r.path(Some(&cx.namespace)));
    let object = cx.ask("GET", &path, "", None).await.map_err(|f| {
        if f.is_not_found() {
            Failure::error(format!("error from server (NotFound): {} in namespace \"{}\"", f.message(), cx.namespace))
        } else {
            f
        }
    })?;
    if r.kind == "Pod" {
        return Ok(vec![object]);
    }
    if cx.args.on("all-pods") {
        return pods::of(cx, r, &object).await;
    }
    let timeout = cx.args.duration("pod-running-timeout");
    let (pod, count) = pods::first(cx, r, &object, timeout, pods::Rank::Logging).await?;
    if count > 1 {
        cx.shell.err(format!("Found {count} pods, using pod/{}\n", text(&pod["metadata"]["name"])));
    }
    Ok(vec![pod])
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let words = &cx.args.words;
    let selected = cx.args.get("selector").is_some();
    match words.len() {
        0 if !selected => return Err(super::usage(cx, USAGE)),
        1 if selected => return Err(super::usage(cx, "only a selector (-l) or a POD name is allowed")),
        0..=2 => {}
        _ => return Err(super::usage(cx, USAGE)),
    }
    let container = words.get(1).map_or(cx.args.text("container"), String::as_str).to_owned();
    if cx.args.get("container").is_some() && words.len() == 2 {
        return Err(Failure::error("only one of -c or an inline [CONTAINER] arg is allowed"));
    }
    if cx.args.on("all-containers") && !container.is_empty() {
        return Err(Failure::error(format!(
            "--all-containers=true should not be specified with container name {container}"
        )));
    }
    let query = options(cx)?;
    let mut all: Vec<Source> = Vec::new();
    for pod in subjects(cx).await? {
        all.extend(sources(cx, &pod, &container, &query)?);
    }
    let follow = cx.args.on("follow");
    let most = usize::try_from(cx.args.number("max-log-requests")).unwrap_or(0);
    if follow && all.len() > 1 && all.len() > most {
        return Err(Failure::error(format!(
            "you are attempting to follow {} log streams, but maximum allowed concurrency is {most}, use --max-log-requests to increase the limit",
            all.len()
        )));
    }
    if follow && all.len() > 1 { beside(cx, &all).await } else { one_by_one(cx, &all).await }
}

/// Prints what the container of a pod has printed so far.
pub(super) async fn of_pod(cx: &Cx<'_>, pod: &Value) -> Outcome {
    one_by_one(cx, &sources(cx, pod, "", &[])?).await
}

/// Opens a container's log.
async fn open(cx: &Cx<'_>, s: &Source) -> Result<Option<LogReader>, Failure> {
    let reply = cx.send("GET", &s.path, &s.query.join("&"), &[], Vec::new()).await?;
    if !reply.is_ok() {
        return Err(Failure::server(&reply));
    }
    Ok(match reply.stream {
        Some(Stream::Log(log)) => Some(log),
        _ => None,
    })
}

/// Prints a log to its end, each line with where it comes from if that is wanted.
async fn print(shell: &Shell, mut log: LogReader, prefix: &str) {
    let mut rest = String::new();
    while let Some(text) = log.next().await {
        if prefix.is_empty() {
            shell.out(text);
            continue;
        }
        rest.push_str(&text);
        let whole = rest.rfind('\n').map_or(0, |i| i + 1);
        shell.out(
            rest.drain(..whole).as_str().split_inclusive('\n').map(|l| format!("{prefix}{l}")).collect::<String>(),
        );
    }
    if !rest.is_empty() {
        shell.out(format!("{prefix}{rest}"));
    }
}

fn prefix(cx: &Cx<'_>, s: &Source) -> String {
    let wanted = cx.args.on("prefix") || cx.args.on("all-pods");
    if wanted { format!("[pod/{}/{}] ", s.pod, s.container) } else { String::new() }
}

/// Prints one log after the other.
async fn one_by_one(cx: &Cx<'_>, all: &[Source]) -> Outcome {
    for s in all {
        match open(cx, s).await {
            Ok(Some(log)) => print(cx.shell, log, &prefix(cx, s)).await,
            Ok(None) => {}
            Err(f) if cx.args.on("ignore-errors") => cx.out(format!("error: {}\n", f.message())),
            Err(f) => return Err(f),
        }
    }
    Ok(())
}

/// Prints logs beside each other, each as its lines come.
async fn beside(cx: &Cx<'_>, all: &[Source]) -> Outcome {
    let sim = &cx.shell.door.sim;
    let (left, done) = (Rc::new(Cell::new(0usize)), Notify::new(sim));
    for s in all {
        let log = match open(cx, s).await {
            Ok(Some(log)) => log,
            Ok(None) => continue,
            Err(f) if cx.args.on("ignore-errors") => {
                cx.out(format!("error: {}\n", f.message()));
                continue;
            }
            Err(f) => return Err(f),
        };
        left.set(left.get() + 1);
        let (shell, prefix, left, done) = (cx.shell.clone(), prefix(cx, s), left.clone(), done.clone());
        sim.spawn(cx.shell.door.process, async move {
            print(&shell, log, &prefix).await;
            left.set(left.get() - 1);
            done.notify();
        });
    }
    while left.get() > 0 {
        done.notified().await;
    }
    Ok(())
}
