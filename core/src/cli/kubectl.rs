//! kubectl: what it prints and how it exits are upstream's. Models `staging/src/k8s.io/kubectl/pkg/cmd`.

mod apply;
mod create;
mod delete;
mod describe;
mod drain;
mod get;
mod info;
mod jsonpath;
mod label;
mod logs;
mod patch;
mod print;
mod resources;
mod rollout;
mod scale;
mod set;
mod show;
mod tabs;
mod taint;
mod three_way;
mod wait;

use serde_json::Value;

use super::Shell;
use super::args::{Args, Flag, value};
use super::door::Reply;

/// Flags that every command takes.
const GLOBAL: &[Flag] = &[
    value("namespace", 'n'),
    value("kubeconfig", ' '),
    value("context", ' '),
    value("as", ' '),
    value("request-timeout", ' '),
    value("v", 'v'),
];

/// Why a command failed: printed, with its exit code.
#[derive(Debug)]
pub(super) struct Failure {
    text: String,
    code: i32,
}

impl Failure {
    /// `error: ..`, exit 1.
    fn error(text: impl AsRef<str>) -> Self {
        Failure { text: format!("error: {}\n", text.as_ref()), code: 1 }
    }

    /// A text as it stands, exit 1.
    fn plain(text: impl AsRef<str>) -> Self {
        Failure { text: format!("{}\n", text.as_ref()), code: 1 }
    }

    /// What the api-server answered. Models kubectl's cmdutil.StandardErrorMessage.
    fn server(reply: &Reply) -> Self {
        let v = reply.json();
        let message = v["message"].as_str().unwrap_or_default().to_owned();
        let reason = v["reason"].as_str().unwrap_or_default();
        if reason == "Invalid" && message.contains(" is invalid") {
            let kind = v["details"]["kind"].as_str().unwrap_or_default();
            let name = v["details"]["name"].as_str().unwrap_or_default();
            let causes = v["details"]["causes"].as_array().cloned().unwrap_or_default();
            let head = format!("The {kind} {} is invalid", crate::api::field::quote(name));
            let texts: Vec<String> = causes
                .iter()
                .map(|c| {
                    format!(
                        "{}: {}",
                        c["field"].as_str().unwrap_or_default(),
                        c["message"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            let text = match texts.as_slice() {
                [] => head,
                [one] => format!("{head}: {one}"),
                many => format!("{head}: \n{}", many.iter().map(|t| format!("* {t}")).collect::<Vec<_>>().join("\n")),
            };
            return Failure { text: format!("{text}\n"), code: 1 };
        }
        let text = if reason.is_empty() {
            format!("Error from server: {message}")
        } else {
            format!("Error from server ({reason}): {message}")
        };
        Failure { text: format!("{text}\n"), code: 1 }
    }

    /// The same while a file was being worked on.
    fn about_file(mut self, what: &str) -> Self {
        if let Some(rest) = self.text.strip_prefix("Error from server")
            && let Some((head, message)) = rest.split_once(": ")
        {
            self.text = format!("Error from server{head}: {what}: {message}");
        }
        self
    }
}

type Outcome = Result<(), Failure>;

/// What commands share: the shell, the arguments, the namespace.
pub(super) struct Cx<'a> {
    shell: &'a Shell,
    args: Args,
    namespace: String,
}

impl Cx<'_> {
    async fn send(
        &self,
        method: &str,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, Failure> {
        let mut all: Vec<(&str, &str)> = headers.to_vec();
        if let Some(user) = self.args.get("as") {
            all.push(("Impersonate-User", user));
        }
        let reply = self.shell.door.send(method, path, query, &all, body).await.map_err(Failure::plain)?;
        for w in &reply.warnings {
            self.shell.err(format!("Warning: {w}\n"));
        }
        Ok(reply)
    }

    /// An answer that must be no failure, as JSON.
    async fn ask(&self, method: &str, path: &str, query: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let headers: &[(&str, &str)] = &[("Content-Type", "application/json"), ("Accept", "application/json")];
        let reply = self.send(method, path, query, headers, bytes).await?;
        if reply.is_ok() { Ok(reply.json()) } else { Err(Failure::server(&reply)) }
    }

    /// A patch, answered by the object.
    async fn patch(&self, path: &str, content_type: &str, patch: &Value, query: &str) -> Result<Value, Failure> {
        let headers = [("Content-Type", content_type), ("Accept", "application/json")];
        let reply = self.send("PATCH", path, query, &headers, patch.to_string().into_bytes()).await?;
        if reply.is_ok() { Ok(reply.json()) } else { Err(Failure::server(&reply)) }
    }

    fn out(&self, text: impl Into<String>) {
        self.shell.out(text);
    }
}

/// Percent-encodes a query's value.
pub(super) fn encode(s: &str) -> String {
    let mut out = String::new();
    for b in s.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

/// Runs kubectl: its exit code.
pub(super) async fn run(shell: &Shell, words: &[String]) -> i32 {
    let Some(verb) = words.iter().find(|w| !w.starts_with('-')) else {
        shell.out(HELP);
        return 0;
    };
    let flags: &[Flag] = match verb.as_str() {
        "get" => get::FLAGS,
        "describe" => describe::FLAGS,
        "apply" | "replace" | "diff" => apply::FLAGS,
        "create" | "run" | "expose" | "autoscale" => create::FLAGS,
        "delete" => delete::FLAGS,
        "scale" => scale::FLAGS,
        "logs" => logs::FLAGS,
        "exec" => logs::EXEC_FLAGS,
        "cordon" | "uncordon" | "drain" => drain::FLAGS,
        "label" | "annotate" => label::FLAGS,
        "taint" => taint::FLAGS,
        "patch" => patch::FLAGS,
        "wait" => wait::FLAGS,
        "rollout" => rollout::FLAGS,
        "set" => set::FLAGS,
        "version" | "api-resources" | "api-versions" | "cluster-info" | "auth" | "top" => info::FLAGS,
        other => {
            shell.err(format!("error: unknown command {} for \"kubectl\"\n", crate::api::field::quote(other)));
            return 1;
        }
    };
    let all: Vec<Flag> = GLOBAL.iter().chain(flags).copied().collect();
    let args = match Args::parse(words, &all) {
        Ok(a) => a,
        Err(e) => {
            shell.err(format!("error: {e}\nSee 'kubectl {verb} --help' for usage.\n"));
            return 1;
        }
    };
    let namespace = args.get("namespace").unwrap_or("default").to_owned();
    let verb = args.words.first().cloned().unwrap_or_default();
    let mut cx = Cx { shell, args, namespace };
    cx.args.words.remove(0);
    let outcome = match verb.as_str() {
        "get" => get::run(&cx).await,
        "describe" => describe::run(&cx).await,
        "apply" if cx.args.words.first().is_some_and(|w| w == "view-last-applied") => {
            apply::view_last_applied(&cx).await
        }
        "apply" => apply::apply(&cx).await,
        "replace" => apply::replace(&cx).await,
        "create" if cx.args.all("filename").is_empty() => create::run(&cx).await,
        "create" => apply::create(&cx).await,
        "run" => create::run_pod(&cx).await,
        "expose" => create::expose(&cx).await,
        "autoscale" => create::autoscale(&cx).await,
        "delete" => delete::run(&cx).await,
        "scale" => scale::run(&cx).await,
        "logs" => logs::run(&cx).await,
        "exec" => logs::exec(&cx).await,
        "cordon" => drain::cordon(&cx, true).await,
        "uncordon" => drain::cordon(&cx, false).await,
        "drain" => drain::drain(&cx).await,
        "label" => label::run(&cx, "labels").await,
        "annotate" => label::run(&cx, "annotations").await,
        "taint" => taint::run(&cx).await,
        "patch" => patch::run(&cx).await,
        "wait" => wait::run(&cx).await,
        "rollout" => rollout::run(&cx).await,
        "set" => set::run(&cx).await,
        "version" => info::version(&cx).await,
        "cluster-info" => info::cluster_info(&cx).await,
        "api-resources" => info::api_resources(&cx).await,
        "api-versions" => info::api_versions(&cx).await,
        "auth" => info::auth(&cx).await,
        "top" => Err(Failure::error("Metrics API not available")),
        _ => Err(Failure::error(format!("kubectl {verb} is not there yet"))),
    };
    match outcome {
        Ok(()) => 0,
        Err(f) => {
            shell.err(f.text);
            f.code
        }
    }
}

const HELP: &str = "kubectl controls the Kubernetes cluster manager.

 Find more information at: https://kubernetes.io/docs/reference/kubectl/

Commands:
  get, describe, create, apply, replace, patch, delete, run, expose, scale, autoscale, set, label, annotate, rollout, wait, logs,
  cordon, uncordon, drain, taint, auth, api-resources, api-versions, cluster-info, version
";
