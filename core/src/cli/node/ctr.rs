//! ctr and nerdctl: containerd's own client, and the one that speaks as docker does.

use serde_json::json;

use super::crictl::tagged;
use super::{Flags, ago, fail, size};
use crate::cli::{Shell, align};
use crate::cluster::Login;
use crate::runtime::containerd::{Container, ContainerState, CriError, Sandbox};

/// Where the kubelet's containers are; ctr looks into `default` unless told otherwise.
const KUBERNETES: &str = "k8s.io";

fn unreachable(shell: &Shell, program: &str) -> i32 {
    let e = "failed to dial \"/run/containerd/containerd.sock\": connection error: desc = \"transport: error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"";
    match program {
        "ctr" => fail(shell, format!("ctr: {e}")),
        _ => fail(
            shell,
            "FATA[0000] cannot access containerd socket \"/run/containerd/containerd.sock\": connection refused",
        ),
    }
}

struct Listed {
    id: String,
    image: String,
    created: i64,
    running: bool,
    pid: u32,
    names: String,
    command: String,
}

fn listed(c: &Container, b: Option<&Sandbox>) -> Listed {
    let pod = b.map(|b| format!("{}/{}", b.spec.namespace, b.spec.name)).unwrap_or_default();
    let line = if c.spec.command.is_empty() { c.image.image.entrypoint.clone() } else { c.spec.command.clone() };
    Listed {
        id: c.id.to_string(),
        image: c.image.image.name.to_string(),
        created: c.created_at.as_second(),
        running: c.state == ContainerState::Running,
        pid: c.program().map_or(0, |p| super::systemctl::pid(p.0)),
        names: format!("k8s://{pod}/{}", c.spec.name),
        command: line.first().cloned().unwrap_or_default(),
    }
}

fn all(login: &Login) -> Result<Vec<Listed>, CriError> {
    let mut list = Vec::new();
    login.containerd.list_containers(|c, b| list.push(listed(c, b)))?;
    list.sort_by(|a, b| (b.created, &a.id).cmp(&(a.created, &b.id)));
    Ok(list)
}

/// ctr. Models containerd's `cmd/ctr`.
pub(super) async fn ctr(shell: &Shell, login: &Login, words: &[String]) -> i32 {
    let f = Flags::parse(words, &["n", "namespace", "a", "address"]);
    let Ok(list) = all(login) else { return unreachable(shell, "ctr") };
    let kubernetes = f.get(&["n", "namespace"]) == Some(KUBERNETES);
    let list = if kubernetes { list } else { Vec::new() };
    let mut out = String::new();
    match (f.word(0), f.word(1)) {
        ("version", _) => out.push_str("Client:\n  Version:  v2.2.1\n\nServer:\n  Version:  v2.2.1\n"),
        ("namespaces" | "namespace" | "ns", "ls" | "list") => out.push_str("NAME\tLABELS\t\ndefault\t\t\nk8s.io\t\t\n"),
        ("containers" | "container" | "c", "ls" | "list") => {
            out.push_str("CONTAINER\tIMAGE\tRUNTIME\t\n");
            for c in list {
                out.push_str(&format!("{}\t{}\tio.containerd.runc.v2\t\n", c.id, c.image));
            }
        }
        ("tasks" | "task" | "t", "ls" | "list") => {
            out.push_str("TASK\tPID\tSTATUS\t\n");
            for c in list.iter().filter(|c| c.running) {
                out.push_str(&format!("{}\t{}\tRUNNING\t\n", c.id, c.pid));
            }
        }
        ("images" | "image" | "i", "ls" | "list") => {
            out.push_str("REF\tTYPE\tDIGEST\tSIZE\tPLATFORMS\tLABELS\t\n");
            let images = if kubernetes { login.containerd.list_images() } else { Vec::new() };
            for i in images {
                let (name, digest) = (&i.image.name, &i.image.digest);
                let bytes = size(i.image.size(), 4);
                out.push_str(&format!(
                    "{name}\tapplication/vnd.oci.image.index.v1+json\t{digest}\t{bytes}\tlinux/amd64\tio.cri-containerd.image=managed\t\n"
                ));
            }
        }
        ("", _) => {
            shell.out("NAME:\n   ctr - \n        __\n  _____/ /______\n / ___/ __/ ___/\n/ /__/ /_/ /\n\\___/\\__/_/\n\ncontainerd CLI\n\n\nUSAGE:\n   ctr [global options] command [command options]\n");
            return 0;
        }
        (a, "") => return fail(shell, format!("ctr: No help topic for '{a}'")),
        (_, b) => return fail(shell, format!("ctr: No help topic for '{b}'")),
    }
    shell.out(align(&out, 1, 1));
    0
}

/// nerdctl. Models its `ps`, `images`, `logs` and `inspect`.
pub(super) async fn nerdctl(shell: &Shell, login: &Login, words: &[String]) -> i32 {
    let f = Flags::parse(words, &["n", "namespace", "address", "tail"]);
    let Ok(list) = all(login) else { return unreachable(shell, "nerdctl") };
    let kubernetes = f.get(&["n", "namespace"]) == Some(KUBERNETES);
    let list = if kubernetes { list } else { Vec::new() };
    let now = shell.door.sim.timestamp().as_second();
    let mut out = String::new();
    match f.word(0) {
        "version" => out.push_str("Client:\n Version:\tv2.2.0\n\nServer:\n containerd:\n  Version:\tv2.2.1\n"),
        "ps" => {
            out.push_str("CONTAINER ID\tIMAGE\tCOMMAND\tCREATED\tSTATUS\tPORTS\tNAMES\n");
            for c in list.iter().filter(|c| c.running || f.on(&["a", "all"])) {
                let id: String = c.id.chars().take(12).collect();
                let (created, status) = (ago(now - c.created), if c.running { "Up" } else { "Exited" });
                let (image, command, names) = (&c.image, crate::api::field::quote(&c.command), &c.names);
                out.push_str(&format!("{id}\t{image}\t{command}\t{created} ago\t{status}\t\t{names}\n"));
            }
        }
        "images" => {
            out.push_str("REPOSITORY\tTAG\tIMAGE ID\tCREATED\tPLATFORM\tSIZE\tBLOB SIZE\n");
            let images = if kubernetes { login.containerd.list_images() } else { Vec::new() };
            for i in images {
                let (name, tag) = tagged(&i);
                let id: String = i.image.digest.trim_start_matches("sha256:").chars().take(12).collect();
                let bytes = size(i.image.size(), 4);
                out.push_str(&format!("{name}\t{tag}\t{id}\t{}\tlinux/amd64\t{bytes}\t{bytes}\n", "N/A"));
            }
        }
        "logs" | "inspect" => {
            let wanted = f.word(1);
            let Some(c) = list.iter().find(|c| !wanted.is_empty() && c.id.starts_with(wanted)) else {
                return fail(shell, format!("FATA[0000] 1 errors:\nno such container: {wanted}"));
            };
            let Some(id) = crate::runtime::containerd::Id::parse(&c.id) else { return 1 };
            if f.word(0) == "logs" {
                let last = f.get(&["tail", "n"]).and_then(|t| t.parse().ok()).unwrap_or(usize::MAX);
                shell.out(login.containerd.with_log(id, |l| l.tail(last, usize::MAX)).unwrap_or_default());
            } else {
                let v = json!([{"Id": c.id, "Image": c.image, "State": {"Status": if c.running { "running" } else { "exited" }}}]);
                shell.out(format!("{}\n", serde_json::to_string_pretty(&v).unwrap_or_default()));
            }
            return 0;
        }
        "" => return fail(shell, "nerdctl is a command line interface for containerd\n\nUsage: nerdctl [flags]"),
        other => return fail(shell, format!("FATA[0000] unknown subcommand \"{other}\" for \"nerdctl\"")),
    }
    shell.out(align(&out, 4, 4));
    0
}
