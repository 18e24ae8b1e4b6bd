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

/// How a node does, in a word or two.
pub fn node_state(n: &NodeView, silence_ns: Option<u64>) -> String {
    if !n.powered {
        return "switched off".into();
    }
    if let Some(s) = silence_ns.filter(|s| *s > 15_000_000_000 && n.health != NodeHealth::Gone) {
        return format!("silent for {}", age(s));
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
    match p.shape {
        PodShape::Ghost => format!("{}, as the api-server last heard", p.status),
        PodShape::NotReady => "Running, not ready".into(),
        _ => p.status.clone(),
    }
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

/// What a timer waits for, as a sentence.
pub fn timer(t: &TimerView, now_ns: u64) -> String {
    let left = t.until_ns.saturating_sub(now_ns);
    let when = if left == 0 { "now".to_owned() } else { format!("in {}", age(left + 999_999_999)) };
    match t.kind {
        TimerKind::NodeMonitorGrace => format!("{when}: {} (at 50 s of silence)", t.then),
        _ => format!("{when}: {}", t.then),
    }
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
        if !state.starts_with("Ready") {
            bad_nodes += 1;
            if bad_nodes <= 2 {
                troubles.push(format!("{} {}", n.name, state));
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
    fn an_empty_model_says_what_happens() {
        assert_eq!(summary(&Model::default()), "The machines are being switched on");
    }
}
