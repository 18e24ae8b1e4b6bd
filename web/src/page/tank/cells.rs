//! Draws pods: each a cell whose shape is its state and whose hue is its owner's.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;

use podarium_core::observe::{PodShape, PodView};

use super::draw::{Face, Scene, owner, wrong};
use super::layout::{Detail, Rect, name_room};
use crate::page::model::Model;
use crate::page::ui::Pick;
use crate::page::words;

/// Cells smaller than this have no room for a shape: running ones are drawn many at a time.
const SHAPE_MIN: f64 = 7.0;
const BATCH_MAX: f64 = 13.0;

impl Scene<'_> {
    /// Draws the cells inside the field, or those outside it, of at most `count` pods after the first `from`; how many pods that were.
    pub(super) fn cells(&self, m: &Model, timed: &BTreeSet<&str>, inside: bool, from: usize, count: usize) -> usize {
        let mut batches: BTreeMap<(u32, bool, bool), Vec<Rect>> = BTreeMap::new();
        let mut seen = 0;
        for (uid, r) in self.l.pods.iter().skip(from).take(count) {
            seen += 1;
            if (r.y >= self.l.field.y - 1.0) != inside {
                continue;
            }
            let Some(p) = m.pods.get(uid) else { continue };
            let dim = self.dimmed(&p.name, &p.status);
            let shape = m.shape(p);
            let picked = matches!(self.picked, Some(Pick::Pod(x)) if x == uid);
            let plain = shape == PodShape::Running && r.w < BATCH_MAX;
            if (r.w < SHAPE_MIN || plain) && !picked {
                let strong = shape == PodShape::Running;
                let hue = if wrong(shape) { u32::MAX } else { owner(p) };
                batches.entry((hue, strong, dim)).or_default().push(*r);
                continue;
            }
            self.c.set_global_alpha(if dim { 0.2 } else { 1.0 });
            self.cell(p, shape, *r, picked);
            if self.l.detail == Detail::Full
                && inside
                && p.node.is_some_and(|n| self.l.named.get(&n) == Some(&true))
                && !timed.contains(uid.as_str())
            {
                self.name(m, p, *r);
            }
            self.c.set_global_alpha(1.0);
        }
        for ((hue, strong, dim), rects) in batches {
            let colour = if hue == u32::MAX { self.p.bad.to_owned() } else { self.hue(hue) };
            self.c.set_global_alpha(if dim { 0.15 } else { 1.0 });
            self.c.begin_path();
            for r in rects {
                if strong {
                    self.c.rect(r.x, r.y, r.w, r.h);
                } else {
                    // Hollow: what does not run is a frame.
                    let t = (r.w * 0.25).min(1.2);
                    self.c.rect(r.x, r.y, r.w, t);
                    self.c.rect(r.x, r.bottom() - t, r.w, t);
                    self.c.rect(r.x, r.y, t, r.h);
                    self.c.rect(r.right() - t, r.y, t, r.h);
                }
            }
            self.c.set_fill_style_str(&colour);
            self.c.fill();
        }
        self.c.set_global_alpha(1.0);
        seen
    }

    /// What is written under a cell: its name, or what tells it from its like, which is its kind for the cluster's own pods.
    fn name(&self, m: &Model, p: &PodView, r: Rect) {
        let at = (r.x + r.w / 2.0, r.bottom() + 13.0);
        let room = name_room(r);
        let kind = m.workloads.get(&p.workload).filter(|_| p.system).map_or("", |w| w.name.as_str());
        let face = (Face::Mono, 12.0);
        let tail = words::tail(&p.name);
        let name = self.fitting(&[p.name.as_str(), if kind.is_empty() { tail } else { kind }, tail], room, face);
        self.text(name, at, room, face, 0, self.p.soft);
    }

    fn cell(&self, p: &PodView, shape: PodShape, r: Rect, picked: bool) {
        let colour = self.hue(owner(p));
        let c = self.c;
        let radius = r.w * 0.28;
        c.set_line_width((r.w / 14.0).clamp(1.2, 2.4));
        c.set_stroke_style_str(&colour);
        c.set_fill_style_str(&colour);
        match shape {
            PodShape::Pending => {
                self.rounded(r, radius);
                self.dash(&[(r.w / 8.0).clamp(2.0, 5.0), (r.w / 9.0).clamp(2.0, 4.0)]);
                c.stroke();
                self.dash(&[]);
            }
            PodShape::Creating | PodShape::Pulling => {
                self.rounded(r, radius);
                self.faintly(0.22, || c.fill());
                c.stroke();
                // The ring's track; what of the image is there is drawn with the timers.
                let (x, y) = r.centre();
                c.begin_path();
                let _ = c.arc(x, y, r.w * 0.27, 0.0, TAU);
                self.faintly(0.45, || c.stroke());
            }
            PodShape::Running => {
                self.rounded(r, radius);
                c.fill();
                self.nuclei(p, r);
            }
            PodShape::NotReady => {
                self.notched(r, radius);
                c.fill();
                self.nuclei(p, r);
            }
            PodShape::BackOff => self.back_off(r, radius, &colour),
            PodShape::Succeeded => {
                self.rounded(r, radius);
                c.stroke();
                let point = |x: f64, y: f64| (r.x + r.w * x, r.y + r.h * y);
                self.line(&[point(0.28, 0.52), point(0.45, 0.68), point(0.74, 0.34)]);
                c.stroke();
            }
            PodShape::Failed => {
                self.rounded(r, radius);
                c.stroke();
                c.set_stroke_style_str(self.p.bad);
                let point = |x: f64, y: f64| (r.x + r.w * x, r.y + r.h * y);
                for to in [[point(0.3, 0.3), point(0.7, 0.7)], [point(0.7, 0.3), point(0.3, 0.7)]] {
                    self.line(&to);
                    c.stroke();
                }
            }
            PodShape::Terminating => self.dissolving(r),
            PodShape::Ghost => {
                self.rounded(r, radius);
                c.set_fill_style_str(self.p.line);
                self.faintly(0.7, || c.fill());
                c.stroke();
            }
        }
        if picked {
            let out = Rect { x: r.x - 4.0, y: r.y - 4.0, w: r.w + 8.0, h: r.h + 8.0 };
            self.rounded(out, radius + 4.0);
            c.set_stroke_style_str(self.p.accent);
            c.set_line_width(2.0);
            c.stroke();
        }
    }

    fn faintly(&self, strength: f64, draw: impl FnOnce()) {
        let before = self.c.global_alpha();
        self.c.set_global_alpha(before * strength);
        draw();
        self.c.set_global_alpha(before);
    }

    /// A cell without its upper right corner.
    fn notched(&self, r: Rect, radius: f64) {
        let c = self.c;
        c.begin_path();
        c.move_to(r.x + radius, r.y);
        c.line_to(r.x + r.w * 0.55, r.y);
        c.line_to(r.right(), r.y + r.h * 0.45);
        let _ = c.arc_to(r.right(), r.bottom(), r.x, r.bottom(), radius);
        let _ = c.arc_to(r.x, r.bottom(), r.x, r.y, radius);
        let _ = c.arc_to(r.x, r.y, r.right(), r.y, radius);
        c.close_path();
    }

    fn back_off(&self, r: Rect, radius: f64, colour: &str) {
        let c = self.c;
        c.save();
        self.rounded(r, radius);
        c.clip();
        c.set_stroke_style_str(colour);
        c.set_line_width(1.2);
        c.begin_path();
        let step = (r.w / 8.0).clamp(3.0, 6.0);
        let mut d = -r.h;
        while d < r.w {
            c.move_to(r.x + d, r.bottom());
            c.line_to(r.x + d + r.h, r.y);
            d += step;
        }
        c.stroke();
        self.restore();
        self.rounded(r, radius);
        c.set_line_width((r.w / 14.0).clamp(1.2, 2.4));
        c.stroke();
        // A clock's face and hands.
        let (x, y) = r.centre();
        c.begin_path();
        let _ = c.arc(x, y, r.w * 0.28, 0.0, TAU);
        c.set_fill_style_str(self.p.glass);
        c.fill();
        self.line(&[(x, y - r.h * 0.2), (x, y), (x + r.w * 0.14, y + r.h * 0.07)]);
        c.set_stroke_style_str(self.p.bad);
        c.set_line_width((r.w / 12.0).clamp(1.4, 3.0));
        c.stroke();
    }

    /// Dissolving: what is left of the cell is a few grains.
    fn dissolving(&self, r: Rect) {
        let n = 5;
        let s = r.w / n as f64;
        self.c.begin_path();
        for k in 0..n * n {
            let (i, j) = (k % n, k / n);
            if (i * 7 + j * 3) % 5 < 2 {
                continue;
            }
            self.c.rect(r.x + (i as f64 + 0.15) * s, r.y + (j as f64 + 0.15) * s, s * 0.66, s * 0.66);
        }
        self.c.fill();
    }

    /// A cell's nuclei: its containers.
    fn nuclei(&self, p: &PodView, r: Rect) {
        if r.w < 14.0 {
            return;
        }
        let n = p.containers.len().clamp(1, 4);
        let (x, y) = r.centre();
        self.c.set_fill_style_str(self.p.glass);
        self.c.set_stroke_style_str(self.p.glass);
        for (i, container) in p.containers.iter().take(4).enumerate() {
            self.c.begin_path();
            let dx = (i as f64 - (n as f64 - 1.0) / 2.0) * r.w * 0.24;
            let _ = self.c.arc(x + dx, y, r.w * 0.09, 0.0, TAU);
            if container.ready {
                self.c.fill();
            } else {
                self.c.set_line_width(1.4);
                self.c.stroke();
            }
        }
        if r.w >= 84.0
            && let Some(first) = p.containers.first()
        {
            let at = (x, r.bottom() - r.h * 0.16);
            let room = r.w * 0.84;
            let (image, repository) = words::image_names(&first.image);
            let image = self.fitting(&[image, repository], room, (Face::Mono, 12.0));
            self.text(image, at, room, (Face::Mono, 12.0), 0, self.p.glass);
        }
    }
}
