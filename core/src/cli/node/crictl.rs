//! crictl. Models cri-tools v1.35's `cmd/crictl`: it talks to containerd alone.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Flags, ago, fail, size};
use crate::cli::{Shell, align};
use crate::cluster::Login;
use crate::runtime::containerd::{Container, ContainerState, CriError, Id, Sandbox, SandboxState, StoredImage};

/// What crictl shows of a container.
struct Row {
    id: Id,
    sandbox: Id,
    image: String,
    created: jiff::Timestamp,
    state: ContainerState,
    name: String,
    attempt: u32,
    pod: String,
    namespace: String,
    exit_code: i32,
    reason: String,
}

pub(super) async fn run(shell: &Shell, login: &Login, words: &[String]) -> i32 {
    let valued = [
        "name",
        "namespace",
        "label",
        "state",
        "s",
        "p",
        "pod",
        "o",
        "output",
        "tail",
        "t",
        "timeout",
        "n",
        "last",
        "image",
        "since",
        "r",
        "runtime-endpoint",
        "i",
        "image-endpoint",
        "id",
    ];
    // What follows the container's id of an exec is the command, with its own flags.
    let exec = words.first().is_some_and(|w| w == "exec");
    let end = if exec {
        words.iter().skip(1).position(|w| !w.starts_with('-')).map_or(words.len(), |i| i + 2)
    } else {
        words.len()
    };
    let mut f = Flags::parse(&words[..end], &valued);
    f.words.extend(words[end..].iter().filter(|w| *w != "--").cloned());
    match command(shell, login, &f).await {
        Ok(()) => 0,
        Err(Failure::Cri(CriError::Unavailable)) => fail(
            shell,
            format!(
                "FATA[0000] validate service connection: validate CRI v1 runtime API for endpoint \"unix:///run/containerd/containerd.sock\": {}",
                CriError::Unavailable
            ),
        ),
        Err(Failure::Cri(e)) => fail(shell, format!("FATA[0000] {e}")),
        Err(Failure::Words(w)) => fail(shell, w),
    }
}

enum Failure {
    Cri(CriError),
    Words(String),
}

impl From<CriError> for Failure {
    fn from(e: CriError) -> Self {
        Failure::Cri(e)
    }
}

async fn command(shell: &Shell, login: &Login, f: &Flags) -> Result<(), Failure> {
    let cri = &login.containerd;
    cri.list_containers(|_, _| ())?;
    match f.word(0) {
        "ps" => list(shell, login, f)?,
        "pods" => pods(shell, login, f)?,
        "images" | "image" | "img" => images(shell, login, f),
        "version" => shell.out("Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  v2.2.1\nRuntimeApiVersion:  v1\n"),
        "info" => shell.out(pretty(&info(login))),
        "inspect" => {
            for id in ids(f)? {
                let row = one(login, &id)?;
                shell.out(pretty(&inspected(&row)));
            }
        }
        "inspectp" => {
            for id in ids(f)? {
                let b = sandbox(login, &id)?;
                shell.out(pretty(&inspected_pod(&b)));
            }
        }
        "logs" => logs(shell, login, f).await?,
        "stats" => stats(shell, login)?,
        "stop" => {
            let timeout = f.get(&["t", "timeout"]).and_then(|t| t.parse().ok()).unwrap_or(0);
            for id in ids(f)? {
                let row = one(login, &id)?;
                cri.stop_container(row.id, Duration::from_secs(timeout)).await?;
                shell.out(format!("{id}\n"));
            }
        }
        "rm" => remove(shell, login, f).await?,
        "stopp" => {
            for id in ids(f)? {
                let b = sandbox(login, &id)?;
                cri.stop_pod_sandbox(b.id).await?;
                shell.out(format!("Stopped sandbox {id}\n"));
            }
        }
        "rmp" => {
            for id in ids(f)? {
                let b = sandbox(login, &id)?;
                if b.state == SandboxState::Ready && !f.on(&["f", "force"]) {
                    return Err(Failure::Words(format!("removing the pod sandbox \"{}\": rpc error: code = Unknown desc = pod sandbox is ready, please use `--force` to remove it", b.id)));
                }
                cri.stop_pod_sandbox(b.id).await?;
                cri.remove_pod_sandbox(b.id).await?;
                shell.out(format!("Removed sandbox {id}\n"));
            }
        }
        "pull" => {
            for name in ids(f)? {
                let image = cri.pull_image(&name).await?;
                shell.out(format!("Image is up to date for {}\n", image.image.reference()));
            }
        }
        "rmi" => {
            for name in ids(f)? {
                let Some(image) = cri.image_status(&name)? else {
                    return Err(Failure::Words(format!("FATA[0000] no such image {name}")));
                };
                cri.remove_image(&name)?;
                shell.out(format!("Deleted: {}\n", image.image.name));
            }
        }
        "exec" => execute(shell, login, f).await?,
        "" | "help" => shell.out("NAME:\n   crictl - client for CRI\n\nUSAGE:\n   crictl [global options] command [command options]\n\nCOMMANDS:\n   exec      Run a command in a running container\n   images    List images\n   info      Display information of the container runtime\n   inspect   Display the status of one or more containers\n   inspectp  Display the status of one or more pods\n   logs      Fetch the logs of a container\n   pods      List pods\n   ps        List containers\n   pull      Pull an image from a registry\n   rm        Remove one or more containers\n   rmi       Remove one or more images\n   rmp       Remove one or more pods\n   stats     List container(s) resource usage statistics\n   stop      Stop one or more running containers\n   stopp     Stop one or more running pods\n   version   Display runtime version information\n"),
        other => return Err(Failure::Words(format!("No help topic for '{other}'"))),
    }
    Ok(())
}

fn pretty(v: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(v).unwrap_or_default())
}

fn ids(f: &Flags) -> Result<Vec<String>, Failure> {
    let ids: Vec<String> = f.words.iter().skip(1).cloned().collect();
    if ids.is_empty() {
        return Err(Failure::Words("FATA[0000] ID cannot be empty".into()));
    }
    Ok(ids)
}

fn row(c: &Container, b: Option<&Sandbox>) -> Row {
    Row {
        id: c.id,
        sandbox: c.sandbox,
        image: c.image.image.id.to_string(),
        created: c.created_at,
        state: c.state,
        name: c.spec.name.to_string(),
        attempt: c.spec.attempt,
        pod: b.map(|b| b.spec.name.to_string()).unwrap_or_default(),
        namespace: b.map(|b| b.spec.namespace.to_string()).unwrap_or_default(),
        exit_code: c.exit_code,
        reason: c.reason.to_string(),
    }
}

/// Every container, the newest first.
fn rows(login: &Login) -> Result<Vec<Row>, CriError> {
    let mut all = Vec::new();
    login.containerd.list_containers(|c, b| all.push(row(c, b)))?;
    all.sort_by_key(|r| std::cmp::Reverse((r.created, r.id)));
    Ok(all)
}

/// The container whose id begins so, or whose name it is.
fn one(login: &Login, id: &str) -> Result<Row, Failure> {
    let mut found: Vec<Row> = rows(login)?.into_iter().filter(|r| r.id.to_string().starts_with(id)).collect();
    if found.len() == 1 {
        return found.pop().ok_or(Failure::Cri(CriError::Unavailable));
    }
    let e = format!("an error occurred when try to find container \"{id}\": not found");
    Err(Failure::Cri(CriError::NotFound(e)))
}

fn sandbox(login: &Login, id: &str) -> Result<Sandbox, Failure> {
    let mut all = login.containerd.list_pod_sandbox()?;
    all.retain(|b| b.id.to_string().starts_with(id));
    if all.len() == 1 {
        return all.pop().ok_or(Failure::Cri(CriError::Unavailable));
    }
    let e = format!("an error occurred when try to find sandbox: not found: \"{id}\"");
    Err(Failure::Cri(CriError::NotFound(e)))
}

fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(13).collect()
}

fn list(shell: &Shell, login: &Login, f: &Flags) -> Result<(), CriError> {
    let now = shell.door.sim.timestamp().as_second();
    let state = f.get(&["state", "s"]).map(str::to_lowercase);
    let shown = |r: &Row| {
        let by_state = match &state {
            Some(s) => r.state.as_str().eq_ignore_ascii_case(s),
            None => f.on(&["a", "all"]) || r.state == ContainerState::Running,
        };
        by_state
            && f.get(&["name"]).is_none_or(|n| r.name.contains(n))
            && f.get(&["pod", "p"]).is_none_or(|p| r.sandbox.to_string().starts_with(p))
            && f.get(&["namespace"]).is_none_or(|n| r.namespace == n)
    };
    let mut out = String::from("CONTAINER\tIMAGE\tCREATED\tSTATE\tNAME\tATTEMPT\tPOD ID\tPOD\tNAMESPACE\n");
    for r in rows(login)?.into_iter().filter(shown) {
        if f.on(&["q", "quiet"]) {
            shell.out(format!("{}\n", r.id));
            continue;
        }
        let created = ago(now - r.created.as_second());
        let (id, image, pod_id) = (r.id.short(), short(&r.image), r.sandbox.short());
        out.push_str(&format!(
            "{id}\t{image}\t{created} ago\t{}\t{}\t{}\t{pod_id}\t{}\t{}\n",
            r.state.as_str(),
            r.name,
            r.attempt,
            r.pod,
            r.namespace
        ));
    }
    if !f.on(&["q", "quiet"]) {
        shell.out(align(&out, 20, 3));
    }
    Ok(())
}

fn pods(shell: &Shell, login: &Login, f: &Flags) -> Result<(), CriError> {
    let now = shell.door.sim.timestamp().as_second();
    let mut all = login.containerd.list_pod_sandbox()?;
    all.retain(|b| f.get(&["name"]).is_none_or(|n| b.spec.name.contains(n)));
    all.retain(|b| f.get(&["namespace"]).is_none_or(|n| *b.spec.namespace == *n));
    all.sort_by_key(|b| std::cmp::Reverse((b.created_at, b.id)));
    let mut out = String::from("POD ID\tCREATED\tSTATE\tNAME\tNAMESPACE\tATTEMPT\tRUNTIME\n");
    for b in all {
        if f.on(&["q", "quiet"]) {
            shell.out(format!("{}\n", b.id));
            continue;
        }
        let state = if b.state == SandboxState::Ready { "Ready" } else { "NotReady" };
        let created = ago(now - b.created_at.as_second());
        let s = &b.spec;
        out.push_str(&format!(
            "{}\t{created} ago\t{state}\t{}\t{}\t{}\t(default)\n",
            b.id.short(),
            s.name,
            s.namespace,
            s.attempt
        ));
    }
    if !f.on(&["q", "quiet"]) {
        shell.out(align(&out, 20, 3));
    }
    Ok(())
}

/// An image's name without its tag, and the tag.
pub(super) fn tagged(i: &StoredImage) -> (String, String) {
    let name = i.image.name.to_string();
    match name.rsplit_once(':') {
        Some((n, tag)) if !tag.contains('/') => (n.to_owned(), tag.to_owned()),
        _ => (name, "<none>".into()),
    }
}

fn images(shell: &Shell, login: &Login, f: &Flags) {
    let mut out = String::from("IMAGE\tTAG\tIMAGE ID\tSIZE\n");
    for i in login.containerd.list_images() {
        if f.on(&["q", "quiet"]) {
            shell.out(format!("{}\n", i.image.id));
            continue;
        }
        let (name, tag) = tagged(&i);
        out.push_str(&format!("{name}\t{tag}\t{}\t{}\n", short(&i.image.id), size(i.image.size(), 3)));
    }
    if !f.on(&["q", "quiet"]) {
        shell.out(align(&out, 20, 3));
    }
}

fn info(login: &Login) -> Value {
    let network = login.containerd.network_ready();
    let (reason, message) = match network {
        true => ("", ""),
        false => ("NetworkPluginNotReady", "Network plugin returns error: cni plugin not initialized"),
    };
    json!({"status": {"conditions": [
        {"type": "RuntimeReady", "status": true, "reason": "", "message": ""},
        {"type": "NetworkReady", "status": network, "reason": reason, "message": message},
    ]}})
}

fn inspected(r: &Row) -> Value {
    json!({"status": {
        "id": r.id.to_string(), "metadata": {"name": r.name, "attempt": r.attempt},
        "state": format!("CONTAINER_{}", r.state.as_str().to_uppercase()), "createdAt": r.created.to_string(),
        "exitCode": r.exit_code, "reason": r.reason, "imageRef": r.image,
        "labels": {"io.kubernetes.container.name": r.name, "io.kubernetes.pod.name": r.pod, "io.kubernetes.pod.namespace": r.namespace},
    }, "info": {"sandboxID": r.sandbox.to_string()}})
}

fn inspected_pod(b: &Sandbox) -> Value {
    let state = if b.state == SandboxState::Ready { "SANDBOX_READY" } else { "SANDBOX_NOTREADY" };
    json!({"status": {
        "id": b.id.to_string(), "createdAt": b.created_at.to_string(), "state": state,
        "metadata": {"name": *b.spec.name, "namespace": *b.spec.namespace, "uid": *b.spec.uid, "attempt": b.spec.attempt},
        "network": {"ip": b.ip.map(|i| i.to_string()).unwrap_or_default(), "additionalIps": []}, "labels": *b.spec.labels,
    }})
}

async fn logs(shell: &Shell, login: &Login, f: &Flags) -> Result<(), Failure> {
    let id = ids(f)?.swap_remove(0);
    let row = one(login, &id)?;
    let last = f.get(&["tail"]).and_then(|t| t.parse().ok()).unwrap_or(usize::MAX);
    let cri = &login.containerd;
    shell.out(cri.with_log(row.id, |l| l.tail(last, usize::MAX)).unwrap_or_default());
    let mut seen = cri.with_log(row.id, |l| l.written()).unwrap_or_default();
    while f.on(&["f", "follow"]) && cri.container_status(row.id, Container::is_running).unwrap_or(false) {
        shell.door.sim.sleep(Duration::from_millis(200)).await;
        let new =
            cri.with_log(row.id, |l| (l.written(), l.lines(seen).map(|l| format!("{}\n", l.text)).collect::<String>()));
        if let Some((written, text)) = new {
            seen = written;
            shell.out(text);
        }
    }
    Ok(())
}

fn stats(shell: &Shell, login: &Login) -> Result<(), CriError> {
    let mut out = String::from("CONTAINER\tNAME\tCPU %\tMEM\tDISK\tINODES\n");
    for r in rows(login)?.into_iter().filter(|r| r.state == ContainerState::Running) {
        let used = login.containerd.container_stats(r.id)?;
        let memory = size(used.memory_bytes, 4);
        out.push_str(&format!("{}\t{}\t0.00\t{memory}\t0B\t0\n", r.id.short(), r.name));
    }
    shell.out(align(&out, 20, 3));
    Ok(())
}

async fn remove(shell: &Shell, login: &Login, f: &Flags) -> Result<(), Failure> {
    let every = f.on(&["a", "all"]);
    let list = if every { rows(login)?.iter().map(|r| r.id.to_string()).collect() } else { ids(f)? };
    for id in list {
        let r = one(login, &id)?;
        if r.state == ContainerState::Running && !f.on(&["f", "force"]) {
            if every {
                continue;
            }
            return Err(Failure::Words(format!("FATA[0000] container \"{}\" is running, please stop it first", r.id)));
        }
        login.containerd.stop_container(r.id, Duration::ZERO).await?;
        login.containerd.remove_container(r.id).await?;
        shell.out(format!("{id}\n"));
    }
    Ok(())
}

async fn execute(shell: &Shell, login: &Login, f: &Flags) -> Result<(), Failure> {
    let mut words = ids(f)?;
    let row = one(login, &words.remove(0))?;
    if words.is_empty() {
        return Err(Failure::Words("FATA[0000] command cannot be empty".into()));
    }
    let done = login.containerd.exec_sync(row.id, words, Duration::from_secs(10)).await?;
    shell.out(String::from_utf8_lossy(&done.stream(false)));
    shell.err(String::from_utf8_lossy(&done.stream(true)));
    if let Some(code) = done.exit_code.filter(|c| *c != 0) {
        return Err(Failure::Words(format!(
            "FATA[0000] execing command in container: command terminated with exit code {code}"
        )));
    }
    Ok(())
}
