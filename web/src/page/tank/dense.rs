//! Draws many small panes: those with nothing to tell but their levels, a colour at a time and without a curve, since a thousand of them are drawn
//! at once.

use podarium_core::observe::{NodeHealth, NodeView};

use super::draw::Scene;
use super::layout::{Detail, Rect};
use crate::page::model::Model;
use crate::page::ui::Pick;
use crate::page::words;

impl Scene<'_> {
    /// Whether a pane is small and its node well, or on its way.
    pub(super) fn is_plain(&self, m: &Model, n: &NodeView) -> bool {
        self.l.detail == Detail::Dense
            && n.powered
            && matches!(n.health, NodeHealth::Ready | NodeHealth::Joining)
            && !matches!(self.picked, Some(Pick::Node(id)) if *id == n.id)
            && (self.filter.is_empty() || !self.dimmed(&n.name, &words::node_state(n, m.silence_ns(n.id))))
    }

    /// Draws the panes of which [`Scene::is_plain`] holds.
    pub(super) fn plain_panes(&self, panes: &[(&NodeView, Rect)]) {
        let c = self.c;
        for (colour, health) in [(self.p.edge, NodeHealth::Ready), (self.p.line, NodeHealth::Joining)] {
            c.set_fill_style_str(colour);
            for (_, r) in panes.iter().filter(|(n, _)| n.health == health) {
                c.fill_rect(r.x, r.y, r.w, r.h);
            }
        }
        c.set_fill_style_str(self.p.glass);
        for (_, r) in panes {
            c.fill_rect(r.x + 1.0, r.y + 1.0, r.w - 2.0, r.h - 2.0);
        }
        let levels = panes.iter().flat_map(|(n, r)| levels(n, *r));
        let (fills, surfaces): (Vec<Rect>, Vec<Rect>) =
            levels.map(|level| (level, Rect { h: 1.0_f64.min(level.h), ..level })).unzip();
        for (colour, rects) in [(self.p.fill, fills), (self.p.edge, surfaces)] {
            c.set_fill_style_str(colour);
            for r in rects {
                c.fill_rect(r.x, r.y, r.w, r.h);
            }
        }
    }
}

/// What of a node is requested, of its CPU in the left half of its pane, of its memory in the right.
pub(super) fn shares(n: &NodeView) -> (f64, f64) {
    let share = |used: u64, of: u64| if of == 0 { 0.0 } else { (used as f64 / of as f64).min(1.0) };
    (share(n.cpu_requested_milli, n.cpu_milli), share(n.memory_requested_bytes, n.memory_bytes))
}

/// The levels inside a small pane's edge.
fn levels(n: &NodeView, r: Rect) -> impl Iterator<Item = Rect> {
    let inner = Rect { x: r.x + 1.0, y: r.y + 1.0, w: (r.w - 2.0).max(0.0), h: (r.h - 2.0).max(0.0) };
    let half = inner.w / 2.0;
    let (cpu, memory) = shares(n);
    [(cpu, inner.x), (memory, inner.x + half)].into_iter().filter(|(share, _)| *share > 0.0).map(move |(share, x)| {
        let h = (share * inner.h).max(2.0).min(inner.h);
        Rect { x, y: inner.bottom() - h, w: half, h }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::testing;

    #[test]
    fn levels_stay_inside_their_pane() {
        let pane = Rect { x: 10.0, y: 20.0, w: 30.0, h: 20.0 };
        for (cpu, memory, count) in [(0, 0, 0), (1, 0, 1), (2_000, 4 << 30, 2), (9_000, 9 << 30, 2)] {
            let n =
                NodeView { cpu_requested_milli: cpu, memory_requested_bytes: memory, ..testing::node(2, "worker-1") };
            let all: Vec<Rect> = levels(&n, pane).collect();
            assert_eq!(all.len(), count, "{cpu} {memory}");
            for l in all {
                assert!(l.x >= 11.0 && l.right() <= 39.0 && l.y >= 21.0 && l.bottom() <= 39.0 && l.h >= 2.0, "{l:?}");
            }
        }
    }
}
