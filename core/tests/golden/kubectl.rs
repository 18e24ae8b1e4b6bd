//! Replays the recorded kubectl session, `tests/golden/kubectl.json`, through the page's own kubectl.
//!
//! The commands run in order against one control plane with its controllers, its scheduler and fake kubelets. What kubelets make
//! up, ages, generated names and allocated addresses are replaced by placeholders on both sides. Commands whose exit code or
//! output differs are listed, with the reason, in `kubectl_exceptions.txt`. `KUBECTL=12` shows what differs in command 12.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use podarium_core::apiserver::User;
use podarium_core::cli::{self, Door, Home, Shell, Terminal};
use podarium_core::cluster::{Output, Outputs};
use podarium_core::sim::MachineId;
use regex::Regex;
use serde_json::{Value, json};

use super::world::World;

/// The nodes on which a command's pods landed in the recording, where a later command shows it: the scheduler's ties fall at
/// random.
const LANDED: [(usize, &[&str]); 3] = [(92, &["worker-1", "worker-3"]), (95, &["worker-1"]), (97, &["worker-2"])];
/// How long the recording's author waited after a command that changed something.
const SETTLE: Duration = Duration::from_secs(4);

/// What is volatile, and what stands for it: in this order.
static RULES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    const SUFFIX: &str = "[bcdfghjklmnpqrstvwxz2456789]{5}";
    let generated =
        format!(r"\b(myapp-r[cs]|web-[0-9a-z]{{8,10}}|web|api-[0-9a-z]{{8,10}}|kube-api-access)-{SUFFIX}\b");
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [-+]\d{4}", "<datetime>"),
        (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
        (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "<date>"),
        (r#"resourceVersion: "\d+""#, r#"resourceVersion: "<rv>""#),
        (generated.leak(), "${1}-<suffix>"),
        (r"10\.244\.\d+\.(\d+|<n>)", "<podip>"),
        (r"172\.18\.0\.\d+", "<hostip>"),
        (r"\b10\.(9[7-9]|10\d|11[01]|96\.\d*[1-9]\d)\.\d+\.\d+\b", "<ip>"),
        (r"/tmp/(LIVE|MERGED)-\d+", "/tmp/${1}-<n>"),
        (r"172\.30\.0\.2:6443", "<server>"),
        (r"\b(\d+[smhd])+\b", "<age>"),
        (r"(Node: +|<podip> +)worker-\d", "${1}<node>"),
        (r"to worker-\d", "to <node>"),
        (r"<age> \(x\d+ over <age>\)", "<age>"),
        (r" +", " "),
        (r" \n", "\n"),
    ]
    .map(|(r, with)| (Regex::new(r).expect("an expression"), with))
    .into()
});

/// The ReplicaSets of `web` whose templates hold no time; the others' hashes are a restart's.
const TIMELESS: [&str; 2] = ["7867c67b64", "5494db58f"];

fn normal(text: &str) -> String {
    static HASH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bweb-([0-9a-z]{8,10})\b").expect("an expression"));
    let hash = |c: &regex::Captures| {
        let timeless = TIMELESS.contains(&&c[1]);
        if timeless { c[0].to_owned() } else { "web-<hash>".to_owned() }
    };
    let mut text = RULES.iter().fold(text.to_owned(), |t, (r, with)| r.replace_all(&t, *with).into_owned());
    text = HASH.replace_all(&text, hash).into_owned();
    let mut lines: Vec<&str> = text.lines().collect();
    if text.contains("evicting pod") {
        // Evictions run beside each other.
        lines.sort_unstable();
        return lines.join("\n");
    }
    // Neighbours that differ in what is generated alone come in the order of what was generated.
    for group in lines.chunk_by_mut(|a, b| generated(a).is_some() && generated(a) == generated(b)) {
        group.sort_unstable();
    }
    lines.join("\n")
}

/// The first word of a line, when part of it is generated.
fn generated(line: &str) -> Option<&str> {
    line.split(' ').next().filter(|w| w.ends_with("-<suffix>"))
}

/// What a kubelet of the recording said of its node.
fn node(world: &mut World, i: usize) {
    let name = format!("worker-{i}");
    let now = world.sim.timestamp();
    let now = jiff::Timestamp::from_second(now.as_second()).expect("a time").to_string();
    let condition = |t: &str, status: &str, reason: &str, message: &str| json!({"type": t, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now, "lastTransitionTime": now});
    let amounts = |memory: &str, storage: &str| json!({"cpu": "4", "memory": memory, "pods": "110", "ephemeral-storage": storage, "hugepages-1Gi": "0", "hugepages-2Mi": "0"});
    let status = json!({"status": {
        "capacity": amounts("8148Mi", "61255492Ki"), "allocatable": amounts("8046Mi", "56453061334"),
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "addresses": [{"type": "InternalIP", "address": format!("172.18.0.{}", i + 2)}, {"type": "Hostname", "address": name}],
        "nodeInfo": {
            "machineID": format!("machine-{name}"), "systemUUID": format!("uuid-{name}"), "bootID": format!("boot-{name}"),
            "kernelVersion": "6.8.0-31-generic", "osImage": "Debian GNU/Linux 12 (bookworm)", "operatingSystem": "linux",
            "architecture": "amd64", "containerRuntimeVersion": "containerd://2.2.1", "kubeletVersion": "v1.36.2", "kubeProxyVersion": "",
        },
    }});
    world.ask("PATCH", &format!("/api/v1/nodes/{name}/status"), &status);
    let labels =
        json!({"metadata": {"labels": {"beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux"}}});
    world.ask("PATCH", &format!("/api/v1/nodes/{name}"), &labels);
}

/// The kubelets' leases, renewed.
fn renew(world: &mut World) {
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let now = world.sim.timestamp();
    let at = jiff::Timestamp::from_second(now.as_second()).expect("a time").to_string().replace('Z', ".000000Z");
    for i in 1..=3 {
        let name = format!("worker-{i}");
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": at}});
        if world.ask("PATCH", &format!("{path}/{name}"), &lease)["kind"] == "Status" {
            world.ask("POST", path, &lease);
        }
    }
}

struct Session {
    world: World,
    outputs: Outputs,
    home: Home,
    door: Door,
    commands: u64,
}

impl Session {
    fn new(files: &Value) -> Self {
        let mut world = World::new(7);
        (1..=3).for_each(|i| node(&mut world, i));
        renew(&mut world);
        world.advance(SETTLE);
        // The recording began with an empty namespace.
        world.ask("DELETE", "/api/v1/namespaces/default/events", &Value::Null);
        let user = User {
            name: "admin".into(),
            uid: "u1".into(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            ..User::default()
        };
        let door = Door {
            sim: world.sim.clone(),
            endpoints: world.endpoints.clone(),
            process: world.sim.start_process("person", MachineId::OUTSIDE),
            user,
            kubelets: None,
        };
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let files: Vec<(String, String)> =
            files.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect();
        Session { world, outputs: Outputs::default(), home: Home::with(files), door, commands: 0 }
    }

    /// Runs a command to its end: its exit code, what it printed, what it complained of.
    fn run(&mut self, line: &str) -> (i64, String, String) {
        self.commands += 1;
        let id = self.commands;
        let process = self.world.sim.start_process("person", MachineId::OUTSIDE);
        let shell = Shell {
            id,
            outputs: self.outputs.clone(),
            door: Door { process, ..self.door.clone() },
            home: self.home.clone(),
            machines: None,
            on: None,
            stdin: None,
            terminal: Terminal::new(&self.world.sim, id, self.outputs.clone()),
        };
        let line = line.to_owned();
        self.world.sim.spawn(process, async move {
            let code = cli::run(&shell, &line).await;
            shell.outputs.push(Output::Exit { id, code });
        });
        let (mut out, mut err) = (String::new(), String::new());
        for _ in 0..600 {
            self.world.advance(Duration::from_millis(100));
            for o in self.outputs.take() {
                match o {
                    Output::Text { stderr: true, text, .. } => err.push_str(&text),
                    Output::Text { text, .. } => out.push_str(&text),
                    Output::Exit { code, .. } => return (code.into(), out, err),
                    _ => {}
                }
            }
        }
        (-1, out, err)
    }

    /// From now on pods go to these nodes alone.
    fn only(&mut self, nodes: &[&str]) {
        for node in ["worker-1", "worker-2", "worker-3"] {
            let patch = json!({"spec": {"unschedulable": !nodes.contains(&node)}});
            self.world.ask("PATCH", &format!("/api/v1/nodes/{node}"), &patch);
        }
    }

    /// Moves pods of `web` until worker-2 has one of them, as it had in the recording.
    fn spread(&mut self) {
        let path = "/api/v1/namespaces/default/pods";
        let list = self.world.ask("GET", path, &Value::Null);
        let mut pods = list["items"].as_array().cloned().unwrap_or_default();
        pods.retain(|p| p["metadata"]["labels"]["app"] == "web");
        let there = pods.iter().filter(|p| p["spec"]["nodeName"] == "worker-2").count();
        if there == 1 || pods.is_empty() {
            return;
        }
        self.only(if there == 0 { &["worker-2"] } else { &["worker-1", "worker-3"] });
        let name = pods[0]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.world.ask("DELETE", &format!("{path}/{name}"), &Value::Null);
        self.world.advance(SETTLE * 2);
        self.only(&["worker-1", "worker-2", "worker-3"]);
        self.world.advance(SETTLE);
    }

    /// The first pod of the controller just acted on.
    fn pod(&mut self) -> String {
        let list = self.world.ask("GET", "/api/v1/namespaces/default/pods", &Value::Null);
        list["items"][0]["metadata"]["name"].as_str().unwrap_or_default().to_owned()
    }
}

fn exceptions() -> BTreeMap<usize, &'static str> {
    let lines = include_str!("kubectl_exceptions.txt").lines().map(str::trim);
    let split = |l: &'static str| l.split_once(' ').and_then(|(n, why)| Some((n.parse().ok()?, why)));
    lines.filter(|l| !l.is_empty() && !l.starts_with('#')).filter_map(split).collect()
}

fn first_difference(want: &str, got: &str) -> String {
    let (w, g): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let at = (0..w.len().max(g.len())).find(|i| w.get(*i) != g.get(*i)).unwrap_or(0);
    format!("line {}: want {:?}, got {:?}", at + 1, w.get(at).unwrap_or(&"nothing"), g.get(at).unwrap_or(&"nothing"))
}

#[test]
fn recorded_session() {
    #[expect(clippy::disallowed_methods, reason = "a person asks for more output; what holds does not depend on it")]
    let show: Option<usize> = std::env::var("KUBECTL").ok().and_then(|n| n.parse().ok());
    let recorded: Value = serde_json::from_str(include_str!("../../../tests/golden/kubectl.json")).expect("JSON");
    let known = exceptions();
    let mut session = Session::new(&recorded["files"]);
    let (mut held, mut failed, mut mended) = (0, Vec::new(), Vec::new());
    let steps = recorded["transcript"].as_array().expect("commands");
    for (i, step) in steps.iter().enumerate() {
        let text = |k: &str| step[k].as_str().unwrap_or_default();
        let mut line = text("cmd").to_owned();
        if line.contains("<pod>") {
            line = line.replace("<pod>", &session.pod());
        }
        renew(&mut session.world);
        let landed = LANDED.iter().find(|(n, _)| *n == i);
        if i == LANDED[0].0 {
            session.spread();
        }
        if let Some((_, nodes)) = landed {
            session.only(nodes);
        }
        let (code, out, err) = session.run(&line);
        let mut differences = Vec::new();
        if Some(code) != step["exit"].as_i64() {
            differences.push(format!("exit {code}, want {}", step["exit"]));
        }
        for (name, want, got) in [("stdout", text("stdout"), out), ("stderr", text("stderr"), err)] {
            let (want, got) = (normal(want), normal(&got));
            if want != got {
                differences.push(format!("{name} {}", first_difference(&want, &got)));
                if show == Some(i) {
                    println!("--- want {name}\n{want}\n--- got\n{got}");
                }
            }
        }
        match (differences.is_empty(), known.contains_key(&i)) {
            (true, listed) => {
                held += 1;
                if listed {
                    mended.push(i);
                }
            }
            (false, true) => {}
            (false, false) => {
                println!("{i} {line}: {}", differences.join("; "));
                failed.push(i);
            }
        }
        let reads = ["get", "describe", "explain", "version", "auth", "api-"];
        if !reads.iter().any(|r| line.starts_with(&format!("kubectl {r}"))) {
            session.world.advance(SETTLE);
        }
        if landed.is_some() {
            session.only(&["worker-1", "worker-2", "worker-3"]);
            session.world.advance(SETTLE);
        }
    }
    println!("equal: {held} of {}", steps.len());
    assert!(failed.is_empty(), "{} commands no longer hold: {failed:?}", failed.len());
    assert!(mended.is_empty(), "these hold now, take them off the list: {mended:?}");
}
