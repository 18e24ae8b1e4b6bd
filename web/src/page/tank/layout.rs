//! Where everything is in the tank: pure geometry, from the model and the size of the glass.

use std::collections::BTreeMap;

use podarium_core::observe::{NodeView, PartView, PodView};

use crate::page::model::Model;

/// A rectangle in CSS pixels of the unzoomed tank.
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
    /// Whether a point is in it.
    pub fn contains(&self, x: f64, y: f64) -> bool {
        x >= self.x && x <= self.x + self.w && y >= self.y && y <= self.y + self.h
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
    /// Worker panes by node number.
    pub nodes: BTreeMap<u32, Rect>,
    /// Cells by pod uid.
    pub pods: BTreeMap<String, Rect>,
    /// The strip in which pods without a node float.
    pub waiting: Rect,
    /// Whether panes are too small for words.
    pub dense: bool,
}

const GAP: f64 = 12.0;
const HEADER: f64 = 34.0;
/// The largest and the smallest side of a pod's cell.
const CELL_MAX: f64 = 34.0;
const CELL_MIN: f64 = 1.5;

/// Whether a pod is drawn as a cell: mirror pods of the control plane are its instruments.
fn has_cell(p: &PodView, control_plane: Option<u32>) -> bool {
    !(p.system && p.node.is_some() && p.node == control_plane)
}

/// Columns and the side of squares such that `n` of them fill `w` by `h`.
fn grid(n: usize, w: f64, h: f64, side_max: f64, side_min: f64, gap: f64) -> (usize, f64) {
    if n == 0 || w <= 0.0 || h <= 0.0 {
        return (1, side_min);
    }
    let mut side = side_max;
    loop {
        let columns = ((w + gap) / (side + gap)).floor().max(1.0) as usize;
        let rows = n.div_ceil(columns);
        if rows as f64 * (side + gap) - gap <= h || side <= side_min {
            return (columns, side.max(side_min));
        }
        side *= 0.94;
    }
}

impl Layout {
    /// Lays the model out in `width` by `height`.
    pub fn new(m: &Model, width: f64, height: f64) -> Self {
        let mut l = Layout { size: (width, height), ..Layout::default() };
        let narrow = width < 620.0;
        let margin = if narrow { 10.0 } else { 20.0 };
        let inner = width - 2.0 * margin;
        let control: Vec<&NodeView> = m.nodes.values().filter(|n| n.control_plane).collect();
        let part_rows: u32 = if narrow { 2 } else { 1 };
        let control_height = HEADER + f64::from(part_rows) * 74.0 + GAP;
        let mut y = margin;
        if let Some(n) = control.first() {
            let pane = Rect { x: margin, y, w: inner, h: control_height };
            l.control_plane = Some((n.id, pane));
            l.parts = place_parts(&m.parts, pane, part_rows as usize);
            y += control_height + GAP;
        }
        let control_id = control.first().map(|n| n.id);
        let mut by_node: BTreeMap<u32, Vec<&PodView>> = BTreeMap::new();
        let mut waiting: Vec<&PodView> = Vec::new();
        for p in m.pods.values().filter(|p| has_cell(p, control_id)) {
            match p.node {
                Some(n) if m.nodes.contains_key(&n) => by_node.entry(n).or_default().push(p),
                _ => waiting.push(p),
            }
        }
        let strip = 40.0;
        l.waiting = Rect { x: margin, y, w: inner, h: strip };
        place_pods(&mut l.pods, &waiting, l.waiting, strip - 12.0);
        y += strip + GAP;
        let workers: Vec<&NodeView> = m.nodes.values().filter(|n| !n.control_plane).collect();
        let room = (height - y - margin).max(120.0);
        let columns = columns_for(workers.len(), inner, room, narrow);
        let rows = workers.len().div_ceil(columns.max(1)).max(1);
        let gap = if workers.len() > 60 { 3.0 } else { GAP };
        let w = (inner - gap * (columns as f64 - 1.0)) / columns as f64;
        let h = ((room - gap * (rows as f64 - 1.0)) / rows as f64).min(320.0);
        l.dense = w < 96.0 || h < 64.0;
        for (i, n) in workers.iter().enumerate() {
            let (c, r) = (i % columns, i / columns);
            let pane = Rect { x: margin + c as f64 * (w + gap), y: y + r as f64 * (h + gap), w, h };
            l.nodes.insert(n.id, pane);
            let pods = by_node.remove(&n.id).unwrap_or_default();
            let (header, inset) = if l.dense { (0.0, 2.0) } else { (HEADER + 4.0, 12.0) };
            let inside = Rect {
                x: pane.x + inset,
                y: pane.y + header + inset / 2.0,
                w: pane.w - 2.0 * inset,
                h: pane.h - header - 1.5 * inset - if l.dense { 0.0 } else { 18.0 },
            };
            place_pods(&mut l.pods, &pods, inside, if l.dense { 8.0 } else { CELL_MAX });
        }
        if let (Some((id, pane)), Some(pods)) = (l.control_plane, control_id.and_then(|id| by_node.remove(&id))) {
            debug_assert_eq!(Some(id), control_id);
            let right = Rect { x: pane.x + pane.w * 0.55, y: pane.y + 6.0, w: pane.w * 0.43, h: HEADER - 10.0 };
            place_pods(&mut l.pods, &pods, right, 20.0);
        }
        l
    }

    /// Where a message's end is: `part@machine`, `machine`, a pod's address or uid, or the person.
    pub fn end(&self, m: &Model, end: &str) -> Option<(f64, f64)> {
        if end == "person" {
            return Some((self.size.0 / 2.0, 0.0));
        }
        if let Some((name, machine)) = end.split_once('@') {
            let machine: u32 = machine.parse().ok()?;
            let part = m.parts.iter().position(|p| p.name == name && p.machine == machine);
            if let Some(r) = part.and_then(|i| self.parts.get(i)) {
                return Some(r.centre());
            }
            if let Some(r) = self.nodes.get(&machine) {
                return Some((r.x + 16.0, r.y + HEADER / 2.0));
            }
            let (id, r) = self.control_plane?;
            return (id == machine).then_some((r.x + 16.0, r.y + HEADER / 2.0));
        }
        self.pods.get(end).map(Rect::centre)
    }
}

fn place_parts(parts: &[PartView], pane: Rect, rows: usize) -> Vec<Rect> {
    if parts.is_empty() {
        return Vec::new();
    }
    let columns = parts.len().div_ceil(rows);
    let (gap, h) = (10.0, 64.0);
    // etcd is a ledger whose newest line is read: it gets twice the width where there is room.
    let weights: Vec<f64> = parts.iter().map(|p| if p.name == "etcd" && rows == 1 { 2.0 } else { 1.0 }).collect();
    let mut out = Vec::new();
    for (row, chunk) in parts.chunks(columns).enumerate() {
        let of = &weights[row * columns..row * columns + chunk.len()];
        let unit = (pane.w - 2.0 * GAP - gap * (chunk.len() as f64 - 1.0)) / of.iter().sum::<f64>();
        let mut x = pane.x + GAP;
        for weight in of {
            out.push(Rect { x, y: pane.y + HEADER + row as f64 * (h + gap), w: unit * weight, h });
            x += unit * weight + gap;
        }
    }
    out
}

fn columns_for(n: usize, w: f64, h: f64, narrow: bool) -> usize {
    if n == 0 {
        return 1;
    }
    if n <= 4 && !narrow {
        return n;
    }
    // Panes a third wider than high.
    let columns = (n as f64 * w / (h * 1.35)).sqrt().round().max(1.0) as usize;
    columns.clamp(1, n)
}

fn place_pods(out: &mut BTreeMap<String, Rect>, pods: &[&PodView], r: Rect, side_max: f64) {
    let gap = if pods.len() > 200 { 1.0 } else { 5.0 };
    let (columns, side) = grid(pods.len(), r.w, r.h, side_max, CELL_MIN, gap);
    let mut sorted: Vec<&&PodView> = pods.iter().collect();
    // Cells keep their places while younger pods come: the eldest first.
    sorted.sort_by(|a, b| (a.created_ns, &a.name).cmp(&(b.created_ns, &b.name)));
    for (i, p) in sorted.iter().enumerate() {
        let (c, row) = (i % columns, i / columns);
        let cell = Rect { x: r.x + c as f64 * (side + gap), y: r.y + row as f64 * (side + gap), w: side, h: side };
        out.insert(p.uid.clone(), cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_fill_and_fit() {
        for n in [1, 7, 60, 1_000] {
            let (columns, side) = grid(n, 300.0, 200.0, CELL_MAX, CELL_MIN, 1.0);
            let rows = n.div_ceil(columns);
            assert!(rows as f64 * (side + 1.0) - 1.0 <= 200.0 || side <= CELL_MIN, "{n}: {columns} columns of {side}");
        }
    }
}
