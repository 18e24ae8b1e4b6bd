//! The cluster in words: plain, exact, upstream's nouns. Pure.

use podarium_core::observe::{NodeHealth, NodeView, PartState, PodShape, PodView, TimerKind, TimerView};

use super::model::Model;

/// `1 pod`, `3 pods`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(n as u64)) }
}

/// `12,345`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A length of time as kubectl prints ages: `31s`, `5m12s`, `3h`.
pub fn age(ns: u64) -> String {
    let s = ns / 1_000_000_000;
    match s {
        0..=119 => format!("{s} s"),
        120..=5_999 => format!("{} min {} s", s / 60, s % 60),
        6_000..=172_799 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} days", s / 86_400),
    }
}

/// A virtual clock: `00:01:31.250`.
pub fn clock(ns: u64) -> String {
    let ms = ns / 1_000_000;
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{h:02}:{m:02}:{s:02}.{:03}", ms % 1000)
}

/// Bytes in binary units: `7.9 GiB`.
pub fn bytes(n: u64) -> String {
    let (mut v, mut unit) = (n as f64, 0);
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    while v >= 1024.0 && unit + 1 < units.len() {
        v /= 1024.0;
        unit += 1;
    }
    if unit == 0 || v >= 100.0 { format!("{v:.0} {}", units[unit]) } else { format!("{v:.1} {}", units[unit]) }
}

/// A long name with its middle cut out.
pub fn clip(name: &str, max_chars: usize) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= max_chars || max_chars < 5 {
        return name.to_owned();
    }
    let tail = (max_chars - 1) / 2;
    let head = max_chars - 1 - tail;
    let start: String = chars[..head].iter().collect();
    let end: String = chars[chars.len() - tail..].iter().collect();
    format!("{start}…{end}")
}

/// The part of a pod's name that tells it from its like: what follows the last dash.
pub fn tail(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((_, t)) if t.len() >= 2 => t,
        _ => name,
    }
}

/// An image's name without its registry and path, with its tag and without: `coredns:v1.14.2`, `coredns`.
pub fn image_names(image: &str) -> (&str, &str) {
    let base = image.split('@').next().unwrap_or(image);
    let base = base.rsplit('/').next().unwrap_or(base);
    (base, base.split(':').next().unwrap_or(base))
}

/// Whether any of the texts has the filter's text in it; an empty filter matches all.
pub fn matches(filter: &str, texts: &[&str]) -> bool {
    if filter.is_empty() {
        return true;
    }
    let wanted = filter.to_lowercase();
    texts.iter().any(|t| t.contains(filter) || t.to_lowercase().contains(&wanted))
}

/// What is left of a wait, as short as can be: `31 s`, `4:12`.
pub fn countdown(ns: u64) -> String {
    let s = ns.div_ceil(1_000_000_000);
    match s {
        0..=59 => format!("{s} s"),
        60..=3_599 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60),
    }
}

/// What is wrong with the machine under a node, if anything.
pub fn machine_trouble(n: &NodeView) -> Option<String> {
    if !n.powered {
        return Some("the machine is switched off".into());
    }
    if !n.plugged {
        return Some("its network is cut".into());
    }
    if n.health == NodeHealth::Joining {
        return None;
    }
    match (n.kubelet, n.containerd) {
        (true, true) => None,
        (false, true) => Some("its kubelet is not running".into()),
        (true, false) => Some("its containerd is not running".into()),
        (false, false) => Some("neither kubelet nor containerd runs".into()),
    }
}

/// What of a node is requested: in full, and in short.
pub fn requested(n: &NodeView) -> (String, String) {
    let cpus = |milli: u64| {
        if milli.is_multiple_of(1000) { format!("{}", milli / 1000) } else { format!("{:.2}", milli as f64 / 1000.0) }
    };
    let percent = |used: u64, of: u64| (used * 100).checked_div(of).unwrap_or(0);
    let full = format!(
        "{} of {} CPU, {} of {} requested",
        cpus(n.cpu_requested_milli),
        cpus(n.cpu_milli),
        bytes(n.memory_requested_bytes),
        bytes(n.memory_bytes)
    );
    let short = format!(
        "CPU {}%, memory {}%",
        percent(n.cpu_requested_milli, n.cpu_milli),
        percent(n.memory_requested_bytes, n.memory_bytes)
    );
    (full, short)
}

/// A node whose lease is older than this, in nanoseconds, is called silent: kubelets renew it every 10 s.
pub const SILENT_NS: u64 = 15_000_000_000;

/// How a node does, in a word or two.
pub fn node_state(n: &NodeView, silence_ns: Option<u64>) -> String {
    if !n.powered {
        return if n.health == NodeHealth::Unknown { "switched off, NotReady" } else { "switched off" }.into();
    }
    if let Some(s) = silence_ns.filter(|s| *s > SILENT_NS && n.health != NodeHealth::Gone) {
        let notready = if n.health == NodeHealth::Unknown { "NotReady, " } else { "" };
        return format!("{notready}silent for {}", age(s));
    }
    match n.health {
        NodeHealth::Joining => "joining".into(),
        NodeHealth::Ready if n.unschedulable => "Ready, cordoned".into(),
        NodeHealth::Ready => "Ready".into(),
        NodeHealth::NotReady => "NotReady".into(),
        NodeHealth::Unknown => "NotReady (unknown)".into(),
        NodeHealth::Gone => "Node object deleted".into(),
    }
}

/// A pod's state in words.
pub fn pod_state(p: &PodView) -> String {
    pod_state_shaped(p, p.shape)
}

/// A pod's state in words, with the shape that it is drawn in.
pub fn pod_state_shaped(p: &PodView, shape: PodShape) -> String {
    match shape {
        PodShape::Pulling => format!("{}, pulling its image", p.status),
        PodShape::Ghost => format!("{}, as the api-server last heard", p.status),
        PodShape::NotReady => "Running, not ready".into(),
        _ => p.status.clone(),
    }
}

/// Why a pod that was deleted stays, if there is nobody to end it.
pub fn stays(p: &PodView, m: &Model) -> Option<String> {
    let node = p.node.and_then(|id| m.nodes.get(&id)).filter(|_| p.status == "Terminating")?;
    let trouble = machine_trouble(node).filter(|_| !m.timers.iter().any(|t| t.pod == p.uid))?;
    let name = &node.name;
    Some(format!(
        "On {name}, {trouble}: the pod stays until the kubelet of {name} is back, or its Node object is deleted."
    ))
}

/// A part's state in words.
pub fn part_state(s: PartState) -> &'static str {
    match s {
        PartState::Down => "down",
        PartState::Starting => "starting",
        PartState::Running => "running",
        PartState::Stopped => "stopped",
        PartState::BackOff => "waits to be started again",
    }
}

/// What a timer waits for, as a sentence: what happened, and what will happen when.
pub fn timer(t: &TimerView, m: &Model) -> String {
    let left = t.until_ns.saturating_sub(m.now_ns);
    let when = if left == 0 {
        "now".to_owned()
    } else {
        format!("in {}, at {}", age(left.div_ceil(1_000_000_000) * 1_000_000_000), &clock(t.until_ns)[..8])
    };
    match t.kind {
        TimerKind::NodeMonitorGrace => {
            let name = t.machine.and_then(|id| m.nodes.get(&id)).map_or("It", |n| n.name.as_str());
            let silent = age(m.now_ns.saturating_sub(t.from_ns));
            if left == 0 {
                return format!(
                    "{name} has been silent for {silent}; the node controller looks every 5 s, and calls it NotReady next."
                );
            }
            let limit = age(t.until_ns.saturating_sub(t.from_ns));
            format!("{name} has been silent for {silent}; at {limit} the node controller will call it NotReady.")
        }
        TimerKind::ImagePull => format!("Its image is on the way. {}, {}.", capital(&when), t.then),
        _ => match m.pods.get(&t.pod) {
            Some(p) => format!("{}: {when}, {}.", clip(&p.name, 40), t.then),
            None => format!("{}, {}.", capital(&when), t.then),
        },
    }
}

fn capital(s: &str) -> String {
    let mut chars = s.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// The cluster in one line.
pub fn summary(m: &Model) -> String {
    if m.nodes.is_empty() {
        return "The machines are being switched on".into();
    }
    let workers = m.nodes.values().filter(|n| !n.control_plane).count();
    let pods = m.own_pods().count();
    let mut troubles: Vec<String> = Vec::new();
    for p in m.parts.iter().filter(|p| p.state != PartState::Running) {
        troubles.push(format!("{} is {}", p.name, part_state(p.state)));
    }
    let mut bad_nodes = 0;
    for n in m.nodes.values() {
        let state = node_state(n, m.silence_ns(n.id));
        let trouble = if state.starts_with("Ready") { machine_trouble(n) } else { Some(state) };
        if let Some(what) = trouble {
            bad_nodes += 1;
            if bad_nodes <= 2 {
                let join = if what.starts_with("its ") { ": " } else { " " };
                troubles.push(format!("{}{join}{what}", n.name));
            }
        }
    }
    if bad_nodes > 2 {
        troubles.push(format!("and {} more", count(bad_nodes - 2, "node")));
    }
    let of = |shape: PodShape| m.own_pods().filter(|p| p.shape == shape).count();
    for (shape, what) in [
        (PodShape::Pending, "waiting for a node"),
        (PodShape::BackOff, "in back-off"),
        (PodShape::NotReady, "not ready"),
        (PodShape::Failed, "failed"),
        (PodShape::Terminating, "terminating"),
        (PodShape::Ghost, "on lost nodes"),
    ] {
        match of(shape) {
            0 => {}
            n => troubles.push(format!("{} {what}", count(n, "pod"))),
        }
    }
    // What the api-server calls Running on a machine that can't be heard is not well, whatever it says.
    let stranded = m
        .own_pods()
        .filter(|p| !matches!(p.shape, PodShape::Ghost | PodShape::Succeeded | PodShape::Failed))
        .filter(|p| p.node.and_then(|id| m.nodes.get(&id)).is_some_and(|n| !n.powered || !n.plugged))
        .count();
    if stranded > 0 {
        troubles.push(format!("{} out of reach", count(stranded, "pod")));
    }
    let coming = of(PodShape::Creating) + of(PodShape::Pulling);
    let head = format!("{}, {}", count(workers, "node"), count(pods, "pod"));
    if troubles.is_empty() && coming > 0 {
        format!("{head}, {} starting", count(coming, "pod"))
    } else if troubles.is_empty() {
        format!("{head}, all well")
    } else {
        format!("{head}; {}", troubles.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::testing;

    #[test]
    fn numbers_and_names_for_people() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(count(1, "pod"), "1 pod");
        assert_eq!(count(1_000, "pod"), "1,000 pods");
        assert_eq!(clock(91_250_000_000), "00:01:31.250");
        assert_eq!(clip("myapp-rc-with-a-very-long-name-x7k2p", 17), "myapp-rc…me-x7k2p");
        assert_eq!(clip("short", 17), "short");
        assert_eq!(bytes(8_436_842_496), "7.9 GiB");
    }

    #[test]
    fn all_is_well_only_while_it_is() {
        let well = testing::world(3, 3);
        assert_eq!(summary(&well), "3 nodes, 3 pods, all well");
        let with = |change: fn(&mut NodeView)| {
            let mut m = testing::world(3, 3);
            change(m.nodes.get_mut(&2).expect("worker-1"));
            summary(&m)
        };
        assert_eq!(with(|n| n.powered = false), "3 nodes, 3 pods; worker-1 switched off; 1 pod out of reach");
        assert_eq!(with(|n| n.plugged = false), "3 nodes, 3 pods; worker-1: its network is cut; 1 pod out of reach");
        assert_eq!(with(|n| n.kubelet = false), "3 nodes, 3 pods; worker-1: its kubelet is not running");
        assert_eq!(with(|n| n.unschedulable = true), "3 nodes, 3 pods, all well");
    }

    #[test]
    fn who_stays_is_told_why() {
        let mut m = testing::world(3, 3);
        let mut p = testing::pod("uid-9", "web-9", Some(2));
        assert_eq!(stays(&p, &m), None);
        p.status = "Terminating".into();
        assert_eq!(stays(&p, &m), None, "its kubelet will end it");
        m.nodes.get_mut(&2).expect("worker-1").powered = false;
        assert_eq!(
            stays(&p, &m).as_deref(),
            Some(
                "On worker-1, the machine is switched off: the pod stays until the kubelet of worker-1 is back, or its Node object is deleted."
            )
        );
        p.status = "Running".into();
        assert_eq!(stays(&p, &m), None);
    }

    #[test]
    fn waits_are_told_with_their_ends() {
        let mut m = testing::world(3, 3);
        m.now_ns = 131_000_000_000;
        let mut t = TimerView {
            kind: TimerKind::NodeMonitorGrace,
            machine: Some(3),
            pod: String::new(),
            from_ns: 100_000_000_000,
            until_ns: 150_000_000_000,
            then: String::new(),
        };
        assert_eq!(
            timer(&t, &m),
            "worker-2 has been silent for 31 s; at 50 s the node controller will call it NotReady."
        );
        (t.kind, t.machine, t.then) = (TimerKind::Eviction, None, "taint eviction deletes it".into());
        assert_eq!(timer(&t, &m), "In 19 s, at 00:02:30, taint eviction deletes it.");
        t.pod = "uid-1".into();
        assert_eq!(timer(&t, &m), "web-1: in 19 s, at 00:02:30, taint eviction deletes it.");
        assert_eq!(countdown(251_000_000_001), "4:12");
        assert_eq!(countdown(9_100_000_000), "10 s");
    }

    #[test]
    fn names_have_a_tail_and_filters_match_states() {
        assert_eq!(tail("myapp-rc-x7k2p"), "x7k2p");
        assert_eq!(tail("web"), "web");
        assert_eq!(image_names("registry.k8s.io/coredns/coredns:v1.14.2"), ("coredns:v1.14.2", "coredns"));
        assert_eq!(image_names("localhost:5000/nginx@sha256:0123"), ("nginx", "nginx"));
        assert!(matches("", &["a"]) && matches("backoff", &["web-1", "CrashLoopBackOff"]) && !matches("x", &["web"]));
    }

    #[test]
    fn an_empty_model_says_what_happens() {
        assert_eq!(summary(&Model::default()), "The machines are being switched on");
    }
}
