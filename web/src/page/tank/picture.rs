//! What is on the tank's two canvases: when what stands still is drawn, at once or in slices, and what moves over it.

use std::cell::{Cell, RefCell};

use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, MediaQueryList};
use yew::AttrValue;

use super::draw::{Progress, Scene, Widths};
use super::layout::{Detail, Layout, Lens};
use super::motion::Motion;
use super::view::{Props, clock_ms};
use crate::page::model::Model;
use crate::page::palette::Palette;
use crate::page::ui::Pick;

/// What stands still is drawn again after this at the latest: countdown words go on, fonts arrive.
const STILL_MS: f64 = 400.0;
/// Of the time that goes by, drawing what stands still takes at most about one part in so many: a large cluster's is drawn less often, and
/// what moves over it as often as ever.
const STILL_SHARE: f64 = 12.0;
/// What drawing takes that is long, in milliseconds: next time it is done in slices, and nothing else is drawn beside it.
const STILL_LONG_MS: f64 = 4.0;
/// So many things are taken to be long to draw before it was ever tried.
const MANY: usize = 150;
/// How long a slice of a drawing takes, in milliseconds.
const SLICE_MS: f64 = 5.0;

/// A large cluster's motion is drawn at most once in so many milliseconds: nothing of it is larger than a few pixels, and half of the work is
/// saved.
const DENSE_FRAME_MS: f64 = 30.0;

/// What was drawn of that which stands still.
#[derive(Clone, PartialEq)]
struct Drawn {
    version: Option<u64>,
    picked: Option<Pick>,
    filter: AttrValue,
    palette: *const Palette,
}

/// A drawing that is made in slices behind the glass, and shown when all of it is there.
struct Slices {
    wanted: Drawn,
    progress: Progress,
    canvas: HtmlCanvasElement,
    took_ms: f64,
}

/// What is on the canvases.
#[derive(Default)]
pub struct Picture {
    /// Places.
    pub layout: Layout,
    /// The model's version that they are of, once there is one.
    pub version: Option<u64>,
    /// How the field was looked at then.
    pub lens: Lens,
    /// Before this moment, in real milliseconds, nothing is laid out again just because it changed.
    rested_ms: f64,
    motion: Motion,
    widths: RefCell<Widths>,
    calm: Option<MediaQueryList>,
    drawn: Option<Drawn>,
    /// When, in real milliseconds, and how much the parts had told by then.
    drawn_ms: f64,
    drawn_told: u64,
    /// How long the last drawing of what stands still took.
    took_ms: Option<f64>,
    under_way: Option<Slices>,
    /// The canvas of the last drawing that was made in slices, for the next.
    spare: Option<HtmlCanvasElement>,
    /// Whether there is something on the canvas of what moves.
    moving: bool,
}

/// What one drawing is of.
struct Look<'a> {
    m: &'a Model,
    props: &'a Props,
    now_ms: f64,
    ratio: f64,
    calm: bool,
}

/// A canvas's context in which a unit is a pixel of the page; the canvas is made as large as `size`.
fn context(canvas: &HtmlCanvasElement, ratio: f64, size: (f64, f64)) -> Option<CanvasRenderingContext2d> {
    let (w, h) = ((size.0 * ratio) as u32, (size.1 * ratio) as u32);
    if canvas.width() != w || canvas.height() != h {
        canvas.set_width(w);
        canvas.set_height(h);
        // As large as it was drawn, also while the glass has another size already.
        let _ = canvas.set_attribute("style", &format!("width:{}px;height:{}px", size.0, size.1));
    }
    let c = canvas.get_context("2d").ok().flatten()?.dyn_into::<CanvasRenderingContext2d>().ok()?;
    let _ = c.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    Some(c)
}

/// Whether what moves is drawn now, and whether its canvas holds something then that has to go. `held`: whether it does before; `turn`: whether
/// this is its turn.
fn overlay(held: bool, motion: bool, turn: bool) -> (bool, bool) {
    let due = turn && (held || motion);
    (due, motion || (held && !due))
}

impl Picture {
    /// Draws what has changed since the last time, or some of it; whether there was anything. `lens`: how the field is looked at now.
    pub fn paint(&mut self, still: &HtmlCanvasElement, moving: &HtmlCanvasElement, lens: Lens, props: &Props) -> bool {
        let window = gloo::utils::window();
        let glass = still.parent_element();
        let size = glass.map_or((0, 0), |g| (g.client_width(), g.client_height()));
        let size = (f64::from(size.0), f64::from(size.1));
        if size.0 < 1.0 || size.1 < 1.0 {
            return false;
        }
        let now_ms = clock_ms();
        if self.calm.is_none() {
            self.calm = window.match_media("(prefers-reduced-motion: reduce)").ok().flatten();
        }
        let calm = self.calm.as_ref().is_some_and(MediaQueryList::matches);
        let mut m = props.desk.model.borrow_mut();
        let laid = self.lay(&m, size, lens, now_ms);
        self.motion.follow(&mut m, &self.layout, now_ms);
        let fonts_loaded = gloo::utils::document().fonts().status() == web_sys::FontFaceSetLoadStatus::Loaded;
        self.widths.borrow_mut().renew(fonts_loaded);
        let look = Look { m: &m, props, now_ms, ratio: window.device_pixel_ratio().max(1.0), calm };
        let (worked, complete) = self.paint_still(still, &look, laid);
        // One of the two at a time where it takes long.
        let turn = !worked || (complete && clock_ms() - now_ms < STILL_LONG_MS);
        let motion = self.motion.moving(now_ms) || !m.timers.is_empty();
        let (due, held) = overlay(self.moving, motion, turn);
        if due {
            self.scene_on(moving, true, &look, &mut |s| s.overlay(&m, &self.motion));
        }
        self.moving = held;
        due || worked
    }

    /// How soon after the beginning of a drawing the next may begin, in milliseconds.
    pub fn frame_ms(&self) -> f64 {
        if self.layout.detail == Detail::Dense && self.under_way.is_none() { DENSE_FRAME_MS } else { 0.0 }
    }

    /// Finds places anew if that is due; whether a hand led there, which sees at once where it goes.
    fn lay(&mut self, m: &Model, size: (f64, f64), lens: Lens, now_ms: f64) -> bool {
        let led = self.lens != lens;
        let changed = self.version != Some(m.version);
        let due = self.under_way.is_none() && (self.layout.size != size || (changed && now_ms >= self.rested_ms));
        if led || due {
            self.layout = Layout::new(m, size.0, size.1, lens);
            self.version = Some(m.version);
            self.lens = lens;
            self.motion.moved(m, &self.layout, now_ms);
            self.drawn = None;
            self.under_way = None;
        }
        led
    }

    /// Draws what stands still, if that is due, or a slice of it; whether it did, and whether all is there.
    fn paint_still(&mut self, still: &HtmlCanvasElement, look: &Look<'_>, at_once: bool) -> (bool, bool) {
        let wanted = Drawn {
            version: self.version,
            picked: look.props.picked.clone(),
            filter: look.props.filter.clone(),
            palette: look.props.palette,
        };
        let fresh = self.drawn.as_ref() == Some(&wanted) && look.now_ms - self.drawn_ms < STILL_MS;
        if let Some(slices) = self.under_way.take() {
            return (true, self.draw_slice(still, look, slices));
        }
        if fresh {
            let told = self.drawn_told != look.m.told;
            if told {
                self.scene_on(still, false, look, &mut |s| s.draw_instruments(look.m));
                self.drawn_told = look.m.told;
            }
            return (told, true);
        }
        let many = || self.layout.nodes.len() + self.layout.pods.len() >= MANY;
        let long = self.took_ms.map_or_else(many, |took| took >= STILL_LONG_MS);
        if long && !at_once {
            let document = gloo::utils::document();
            let new = || document.create_element("canvas").ok()?.dyn_into::<HtmlCanvasElement>().ok();
            if let Some(canvas) = self.spare.take().or_else(new) {
                if let Some(c) = context(&canvas, look.ratio, self.layout.size) {
                    c.clear_rect(0.0, 0.0, self.layout.size.0, self.layout.size.1);
                }
                let slices = Slices { wanted, progress: Progress::default(), canvas, took_ms: 0.0 };
                return (true, self.draw_slice(still, look, slices));
            }
        }
        self.scene_on(still, true, look, &mut |s| {
            s.draw_on(look.m, &mut Progress::default(), &|| true);
        });
        self.done(look, wanted, clock_ms() - look.now_ms);
        (true, true)
    }

    /// Draws a slice; whether it was the last, and all is shown.
    fn draw_slice(&mut self, still: &HtmlCanvasElement, look: &Look<'_>, mut slices: Slices) -> bool {
        let complete = Cell::new(false);
        let began_ms = clock_ms();
        self.scene_on(&slices.canvas, false, look, &mut |s| {
            complete.set(s.draw_on(look.m, &mut slices.progress, &|| clock_ms() - began_ms < SLICE_MS));
        });
        slices.took_ms += clock_ms() - began_ms;
        if !complete.get() {
            self.under_way = Some(slices);
            return false;
        }
        if let Some(c) = context(still, look.ratio, self.layout.size) {
            let _ = c.set_transform(1.0, 0.0, 0.0, 1.0, 0.0, 0.0);
            let _ = c.set_global_composite_operation("copy");
            let _ = c.draw_image_with_html_canvas_element(&slices.canvas, 0.0, 0.0);
            let _ = c.set_global_composite_operation("source-over");
        }
        self.spare = Some(slices.canvas);
        self.done(look, slices.wanted, slices.took_ms);
        true
    }

    fn done(&mut self, look: &Look<'_>, wanted: Drawn, took_ms: f64) {
        self.drawn = Some(wanted);
        self.drawn_ms = look.now_ms;
        self.drawn_told = look.m.told;
        self.rested_ms = look.now_ms + took_ms * STILL_SHARE;
        self.took_ms = Some(took_ms);
    }

    fn scene_on(&self, canvas: &HtmlCanvasElement, whole: bool, look: &Look<'_>, draw: &mut dyn FnMut(&Scene<'_>)) {
        let size = self.layout.size;
        let Some(c) = context(canvas, look.ratio, size) else { return };
        if whole {
            c.clear_rect(0.0, 0.0, size.0, size.1);
        }
        draw(&Scene {
            c: &c,
            p: look.props.palette,
            l: &self.layout,
            now_ms: look.now_ms,
            picked: look.props.picked.as_ref(),
            filter: &look.props.filter,
            still: look.calm,
            hues: RefCell::default(),
            faced: Cell::new(None),
            widths: &self.widths,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::overlay;

    #[test]
    fn nothing_that_moved_stays_on_the_canvas() {
        // Whether something moves, and whether it is the moving canvas's turn; then whether it is drawn.
        let mut held = false;
        for (motion, turn, drawn) in [
            (false, true, false),
            (true, true, true),
            (true, false, false),
            // What moved has come to rest while the other canvas was drawn: its last marks still have to go.
            (false, false, false),
            (false, true, true),
            (false, true, false),
        ] {
            let due;
            (due, held) = overlay(held, motion, turn);
            assert_eq!(due, drawn, "{motion} {turn}");
        }
        assert!(!held);
    }
}
