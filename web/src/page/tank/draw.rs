//! Draws the model on the canvas. State is shape, colour is owner, motion is information.

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

use podarium_core::observe::{MessageKind, NodeHealth, NodeView, PartState, PodShape, PodView, TimerKind};
use web_sys::CanvasRenderingContext2d as Context;

use super::layout::{Layout, Rect};
use crate::page::model::Model;
use crate::page::palette::Palette;
use crate::page::ui::Pick;
use crate::page::words;

/// A message on its way across the screen.
#[derive(Debug)]
pub struct Traveller {
    kind: MessageKind,
    from: (f64, f64),
    to: (f64, f64),
    began_ms: f64,
}

/// How long a message travels, in real milliseconds.
const TRAVEL_MS: f64 = 520.0;
/// How long a heartbeat's tick is seen.
const BEAT_MS: f64 = 420.0;
/// Travellers at one time.
const TRAVELLERS_MAX: usize = 220;

/// What moves between frames of the screen.
#[derive(Debug, Default)]
pub struct Motion {
    travellers: Vec<Traveller>,
    /// When each node's heart was last seen to beat: its lease's time, and the real time.
    beats: BTreeMap<u32, (u64, f64)>,
    /// When each part last took part in something.
    pulses: BTreeMap<String, f64>,
}

impl Motion {
    /// Takes up what happened since the last drawing.
    pub fn follow(&mut self, m: &mut Model, l: &Layout, now_ms: f64) {
        for message in m.messages.drain(..).collect::<Vec<_>>() {
            self.pulses.insert(message.to.clone(), now_ms);
            if self.travellers.len() >= TRAVELLERS_MAX {
                continue;
            }
            let (Some(from), Some(to)) = (l.end(m, &message.from), l.end(m, &message.to)) else { continue };
            if (from.0 - to.0).hypot(from.1 - to.1) > 8.0 {
                self.travellers.push(Traveller { kind: message.kind, from, to, began_ms: now_ms });
            }
        }
        self.travellers.retain(|t| now_ms - t.began_ms < TRAVEL_MS);
        for (node, at) in &m.heartbeats {
            match self.beats.get(node) {
                Some((seen, _)) if seen == at => {}
                _ => {
                    self.beats.insert(*node, (*at, now_ms));
                }
            }
        }
    }

    /// Whether anything still moves.
    pub fn moving(&self, now_ms: f64) -> bool {
        !self.travellers.is_empty() || self.beats.values().any(|(_, t)| now_ms - t < BEAT_MS)
    }
}

/// What drawing needs beside the model.
pub struct Scene<'a> {
    /// The canvas.
    pub c: &'a Context,
    /// Colours.
    pub p: &'a Palette,
    /// Places.
    pub l: &'a Layout,
    /// The real time in milliseconds.
    pub now_ms: f64,
    /// What is picked.
    pub picked: Option<&'a Pick>,
    /// Only what has this in its name is bright; empty for all.
    pub filter: &'a str,
    /// Whether the person wants no motion.
    pub still: bool,
    /// How far the tank is zoomed.
    pub zoom: f64,
}

impl Scene<'_> {
    fn rounded(&self, r: Rect, radius: f64) {
        self.c.begin_path();
        let radius = radius.min(r.w / 2.0).min(r.h / 2.0).max(0.0);
        let _ = self.c.round_rect_with_f64(r.x, r.y, r.w, r.h, radius);
    }

    fn text(&self, s: &str, x: f64, y: f64, size: f64, weight: u32, colour: &str) {
        self.c.set_font(&format!("{weight} {size}px var-sans, 'Source Sans 3', system-ui, sans-serif"));
        self.c.set_fill_style_str(colour);
        let _ = self.c.fill_text(s, x, y);
    }

    fn mono(&self, s: &str, x: f64, y: f64, size: f64, colour: &str) {
        self.c.set_font(&format!("{size}px 'Source Code Pro', ui-monospace, monospace"));
        self.c.set_fill_style_str(colour);
        let _ = self.c.fill_text(s, x, y);
    }

    /// Text clipped in its middle so that it fits.
    fn fit(&self, s: &str, width: f64, size: f64) -> String {
        words::clip(s, (width / (size * 0.64)).max(4.0) as usize)
    }

    fn dimmed(&self, name: &str) -> bool {
        !self.filter.is_empty() && !name.contains(self.filter)
    }

    /// Draws everything.
    pub fn draw(&self, m: &Model, motion: &Motion) {
        if let Some((id, pane)) = self.l.control_plane
            && let Some(n) = m.nodes.get(&id)
        {
            self.pane(m, n, pane, motion);
        }
        for (i, r) in self.l.parts.iter().enumerate() {
            self.part(m, i, *r, motion);
        }
        for (id, pane) in &self.l.nodes {
            if let Some(n) = m.nodes.get(id) {
                self.pane(m, n, *pane, motion);
            }
        }
        let floating = m.pods.values().any(|p| p.shape == PodShape::Pending);
        if floating {
            let r = self.l.waiting;
            let n = m.pods.values().filter(|p| p.shape == PodShape::Pending).count();
            let s = format!(
                "{} for a node",
                if n == 1 { "waits".to_owned() } else { format!("{} wait", words::thousands(n as u64)) }
            );
            self.c.set_text_align("right");
            self.text(&s, r.x + r.w, r.y + 16.0, 12.0, 400, self.p.soft);
            self.c.set_text_align("left");
        }
        for (uid, r) in &self.l.pods {
            if let Some(p) = m.pods.get(uid) {
                self.pod(m, p, *r);
            }
        }
        self.arcs(m);
        self.travellers(motion);
    }

    fn pane(&self, m: &Model, n: &NodeView, r: Rect, motion: &Motion) {
        let silence = m.silence_ns(n.id);
        let state = words::node_state(n, silence);
        let lost = !n.powered || n.health == NodeHealth::Unknown || n.health == NodeHealth::Gone;
        let alpha = if self.dimmed(&n.name) { 0.25 } else { 1.0 };
        self.c.set_global_alpha(alpha);
        self.rounded(r, if self.l.dense { 3.0 } else { 14.0 });
        self.c.set_fill_style_str(self.p.glass);
        self.c.fill();
        // The level: requested CPU on the left, memory on the right.
        if !n.control_plane && n.cpu_milli > 0 {
            self.c.save();
            self.rounded(r, if self.l.dense { 3.0 } else { 14.0 });
            self.c.clip();
            self.c.set_fill_style_str(self.p.fill);
            let level = |used: u64, of: u64| if of == 0 { 0.0 } else { (used as f64 / of as f64).min(1.0) * r.h };
            let (cpu, memory) =
                (level(n.cpu_requested_milli, n.cpu_milli), level(n.memory_requested_bytes, n.memory_bytes));
            self.c.fill_rect(r.x, r.y + r.h - cpu, r.w / 2.0 - 0.5, cpu);
            self.c.fill_rect(r.x + r.w / 2.0 + 0.5, r.y + r.h - memory, r.w / 2.0 - 0.5, memory);
            self.c.restore();
            self.c.set_global_alpha(alpha);
        }
        let picked = matches!(self.picked, Some(Pick::Node(id)) if *id == n.id);
        self.rounded(r, if self.l.dense { 3.0 } else { 14.0 });
        self.c.set_line_width(if picked { 2.5 } else { 1.2 });
        let edge = match n.health {
            _ if picked => self.p.accent,
            NodeHealth::Ready if n.powered => self.p.edge,
            NodeHealth::Joining if n.powered => self.p.line,
            _ => self.p.bad,
        };
        self.c.set_stroke_style_str(edge);
        self.dash(if lost || n.health == NodeHealth::Joining { &[5.0, 4.0] } else { &[] });
        self.c.stroke();
        self.dash(&[]);
        if self.l.dense && !n.control_plane {
            self.c.set_global_alpha(1.0);
            return;
        }
        // The heart: a tick that swells with each renewal of the lease.
        let beat = motion.beats.get(&n.id).map_or(1.0, |(_, t)| ((self.now_ms - t) / BEAT_MS).clamp(0.0, 1.0));
        let (hx, hy) = (r.x + 16.0, r.y + 18.0);
        let swell = if self.still { 0.0 } else { (1.0 - beat) * 3.0 };
        self.c.begin_path();
        let _ = self.c.arc(hx, hy, 3.5 + swell, 0.0, TAU);
        self.c.set_fill_style_str(if lost { self.p.bad } else { self.p.good });
        if lost {
            self.c.set_stroke_style_str(self.p.bad);
            self.c.set_line_width(1.5);
            self.c.stroke();
        } else {
            self.c.fill();
        }
        let name = self.fit(&n.name, r.w * 0.55, 14.0);
        self.text(&name, r.x + 28.0, r.y + 23.0, 14.0, 600, self.p.ink);
        if !n.control_plane || !state.starts_with("Ready") {
            let colour = if state.starts_with("Ready") || state == "joining" { self.p.soft } else { self.p.bad };
            self.c.set_text_align("right");
            self.text(&state, r.x + r.w - 14.0, r.y + 23.0, 12.0, 400, colour);
            self.c.set_text_align("left");
        }
        if !n.control_plane {
            let mut foot = format!(
                "{} of {} CPU · {} of {}",
                milli(n.cpu_requested_milli),
                milli(n.cpu_milli),
                words::bytes(n.memory_requested_bytes),
                words::bytes(n.memory_bytes)
            );
            if !n.plugged {
                foot = "network cable pulled".into();
            } else if n.powered && !n.kubelet && n.health != NodeHealth::Joining {
                foot = "kubelet is not running".into();
            }
            if n.cpu_milli > 0 || !n.plugged {
                self.text(&self.fit(&foot, r.w - 28.0, 11.5), r.x + 14.0, r.y + r.h - 10.0, 11.5, 400, self.p.soft);
            }
        }
        self.c.set_global_alpha(1.0);
    }

    fn dash(&self, pattern: &[f64]) {
        let list = js_sys::Array::new();
        for d in pattern {
            list.push(&(*d).into());
        }
        let _ = self.c.set_line_dash(&list);
    }

    fn part(&self, m: &Model, i: usize, r: Rect, motion: &Motion) {
        let Some(p) = m.parts.get(i) else { return };
        let picked = matches!(self.picked, Some(Pick::Part(name, machine)) if *name == p.name && *machine == p.machine);
        let key = format!("{}@{}", p.name, p.machine);
        let since = motion.pulses.get(&key).map_or(f64::MAX, |t| self.now_ms - t);
        let pulse = if self.still { 0.0 } else { (1.0 - since / 500.0).clamp(0.0, 1.0) };
        self.rounded(r, 10.0);
        self.c.set_fill_style_str(self.p.panel);
        self.c.fill();
        let runs = p.state == PartState::Running;
        self.c.set_line_width(if picked { 2.5 } else { 1.0 + pulse });
        self.c.set_stroke_style_str(if picked || pulse > 0.0 {
            self.p.accent
        } else if runs {
            self.p.edge
        } else {
            self.p.bad
        });
        self.dash(if runs { &[] } else { &[5.0, 4.0] });
        self.c.stroke();
        self.dash(&[]);
        self.text(&self.fit(&p.name, r.w - 24.0, 13.5), r.x + 12.0, r.y + 22.0, 13.5, 600, self.p.ink);
        let (line, colour) = match (p.name.as_str(), runs) {
            (_, false) => (words::part_state(p.state).to_owned(), self.p.bad),
            ("etcd", _) if !p.last.is_empty() => (p.last.clone(), self.p.soft),
            ("kube-apiserver", _) => (format!("revision {}", words::thousands(m.revision)), self.p.soft),
            _ => ("running".to_owned(), self.p.soft),
        };
        if p.name == "etcd" && runs {
            // A ledger: its newest line, ruled.
            self.mono(&words::clip(&line, ((r.w - 24.0) / 6.7) as usize), r.x + 12.0, r.y + 45.0, 11.0, colour);
            self.c.begin_path();
            self.c.move_to(r.x + 12.0, r.y + 51.5);
            self.c.line_to(r.x + r.w - 12.0, r.y + 51.5);
            self.c.set_stroke_style_str(self.p.line);
            self.c.set_line_width(1.0);
            self.c.stroke();
        } else {
            self.text(&self.fit(&line, r.w - 24.0, 12.0), r.x + 12.0, r.y + 43.0, 12.0, 400, colour);
        }
    }

    fn pod(&self, m: &Model, p: &PodView, r: Rect) {
        let colour = self.p.workload(p.workload);
        let c = self.c;
        let alpha = if self.dimmed(&p.name) { 0.18 } else { 1.0 };
        c.set_global_alpha(alpha);
        if r.w < 5.0 {
            // Too small for shapes: a mark whose strength tells.
            c.set_global_alpha(alpha * if p.shape == PodShape::Running { 1.0 } else { 0.45 });
            c.set_fill_style_str(if matches!(p.shape, PodShape::BackOff | PodShape::Failed) {
                self.p.bad
            } else {
                &colour
            });
            c.fill_rect(r.x, r.y, r.w, r.h);
            c.set_global_alpha(1.0);
            return;
        }
        let radius = r.w * 0.3;
        c.set_line_width((r.w / 14.0).clamp(1.2, 2.2));
        c.set_stroke_style_str(&colour);
        c.set_fill_style_str(&colour);
        self.rounded(r, radius);
        match p.shape {
            PodShape::Pending => {
                self.dash(&[3.0, 3.0]);
                c.stroke();
                self.dash(&[]);
            }
            PodShape::Creating | PodShape::Pulling => {
                c.set_global_alpha(alpha * 0.25);
                c.fill();
                c.set_global_alpha(alpha);
                let turn = if self.still { 0.7 } else { (self.now_ms / 1400.0).fract() };
                let (x, y) = r.centre();
                c.begin_path();
                let _ = c.arc(x, y, r.w * 0.42, -PI / 2.0 + turn * TAU, -PI / 2.0 + turn * TAU + TAU * 0.65);
                c.stroke();
            }
            PodShape::Running => {
                c.fill();
                self.nuclei(p, r);
            }
            PodShape::NotReady => {
                c.fill();
                self.nuclei(p, r);
                // A notch in the upper right corner.
                c.begin_path();
                c.move_to(r.x + r.w * 0.62, r.y - 1.0);
                c.line_to(r.x + r.w + 1.0, r.y - 1.0);
                c.line_to(r.x + r.w + 1.0, r.y + r.h * 0.38);
                c.close_path();
                c.set_fill_style_str(self.p.glass);
                c.fill();
            }
            PodShape::BackOff => {
                self.hatch(r, radius, &colour);
                let (x, y) = r.centre();
                c.begin_path();
                c.move_to(x, y - r.h * 0.3);
                c.line_to(x, y);
                c.line_to(x + r.w * 0.2, y + r.h * 0.1);
                c.set_stroke_style_str(self.p.bad);
                c.set_line_width((r.w / 9.0).max(1.5));
                c.stroke();
            }
            PodShape::Succeeded => {
                c.stroke();
                c.begin_path();
                c.move_to(r.x + r.w * 0.28, r.y + r.h * 0.52);
                c.line_to(r.x + r.w * 0.45, r.y + r.h * 0.68);
                c.line_to(r.x + r.w * 0.74, r.y + r.h * 0.34);
                c.stroke();
            }
            PodShape::Failed => {
                c.stroke();
                c.set_stroke_style_str(self.p.bad);
                c.begin_path();
                c.move_to(r.x + r.w * 0.3, r.y + r.h * 0.3);
                c.line_to(r.x + r.w * 0.7, r.y + r.h * 0.7);
                c.move_to(r.x + r.w * 0.7, r.y + r.h * 0.3);
                c.line_to(r.x + r.w * 0.3, r.y + r.h * 0.7);
                c.stroke();
            }
            PodShape::Terminating => {
                // Dissolving: what is left of the cell is a few grains.
                let n = 4;
                let s = r.w / n as f64;
                for k in 0..n * n {
                    let (i, j) = (k % n, k / n);
                    if (i * 7 + j * 3) % 5 < 2 {
                        continue;
                    }
                    c.fill_rect(r.x + i as f64 * s + s * 0.15, r.y + j as f64 * s + s * 0.15, s * 0.62, s * 0.62);
                }
            }
            PodShape::Ghost => {
                c.set_fill_style_str(self.p.line);
                c.set_global_alpha(alpha * 0.6);
                c.fill();
                c.set_global_alpha(alpha);
                c.stroke();
            }
        }
        if matches!(self.picked, Some(Pick::Pod(uid)) if *uid == p.uid) {
            self.rounded(Rect { x: r.x - 3.0, y: r.y - 3.0, w: r.w + 6.0, h: r.h + 6.0 }, radius + 3.0);
            c.set_stroke_style_str(self.p.accent);
            c.set_line_width(2.0);
            c.stroke();
        }
        let _ = m;
        c.set_global_alpha(1.0);
    }

    fn nuclei(&self, p: &PodView, r: Rect) {
        if r.w < 14.0 {
            return;
        }
        let n = p.containers.len().clamp(1, 4);
        let (x, y) = r.centre();
        for (i, container) in p.containers.iter().take(4).enumerate() {
            self.c.begin_path();
            let dx = (i as f64 - (n as f64 - 1.0) / 2.0) * r.w * 0.24;
            let _ = self.c.arc(x + dx, y, r.w * 0.085, 0.0, TAU);
            self.c.set_fill_style_str(self.p.glass);
            self.c.set_stroke_style_str(self.p.glass);
            if container.ready {
                self.c.fill();
            } else {
                self.c.set_line_width(1.2);
                self.c.stroke();
            }
        }
    }

    fn hatch(&self, r: Rect, radius: f64, colour: &str) {
        let c = self.c;
        c.save();
        self.rounded(r, radius);
        c.clip();
        c.set_stroke_style_str(colour);
        c.set_line_width(1.2);
        let mut d = -r.h;
        while d < r.w {
            c.begin_path();
            c.move_to(r.x + d, r.y + r.h);
            c.line_to(r.x + d + r.h, r.y);
            c.stroke();
            d += 4.0;
        }
        c.restore();
        self.rounded(r, radius);
        c.stroke();
    }

    /// What is being waited for, as arcs that close.
    fn arcs(&self, m: &Model) {
        for t in m.timers.iter().take(300) {
            let span = t.until_ns.saturating_sub(t.from_ns).max(1) as f64;
            let done = (m.now_ns.saturating_sub(t.from_ns) as f64 / span).clamp(0.0, 1.0);
            let (x, y, radius) = match (t.machine.and_then(|id| self.l.nodes.get(&id)), self.l.pods.get(&t.pod)) {
                (Some(r), _) if !self.l.dense => (r.x + 16.0, r.y + 18.0, 9.0),
                (_, Some(r)) if r.w >= 10.0 => {
                    let (x, y) = r.centre();
                    (x, y, r.w * 0.62)
                }
                _ => continue,
            };
            let colour = match t.kind {
                TimerKind::NodeMonitorGrace | TimerKind::Eviction => self.p.bad,
                TimerKind::BackOff | TimerKind::TerminationGrace => self.p.warn,
                TimerKind::ImagePull => self.p.accent,
            };
            self.c.begin_path();
            let _ = self.c.arc(x, y, radius, -PI / 2.0, -PI / 2.0 + done * TAU);
            self.c.set_stroke_style_str(colour);
            self.c.set_line_width(2.0);
            self.c.stroke();
        }
    }

    fn travellers(&self, motion: &Motion) {
        for t in &motion.travellers {
            let k = ((self.now_ms - t.began_ms) / TRAVEL_MS).clamp(0.0, 1.0);
            let ease = k * k * (3.0 - 2.0 * k);
            let colour = if t.kind == MessageKind::Error { self.p.bad } else { self.p.accent };
            self.c.set_stroke_style_str(colour);
            self.c.set_fill_style_str(colour);
            if self.still {
                // A flash at both ends instead of travel.
                self.c.set_global_alpha(1.0 - k);
                for (x, y) in [t.from, t.to] {
                    self.mark(t.kind, x, y, 4.0);
                }
                self.c.set_global_alpha(1.0);
                continue;
            }
            self.c.set_global_alpha(0.22 * (1.0 - k));
            self.c.set_line_width(1.0);
            self.c.begin_path();
            self.c.move_to(t.from.0, t.from.1);
            self.c.line_to(t.to.0, t.to.1);
            self.c.stroke();
            self.c.set_global_alpha(if t.kind == MessageKind::Heartbeat { 0.6 } else { 1.0 });
            let at = (t.from.0 + (t.to.0 - t.from.0) * ease, t.from.1 + (t.to.1 - t.from.1) * ease);
            self.mark(t.kind, at.0, at.1, 3.2);
            self.c.set_global_alpha(1.0);
        }
    }

    fn mark(&self, kind: MessageKind, x: f64, y: f64, size: f64) {
        let c = self.c;
        c.begin_path();
        c.set_line_width(1.6);
        match kind {
            MessageKind::Request => {
                let _ = c.arc(x, y, size, 0.0, TAU);
                c.fill();
            }
            MessageKind::Watch => {
                let _ = c.arc(x, y, size, 0.0, TAU);
                c.stroke();
            }
            MessageKind::Heartbeat => {
                c.move_to(x, y - size);
                c.line_to(x, y + size);
                c.stroke();
            }
            MessageKind::Traffic => {
                c.move_to(x - size * 1.6, y);
                c.line_to(x + size * 1.6, y);
                c.stroke();
            }
            MessageKind::Error => {
                c.move_to(x - size, y - size);
                c.line_to(x + size, y + size);
                c.move_to(x + size, y - size);
                c.line_to(x - size, y + size);
                c.stroke();
            }
        }
    }
}

/// Millicores as CPUs.
fn milli(m: u64) -> String {
    if m.is_multiple_of(1000) { format!("{}", m / 1000) } else { format!("{:.2}", m as f64 / 1000.0) }
}
