//! kubectl exec and attach. Models `pkg/cmd/exec` and `pkg/cmd/attach`.

use serde_json::Value;

use super::show::text;
use super::{Cx, Failure, Outcome, encode, pods, resources};
use crate::cli::{Reply, Stream};

/// What exec says of a command without dashes before it.
const OLD_FORM: &str = "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead";

/// The pod that a word means: `pod`, `deploy/name`.
async fn pod(cx: &Cx<'_>, given: &str, rank: pods::Rank) -> Result<Value, Failure> {
    let all = resources::discover(cx).await?;
    let (kind, name) = given.split_once('/').unwrap_or(("pods", given));
    let found = resources::find(&all, kind)?;
    let Some(r) = found.first() else { return Err(Failure::error("expected a resource")) };
    let object = cx.ask("GET", &format!("{}/{name}", r.path(Some(&cx.namespace))), "", None).await?;
    if r.kind == "Pod" {
        return Ok(object);
    }
    let timeout = cx.args.duration("pod-running-timeout");
    Ok(pods::first(cx, r, &object, timeout, rank).await?.0)
}

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let named = cx.args.words.first().cloned().or_else(|| cx.args.get("filename").map(str::to_owned));
    let Some(given) = named else {
        return Err(super::usage(cx, "pod, type/name or --filename must be specified"));
    };
    if cx.args.words.len() > 1 && cx.args.rest.is_empty() {
        return Err(Failure::error(OLD_FORM));
    }
    if cx.args.rest.is_empty() {
        return Err(super::usage(cx, "you must specify at least one command for the container"));
    }
    let pod = pod(cx, &given, pods::Rank::Active).await?;
    let phase = text(&pod["status"]["phase"]);
    if matches!(phase.as_str(), "Succeeded" | "Failed") {
        return Err(Failure::error(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    let container = pods::container(cx, &pod, cx.args.text("container"), cx.args.on("quiet"))?;
    let (ns, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let mut query = vec![format!("container={}", encode(&container)), "stdout=true&stderr=true".to_owned()];
    if cx.args.on("stdin") {
        query.push("stdin=true".into());
    }
    query.extend(cx.args.rest.iter().map(|w| format!("command={}", encode(w))));
    let path = format!("/api/v1/namespaces/{ns}/pods/{name}/exec");
    let reply = cx.send("POST", &path, &query.join("&"), &[], Vec::new()).await?;
    let stdin = cx.shell.stdin.as_deref().filter(|_| cx.args.on("stdin"));
    process(cx, reply, stdin, true).await
}

/// Feeds a process, prints what it prints, and ends as it ends.
async fn process(cx: &Cx<'_>, reply: Reply, stdin: Option<&str>, exec: bool) -> Outcome {
    if !reply.is_ok() {
        let message = text(&reply.json()["message"]);
        // The kubelet's words come over the stream, not as an answer of the api-server.
        return Err(if message.contains(" container: ") { Failure::error(message) } else { Failure::server(&reply) });
    }
    let Some(Stream::Process(process)) = reply.stream else { return Ok(()) };
    if exec {
        if let Some(s) = stdin {
            process.stdin(s.as_bytes());
        }
        process.close_stdin();
    }
    loop {
        let new = process.take();
        for (stderr, bytes) in &new.chunks {
            let printed = String::from_utf8_lossy(bytes).into_owned();
            if *stderr { cx.shell.err(printed) } else { cx.out(printed) }
        }
        match new.exit_code {
            Some(0) => return Ok(()),
            Some(_) if !exec => return Ok(()),
            Some(code) => {
                let mut f = Failure::plain(format!("command terminated with exit code {code}\n"));
                f.code = code;
                return Err(f);
            }
            None => process.changed().await,
        }
    }
}

pub(super) async fn attach(cx: &Cx<'_>) -> Outcome {
    let Some(given) = cx.args.words.first() else {
        return Err(super::usage(cx, "at least 1 argument is required for attach"));
    };
    if cx.args.words.len() > 2 {
        return Err(super::usage(
            cx,
            &format!(
                "expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {}: [{}]",
                cx.args.words.len(),
                cx.args.words.join(" ")
            ),
        ));
    }
    let pod = pod(cx, given, pods::Rank::Active).await?;
    let phase = text(&pod["status"]["phase"]);
    if matches!(phase.as_str(), "Succeeded" | "Failed") {
        return Err(Failure::error(format!("cannot attach a container in a completed pod; current phase is {phase}")));
    }
    let container = pods::container(cx, &pod, cx.args.text("container"), cx.args.on("quiet"))?;
    let (ns, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let path = format!("/api/v1/namespaces/{ns}/pods/{name}/attach");
    let query = format!("container={}&stdout=true&stderr=true", encode(&container));
    let reply = cx.send("POST", &path, &query, &[], Vec::new()).await?;
    cx.shell.err("If you don't see a command prompt, try pressing enter.\n".repeat(usize::from(cx.args.on("stdin"))));
    process(cx, reply, None, false).await
}
