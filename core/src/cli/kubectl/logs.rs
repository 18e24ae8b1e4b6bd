//! kubectl logs. Models `pkg/cmd/logs`.

use super::{Cx, Failure, Outcome, encode};
use crate::cli::args::{Flag, switch, value};

pub(super) const FLAGS: &[Flag] = &[
    value("container", 'c'),
    value("tail", ' '),
    value("since", ' '),
    value("limit-bytes", ' '),
    switch("follow", 'f'),
    switch("previous", 'p'),
    switch("timestamps", ' '),
];

pub(super) async fn run(cx: &Cx<'_>) -> Outcome {
    let Some(name) = cx.args.words.first() else {
        return Err(Failure::error(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command",
        ));
    };
    let name = name.split_once('/').map_or(name.as_str(), |(_, n)| n);
    let mut query = Vec::new();
    let container = cx.args.get("container").or(cx.args.words.get(1).map(String::as_str));
    if let Some(c) = container {
        query.push(format!("container={}", encode(c)));
    }
    if let Some(t) = cx.args.get("tail").filter(|t| *t != "-1") {
        query.push(format!("tailLines={}", encode(t)));
    }
    for (flag, parameter) in [("previous", "previous"), ("timestamps", "timestamps")] {
        if cx.args.on(flag) {
            query.push(format!("{parameter}=true"));
        }
    }
    let path = format!("/api/v1/namespaces/{}/pods/{name}/log", cx.namespace);
    let reply = cx.send("GET", &path, &query.join("&"), &[], Vec::new()).await?;
    if !reply.is_ok() {
        let failure = Failure::server(&reply);
        // Models logs.go: an error of the server itself is printed with its reason, others as they stand.
        return Err(if reply.code == 404 {
            Failure { text: failure.text.replace("Error from server", "error: error from server"), code: 1 }
        } else {
            failure
        });
    }
    cx.out(String::from_utf8_lossy(&reply.body).into_owned());
    Ok(())
}

pub(super) const EXEC_FLAGS: &[Flag] =
    &[value("container", 'c'), switch("stdin", 'i'), switch("tty", 't'), switch("quiet", 'q')];

/// kubectl exec: an upgrade to a stream, which this client can't open yet.
pub(super) async fn exec(cx: &Cx<'_>) -> Outcome {
    let Some(name) = cx.args.words.first() else {
        return Err(Failure::error("pod, type/name or --filename must be specified"));
    };
    let name = name.rsplit('/').next().unwrap_or(name);
    if cx.args.rest.is_empty() && cx.args.words.len() < 2 {
        return Err(Failure::error("you must specify at least one command for the container"));
    }
    cx.ask("GET", &format!("/api/v1/namespaces/{}/pods/{name}", cx.namespace), "", None).await?;
    Err(Failure::error("unable to upgrade connection: exec is not supported here yet"))
}
