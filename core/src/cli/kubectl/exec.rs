//! kubectl exec and attach. Models `pkg/cmd/exec` and `pkg/cmd/attach`.

use serde_json::Value;

use super::show::{items, text};
use super::{Cx, Failure, Outcome, encode, pods, resources};
use crate::cli::{Reply, Stream};
use crate::runtime::tty::{Tty, TtyEvent};
use crate::sim::{Select, select};

/// What exec says of a command without dashes before it.
const OLD_FORM: &str = "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead";

/// What attach says first.
const RECORDED: &str = "\
All commands and output from this session will be recorded in container logs, including credentials and sensitive information passed through the command prompt.
If you don't see a command prompt, try pressing enter.
";

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
    let wanted = Wanted::of(cx, cx.args.on("tty"));
    let mut query = wanted.query(&container);
    query.extend(cx.args.rest.iter().map(|w| format!("command={}", encode(w))));
    let path = format!("/api/v1/namespaces/{ns}/pods/{name}/exec");
    let reply = cx.send("POST", &path, &query.join("&"), &[], Vec::new()).await?;
    match process(cx, reply, wanted).await? {
        0 => Ok(()),
        code => {
            let mut f = Failure::plain(format!("command terminated with exit code {code}\n"));
            f.code = code;
            Err(f)
        }
    }
}

/// The streams between the person and a process.
#[derive(Clone, Copy)]
struct Wanted {
    stdin: bool,
    tty: bool,
    /// Whether the process ends its reading with what the person types.
    closes: bool,
}

impl Wanted {
    /// As the flags say. Models `StreamOptions.SetupTTY`.
    fn of(cx: &Cx<'_>, tty: bool) -> Self {
        let stdin = cx.args.on("stdin");
        let terminal = cx.shell.stdin.is_none();
        if tty && stdin && !terminal && !cx.args.on("quiet") {
            cx.shell.err("Unable to use a TTY - input is not a terminal or the right kind of file\n");
        }
        Wanted { stdin, tty: tty && stdin && terminal, closes: true }
    }

    fn query(self, container: &str) -> Vec<String> {
        let mut query = vec![format!("container={}", encode(container)), "stdout=true".to_owned()];
        let more = [("stdin", self.stdin), ("stderr", !self.tty), ("tty", self.tty)];
        query.extend(more.iter().filter(|(_, on)| *on).map(|(name, _)| format!("{name}=true")));
        query
    }
}

/// Feeds a process, prints what it prints, and waits for its end: its exit code.
async fn process(cx: &Cx<'_>, reply: Reply, wanted: Wanted) -> Result<i32, Failure> {
    if !reply.is_ok() {
        let message = text(&reply.json()["message"]);
        // The kubelet's words come over the stream, not as an answer of the api-server.
        return Err(if message.contains(" container: ") { Failure::error(message) } else { Failure::server(&reply) });
    }
    let Some(Stream::Process(process)) = reply.stream else { return Ok(0) };
    let piped = cx.shell.stdin.as_deref();
    if wanted.stdin
        && let Some(s) = piped
    {
        process.stdin(s.as_bytes());
    }
    let typed = (wanted.stdin && piped.is_none()).then(|| cx.shell.terminal.read(wanted.tty));
    if typed.is_none() && wanted.closes {
        process.close_stdin();
    }
    let mut tty = Tty::default();
    loop {
        let new = process.take();
        for (stderr, bytes) in &new.chunks {
            let printed = String::from_utf8_lossy(bytes).into_owned();
            if *stderr && !wanted.tty { cx.shell.err(printed) } else { cx.out(printed) }
        }
        if let Some(code) = new.exit_code {
            return Ok(code);
        }
        let Some(typed) = &typed else {
            process.changed().await;
            continue;
        };
        if let Select::Second(text) = select(process.changed(), typed.next()).await {
            let (events, echo) = tty.type_in(text.as_bytes());
            cx.out(String::from_utf8_lossy(&echo).replace("\r\n", "\n"));
            for event in events {
                match event {
                    TtyEvent::Input(bytes) => process.stdin(&bytes),
                    TtyEvent::Eof if wanted.closes => process.close_stdin(),
                    TtyEvent::Eof => {}
                    TtyEvent::Signal(signal) => process.signal(signal),
                }
            }
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
    attached(cx, &pod).await
}

/// Attaches to a pod's container, for as long as it runs. Models `AttachOptions.Run`.
pub(super) async fn attached(cx: &Cx<'_>, pod: &Value) -> Outcome {
    let quiet = cx.args.on("quiet");
    let container = pods::container(cx, pod, cx.args.text("container"), quiet)?;
    let (ns, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let all = ["containers", "initContainers", "ephemeralContainers"];
    let spec = all.iter().flat_map(|kind| items(&pod["spec"][kind])).find(|c| c["name"] == container.as_str());
    let has = |flag: &str| spec.is_some_and(|c| c[flag].as_bool() == Some(true));
    if cx.args.on("tty") && !has("tty") && !quiet {
        cx.shell.err(format!("error: Unable to use a TTY - container {container} did not allocate one\n"));
    }
    let wanted = Wanted::of(cx, has("tty"));
    let wanted = Wanted { closes: wanted.stdin && (wanted.tty || has("stdinOnce")), ..wanted };
    if !quiet {
        cx.shell.err(RECORDED);
    }
    let path = format!("/api/v1/namespaces/{ns}/pods/{name}/attach");
    let reply = cx.send("POST", &path, &wanted.query(&container).join("&"), &[], Vec::new()).await?;
    process(cx, reply, wanted).await?;
    if wanted.tty && !quiet {
        cx.out(format!("Session ended, resume using 'kubectl attach {name} -c {container} -n {ns} -i -t' command\n"));
    }
    Ok(())
}
