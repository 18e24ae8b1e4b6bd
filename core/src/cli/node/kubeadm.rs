//! kubeadm. Models `cmd/kubeadm/app/cmd` as far as it works on a cluster that is there already.

use serde_json::{Value, json};
use sha2::Digest as _;

use super::{Flags, fail};
use crate::cli::{Shell, align};
use crate::cluster::{Login, manifests};

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
/// The letters of bootstrap tokens.
const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

pub(super) async fn run(shell: &Shell, login: &Login, words: &[String]) -> i32 {
    let f = Flags::parse(words, &["o", "output", "ttl", "description", "config", "kubeconfig"]);
    match (f.word(0), f.word(1)) {
        ("version", _) => version(shell, &f),
        ("config", "images") if f.word(2) == "list" => {
            let mut images = manifests::images();
            images.insert(5, "registry.k8s.io/pause:3.10.1".into());
            shell.out(images.iter().map(|i| format!("{i}\n")).collect::<String>());
            0
        }
        ("token", "list" | "ls" | "") => list(shell).await,
        ("token", "create") => create(shell, login, &f).await,
        ("token", "delete") => delete(shell, &f).await,
        ("token", "generate") => {
            shell.out(format!("{}\n", token(shell)));
            0
        }
        ("init" | "join", _) => taken(shell, login, f.word(0)),
        ("", _) => {
            shell.out("\n\n    ┌──────────────────────────────────────────────────────────┐\n    │ KUBEADM                                                  │\n    │ Easily bootstrap a secure Kubernetes cluster             │\n    │                                                          │\n    │ Please give us feedback at:                              │\n    │ https://github.com/kubernetes/kubeadm/issues             │\n    └──────────────────────────────────────────────────────────┘\n\nUsage:\n  kubeadm [command]\n\nAvailable Commands:\n  config      Manage configuration for a kubeadm cluster persisted in a ConfigMap in the cluster\n  init        Run this command in order to set up the Kubernetes control plane\n  join        Run this on any machine you wish to join an existing cluster\n  token       Manage bootstrap tokens\n  version     Print the version of kubeadm\n");
            0
        }
        (other, _) => fail(
            shell,
            format!(
                "error: unknown command \"{other}\" for \"kubeadm\"\nTo see the stack trace of this error execute with --v=5 or higher"
            ),
        ),
    }
}

fn version(shell: &Shell, f: &Flags) -> i32 {
    match f.get(&["o", "output"]) {
        Some("short") => shell.out(format!("{}\n", manifests::VERSION)),
        _ => shell.out(format!(
            "kubeadm version: &version.Info{{Major:\"1\", Minor:\"36\", EmulationMajor:\"\", EmulationMinor:\"\", MinCompatibilityMajor:\"\", MinCompatibilityMinor:\"\", GitVersion:\"{}\", Compiler:\"gc\", Platform:\"linux/amd64\"}}\n",
            manifests::VERSION
        )),
    }
    0
}

/// What the preflight checks find on a machine that is part of a cluster.
fn taken(shell: &Shell, login: &Login, verb: &str) -> i32 {
    let files = login.machine.files.borrow();
    let mut found = Vec::new();
    if login.machine.control_plane {
        found.push("[ERROR Port-6443]: Port 6443 is in use".to_owned());
        for (name, path) in [
            ("kube-apiserver", "kube-apiserver.yaml"),
            ("kube-controller-manager", "kube-controller-manager.yaml"),
            ("kube-scheduler", "kube-scheduler.yaml"),
            ("etcd", "etcd.yaml"),
        ] {
            let full = format!("{}{path}", manifests::MANIFEST_DIR);
            if files.contains_key(&full) {
                found.push(format!(
                    "[ERROR FileAvailable--etc-kubernetes-manifests-{name}.yaml]: {full} already exists"
                ));
            }
        }
    } else {
        found.push(
            "[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists"
                .to_owned(),
        );
    }
    if login.machine.unit_runs(&shell.door.sim, "kubelet") {
        found.push("[ERROR Port-10250]: Port 10250 is in use".to_owned());
    }
    let began = if verb == "init" {
        format!("[init] Using Kubernetes version: {}\n", manifests::VERSION)
    } else {
        String::new()
    };
    shell.out(format!("{began}[preflight] Running pre-flight checks\n"));
    let lines: String = found.iter().map(|l| format!("\t{l}\n")).collect();
    fail(
        shell,
        format!(
            "[preflight] Some fatal errors occurred:\n{lines}[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`\nerror: error execution phase preflight: preflight checks failed\nTo see the stack trace of this error execute with --v=5 or higher"
        ),
    )
}

fn token(shell: &Shell) -> String {
    let letter = || char::from(LETTERS[(shell.door.sim.random_u64() % LETTERS.len() as u64) as usize]);
    let (id, secret): (String, String) = ((0..6).map(|_| letter()).collect(), (0..16).map(|_| letter()).collect());
    format!("{id}.{secret}")
}

async fn ask(shell: &Shell, method: &str, path: &str, query: &str, body: Option<&Value>) -> Result<Value, String> {
    let headers = [("Accept", "application/json"), ("Content-Type", "application/json")];
    let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
    let reply = shell.door.send(method, path, query, &headers, bytes).await?;
    let value = reply.json();
    if reply.is_ok() { Ok(value) } else { Err(value["message"].as_str().unwrap_or_default().to_owned()) }
}

fn plain(v: &Value) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(v.as_str().unwrap_or_default()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn list(shell: &Shell) -> i32 {
    let query = "fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken";
    let found = match ask(shell, "GET", SECRETS, query, None).await {
        Ok(v) => v,
        Err(e) => return fail(shell, format!("failed to list bootstrap tokens: {e}")),
    };
    let mut out = String::from("TOKEN\tTTL\tEXPIRES\tUSAGES\tDESCRIPTION\tEXTRA GROUPS\n");
    let items = found["items"].as_array().cloned().unwrap_or_default();
    let now = shell.door.sim.timestamp();
    for s in &items {
        let data = |k: &str| plain(&s["data"][k]);
        let ends: Option<jiff::Timestamp> = data("expiration").parse().ok();
        let ttl =
            ends.map_or("<forever>".to_owned(), |t| format!("{}h", (t.as_second() - now.as_second()).max(0) / 3600));
        let expires = ends.map_or("<never>".to_owned(), |t| t.to_string());
        let or_none = |s: String| if s.is_empty() { "<none>".to_owned() } else { s };
        out.push_str(&format!(
            "{}.{}\t{ttl}\t{expires}\tauthentication,signing\t{}\t{}\n",
            data("token-id"),
            data("token-secret"),
            or_none(data("description")),
            or_none(data("auth-extra-groups"))
        ));
    }
    if !items.is_empty() {
        shell.out(align(&out, 10, 3));
    }
    0
}

async fn create(shell: &Shell, login: &Login, f: &Flags) -> i32 {
    let given = f.word(2);
    let token = if given.is_empty() { token(shell) } else { given.to_owned() };
    let valid = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| LETTERS.contains(&b));
    let Some((id, secret)) = token.split_once('.').filter(|(a, b)| valid(a, 6) && valid(b, 16)) else {
        return fail(
            shell,
            format!(
                "the bootstrap token {} was not of the form \"\\\\A([a-z0-9]{{6}})\\\\.([a-z0-9]{{16}})\\\\z\"\nTo see the stack trace of this error execute with --v=5 or higher",
                crate::api::field::quote(&token)
            ),
        );
    };
    let expires = shell.door.sim.timestamp().as_second() + 24 * 3600;
    let expires = jiff::Timestamp::from_second(expires).map(|t| t.to_string()).unwrap_or_default();
    let mut data = json!({"token-id": id, "token-secret": secret, "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true", "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token"});
    if f.get(&["ttl"]) != Some("0") {
        data["expiration"] = expires.into();
    }
    if let Some(d) = f.get(&["description"]) {
        data["description"] = d.into();
    }
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": format!("bootstrap-token-{id}"), "namespace": "kube-system"}, "stringData": data});
    if let Err(e) = ask(shell, "POST", SECRETS, "", Some(&secret)).await {
        return fail(shell, format!("{e}\nTo see the stack trace of this error execute with --v=5 or higher"));
    }
    if f.on(&["print-join-command"]) {
        let digest = sha2::Sha256::digest(login.machine.name.as_bytes());
        let hash: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        shell.out(format!(
            "kubeadm join {}:6443 --token {token} --discovery-token-ca-cert-hash sha256:{hash} \n",
            login.machine.ip
        ));
    } else {
        shell.out(format!("{token}\n"));
    }
    0
}

async fn delete(shell: &Shell, f: &Flags) -> i32 {
    for t in f.words.iter().skip(2) {
        let id = t.split('.').next().unwrap_or_default();
        if let Err(e) = ask(shell, "DELETE", &format!("{SECRETS}/bootstrap-token-{id}"), "", None).await {
            return fail(
                shell,
                format!(
                    "failed to delete bootstrap token {}: {e}\nTo see the stack trace of this error execute with --v=5 or higher",
                    crate::api::field::quote(id)
                ),
            );
        }
        shell.out(format!("bootstrap token {} deleted\n", crate::api::field::quote(id)));
    }
    0
}
