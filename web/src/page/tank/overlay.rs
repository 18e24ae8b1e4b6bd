//! Draws what moves, on a canvas of its own: messages, hearts, pulses, and the arcs of what is being waited for.

use std::f64::consts::{PI, TAU};

use podarium_core::observe::{MessageKind, TimerKind, TimerView};

use super::draw::{Face, Scene, heart, lost, owner};
use super::layout::{Detail, Rect, name_room};
use super::motion::{FADE_MS, Motion, TRAVEL_MS};
use super::route::Route;
use crate::page::model::Model;
use crate::page::words;

/// When more edges than this are seen each is a hair's breadth wide, whatever it carries: browsers without a GPU draw lines that aren't
/// wider in a sixth of the time, on the main thread, and so many lines are a web, not lines.
const WIDE_EDGES_MAX: usize = 32;
/// Arcs drawn at one time.
const ARCS_MAX: usize = 300;

impl Scene<'_> {
    /// Draws all that moves.
    pub fn overlay(&self, m: &Model, motion: &Motion) {
        self.pulses(m, motion);
        self.edges(motion);
        let f = self.l.field;
        self.c.save();
        self.c.begin_path();
        self.c.rect(0.0, 0.0, self.l.size.0, f.bottom() + 8.0);
        self.c.clip();
        self.hearts(m, motion);
        for t in m.timers.iter().take(ARCS_MAX) {
            self.timer(m, t);
        }
        self.restore();
        self.travellers(motion);
    }

    fn pulses(&self, m: &Model, motion: &Motion) {
        for (p, r) in m.parts.iter().zip(&self.l.parts) {
            let pulse = motion.pulse(&p.name, p.machine, self.now_ms);
            if pulse <= 0.0 {
                continue;
            }
            self.c.set_global_alpha(pulse);
            self.rounded(*r, 10.0);
            self.c.set_stroke_style_str(self.p.accent);
            self.c.set_line_width(1.8);
            self.c.stroke();
        }
        self.c.set_global_alpha(1.0);
    }

    /// Edges exist while they are used; the busier, the stronger.
    fn edges(&self, motion: &Motion) {
        self.c.set_stroke_style_str(self.p.accent);
        let seen = motion.edges.iter().filter_map(|e| {
            let fade = 1.0 - ((self.now_ms - e.used_ms) / FADE_MS).clamp(0.0, 1.0);
            (fade > 0.0).then_some((e, e.route.as_ref()?, fade))
        });
        let many = seen.clone().count() > WIDE_EDGES_MAX;
        for (e, route, fade) in seen {
            let busy = (e.load.ln_1p() / 6.0).clamp(0.0, 1.0);
            self.c.set_global_alpha(fade * (0.25 + 0.45 * busy));
            self.c.set_line_width(if many { 1.0 } else { 1.0 + 1.6 * busy });
            self.line(route.points());
            self.c.stroke();
        }
        self.c.set_global_alpha(1.0);
    }

    fn hearts(&self, m: &Model, motion: &Motion) {
        if self.still {
            return;
        }
        let control = self.l.control_plane.into_iter();
        let shown = self.l.nodes.iter().filter(|_| self.l.detail == Detail::Full).map(|(id, r)| (*id, *r));
        for (id, pane) in control.chain(shown) {
            let swell = motion.swell(id, self.now_ms);
            let Some(n) = m.nodes.get(&id).filter(|n| swell > 0.05 && !lost(n)) else { continue };
            let (x, y) = heart(pane);
            if n.control_plane || self.l.field.contains(x, y) {
                self.c.begin_path();
                let _ = self.c.arc(x, y, 4.0 + swell, 0.0, TAU);
                self.c.set_fill_style_str(self.p.good);
                self.c.fill();
            }
        }
    }

    /// A wait as an arc that closes.
    fn timer(&self, m: &Model, t: &TimerView) {
        let span = t.until_ns.saturating_sub(t.from_ns).max(1) as f64;
        let done = (m.now_ns.saturating_sub(t.from_ns) as f64 / span).clamp(0.0, 1.0);
        let colour = match t.kind {
            TimerKind::NodeMonitorGrace | TimerKind::Eviction => self.p.bad,
            TimerKind::BackOff | TimerKind::TerminationGrace => self.p.warn,
            TimerKind::ImagePull => self.p.accent,
        };
        if let Some(id) = t.machine {
            let control = self.l.control_plane.filter(|(c, _)| *c == id).map(|(_, r)| r);
            let pane = self.l.nodes.get(&id).filter(|_| self.l.detail == Detail::Full).copied();
            let Some(pane) = control.or(pane) else { return };
            let (x, y) = heart(pane);
            self.arc((x, y), 11.0, 3.0, done, colour);
            return;
        }
        let Some(r) = self.l.pods.get(&t.pod).copied().filter(|r| r.w >= 9.0) else { return };
        if t.kind == TimerKind::ImagePull {
            let hue = m.pods.get(&t.pod).map_or(0, owner);
            self.arc(r.centre(), r.w * 0.27, (r.w * 0.1).clamp(2.0, 6.0), done, &self.hue(hue));
        } else {
            self.closing_ring(r, done, colour);
        }
        let named = m.pods.get(&t.pod).and_then(|p| p.node).and_then(|n| self.l.named.get(&n)) == Some(&true);
        if named && self.l.detail == Detail::Full {
            let left = words::countdown(t.until_ns.saturating_sub(m.now_ns));
            let at = (r.x + r.w / 2.0, r.bottom() + 15.0);
            let ink = if t.kind == TimerKind::ImagePull { self.p.soft } else { colour };
            self.text(&left, at, name_room(r), (Face::Mono, 12.0), 0, ink);
        }
    }

    fn arc(&self, centre: (f64, f64), radius: f64, width: f64, done: f64, colour: &str) {
        self.c.set_line_width(width);
        self.c.set_stroke_style_str(self.p.line);
        self.c.begin_path();
        let _ = self.c.arc(centre.0, centre.1, radius, 0.0, TAU);
        self.c.stroke();
        self.c.set_stroke_style_str(colour);
        self.c.begin_path();
        let _ = self.c.arc(centre.0, centre.1, radius, -PI / 2.0, -PI / 2.0 + done * TAU);
        self.c.stroke();
    }

    /// A ring round a cell that closes clockwise from its top.
    fn closing_ring(&self, r: Rect, done: f64, colour: &str) {
        let gap = (r.w * 0.09).clamp(1.5, 4.0);
        let o = Rect { x: r.x - gap, y: r.y - gap, w: r.w + 2.0 * gap, h: r.h + 2.0 * gap };
        let radius = o.w * 0.3;
        let length = 2.0 * (o.w + o.h) - 8.0 * radius + TAU * radius;
        let c = self.c;
        c.begin_path();
        c.move_to(o.x + o.w / 2.0, o.y);
        for (corner, next) in [
            ((o.right(), o.y), (o.right(), o.bottom())),
            ((o.right(), o.bottom()), (o.x, o.bottom())),
            ((o.x, o.bottom()), (o.x, o.y)),
            ((o.x, o.y), (o.right(), o.y)),
        ] {
            let _ = c.arc_to(corner.0, corner.1, next.0, next.1, radius);
        }
        c.close_path();
        c.set_line_width((r.w * 0.08).clamp(1.6, 3.0));
        c.set_stroke_style_str(self.p.line);
        c.stroke();
        c.set_stroke_style_str(colour);
        self.dash(&[done * length, length]);
        c.stroke();
        self.dash(&[]);
    }

    fn travellers(&self, motion: &Motion) {
        for t in &motion.travellers {
            let Some(route) = motion.edges.get(t.edge).and_then(|e| e.route.as_ref()) else { continue };
            let k = ((self.now_ms - t.began_ms) / TRAVEL_MS).clamp(0.0, 1.0);
            let colour = if t.kind == MessageKind::Error { self.p.bad } else { self.p.accent };
            self.c.set_stroke_style_str(colour);
            self.c.set_fill_style_str(colour);
            if self.still {
                // A flash at both ends instead of travel.
                self.c.set_global_alpha(1.0 - k);
                for share in [0.0, 1.0] {
                    self.mark(t.kind, route, share, 4.0);
                }
                self.c.set_global_alpha(1.0);
                continue;
            }
            let ease = k * k * (3.0 - 2.0 * k);
            self.mark(t.kind, route, if t.back { 1.0 - ease } else { ease }, 3.4);
        }
    }

    fn mark(&self, kind: MessageKind, route: &Route, share: f64, size: f64) {
        let c = self.c;
        let ((x, y), (dx, dy)) = route.at(share);
        c.set_line_width(1.8);
        match kind {
            MessageKind::Request => {
                c.begin_path();
                let _ = c.arc(x, y, size, 0.0, TAU);
                c.fill();
            }
            MessageKind::Watch => {
                c.begin_path();
                let _ = c.arc(x, y, size, 0.0, TAU);
                c.stroke();
            }
            MessageKind::Heartbeat => {
                self.line(&[(x - dy * size, y + dx * size), (x + dy * size, y - dx * size)]);
                c.stroke();
            }
            MessageKind::Traffic => {
                self.line(&[(x - dx * size * 2.0, y - dy * size * 2.0), (x + dx * size * 2.0, y + dy * size * 2.0)]);
                c.set_line_width(2.4);
                c.stroke();
            }
            MessageKind::Error => {
                c.set_line_width(2.2);
                for s in [1.0, -1.0] {
                    self.line(&[(x - size, y - size * s), (x + size, y + size * s)]);
                    c.stroke();
                }
            }
        }
    }
}
