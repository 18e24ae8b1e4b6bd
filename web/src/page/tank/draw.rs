//! Draws what stands still: panes, instruments, what floats between them. State is shape, colour is owner.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use podarium_core::observe::{NodeHealth, NodeView, PartState, PodShape, PodView};
use web_sys::CanvasRenderingContext2d as Context;

use super::dense::shares;
use super::layout::{Detail, FOOTER, HEADER, Layout, Rect};
use super::motion::Motion;
use super::route;
use crate::page::model::Model;
use crate::page::palette::Palette;
use crate::page::ui::Pick;
use crate::page::words;

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
    /// Only what has this in its name or state is bright; empty for all.
    pub filter: &'a str,
    /// Whether the person wants no motion.
    pub still: bool,
    /// Colours of workloads as they were made.
    pub hues: RefCell<BTreeMap<u32, String>>,
    /// The face that the canvas has now.
    pub faced: Cell<Option<(Face, f64)>>,
    /// How wide texts are.
    pub widths: &'a RefCell<Widths>,
}

/// How wide texts are in their faces: asked of the browser once, for most are drawn again and again.
#[derive(Default)]
pub struct Widths {
    fonts_loaded: bool,
    known: BTreeMap<(Face, u64), BTreeMap<String, f64>>,
    count: usize,
}

/// So many are remembered; then all are forgotten.
const WIDTHS_MAX: usize = 8_192;

impl Widths {
    /// Before a drawing: what was measured in the face of a font that had not arrived is not true any more.
    pub fn renew(&mut self, fonts_loaded: bool) {
        if self.fonts_loaded != fonts_loaded || self.count > WIDTHS_MAX {
            *self = Widths { fonts_loaded, ..Widths::default() };
        }
    }
}

/// A weight of the sans face.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Face {
    Plain,
    Bold,
    Mono,
}

/// How far a drawing of what stands still has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    part: Part,
    /// How many things of the part are there.
    at: usize,
}

/// What is drawn one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Part {
    #[default]
    Instruments,
    Panes,
    Cells,
    /// Cells outside the field: the control plane's own, and those that wait for a node.
    Outside,
    Waiting,
    Done,
}

impl Part {
    fn next(self) -> Part {
        match self {
            Part::Instruments => Part::Panes,
            Part::Panes => Part::Cells,
            Part::Cells => Part::Outside,
            Part::Outside => Part::Waiting,
            Part::Waiting | Part::Done => Part::Done,
        }
    }
}

/// So many panes or cells are drawn before the clock is looked at.
const STEP: usize = 200;

impl Scene<'_> {
    pub(super) fn rounded(&self, r: Rect, radius: f64) {
        self.c.begin_path();
        let radius = radius.min(r.w / 2.0).min(r.h / 2.0).max(0.0);
        let _ = self.c.round_rect_with_f64(r.x, r.y, r.w, r.h, radius);
    }

    pub(super) fn line(&self, points: &[(f64, f64)]) {
        self.c.begin_path();
        for (i, (x, y)) in points.iter().enumerate() {
            if i == 0 { self.c.move_to(*x, *y) } else { self.c.line_to(*x, *y) }
        }
    }

    fn face(&self, face: Face, size: f64) {
        if self.faced.replace(Some((face, size))) == Some((face, size)) {
            return;
        }
        let font = match face {
            Face::Plain => format!("400 {size}px 'Podarium Sans', system-ui, sans-serif"),
            Face::Bold => format!("600 {size}px 'Podarium Sans', system-ui, sans-serif"),
            Face::Mono => format!("400 {size}px 'Podarium Mono', ui-monospace, monospace"),
        };
        self.c.set_font(&font);
    }

    fn width(&self, s: &str) -> f64 {
        let measured = || self.c.measure_text(s).map_or(0.0, |m| m.width());
        let Some((face, size)) = self.faced.get() else { return measured() };
        let mut widths = self.widths.borrow_mut();
        let known = widths.known.entry((face, size.to_bits())).or_default();
        if let Some(width) = known.get(s) {
            return *width;
        }
        let width = measured();
        known.insert(s.to_owned(), width);
        widths.count += 1;
        width
    }

    /// Back to what the canvas was like at the last `save`.
    pub(super) fn restore(&self) {
        self.c.restore();
        self.faced.set(None);
    }

    /// Writes text that is clipped in its middle where it would be wider than `room`; how wide it is. `align`: -1 for text
    /// that begins at `x`, 0 for its middle, 1 for its end.
    pub(super) fn text(&self, s: &str, at: (f64, f64), room: f64, face: (Face, f64), align: i8, colour: &str) -> f64 {
        self.face(face.0, face.1);
        let Some((shown, width)) = self.clipped(s, room) else { return 0.0 };
        self.c.set_fill_style_str(colour);
        let x = at.0 - width * f64::from(align + 1) / 2.0;
        let _ = self.c.fill_text(&shown, x, at.1);
        width
    }

    /// As much of a text as there is room for in the present face, and its width; nothing where no word of it would be left.
    fn clipped<'a>(&self, s: &'a str, room: f64) -> Option<(Cow<'a, str>, f64)> {
        let width = self.width(s);
        if width <= room {
            return Some((s.into(), width));
        }
        let per_char = width / s.chars().count().max(1) as f64;
        let chars = (room / per_char) as usize;
        if chars < 3 {
            return None;
        }
        // The ellipsis is wider than most letters: one or two fewer may be what there is room for.
        let shorter = (chars.saturating_sub(2).max(5)..=chars.max(5)).rev();
        let mut tried = shorter.map(|chars| words::clip(s, chars)).map(|clipped| (self.width(&clipped), clipped));
        let mut last = tried.next()?;
        for next in tried {
            if last.0 <= room {
                break;
            }
            last = next;
        }
        (last.0 <= room + per_char * 2.0).then(|| (last.1.into(), last.0))
    }

    /// The first of these texts that there is room for in a face, or the last.
    pub(super) fn fitting<'a>(&self, texts: &[&'a str], room: f64, face: (Face, f64)) -> &'a str {
        self.face(face.0, face.1);
        let fits = texts.iter().find(|t| self.width(t) <= room);
        fits.or(texts.last()).copied().unwrap_or_default()
    }

    pub(super) fn dash(&self, pattern: &[f64]) {
        let list = js_sys::Array::new();
        for d in pattern {
            list.push(&(*d).into());
        }
        let _ = self.c.set_line_dash(&list);
    }

    /// The colour of a pod's owner, by the number that tells it.
    pub(super) fn hue(&self, workload: u32) -> String {
        let new = || if workload == SYSTEM { self.p.system() } else { self.p.workload(workload) };
        self.hues.borrow_mut().entry(workload).or_insert_with(new).clone()
    }

    pub(super) fn dimmed(&self, name: &str, state: &str) -> bool {
        !words::matches(self.filter, &[name, state])
    }

    /// Draws the control plane's pane anew, whose instruments tell what happens, and leaves the rest as it is.
    pub fn draw_instruments(&self, m: &Model) {
        let Some((_, pane)) = self.l.control_plane else { return };
        self.c.save();
        self.c.begin_path();
        self.c.rect(0.0, 0.0, self.l.size.0, pane.bottom() + 4.0);
        self.c.clip();
        self.c.clear_rect(0.0, 0.0, self.l.size.0, pane.bottom() + 4.0);
        self.instruments(m);
        self.cells(m, &timed(m), false, 0, usize::MAX);
        self.restore();
    }

    /// Draws on of what stands still, until all of it is there or there is no time for `more`: at least one step. Whether all of it is there.
    pub fn draw_on(&self, m: &Model, progress: &mut Progress, more: &dyn Fn() -> bool) -> bool {
        let timed = timed(m);
        loop {
            self.step(m, &timed, progress);
            if progress.part == Part::Done || !more() {
                return progress.part == Part::Done;
            }
        }
    }

    fn step(&self, m: &Model, timed: &BTreeSet<&str>, progress: &mut Progress) {
        let from = progress.at;
        let count = match progress.part {
            Part::Instruments => {
                self.instruments(m);
                0
            }
            Part::Panes => self.in_field(|| {
                let panes: Vec<_> = self.l.nodes.iter().skip(from).take(STEP).map(|(id, r)| (*id, *r)).collect();
                self.panes(m, &panes);
                panes.len()
            }),
            Part::Cells => self.in_field(|| self.cells(m, timed, true, from, STEP)),
            Part::Outside => self.cells(m, timed, false, from, STEP),
            Part::Waiting => {
                self.waiting();
                0
            }
            Part::Done => return,
        };
        *progress = if count == STEP {
            Progress { part: progress.part, at: from + STEP }
        } else {
            Progress { part: progress.part.next(), at: 0 }
        };
    }

    /// Draws what lies in the field, and nothing beyond it.
    fn in_field<T>(&self, draw: impl FnOnce() -> T) -> T {
        let field = self.l.field;
        self.c.save();
        self.c.begin_path();
        // The edges and cables of the outermost panes belong to the field.
        self.c.rect(field.x - 4.0, field.y - 14.0, field.w + 8.0, field.h + 18.0);
        self.c.clip();
        let drawn = draw();
        self.restore();
        drawn
    }

    fn panes(&self, m: &Model, panes: &[(u32, Rect)]) {
        let seen = panes.iter().filter(|(_, r)| r.meets(&self.l.field));
        let (plain, other): (Vec<_>, Vec<_>) =
            seen.filter_map(|(id, r)| Some((m.nodes.get(id)?, *r))).partition(|(n, _)| self.is_plain(m, n));
        self.plain_panes(&plain);
        for (n, pane) in other {
            self.pane(m, n, pane);
        }
    }

    fn instruments(&self, m: &Model) {
        if let Some((id, pane)) = self.l.control_plane
            && let Some(n) = m.nodes.get(&id)
        {
            self.control_plane(m, n, pane);
        }
        for (i, r) in self.l.parts.iter().enumerate() {
            self.part(m, i, *r);
        }
    }

    fn waiting(&self) {
        if self.l.waiting_count == 0 {
            return;
        }
        let r = self.l.waiting;
        let s = match self.l.waiting_count {
            1 => "1 pod waits for a node".to_owned(),
            n => format!("{} pods wait for a node", words::thousands(n as u64)),
        };
        self.text(&s, (r.right(), r.y + 22.0), 200.0, (Face::Plain, 14.0), 1, self.p.soft);
    }

    fn control_plane(&self, m: &Model, n: &NodeView, r: Rect) {
        let state = words::node_state(n, m.silence_ns(n.id));
        let lost = lost(n);
        self.rounded(r, 14.0);
        self.c.set_fill_style_str(if n.powered { self.p.glass } else { self.p.ground });
        self.c.fill();
        self.edge(n, r, 14.0);
        let (x, y) = heart(r);
        self.still_heart(x, y, lost);
        let room = r.w - 130.0;
        self.text(&n.name, (r.x + 38.0, r.y + 26.0), room, (Face::Bold, 15.0), -1, self.p.ink);
        let colour = if state.starts_with("Ready") || state == "joining" { self.p.soft } else { self.p.bad };
        self.text(&state, (r.right() - 16.0, r.y + 26.0), r.w * 0.5, (Face::Plain, 14.0), 1, colour);
    }

    fn still_heart(&self, x: f64, y: f64, lost: bool) {
        self.c.begin_path();
        let _ = self.c.arc(x, y, 4.0, 0.0, std::f64::consts::TAU);
        if lost {
            self.c.set_stroke_style_str(self.p.bad);
            self.c.set_line_width(1.6);
            self.c.stroke();
        } else {
            self.c.set_fill_style_str(self.p.good);
            self.c.fill();
        }
    }

    fn edge(&self, n: &NodeView, r: Rect, radius: f64) {
        let picked = matches!(self.picked, Some(Pick::Node(id)) if *id == n.id);
        self.rounded(r, radius);
        let well = n.powered && matches!(n.health, NodeHealth::Ready | NodeHealth::Joining);
        self.c.set_line_width(if picked {
            2.5
        } else if self.l.detail == Detail::Dense {
            1.0
        } else {
            1.25
        });
        self.c.set_stroke_style_str(match n.health {
            _ if picked => self.p.accent,
            _ if !well => self.p.bad,
            NodeHealth::Joining => self.p.line,
            _ => self.p.edge,
        });
        self.dash(if well && n.health != NodeHealth::Joining { &[] } else { &[5.0, 4.0] });
        self.c.stroke();
        self.dash(&[]);
    }

    /// The level: requested CPU in the left half, memory in the right, each against what the node has to give.
    fn level(&self, n: &NodeView, r: Rect, radius: f64, room: f64) {
        if n.cpu_milli == 0 || !n.powered {
            return;
        }
        let (cpu, memory) = shares(n);
        let c = self.c;
        c.save();
        self.rounded(r, radius);
        c.clip();
        for (share, x) in [(cpu, r.x), (memory, r.x + r.w / 2.0)] {
            if share <= 0.0 {
                continue;
            }
            let h = (share * room).max(2.0);
            c.set_fill_style_str(self.p.fill);
            c.fill_rect(x, r.bottom() - h, r.w / 2.0, h);
            c.set_fill_style_str(self.p.edge);
            let y = r.bottom() - h;
            // The surface must not strike through what is written there.
            let written = self.l.detail == Detail::Full && (3.0..FOOTER - 5.0).contains(&h);
            let (left, right) = (r.x + 16.0, r.right() - 16.0);
            let spans: &[(f64, f64)] =
                if written { &[(r.x, left - 4.0), (right + 4.0, r.right())] } else { &[(r.x, r.right())] };
            for (from, to) in spans {
                let (from, to) = (from.max(x), to.min(x + r.w / 2.0));
                c.fill_rect(from, y, (to - from).max(0.0), 1.0);
            }
        }
        if self.l.detail == Detail::Full && cpu + memory > 0.0 {
            // A rule at each side, so that a level can be read.
            c.set_fill_style_str(self.p.line);
            for quarter in 1..4 {
                let y = r.bottom() - room * f64::from(quarter) / 4.0;
                let w = if quarter == 2 { 8.0 } else { 5.0 };
                c.fill_rect(r.x, y, w, 1.0);
                c.fill_rect(r.right() - w, y, w, 1.0);
            }
        }
        self.restore();
    }

    fn pane(&self, m: &Model, n: &NodeView, r: Rect) {
        let silence = m.silence_ns(n.id);
        let state = words::node_state(n, silence);
        self.c.set_global_alpha(if self.dimmed(&n.name, &state) { 0.3 } else { 1.0 });
        let radius = match self.l.detail {
            Detail::Full => 14.0,
            Detail::Compact => 8.0,
            Detail::Dense => 3.0,
        };
        self.rounded(r, radius);
        self.c.set_fill_style_str(if n.powered { self.p.glass } else { self.p.ground });
        self.c.fill();
        let room = r.h - if self.l.detail == Detail::Full { HEADER } else { 0.0 };
        self.level(n, r, radius, room);
        self.edge(n, r, radius);
        self.cable(n, r);
        let lost = lost(n);
        match self.l.detail {
            Detail::Dense => {
                if lost {
                    // Not by colour alone: a cross over the pane.
                    self.line(&[(r.x + 2.0, r.y + 2.0), (r.right() - 2.0, r.bottom() - 2.0)]);
                    self.c.set_stroke_style_str(self.p.bad);
                    self.c.set_line_width(1.2);
                    self.c.stroke();
                }
            }
            Detail::Compact => {
                self.text(&n.name, (r.x + 6.0, r.y + 14.0), r.w - 12.0, (Face::Plain, 12.0), -1, self.p.ink);
                if !state.starts_with("Ready") && r.h > 52.0 {
                    let at = (r.x + 6.0, r.bottom() - 6.0);
                    self.text(&state, at, r.w - 12.0, (Face::Plain, 12.0), -1, self.p.bad);
                }
            }
            Detail::Full => self.pane_words(m, n, r, &state, lost),
        }
        self.c.set_global_alpha(1.0);
    }

    fn cable(&self, n: &NodeView, r: Rect) {
        if self.l.detail == Detail::Dense || (n.plugged && self.l.detail != Detail::Full) {
            return;
        }
        let (x, y) = route::cable(r);
        if n.plugged {
            self.line(&[(x, y - 8.0), (x, y)]);
            self.c.set_stroke_style_str(if n.powered { self.p.edge } else { self.p.line });
            self.c.set_line_width(2.0);
            self.c.stroke();
            return;
        }
        self.c.set_stroke_style_str(self.p.bad);
        self.c.set_line_width(2.0);
        for (dx, dy) in [(4.0, 4.0), (4.0, -4.0)] {
            self.line(&[(x - dx, y - 6.0 - dy), (x + dx, y - 6.0 + dy)]);
            self.c.stroke();
        }
    }

    fn pane_words(&self, m: &Model, n: &NodeView, r: Rect, state: &str, lost: bool) {
        let (x, y) = heart(r);
        self.still_heart(x, y, lost);
        let left = r.x + 38.0;
        let name_room = (r.w - 54.0) * if state == "Ready" { 0.75 } else { 0.5 };
        let name = self.text(&n.name, (left, r.y + 26.0), name_room, (Face::Bold, 15.0), -1, self.p.ink);
        let well = state.starts_with("Ready") || state == "joining";
        let colour = if well { self.p.soft } else { self.p.bad };
        let room = r.right() - 16.0 - left - name - 8.0;
        self.face(Face::Plain, 14.0);
        // A narrow pane says what Kubernetes thinks; the machine's trouble stands below.
        let kept = if self.width(state) > room { state.rsplit(", ").next().unwrap_or(state) } else { state };
        self.text(kept, (r.right() - 16.0, r.y + 26.0), room, (Face::Plain, 14.0), 1, colour);
        if n.unschedulable {
            // A lid on the pane: nothing new comes in.
            self.line(&[(r.x + 40.0, r.y + 4.0), (r.right() - 14.0, r.y + 4.0)]);
            self.c.set_stroke_style_str(self.p.warn);
            self.c.set_line_width(3.0);
            self.dash(&[9.0, 4.0]);
            self.c.stroke();
            self.dash(&[]);
        }
        let foot = r.bottom() - FOOTER / 2.0 + 5.0;
        if let Some(trouble) = words::machine_trouble(n) {
            self.text(&trouble, (r.x + 16.0, foot), r.w - 32.0, (Face::Plain, 14.0), -1, self.p.bad);
            return;
        }
        if n.cpu_milli == 0 {
            return;
        }
        let _ = m;
        let (wide, short) = words::requested(n);
        let text = self.fitting(&[&wide, &short], r.w - 32.0, (Face::Plain, 13.0));
        let width = self.text(text, (r.x + 16.0, foot), r.w - 32.0, (Face::Plain, 13.0), -1, self.p.soft);
        self.services(n, (r.right() - 16.0, foot), r.w - 56.0 - width);
    }

    /// The machine's own programs, each with a lamp.
    fn services(&self, n: &NodeView, at: (f64, f64), room: f64) {
        self.face(Face::Plain, 13.0);
        let all = [("containerd", n.containerd), ("kubelet", n.kubelet)];
        let needed: f64 = all.iter().map(|(name, _)| self.width(name) + 26.0).sum();
        if needed > room {
            return;
        }
        let mut right = at.0;
        for (name, runs) in all {
            let ink = if runs { self.p.soft } else { self.p.bad };
            let width = self.text(name, (right, at.1), 120.0, (Face::Plain, 13.0), 1, ink);
            self.c.begin_path();
            let _ = self.c.arc(right - width - 8.0, at.1 - 4.5, 3.0, 0.0, std::f64::consts::TAU);
            self.c.set_fill_style_str(self.p.good);
            self.c.set_stroke_style_str(self.p.bad);
            self.c.set_line_width(1.4);
            if runs {
                self.c.fill()
            } else {
                self.c.stroke()
            }
            right -= width + 26.0;
        }
    }

    fn part(&self, m: &Model, i: usize, r: Rect) {
        let Some(p) = m.parts.get(i) else { return };
        let picked = matches!(self.picked, Some(Pick::Part(name, machine)) if *name == p.name && *machine == p.machine);
        let runs = p.state == PartState::Running;
        self.c.set_global_alpha(if self.dimmed(&p.name, words::part_state(p.state)) { 0.3 } else { 1.0 });
        self.rounded(r, 10.0);
        self.c.set_fill_style_str(if runs { self.p.panel } else { self.p.ground });
        self.c.fill();
        self.c.set_line_width(if picked { 2.5 } else { 1.25 });
        self.c.set_stroke_style_str(if picked {
            self.p.accent
        } else if runs {
            self.p.edge
        } else {
            self.p.bad
        });
        self.dash(if runs { &[] } else { &[5.0, 4.0] });
        self.c.stroke();
        self.dash(&[]);
        let small = r.w < 190.0;
        let pad = if small { 10.0 } else { 14.0 };
        let (left, room) = (r.x + pad, r.w - 2.0 * pad);
        let ink = if runs { self.p.ink } else { self.p.soft };
        let face = (Face::Bold, if small { 13.0 } else { 14.0 });
        let short = p.name.strip_prefix("kube-").unwrap_or(&p.name);
        let name = self.fitting(&[&p.name, short], room, face);
        let width = self.text(name, (left, r.y + 24.0), room, face, -1, ink);
        if !runs {
            self.line(&[(left, r.y + 19.5), (left + width, r.y + 19.5)]);
            self.c.set_stroke_style_str(self.p.bad);
            self.c.set_line_width(1.5);
            self.c.stroke();
            let state = words::part_state(p.state);
            self.text(state, (left, r.y + 44.0), room, (Face::Plain, 14.0), -1, self.p.bad);
            self.c.set_global_alpha(1.0);
            return;
        }
        if p.name == "etcd" {
            self.ledger(m, r, pad);
        } else {
            let line = match p.name.as_str() {
                "kube-apiserver" => format!("revision {}", words::thousands(m.revision)),
                name => m.doing(name).unwrap_or_else(|| "running".to_owned()),
            };
            // Of what it did, the reason or the pod tells most.
            let short = [": ", " to "].iter().find_map(|mark| line.split_once(mark)).map_or(&*line, |(head, _)| head);
            let line = self.fitting(&[&line, short], room, (Face::Plain, 14.0));
            self.text(line, (left, r.y + 46.0), room, (Face::Plain, 14.0), -1, self.p.soft);
        }
        self.c.set_global_alpha(1.0);
    }

    /// etcd's newest lines, ruled as a ledger is.
    fn ledger(&self, m: &Model, r: Rect, pad: f64) {
        let room = r.w - 2.0 * pad;
        for (i, line) in m.ledger.iter().rev().take(2).enumerate() {
            let y = r.y + 43.0 + i as f64 * 17.0;
            // As much of the key as there is room for: its end tells most.
            let short = line.replace(" /registry/", " ");
            let revision = line.split(' ').next().unwrap_or_default();
            let last = format!("{revision} {}", line.rsplit('/').next().unwrap_or_default());
            let text = self.fitting(&[line, &short, &last], room, (Face::Mono, 12.0));
            let colour = if i == 0 { self.p.ink } else { self.p.soft };
            self.text(text, (r.x + pad, y), room, (Face::Mono, 12.0), -1, colour);
            self.c.set_fill_style_str(self.p.line);
            self.c.fill_rect(r.x + pad, (y + 4.0).floor(), room, 1.0);
        }
    }
}

/// The pods that wait for something that a countdown shows.
fn timed(m: &Model) -> BTreeSet<&str> {
    m.timers.iter().map(|t| t.pod.as_str()).collect()
}

/// Whether nothing is heard of a node.
pub fn lost(n: &NodeView) -> bool {
    !n.powered || matches!(n.health, NodeHealth::Unknown | NodeHealth::Gone)
}

/// Where a pane's heart is.
pub fn heart(pane: Rect) -> (f64, f64) {
    (pane.x + 20.0, pane.y + 21.0)
}

/// Stands for the owner of the cluster's own pods, which have no hue: hues are for what people run.
const SYSTEM: u32 = u32::MAX - 1;

/// The number that a pod's colour comes from.
pub(super) fn owner(p: &PodView) -> u32 {
    if p.system { SYSTEM } else { p.workload }
}

/// Whether a shape wants attention.
pub(super) fn wrong(shape: PodShape) -> bool {
    matches!(shape, PodShape::BackOff | PodShape::Failed)
}

impl Motion {
    /// How much a heart is swollen at the moment, in pixels.
    pub(super) fn swell(&self, node: u32, now_ms: f64) -> f64 {
        (1.0 - self.beat(node, now_ms)) * 3.5
    }
}
