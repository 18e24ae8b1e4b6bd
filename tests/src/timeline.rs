//! Scenarios as data: inputs at times, and what is then told of the cluster, at which times. The teller turns etcd's log into
//! lines such as `pod web-1 Ready=False`; generated names are numbered in the order in which they appear.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ContainerState, Event, Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use podarium_core::cluster::{Cluster, Output};
use podarium_core::session::{ComponentAction, Input, MachineAction, ServiceAction};
use podarium_core::sim::SimTime;

use crate::invariants::{Change, World};

/// A scenario: what is done, and what must be told.
pub struct Scenario<'a> {
    /// Manifests that commands may read, by name.
    pub files: &'a [(&'a str, &'a str)],
    /// What is done, `(seconds since the cluster was Ready, line)`: a kubectl command line, or one of `power off M`,
    /// `power on M`, `unplug M`, `plug M`, `systemctl VERB UNIT on M`, `kill UNIT on M`, `stop PART`, `start PART`,
    /// `kill PART`, `kill container P/C`.
    pub acts: &'a [(f64, &'a str)],
    /// How long it goes on, in seconds.
    pub until_s: f64,
    /// What must be told: `(since, earliest, latest, line)`. Seconds count from the first line like `since`, from the
    /// newest one before if it begins with `<`, from the beginning if it is empty. `*` stands for anything.
    pub told: &'a [(&'a str, f64, f64, &'a str)],
    /// What must never be told after the first act later than 20 s.
    pub never: &'a [&'a str],
}

/// One line that was told.
struct Line {
    at: SimTime,
    text: String,
}

/// Runs a scenario on a cluster that is Ready, and checks what is told.
pub fn check(mut cluster: Cluster, s: &Scenario<'_>) {
    let begin = cluster.now();
    let mut teller = Teller::default();
    teller.look(&cluster);
    teller.lines.clear();
    let mut ids = 1_000_000;
    for (at, act) in s.acts {
        run_until(&mut cluster, &mut teller, begin + Duration::from_secs_f64(*at));
        teller.tell(&cluster, format!("> {act}"));
        ids += 1;
        let line = teller.real_names(act);
        for input in inputs(ids, &line, s.files) {
            cluster.submit(input);
        }
        teller.look(&cluster);
    }
    run_until(&mut cluster, &mut teller, begin + Duration::from_secs_f64(s.until_s));
    let problems = s.problems(begin, &teller.lines);
    if !problems.is_empty() {
        let told: Vec<String> = teller
            .lines
            .iter()
            .filter(|l| !l.text.starts_with("lease "))
            .map(|l| format!("{:9.3} {}", l.at.since(begin).as_secs_f64(), l.text))
            .collect();
        panic!("{}\nwas told:\n{}", problems.join("\n"), told.join("\n"));
    }
}

fn run_until(cluster: &mut Cluster, teller: &mut Teller, t: SimTime) {
    while cluster.step(t) {
        teller.look(cluster);
        for output in cluster.take_outputs() {
            teller.printed(cluster, &output);
        }
    }
    cluster.advance_to(t);
    teller.look(cluster);
}

/// The inputs that a line stands for.
fn inputs(id: u64, line: &str, files: &[(&str, &str)]) -> Vec<Input> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let machine = |machine: &str, action| vec![Input::Machine { machine: machine.into(), action }];
    let service = |machine: &str, service: &str, action| {
        vec![Input::Service { machine: machine.into(), service: service.into(), action }]
    };
    let component = |component: &str, action| {
        vec![Input::Component { machine: "control-plane".into(), component: component.into(), action }]
    };
    match words.as_slice() {
        ["kubectl", ..] => {
            let files = files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
            vec![Input::Command { id, line: line.to_owned(), files }]
        }
        ["power", "off", machines @ ..] => machines.iter().flat_map(|m| machine(m, MachineAction::PowerOff)).collect(),
        ["power", "on", machines @ ..] => machines.iter().flat_map(|m| machine(m, MachineAction::PowerOn)).collect(),
        ["unplug", m] => machine(m, MachineAction::Unplug),
        ["plug", m] => machine(m, MachineAction::Plug),
        ["systemctl", "stop", unit, "on", m] => service(m, unit, ServiceAction::Stop),
        ["systemctl", "start", unit, "on", m] => service(m, unit, ServiceAction::Start),
        ["systemctl", "restart", unit, "on", m] => service(m, unit, ServiceAction::Restart),
        ["kill", "container", which] => {
            let (pod, container) = which.split_once('/').unwrap_or((which, "main"));
            vec![Input::KillContainer { namespace: "default".into(), pod: pod.into(), container: container.into() }]
        }
        ["kill", unit, "on", m] => service(m, unit, ServiceAction::Kill),
        ["stop", part] => component(part, ComponentAction::Stop),
        ["start", part] => component(part, ComponentAction::Start),
        ["kill", part] => component(part, ComponentAction::Kill),
        _ => panic!("nothing that can be done: {line}"),
    }
}

impl Scenario<'_> {
    fn problems(&self, begin: SimTime, lines: &[Line]) -> Vec<String> {
        let mut problems = Vec::new();
        for (since, low, high, wanted) in self.told {
            let (from, zero) = match since.strip_prefix('<') {
                _ if since.is_empty() => (0, begin),
                None => match lines.iter().position(|l| is_like(&l.text, since)) {
                    Some(n) => (n + 1, lines[n].at),
                    None => {
                        problems.push(format!("never told, so nothing can follow it: {since}"));
                        continue;
                    }
                },
                Some(_) => (0, begin),
            };
            let Some(found) = lines.iter().skip(from).position(|l| is_like(&l.text, wanted)).map(|n| n + from) else {
                problems.push(format!("never told: {wanted}"));
                continue;
            };
            let zero = match since.strip_prefix('<') {
                Some(s) => lines[..found].iter().rev().find(|l| is_like(&l.text, s)).map_or(begin, |l| l.at),
                None => zero,
            };
            let took = lines[found].at.since(zero).as_secs_f64();
            if took < *low || took > *high {
                let since = if since.is_empty() { "the beginning" } else { since };
                problems.push(format!("told {took:.3} s after {since}, not {low} to {high} s: {wanted}"));
            }
        }
        let late = begin + Duration::from_secs(20);
        let from = lines.iter().position(|l| l.at >= late && l.text.starts_with("> ")).unwrap_or(0);
        for unwanted in self.never {
            if let Some(l) = lines[from..].iter().find(|l| is_like(&l.text, unwanted)) {
                problems.push(format!("told at {:.3} s, but never to be: {}", l.at.since(begin).as_secs_f64(), l.text));
            }
        }
        problems
    }
}

/// Whether a text is like a pattern, in which `*` stands for anything.
pub fn is_like(text: &str, pattern: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Tells what happens, line by line.
#[derive(Default)]
struct Teller {
    world: World,
    lines: Vec<Line>,
    /// Generated names and what they are called here.
    aliases: BTreeMap<String, String>,
    numbers: BTreeMap<String, u32>,
}

impl Teller {
    fn tell(&mut self, cluster: &Cluster, text: String) {
        self.lines.push(Line { at: cluster.now(), text });
    }

    /// What a command printed, line by line, and how it ended.
    fn printed(&mut self, cluster: &Cluster, output: &Output) {
        match output {
            Output::Text { text, .. } => {
                for line in text.lines() {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let line = self.with_aliases(words.join(" "));
                    self.tell(cluster, format!("| {line}"));
                }
            }
            Output::Exit { code, .. } if *code != 0 => self.tell(cluster, format!("| exit {code}")),
            _ => {}
        }
    }

    fn look(&mut self, cluster: &Cluster) {
        let etcd = cluster.etcd();
        let etcd = etcd.borrow();
        if etcd.revision() != self.world.revision {
            let events = etcd.events_since(self.world.revision);
            for event in events.unwrap_or_else(|e| panic!("etcd's log: {e}")) {
                let change = self.world.apply(cluster, event);
                self.name(&change);
                let texts = texts(&change);
                for text in texts {
                    let text = self.with_aliases(text);
                    self.lines.push(Line { at: change.at, text });
                }
            }
        }
    }

    /// Numbers a pod whose name was generated.
    fn name(&mut self, change: &Change<'_>) {
        let Some(pod) = change.after::<Pod>().filter(|_| change.before.is_none()) else { return };
        let m = &pod.metadata;
        let (Some(name), Some(generated)) = (m.name.as_deref(), m.generate_name.as_deref()) else { return };
        let base = generated.trim_end_matches('-').to_owned();
        let n = self.numbers.entry(base.clone()).or_default();
        *n += 1;
        self.aliases.insert(name.to_owned(), format!("{base}-{n}"));
    }

    fn with_aliases(&self, mut text: String) -> String {
        for (name, alias) in &self.aliases {
            if text.contains(name.as_str()) {
                text = text.replace(name.as_str(), alias);
            }
        }
        text
    }

    fn real_names(&self, line: &str) -> String {
        self.aliases.iter().fold(line.to_owned(), |line, (name, alias)| line.replace(alias.as_str(), name))
    }
}

/// What a change is in words.
fn texts(c: &Change<'_>) -> Vec<String> {
    let mut told = Vec::new();
    if c.before::<Node>().is_some() || c.after::<Node>().is_some() {
        node(c.before(), c.after(), &mut told);
    } else if c.before::<Pod>().is_some() || c.after::<Pod>().is_some() {
        pod(c.before(), c.after(), &mut told);
    } else if let Some(e) = c.after::<Event>() {
        let o = &e.involved_object;
        told.push(format!(
            "event {} {} {}/{}: {}",
            e.type_.as_deref().unwrap_or_default(),
            e.reason.as_deref().unwrap_or_default(),
            o.kind.as_deref().unwrap_or_default().to_lowercase(),
            o.name.as_deref().unwrap_or_default(),
            e.message.as_deref().unwrap_or_default()
        ));
    } else if let Some(l) = c.after::<Lease>() {
        if l.metadata.namespace.as_deref() == Some("kube-node-lease") {
            told.push(format!("lease {} renewed", l.metadata.name.as_deref().unwrap_or_default()));
        }
    } else if let Some(e) = c.after::<EndpointSlice>() {
        let ready = |e: &EndpointSlice| {
            let is_ready = |c: Option<bool>| c.unwrap_or(false);
            e.endpoints.iter().flatten().filter(|e| is_ready(e.conditions.as_ref().and_then(|c| c.ready))).count()
        };
        let before = c.before::<EndpointSlice>().map(ready);
        if before != Some(ready(e)) {
            let service = e.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name"));
            told.push(format!("service {} leads to {}", service.map_or("", String::as_str), ready(e)));
        }
    }
    told
}

fn node(before: Option<&Node>, after: Option<&Node>, told: &mut Vec<String>) {
    let name = after.or(before).and_then(|n| n.metadata.name.as_deref()).unwrap_or_default();
    let Some(now) = after else { return told.push(format!("node {name} gone")) };
    if before.is_none() {
        told.push(format!("node {name} registered"));
    }
    let ready = |n: &Node| {
        let conditions = n.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
        let c = conditions.iter().find(|c| c.type_ == "Ready")?;
        let reason = c.reason.clone().unwrap_or_default();
        Some(format!("Ready={} {reason}: {}", c.status, c.message.as_deref().unwrap_or_default()))
    };
    if let Some(now) = ready(now)
        && before.and_then(ready).as_ref() != Some(&now)
    {
        told.push(format!("node {name} {now}"));
    }
    let taints = |n: &Node| -> BTreeSet<String> {
        let taints = n.spec.as_ref().and_then(|s| s.taints.as_deref()).unwrap_or_default();
        taints.iter().map(|t| format!("{}:{}", t.key, t.effect)).collect()
    };
    let (was, is) = (before.map(taints).unwrap_or_default(), taints(now));
    told.extend(is.difference(&was).map(|t| format!("node {name} +{t}")));
    told.extend(was.difference(&is).map(|t| format!("node {name} -{t}")));
}

fn pod(before: Option<&Pod>, after: Option<&Pod>, told: &mut Vec<String>) {
    let name = after.or(before).and_then(|n| n.metadata.name.as_deref()).unwrap_or_default();
    let Some(now) = after else { return told.push(format!("pod {name} gone")) };
    let mut facts: BTreeSet<String> = pod_facts(now);
    if let Some(b) = before {
        for f in pod_facts(b) {
            facts.remove(&f);
        }
    } else {
        told.push(format!("pod {name} made"));
    }
    told.extend(facts.into_iter().map(|f| format!("pod {name} {f}")));
}

/// What there is to tell of a pod as it stands.
fn pod_facts(p: &Pod) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    if let Some(node) = p.spec.as_ref().and_then(|s| s.node_name.as_deref()) {
        facts.insert(format!("bound to {node}"));
    }
    if p.metadata.deletion_timestamp.is_some() {
        facts.insert("deleting".into());
    }
    let Some(status) = &p.status else { return facts };
    facts.insert(format!("is {}", status.phase.as_deref().unwrap_or_default()));
    for c in status.conditions.iter().flatten() {
        match c.type_.as_str() {
            "Ready" => drop(facts.insert(format!("Ready={}", c.status))),
            "DisruptionTarget" | "PodScheduled" if c.reason.is_some() => {
                let (reason, message) = (c.reason.as_deref().unwrap_or_default(), c.message.as_deref());
                facts.insert(format!("{} {reason}: {}", c.type_, message.unwrap_or_default()));
            }
            _ => {}
        }
    }
    for s in status.container_statuses.iter().flatten() {
        let state = |state: &ContainerState| {
            if state.running.is_some() {
                Some("running".to_owned())
            } else if let Some(t) = &state.terminated {
                let (reason, message) = (t.reason.as_deref().unwrap_or_default(), t.message.as_deref());
                Some(format!("ended {} {reason}: {}", t.exit_code, message.unwrap_or_default()))
            } else {
                let w = state.waiting.as_ref()?;
                let (reason, message) = (w.reason.as_deref().unwrap_or_default(), w.message.as_deref());
                Some(format!("waits {reason}: {}", message.unwrap_or_default()))
            }
        };
        if let Some(text) = s.state.as_ref().and_then(state) {
            facts.insert(format!("{} {text}", s.name));
        }
        if let Some(text) = s.last_state.as_ref().and_then(state) {
            facts.insert(format!("{} {text}", s.name));
        }
        if s.restart_count > 0 {
            facts.insert(format!("{} restarts {}", s.name, s.restart_count));
        }
    }
    facts
}
