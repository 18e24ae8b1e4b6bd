//! Where everything is in the tank: pure geometry, from the model, the size of the glass and how far it is zoomed.
//!
//! The control plane stays where it is; the field of nodes below it can be zoomed and moved. Places are those of the
//! screen, so that words keep their size and a pane that gets bigger shows more of what is in it.

use std::collections::BTreeMap;

use podarium_core::observe::{NodeView, PartView, PodView};

use crate::page::model::Model;

/// A rectangle in CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    /// Its middle.
    pub fn centre(&self) -> (f64, f64) {
        (self.x + self.w / 2.0, self.y + self.h / 2.0)
    }

    /// Its lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.h
    }

    /// Its right edge.
    pub fn right(&self) -> f64 {
        self.x + self.w
    }

    /// Whether a point is in it.
    pub fn contains(&self, x: f64, y: f64) -> bool {
        x >= self.x && x <= self.right() && y >= self.y && y <= self.bottom()
    }

    /// Whether they have something in common.
    pub fn meets(&self, other: &Rect) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }

    /// What they have in common; nothing's size is 0.
    pub fn common(&self, other: &Rect) -> Rect {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        Rect { x, y, w: (right - x).max(0.0), h: (bottom - y).max(0.0) }
    }
}

/// How much of a pane there is room to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Marks without words.
    Dense,
    /// A name.
    Compact,
    /// All.
    #[default]
    Full,
}

/// How the field of nodes is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lens {
    /// How far it is zoomed; 1 shows all.
    pub zoom: f64,
    /// Where its upper left corner is, from the window's; never positive.
    pub pan: (f64, f64),
}

impl Default for Lens {
    fn default() -> Self {
        Lens { zoom: 1.0, pan: (0.0, 0.0) }
    }
}

/// The furthest zoom.
const ZOOM_MAX: f64 = 48.0;

impl Lens {
    /// Zooms by a factor, so that what is at this place of the field stays there.
    pub fn zoom_at(self, field: Rect, x: f64, y: f64, factor: f64) -> Lens {
        let zoom = (self.zoom * factor).clamp(1.0, ZOOM_MAX);
        let (ix, iy) = ((x - field.x - self.pan.0) / self.zoom, (y - field.y - self.pan.1) / self.zoom);
        Lens { zoom, pan: (x - field.x - ix * zoom, y - field.y - iy * zoom) }.held(field)
    }

    /// Moves.
    pub fn moved(self, field: Rect, dx: f64, dy: f64) -> Lens {
        Lens { pan: (self.pan.0 + dx, self.pan.1 + dy), ..self }.held(field)
    }

    /// Moves as little as brings a place into the window.
    pub fn showing(self, field: Rect, r: Rect) -> Lens {
        let by = |from: f64, to: f64, low: f64, high: f64| {
            if from < low {
                low - from
            } else if to > high {
                (high - to).max(low - from)
            } else {
                0.0
            }
        };
        let dx = by(r.x, r.right(), field.x, field.right());
        let dy = by(r.y, r.bottom(), field.y, field.bottom());
        self.moved(field, dx, dy)
    }

    /// The field never leaves its window.
    fn held(self, field: Rect) -> Lens {
        let hold = |pan: f64, side: f64| pan.clamp((side - side * self.zoom).min(0.0), 0.0);
        Lens { zoom: self.zoom, pan: (hold(self.pan.0, field.w), hold(self.pan.1, field.h)) }
    }
}

/// All places.
#[derive(Debug, Default)]
pub struct Layout {
    /// The size that it was made for.
    pub size: (f64, f64),
    /// The control plane's pane: node number and place.
    pub control_plane: Option<(u32, Rect)>,
    /// Instruments, in the order of the model's parts.
    pub parts: Vec<Rect>,
    /// The window on the field of nodes.
    pub field: Rect,
    /// Worker panes by node number.
    pub nodes: BTreeMap<u32, Rect>,
    /// Cells by pod uid: those in panes that can be seen.
    pub pods: BTreeMap<String, Rect>,
    /// The strip in which pods without a node float.
    pub waiting: Rect,
    /// How many float there.
    pub waiting_count: usize,
    /// How much panes say.
    pub detail: Detail,
    /// Whether there is room for names under the cells of a pane, by node number.
    pub named: BTreeMap<u32, bool>,
}

/// Between panes.
const GAP: f64 = 16.0;
/// A pane's first line.
pub const HEADER: f64 = 40.0;
/// A pane's last line.
pub const FOOTER: f64 = 30.0;
/// An instrument's height.
const PART_H: f64 = 68.0;
/// Under the field: the buttons that zoom.
const ZOOM_H: f64 = 36.0;
/// Between two rows of instruments.
const ROW_GAP: f64 = 18.0;
/// Under the instruments: where requests between them go.
pub const LANE: f64 = 26.0;
/// A name under a cell.
pub const NAME_H: f64 = 16.0;
/// The smallest side of a cell, and of one that has a name.
const CELL_MIN: f64 = 1.5;
const CELL_NAMED_MIN: f64 = 22.0;
/// How wide a name needs it.
const NAME_W: f64 = 46.0;
/// Between two cells that have names.
const NAMED_GAP: f64 = 10.0;

/// How wide the name under a cell may be without touching its neighbour's.
pub fn name_room(cell: Rect) -> f64 {
    (cell.w + NAMED_GAP).max(NAME_W) - 3.0
}

/// Whether a pod is drawn as a cell: mirror pods of the control plane are its instruments.
pub fn has_cell(p: &PodView, control_plane: Option<u32>) -> bool {
    !(p.system && p.node.is_some() && p.node == control_plane)
}

impl Layout {
    /// Lays the model out in `width` by `height`, the field as the lens shows it.
    pub fn new(m: &Model, width: f64, height: f64, lens: Lens) -> Self {
        let mut l = Layout { size: (width, height), ..Layout::default() };
        let narrow = width < 560.0;
        let margin = if narrow { 10.0 } else { 20.0 };
        let inner = (width - 2.0 * margin).max(1.0);
        let control = m.nodes.values().find(|n| n.control_plane);
        let control_id = control.map(|n| n.id);
        let mut y = margin.min(16.0);
        if let Some(n) = control {
            let rows = if narrow { 2 } else { 1 };
            let h = HEADER + rows as f64 * (PART_H + ROW_GAP) - ROW_GAP + LANE;
            let pane = Rect { x: margin, y, w: inner, h };
            l.control_plane = Some((n.id, pane));
            l.parts = place_parts(&m.parts, pane, rows);
            y = pane.bottom();
        }
        let mut by_node: BTreeMap<u32, Vec<&PodView>> = BTreeMap::new();
        let mut waiting: Vec<&PodView> = Vec::new();
        for p in m.pods.values().filter(|p| has_cell(p, control_id)) {
            match p.node {
                Some(n) if m.nodes.contains_key(&n) => by_node.entry(n).or_default().push(p),
                _ => waiting.push(p),
            }
        }
        // Messages between the control plane and the nodes need room to be seen in, and pods without a node float there.
        let strip = (height * 0.1).clamp(if narrow { 40.0 } else { 56.0 }, 96.0);
        l.waiting = Rect { x: margin, y: y + (strip - 34.0) / 2.0, w: inner, h: 34.0 };
        l.waiting_count = waiting.len();
        place(&mut l.pods, &waiting, Rect { w: inner - 150.0, ..l.waiting }, 30.0, None);
        y += strip;
        l.field = Rect { x: margin, y, w: inner, h: (height - y - ZOOM_H).max(80.0) };
        l.place_nodes(m, lens, narrow, &mut by_node);
        if let (Some((_, pane)), Some(pods)) = (l.control_plane, control_id.and_then(|id| by_node.remove(&id))) {
            // What runs on the control plane beside its parts.
            let right = Rect { x: pane.x + pane.w * 0.5, y: pane.y + 10.0, w: pane.w * 0.3, h: HEADER - 20.0 };
            place(&mut l.pods, &pods, right, 20.0, None);
        }
        l
    }

    fn place_nodes(&mut self, m: &Model, lens: Lens, narrow: bool, by_node: &mut BTreeMap<u32, Vec<&PodView>>) {
        let workers: Vec<&NodeView> = m.nodes.values().filter(|n| !n.control_plane).collect();
        let field = self.field;
        let columns = columns_for(workers.len(), field.w, field.h, narrow);
        let rows = workers.len().div_ceil(columns).max(1);
        let gap = match workers.len() {
            0..=12 => GAP,
            13..=80 => 8.0,
            _ => 3.0,
        };
        let w = ((field.w - gap * (columns as f64 - 1.0)) / columns as f64).max(2.0);
        let fit = ((field.h - gap * (rows as f64 - 1.0)) / rows as f64).max(2.0);
        // A pane that is much higher than wide looks empty however full it is.
        let h = fit.min((w * 1.25).max(150.0));
        let size = (w * lens.zoom, h * lens.zoom);
        self.detail = if size.0 >= 150.0 && size.1 >= 104.0 {
            Detail::Full
        } else if size.0 >= 60.0 && size.1 >= 40.0 {
            Detail::Compact
        } else {
            Detail::Dense
        };
        for (i, n) in workers.iter().enumerate() {
            let (c, r) = (i % columns, i / columns);
            let pane = Rect {
                x: field.x + lens.pan.0 + c as f64 * (w + gap) * lens.zoom,
                y: field.y + lens.pan.1 + r as f64 * (h + gap) * lens.zoom,
                w: size.0,
                h: size.1,
            };
            self.nodes.insert(n.id, pane);
            let pods = by_node.remove(&n.id).unwrap_or_default();
            if !pane.meets(&field) {
                continue;
            }
            let (top, inset, foot) = match self.detail {
                Detail::Full => (HEADER, 16.0, FOOTER),
                Detail::Compact => (20.0, 6.0, 6.0),
                Detail::Dense => (3.0, 3.0, 3.0),
            };
            let inside =
                Rect { x: pane.x + inset, y: pane.y + top, w: pane.w - 2.0 * inset, h: (pane.h - top - foot).max(1.0) };
            let side_max = (pane.w.min(pane.h) * 0.2).clamp(8.0, 110.0);
            let named = (self.detail == Detail::Full).then_some(CELL_NAMED_MIN);
            let with_names = place(&mut self.pods, &pods, inside, side_max, named);
            self.named.insert(n.id, with_names);
        }
    }
}

fn place_parts(parts: &[PartView], pane: Rect, rows: usize) -> Vec<Rect> {
    if parts.is_empty() {
        return Vec::new();
    }
    let columns = parts.len().div_ceil(rows);
    let gap = if rows > 1 { ROW_GAP } else { 10.0 };
    // etcd is a ledger whose newest line is read, and the longest name needs the most room.
    let weight = |p: &PartView| match p.name.as_str() {
        _ if rows > 1 => 1.0,
        "etcd" => 1.9,
        "kube-controller-manager" => 1.45,
        _ => 1.0,
    };
    // In two rows the api-server stands in the lower one: what it sends to nodes crosses no other part.
    let mut order: Vec<usize> = (0..parts.len()).collect();
    let low = |name: &str| matches!(name, "kube-apiserver" | "kube-scheduler");
    if rows > 1 {
        order.sort_by_key(|i| (low(&parts[*i].name), parts[*i].name == "kube-apiserver"));
    }
    let mut out = vec![Rect::default(); parts.len()];
    for (row, chunk) in order.chunks(columns).enumerate() {
        let total: f64 = chunk.iter().map(|i| weight(&parts[*i])).sum();
        let unit = (pane.w - 2.0 * GAP - gap * (chunk.len() as f64 - 1.0)) / total;
        let mut x = pane.x + GAP;
        for i in chunk {
            let w = unit * weight(&parts[*i]);
            out[*i] = Rect { x, y: pane.y + HEADER + row as f64 * (PART_H + gap), w, h: PART_H };
            x += w + gap;
        }
    }
    out
}

fn columns_for(n: usize, w: f64, h: f64, narrow: bool) -> usize {
    match n {
        0 => 1,
        1..=2 => n,
        3..=4 if !narrow => n,
        _ => {
            // Panes a third wider than high.
            let columns = (n as f64 * w / (h * 1.35)).sqrt().round().max(1.0) as usize;
            columns.clamp(if narrow { 2 } else { 1 }, n)
        }
    }
}

/// A grid of `n` squares in a rectangle: columns, the side, and the pitches.
fn grid(n: usize, r: Rect, side_max: f64, named_min: Option<f64>) -> (usize, f64, (f64, f64), bool) {
    let steps =
        |from: f64, to: f64| std::iter::successors(Some(from), move |s| (*s > to).then_some((s * 0.93).max(to)));
    if let Some(least) = named_min {
        for side in steps(side_max.max(least), least) {
            let pitch = ((side + NAMED_GAP).max(NAME_W), side + NAME_H + 10.0);
            let columns = (r.w / pitch.0).floor().max(1.0) as usize;
            if n.div_ceil(columns) as f64 * pitch.1 <= r.h + 10.0 {
                return (columns, side, pitch, true);
            }
        }
    }
    for side in steps(side_max.min(30.0), CELL_MIN) {
        let gap = (side * 0.16).clamp(0.7, 5.0);
        let pitch = side + gap;
        let columns = ((r.w + gap) / pitch).floor().max(1.0) as usize;
        if n.div_ceil(columns) as f64 * pitch - gap <= r.h {
            return (columns, side, (pitch, pitch), false);
        }
    }
    (((r.w / (CELL_MIN + 0.7)).floor()).max(1.0) as usize, CELL_MIN, (CELL_MIN + 0.7, CELL_MIN + 0.7), false)
}

/// Places cells; whether there is room for their names.
fn place(out: &mut BTreeMap<String, Rect>, pods: &[&PodView], r: Rect, side_max: f64, named: Option<f64>) -> bool {
    if pods.is_empty() || r.w <= 0.0 || r.h <= 0.0 {
        return named.is_some();
    }
    let (columns, side, pitch, with_names) = grid(pods.len(), r, side_max, named);
    let mut sorted: Vec<&PodView> = pods.to_vec();
    // Cells keep their places while younger pods come: the eldest first.
    sorted.sort_by(|a, b| (a.created_ns, &a.name).cmp(&(b.created_ns, &b.name)));
    for (i, p) in sorted.iter().enumerate() {
        let (c, row) = (i % columns, i / columns);
        let shift = if with_names { (pitch.0 - side - NAMED_GAP) / 2.0 } else { 0.0 };
        let cell = Rect { x: r.x + c as f64 * pitch.0 + shift, y: r.y + row as f64 * pitch.1, w: side, h: side };
        out.insert(p.uid.clone(), cell);
    }
    with_names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::testing;

    const FIELD: Rect = Rect { x: 20.0, y: 200.0, w: 1400.0, h: 500.0 };

    #[test]
    fn cells_fill_and_fit() {
        let r = Rect { x: 0.0, y: 0.0, w: 300.0, h: 200.0 };
        for n in [1, 7, 60, 1_000] {
            let (columns, side, pitch, named) = grid(n, r, 60.0, Some(CELL_NAMED_MIN));
            let rows = n.div_ceil(columns) as f64;
            assert!((rows - 1.0) * pitch.1 + side <= r.h || side <= CELL_MIN, "{n}: {columns} columns of {side}");
            assert_eq!(named, n < 10, "{n}");
            let cell = Rect { x: 0.0, y: 0.0, w: side, h: side };
            assert!(!named || name_room(cell) < pitch.0, "{n}: names touch");
        }
    }

    #[test]
    fn nothing_lies_outside_the_glass_or_on_another() {
        for (nodes, pods) in [(1, 0), (3, 9), (12, 120), (100, 10_000), (1_000, 1_000)] {
            for (w, h) in [(1440.0, 760.0), (680.0, 500.0), (390.0, 560.0)] {
                let m = testing::world(nodes, pods);
                let l = Layout::new(&m, w, h, Lens::default());
                let all = Rect { x: 0.0, y: 0.0, w, h };
                let panes: Vec<Rect> = l.nodes.values().copied().collect();
                assert_eq!(panes.len(), nodes);
                for (i, a) in panes.iter().enumerate().take(40) {
                    let inside = all.common(a);
                    assert!((inside.w - a.w).abs() + (inside.h - a.h).abs() < 0.01, "{nodes} nodes on {w}x{h}: {a:?}");
                    let over = |b: &&Rect| a.common(b).w > 0.01 && a.common(b).h > 0.01;
                    assert_eq!(panes[..i].iter().find(over), None, "{nodes} nodes on {w}x{h}");
                }
                assert_eq!(l.pods.len(), pods, "{nodes} nodes on {w}x{h}");
                for p in m.pods.values().take(500) {
                    let (cell, pane) = (l.pods[&p.uid], l.nodes[&p.node.expect("a node")]);
                    assert!(pane.common(&cell).w > 0.0 && cell.x >= pane.x && cell.right() <= pane.right() + 0.1);
                }
            }
        }
    }

    #[test]
    fn a_thousand_nodes_say_more_the_nearer_one_looks() {
        let m = testing::world(1_000, 2_000);
        let far = Layout::new(&m, 1440.0, 760.0, Lens::default());
        assert_eq!(far.detail, Detail::Dense);
        let lens = Lens::default().zoom_at(far.field, 300.0, 400.0, 12.0);
        let near = Layout::new(&m, 1440.0, 760.0, lens);
        assert_eq!(near.detail, Detail::Full);
        assert!(near.pods.len() < 200, "what can't be seen isn't placed: {}", near.pods.len());
    }

    #[test]
    fn zooming_keeps_the_place_under_the_finger() {
        let lens = Lens::default().zoom_at(FIELD, 720.0, 450.0, 4.0);
        let at = |l: Lens| ((720.0 - FIELD.x - l.pan.0) / l.zoom, (450.0 - FIELD.y - l.pan.1) / l.zoom);
        let more = lens.zoom_at(FIELD, 720.0, 450.0, 2.0);
        assert!((at(lens).0 - at(more).0).abs() < 1e-9 && (at(lens).1 - at(more).1).abs() < 1e-9);
        assert_eq!(lens.zoom_at(FIELD, 100.0, 300.0, 1e-6), Lens::default());
        assert_eq!(Lens::default().moved(FIELD, 50.0, 50.0), Lens::default());
    }
}
