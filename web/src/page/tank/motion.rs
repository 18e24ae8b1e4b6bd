//! What moves: messages on their way, hearts, pulses. It starts at the cause and ends at the effect.

use std::collections::BTreeMap;

use podarium_core::observe::MessageKind;

use super::layout::Layout;
use super::route::{self, Route};
use crate::page::model::Model;

/// A message on its way across the screen.
#[derive(Debug)]
pub struct Traveller {
    /// What it is.
    pub kind: MessageKind,
    /// Its edge.
    pub edge: usize,
    /// Whether it goes from the edge's end to its beginning.
    pub back: bool,
    /// When it set out, in real milliseconds.
    pub began_ms: f64,
}

/// A way that is in use.
#[derive(Debug)]
pub struct Edge {
    ends: (String, String),
    /// Its way; `None` while an end can't be seen.
    pub route: Option<Route>,
    /// Whether places have changed since its way was found.
    stale: bool,
    /// When it was used last.
    pub used_ms: f64,
    /// How busy it is: messages of about the last second.
    pub load: f64,
    /// When the last traveller of each kind set out on it.
    sent_ms: BTreeMap<u8, f64>,
}

/// How long a message travels, in real milliseconds.
pub const TRAVEL_MS: f64 = 560.0;
/// How long an edge is seen after its last use.
pub const FADE_MS: f64 = 900.0;
/// How long a heartbeat's swelling is seen.
pub const BEAT_MS: f64 = 420.0;
/// How long a part's pulse is seen.
pub const PULSE_MS: f64 = 500.0;
/// Travellers at one time.
const TRAVELLERS_MAX: usize = 160;
/// Between two travellers of a kind on one edge: more of them are told by the edge's strength.
const SPACING_MS: f64 = 110.0;
/// Edges that are remembered.
const EDGES_MAX: usize = 256;

/// What moves between frames of the screen.
#[derive(Debug, Default)]
pub struct Motion {
    /// Messages on their way.
    pub travellers: Vec<Traveller>,
    /// Ways in use.
    pub edges: Vec<Edge>,
    by_ends: BTreeMap<(String, String), usize>,
    /// When each node's heart was last seen to beat: its lease's time, and the real time.
    beats: BTreeMap<u32, (u64, f64)>,
    /// When each part last took part in something.
    pulses: BTreeMap<String, f64>,
    last_ms: f64,
}

impl Motion {
    /// Takes up what happened since the last drawing.
    pub fn follow(&mut self, m: &mut Model, l: &Layout, now_ms: f64) {
        let passed_s = ((now_ms - self.last_ms) / 1_000.0).clamp(0.0, 1.0);
        self.last_ms = now_ms;
        for e in &mut self.edges {
            e.load *= (-passed_s).exp();
        }
        self.travellers.retain(|t| now_ms - t.began_ms < TRAVEL_MS);
        if self.edges.len() > EDGES_MAX {
            self.forget();
        }
        for message in m.messages.drain(..).collect::<Vec<_>>() {
            self.pulses.insert(message.to.clone(), now_ms);
            let (edge, back) = self.edge(m, l, message.from, message.to);
            let e = &mut self.edges[edge];
            if std::mem::take(&mut e.stale) {
                e.route = route::route(l, m, &e.ends.0, &e.ends.1);
            }
            e.used_ms = now_ms;
            e.load += 1.0;
            if e.route.is_none() || self.travellers.len() >= TRAVELLERS_MAX {
                continue;
            }
            let last = e.sent_ms.entry(message.kind as u8 * 2 + u8::from(back)).or_insert(f64::MIN);
            if now_ms - *last >= SPACING_MS {
                *last = now_ms;
                self.travellers.push(Traveller { kind: message.kind, edge, back, began_ms: now_ms });
            }
        }
        for (node, at) in &m.heartbeats {
            match self.beats.get(node) {
                Some((seen, _)) if seen == at => {}
                _ => {
                    self.beats.insert(*node, (*at, now_ms));
                }
            }
        }
    }

    /// The edge between two ends, in whichever direction it was first used.
    fn edge(&mut self, m: &Model, l: &Layout, from: String, to: String) -> (usize, bool) {
        let ends = (from, to);
        if let Some(i) = self.by_ends.get(&ends) {
            return (*i, false);
        }
        let turned = (ends.1.clone(), ends.0.clone());
        if let Some(i) = self.by_ends.get(&turned) {
            return (*i, true);
        }
        let route = route::route(l, m, &ends.0, &ends.1);
        self.by_ends.insert(ends.clone(), self.edges.len());
        self.edges.push(Edge { ends, route, stale: false, used_ms: 0.0, load: 0.0, sent_ms: BTreeMap::new() });
        (self.edges.len() - 1, false)
    }

    /// Places have changed: the ways that are seen are found anew at once, so that what is under way stays on them, and others when they are
    /// used again.
    pub fn moved(&mut self, m: &Model, l: &Layout, now_ms: f64) {
        for e in &mut self.edges {
            e.stale = now_ms - e.used_ms >= FADE_MS;
            e.route = if e.stale { None } else { route::route(l, m, &e.ends.0, &e.ends.1) };
        }
    }

    fn forget(&mut self) {
        self.edges.clear();
        self.by_ends.clear();
        self.travellers.clear();
    }

    /// Whether anything still moves.
    pub fn moving(&self, now_ms: f64) -> bool {
        !self.travellers.is_empty()
            || self.edges.iter().any(|e| now_ms - e.used_ms < FADE_MS)
            || self.beats.values().any(|(_, t)| now_ms - t < BEAT_MS)
    }

    /// How far a heart's last beat is over, 0 to 1.
    pub fn beat(&self, node: u32, now_ms: f64) -> f64 {
        self.beats.get(&node).map_or(1.0, |(_, t)| ((now_ms - t) / BEAT_MS).clamp(0.0, 1.0))
    }

    /// How strong a part's pulse is, 1 to 0.
    pub fn pulse(&self, name: &str, machine: u32, now_ms: f64) -> f64 {
        let since = self.pulses.get(&format!("{name}@{machine}")).map_or(f64::MAX, |t| now_ms - t);
        (1.0 - since / PULSE_MS).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tank::layout::Lens;
    use crate::page::testing;
    use podarium_core::observe::{Frame, MessageView};

    fn burst(m: &mut Model, n: u64) {
        let message = |seq| MessageView {
            seq,
            at_ns: seq,
            kind: MessageKind::Heartbeat,
            from: "kube-scheduler@1".into(),
            to: "kube-apiserver@1".into(),
            what: "update leases".into(),
        };
        m.apply(Frame { messages: (0..n).map(message).collect(), ..Frame::default() });
    }

    #[test]
    fn a_busy_edge_is_strong_rather_than_crowded() {
        let mut m = testing::world(3, 3);
        let l = Layout::new(&m, 1440.0, 760.0, Lens::default());
        let mut motion = Motion::default();
        for frame in 0..60 {
            burst(&mut m, 20);
            motion.follow(&mut m, &l, 1_000.0 + f64::from(frame) * 16.0);
        }
        assert!(motion.travellers.len() <= 6, "{}", motion.travellers.len());
        assert_eq!(motion.edges.len(), 1);
        assert!(motion.edges[0].load > 100.0);
        motion.follow(&mut m, &l, 9_000.0);
        assert!(!motion.moving(9_000.0) && motion.edges[0].load < 1_000.0);
    }
}
