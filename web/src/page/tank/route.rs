//! The ways that messages take: round the instruments rather than over their names. Pure geometry.

use super::layout::{LANE, Layout, Rect};
use crate::page::model::Model;

/// A way: points joined by straight lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    points: Vec<(f64, f64)>,
    length: f64,
}

/// How many pieces a curve is made of.
const PIECES: usize = 14;

impl Route {
    fn new(points: Vec<(f64, f64)>) -> Self {
        let length = points.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum();
        Route { points, length }
    }

    /// A curve that leaves and arrives upright.
    fn curve(from: (f64, f64), to: (f64, f64)) -> Self {
        let middle = (from.1 + to.1) / 2.0;
        let point = |i: usize| {
            let t = i as f64 / PIECES as f64;
            let u = 1.0 - t;
            let (a, b, c, d) = (u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t);
            (a * from.0 + b * from.0 + c * to.0 + d * to.0, a * from.1 + b * middle + c * middle + d * to.1)
        };
        Route::new((0..=PIECES).map(point).collect())
    }

    /// Its points.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// How long it is.
    pub fn length(&self) -> f64 {
        self.length
    }

    /// The place after a share of the way, 0 to 1, and which way it goes there.
    pub fn at(&self, share: f64) -> ((f64, f64), (f64, f64)) {
        let mut left = self.length * share.clamp(0.0, 1.0);
        let last = self.points.last().copied().unwrap_or_default();
        for p in self.points.windows(2) {
            let (dx, dy) = (p[1].0 - p[0].0, p[1].1 - p[0].1);
            let piece = dx.hypot(dy);
            if left <= piece && piece > 0.0 {
                let k = left / piece;
                return ((p[0].0 + dx * k, p[0].1 + dy * k), (dx / piece, dy / piece));
            }
            left -= piece;
        }
        (last, (1.0, 0.0))
    }
}

/// Where a message begins or ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Part(usize),
    ControlPlane(Rect),
    Node(Rect),
    Pod(Rect),
    Person,
}

fn end(l: &Layout, m: &Model, name: &str) -> Option<End> {
    if name == "person" {
        return Some(End::Person);
    }
    if let Some((part, machine)) = name.split_once('@') {
        let machine: u32 = machine.parse().ok()?;
        if let Some(i) = m.parts.iter().position(|p| p.name == part && p.machine == machine) {
            return (i < l.parts.len()).then_some(End::Part(i));
        }
        if let Some(r) = l.nodes.get(&machine) {
            return l.field.meets(r).then_some(End::Node(*r));
        }
        let (id, r) = l.control_plane?;
        return (id == machine).then_some(End::ControlPlane(r));
    }
    if let Some(r) = l.pods.get(name) {
        return Some(End::Pod(*r));
    }
    let node = m.pods.get(name)?.node?;
    l.nodes.get(&node).filter(|r| l.field.meets(r)).map(|r| End::Node(*r))
}

/// Where a node's cable meets its pane: above its heart.
pub fn cable(pane: Rect) -> (f64, f64) {
    (pane.x + (pane.w * 0.5).min(20.0), pane.y)
}

/// The way of a message between two ends; `None` when an end can't be seen.
pub fn route(l: &Layout, m: &Model, from: &str, to: &str) -> Option<Route> {
    let (from, to) = (end(l, m, from)?, end(l, m, to)?);
    let way = between(l, from, to).or_else(|| {
        between(l, to, from).map(|mut r| {
            r.points.reverse();
            r
        })
    })?;
    (way.length > 8.0).then_some(way)
}

/// From a part down to a node's cable: those of lower rows go through the gaps between panes.
fn to_pane(l: &Layout, from: (f64, f64), pane: Rect) -> Vec<(f64, f64)> {
    let end = cable(pane);
    let first_row = l.field.y + 2.0;
    if pane.y <= first_row {
        return Route::curve(from, end).points;
    }
    let left = l.nodes.values().filter(|r| r.y == pane.y && r.right() <= pane.x).map(Rect::right).fold(0.0, f64::max);
    let gap = if left > 0.0 { pane.x - left } else { 8.0 };
    let x = pane.x - gap / 2.0;
    let mut way = Route::curve(from, (x, l.field.y - 4.0)).points;
    let turn = pane.y - (gap / 2.0).min(6.0);
    way.extend([(x, turn), (end.0, turn), end]);
    way
}

fn between(l: &Layout, from: End, to: End) -> Option<Route> {
    Some(match (from, to) {
        (End::Part(a), End::Part(b)) => {
            let (ra, rb) = (*l.parts.get(a)?, *l.parts.get(b)?);
            let shift =
                |i: usize, other: usize| if other > i { 5.0 + 4.0 * other as f64 } else { -5.0 - 4.0 * other as f64 };
            let (xa, xb) = (ra.centre().0 + shift(a, b), rb.centre().0 + shift(b, a));
            if (ra.y - rb.y).abs() > 1.0 {
                // Between two rows, in the gap between them.
                let (upper, lower, xu, xl) = if ra.y < rb.y { (ra, rb, xa, xb) } else { (rb, ra, xb, xa) };
                let lane = (upper.bottom() + lower.y) / 2.0 + (a.max(b) % 3) as f64 * 3.0 - 3.0;
                let mut way = vec![(xu, upper.bottom()), (xu, lane), (xl, lane), (xl, lower.y)];
                if ra.y > rb.y {
                    way.reverse();
                }
                return Some(Route::new(way));
            }
            // Each pair has a line of its own in the lane, so that none hides another.
            let lane = ra.bottom() + 8.0 + (a.max(b) % 3) as f64 * (LANE - 14.0) / 3.0;
            Route::new(vec![(xa, ra.bottom()), (xa, lane), (xb, lane), (xb, rb.bottom())])
        }
        (End::Part(a), End::ControlPlane(pane)) => {
            let r = *l.parts.get(a)?;
            let lane = pane.bottom() - 6.0;
            let x = r.centre().0 - 22.0;
            Route::new(vec![(x, r.bottom()), (x, lane), (pane.x + 7.0, lane), (pane.x + 7.0, pane.y + 30.0)])
        }
        (End::Part(a), End::Node(pane)) => {
            let r = *l.parts.get(a)?;
            Route::new(to_pane(l, (r.centre().0, r.bottom()), pane))
        }
        (End::Part(a), End::Person) => {
            let r = *l.parts.get(a)?;
            let x = r.centre().0;
            let above = l.parts.iter().filter(|p| p.bottom() < r.y).map(Rect::bottom).fold(0.0, f64::max);
            if above == 0.0 {
                return Some(Route::new(vec![(x, r.y), (x, 0.0)]));
            }
            let (side, lane) = (l.size.0 - 16.0, (above + r.y) / 2.0);
            Route::new(vec![(x, r.y), (x, lane), (side, lane), (side, 0.0)])
        }
        (End::Part(a), End::Pod(cell)) => {
            let r = *l.parts.get(a)?;
            Route::curve((r.centre().0, r.bottom()), (cell.centre().0, cell.y))
        }
        (End::Pod(cell), End::Person) => Route::curve((cell.centre().0, cell.bottom()), (l.size.0 / 2.0, l.size.1)),
        (End::Pod(a), End::Pod(b)) => Route::curve(a.centre(), b.centre()),
        (End::Node(a), End::Node(b)) => Route::curve(cable(a), cable(b)),
        (End::Node(pane), End::Person) => Route::curve((pane.centre().0, pane.bottom()), (l.size.0 / 2.0, l.size.1)),
        (End::Node(pane), End::Pod(cell)) => Route::curve(cable(pane), cell.centre()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tank::layout::Lens;
    use crate::page::testing;

    #[test]
    fn requests_between_parts_cross_no_part() {
        let m = testing::world(3, 3);
        for w in [1440.0, 680.0, 390.0] {
            let l = Layout::new(&m, w, 760.0, Lens::default());
            for (i, p) in m.parts.iter().enumerate().filter(|(_, p)| p.name != "kube-apiserver") {
                let way = route(&l, &m, &format!("{}@1", p.name), "kube-apiserver@1").expect("a way");
                for k in 1..100 {
                    let ((x, y), _) = way.at(f64::from(k) / 100.0);
                    let over = l.parts.iter().position(|r| y > r.y + 0.5 && y < r.bottom() - 0.5 && r.contains(x, y));
                    assert_eq!(over, None, "{} ({i}) at {k}%", p.name);
                }
            }
        }
    }

    #[test]
    fn requests_of_nodes_cross_no_pane() {
        let m = testing::world(10, 3);
        for (w, h) in [(1440.0, 760.0), (390.0, 700.0)] {
            let l = Layout::new(&m, w, h, Lens::default());
            for id in l.nodes.keys() {
                let way = route(&l, &m, "kube-apiserver@1", &format!("kubelet@{id}")).expect("a way");
                for k in 1..100 {
                    let ((x, y), _) = way.at(f64::from(k) / 100.0);
                    let parts = l.parts.iter().map(|r| (r, 1.0));
                    let over = l.nodes.values().map(|r| (r, 0.5)).chain(parts);
                    let crossed = over
                        .filter(|(r, s)| y > r.y + s && y < r.bottom() - s && x > r.x + s && x < r.right() - s)
                        .count();
                    assert_eq!(crossed, 0, "node {id} on {w}x{h} at {k}%");
                }
            }
        }
    }

    #[test]
    fn a_way_goes_from_its_cause_to_its_effect() {
        let m = testing::world(3, 3);
        let l = Layout::new(&m, 1440.0, 760.0, Lens::default());
        let there = route(&l, &m, "kubelet@2", "kube-apiserver@1").expect("a way");
        let back = route(&l, &m, "kube-apiserver@1", "kubelet@2").expect("a way");
        assert_eq!(there.at(0.0).0, back.at(1.0).0);
        assert_eq!(there.at(0.0).0, cable(l.nodes[&2]));
        assert_eq!(route(&l, &m, "kubelet@99", "kube-apiserver@1"), None);
        assert!(route(&l, &m, "person", "uid-1").is_some());
    }
}
