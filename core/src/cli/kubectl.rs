//! kubectl: what it prints and how it exits are upstream's. Models `staging/src/k8s.io/kubectl/pkg/cmd`.

mod apply;
mod auth;
mod autoscale;
mod builder;
mod certificate;
mod config;
mod create;
mod delete;
mod describe;
mod diff;
mod drain;
mod elsewhere;
mod events;
mod exec;
mod explain;
mod expose;
mod failure;
mod get;
mod gotemplate;
mod info;
mod kyaml;
mod label;
mod last_applied;
mod logs;
mod options;
mod patch;
mod pods;
mod print;
mod resources;
mod rollout;
mod run;
mod scale;
mod set;
mod show;
mod tabs;
mod taint;
mod three_way;
mod top;
pub(super) mod tree;
mod wait;

use std::cell::Cell;

use serde_json::Value;

pub(super) use failure::Failure;
pub(super) use tabs::align;

use super::Shell;
use super::args::Args;
use super::door::Reply;
use tree::{Command, Found};

type Outcome = Result<(), Failure>;

/// What commands share: the shell, the command, its arguments, and what the kubeconfig says.
pub(super) struct Cx<'a> {
    shell: &'a Shell,
    command: &'static Command,
    args: Args,
    namespace: String,
    /// Whether the namespace was given, not taken from the kubeconfig.
    namespace_given: bool,
    token: Option<String>,
    /// How many YAML documents were printed.
    documents: Cell<usize>,
}

impl<'a> Cx<'a> {
    fn new(shell: &'a Shell, command: &'static Command, args: Args) -> Result<Self, Failure> {
        let config = config::Config::load(shell, args.get("kubeconfig"));
        // A command that works on the kubeconfig itself takes it as it is.
        let access = match command.path.starts_with("config") {
            true => config::Access::default(),
            false => config.access(&args)?,
        };
        let given = args.get("namespace").filter(|n| !n.is_empty()).map(str::to_owned);
        let namespace_given = given.is_some();
        let namespace = given.unwrap_or(access.namespace);
        Ok(Cx { shell, command, args, namespace, namespace_given, token: access.token, documents: Cell::new(0) })
    }

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
        all.extend(self.args.all("as-group").iter().map(|g| ("Impersonate-Group", g.as_str())));
        if let Some(uid) = self.args.get("as-uid") {
            all.push(("Impersonate-Uid", uid));
        }
        let bearer = self.token.as_ref().map(|t| format!("Bearer {t}"));
        if let Some(b) = &bearer {
            all.push(("Authorization", b));
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
        let body = reply.json();
        // A Status may tell of a failure with a code that tells of none.
        let failed = body["kind"] == "Status" && body["status"] == "Failure";
        if reply.is_ok() && !failed { Ok(body) } else { Err(Failure::server(&reply)) }
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
    let (command, args) = match tree::find(words) {
        Found::Run(c, a) => (c, a),
        Found::Help(c) => {
            shell.out(c.help());
            return 0;
        }
        Found::Wrong(why) => {
            shell.err(format!("error: {}\n", why.trim_end_matches('\n')));
            return 1;
        }
    };
    let outcome = match Cx::new(shell, command, args) {
        Ok(cx) => dispatch(&cx).await,
        Err(f) => Err(f),
    };
    match outcome {
        Ok(()) => 0,
        Err(f) => {
            shell.err(f.text);
            f.code
        }
    }
}

async fn dispatch(cx: &Cx<'_>) -> Outcome {
    let (group, verb) = cx.command.path.split_once(' ').unwrap_or((cx.command.path, ""));
    match group {
        "" | "options" => {
            cx.out(cx.command.help());
            Ok(())
        }
        "get" => get::run(cx).await,
        "describe" => describe::run(cx).await,
        "apply" if verb.is_empty() => apply::apply(cx).await,
        "apply" => last_applied::run(cx, verb).await,
        "replace" => apply::replace(cx).await,
        "create" if verb.is_empty() => apply::create(cx).await,
        "create" if matches!(verb, "secret" | "service") => group_only(cx),
        "create" => create::run(cx, verb).await,
        "run" => run::run(cx).await,
        "expose" => expose::run(cx).await,
        "autoscale" => autoscale::run(cx).await,
        "delete" => delete::run(cx).await,
        "scale" => scale::run(cx).await,
        "logs" => logs::run(cx).await,
        "exec" => exec::run(cx).await,
        "cordon" => drain::cordon(cx, true).await,
        "uncordon" => drain::cordon(cx, false).await,
        "drain" => drain::drain(cx).await,
        "label" => label::run(cx, "labels").await,
        "annotate" => label::run(cx, "annotations").await,
        "taint" => taint::run(cx).await,
        "patch" => patch::run(cx).await,
        "wait" => wait::run(cx).await,
        "rollout" if !verb.is_empty() => rollout::run(cx, verb).await,
        "set" if !verb.is_empty() => set::run(cx, verb).await,
        "version" => info::version(cx).await,
        "cluster-info" => info::cluster_info(cx, verb).await,
        "api-resources" => info::api_resources(cx).await,
        "api-versions" => info::api_versions(cx).await,
        "auth" if !verb.is_empty() => auth::run(cx, verb).await,
        "explain" => explain::run(cx).await,
        "diff" => diff::run(cx).await,
        "events" => events::run(cx).await,
        "config" if !verb.is_empty() => config::run(cx, verb),
        "top" if !verb.is_empty() => top::run(cx, verb).await,
        "certificate" if !verb.is_empty() => certificate::run(cx, verb).await,
        "plugin" if !verb.is_empty() => elsewhere::plugins(),
        "edit" => elsewhere::edit(cx).await,
        "attach" => exec::attach(cx).await,
        "port-forward" => elsewhere::port_forward(cx).await,
        "proxy" | "cp" | "debug" | "kustomize" | "completion" => elsewhere::run(cx, group).await,
        _ => group_only(cx),
    }
}

/// A command that has subcommands alone. Models cmdutil.DefaultSubCommandRun.
fn group_only(cx: &Cx<'_>) -> Outcome {
    match cx.args.words.as_slice() {
        [] => Err(Failure::printed(cx.command.help())),
        words => Err(usage(cx, &format!("unknown command {}", crate::api::field::quote(&words.join(" "))))),
    }
}

/// An error with where help is. Models cmdutil.UsageErrorf.
fn usage(cx: &Cx<'_>, what: &str) -> Failure {
    Failure::error(format!("{what}\nSee '{} -h' for help and examples", cx.command.full()))
}
