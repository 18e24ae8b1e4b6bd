//! The tank as a component: its two canvases, zoom and pan by wheel, finger and key, and what can be held.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use gloo::events::{EventListener, EventListenerOptions};
use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement, PointerEvent, WheelEvent};
use yew::prelude::*;

use super::draw::{Scene, Widths};
use super::holds;
use super::layout::{Layout, Lens};
use super::motion::Motion;
use crate::page::desk::Desk;
use crate::page::palette::Palette;
use crate::page::ui::{Act, Pick};

/// What the tank needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// Goes up when the overlay must be made anew.
    pub version: u64,
    /// What is picked.
    pub picked: Option<Pick>,
    /// The filter.
    pub filter: AttrValue,
    /// Colours.
    pub palette: &'static Palette,
}

/// What stands still is drawn again after this at the latest: countdown words go on, fonts arrive.
const STILL_MS: f64 = 400.0;
/// Of the time that goes by, drawing what stands still takes at most about one part in so many: a large cluster's is drawn less often, and
/// what moves over it as often as ever.
const STILL_SHARE: f64 = 12.0;
/// What drawing takes that is long, in milliseconds.
const STILL_LONG_MS: f64 = 4.0;

/// What was drawn of that which stands still.
#[derive(PartialEq)]
struct Drawn {
    version: u64,
    picked: Option<Pick>,
    filter: AttrValue,
    palette: *const Palette,
}

/// What the tank remembers between drawings.
pub struct Glass {
    /// Places.
    pub layout: Layout,
    /// The model's version that they are of.
    pub layout_version: u64,
    layout_lens: Lens,
    /// Before this moment, in real milliseconds, nothing is laid out again just because it changed.
    rested_ms: f64,
    motion: Motion,
    widths: RefCell<Widths>,
    /// How the field is looked at.
    pub lens: Lens,
    /// Fingers and buttons that are down, and where.
    fingers: BTreeMap<i32, (f64, f64)>,
    moved: bool,
    drawn: Option<Drawn>,
    /// When, in real milliseconds, and how much the parts had told by then.
    drawn_ms: f64,
    drawn_told: u64,
    moving: bool,
}

impl Default for Glass {
    fn default() -> Self {
        Glass {
            layout: Layout::default(),
            layout_version: u64::MAX,
            layout_lens: Lens::default(),
            rested_ms: 0.0,
            motion: Motion::default(),
            widths: RefCell::default(),
            lens: Lens::default(),
            fingers: BTreeMap::new(),
            moved: false,
            drawn: None,
            drawn_ms: 0.0,
            drawn_told: 0,
            moving: false,
        }
    }
}

impl Glass {
    fn hit(&self, x: f64, y: f64, parts: &[(String, u32)]) -> Option<Pick> {
        let l = &self.layout;
        let field = l.field.contains(x, y);
        let seen = |r: &super::layout::Rect| field || r.y < l.field.y;
        if let Some((uid, _)) = l.pods.iter().find(|(_, r)| seen(r) && r.contains(x, y)) {
            return Some(Pick::Pod(uid.clone()));
        }
        if let Some(i) = l.parts.iter().position(|r| r.contains(x, y)) {
            return parts.get(i).map(|(n, m)| Pick::Part(n.clone(), *m));
        }
        if let Some((id, _)) = l.nodes.iter().find(|(_, r)| field && r.contains(x, y)) {
            return Some(Pick::Node(*id));
        }
        l.control_plane.filter(|(_, r)| r.contains(x, y)).map(|(id, _)| Pick::Node(id))
    }

    /// Whether the last press was a drag rather than a click.
    pub fn was_dragged(&self) -> bool {
        self.moved
    }

    /// A finger moves: one drags, two zoom. Whether anything came of it.
    fn dragged(&mut self, id: i32, to: (f64, f64)) -> bool {
        let Some(from) = self.fingers.insert(id, to) else {
            self.fingers.remove(&id);
            return false;
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let field = self.layout.field;
        if let Some((_, other)) = self.fingers.iter().find(|(i, _)| **i != id) {
            let spread = |p: (f64, f64)| (p.0 - other.0).hypot(p.1 - other.1).max(1.0);
            let middle = ((to.0 + other.0) / 2.0, (to.1 + other.1) / 2.0);
            self.lens = self.lens.zoom_at(field, middle.0, middle.1, spread(to) / spread(from));
            self.lens = self.lens.moved(field, dx / 2.0, dy / 2.0);
            self.moved = true;
        } else if self.moved || dx.hypot(dy) > 3.0 {
            self.moved = true;
            self.lens = self.lens.moved(field, dx, dy);
        } else {
            // Not a drag yet: the way so far still counts.
            self.fingers.insert(id, from);
            return false;
        }
        true
    }
}

fn context(canvas: &HtmlCanvasElement, ratio: f64, size: (f64, f64)) -> Option<CanvasRenderingContext2d> {
    let (w, h) = ((size.0 * ratio) as u32, (size.1 * ratio) as u32);
    if canvas.width() != w || canvas.height() != h {
        canvas.set_width(w);
        canvas.set_height(h);
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

/// Draws what has changed since the last time.
fn paint(still: &HtmlCanvasElement, moving: &HtmlCanvasElement, g: &mut Glass, props: &Props) {
    let window = gloo::utils::window();
    let ratio = window.device_pixel_ratio().max(1.0);
    let size = (f64::from(still.client_width()), f64::from(still.client_height()));
    if size.0 < 1.0 || size.1 < 1.0 {
        return;
    }
    let clock_ms = || window.performance().map_or(0.0, |p| p.now());
    let now_ms = clock_ms();
    let mut m = props.desk.model.borrow_mut();
    let looked = g.layout.size != size || g.layout_lens != g.lens;
    let changed = g.layout_version != m.version;
    if looked || (changed && now_ms >= g.rested_ms) {
        g.layout = Layout::new(&m, size.0, size.1, g.lens);
        g.layout_version = m.version;
        g.layout_lens = g.lens;
        g.motion.moved(&m, &g.layout, now_ms);
        g.drawn = None;
    }
    g.motion.follow(&mut m, &g.layout, now_ms);
    let calm = window.match_media("(prefers-reduced-motion: reduce)").ok().flatten().is_some_and(|q| q.matches());
    let wanted = Drawn {
        version: g.layout_version,
        picked: props.picked.clone(),
        filter: props.filter.clone(),
        palette: props.palette,
    };
    let fresh = g.drawn.as_ref() == Some(&wanted) && now_ms - g.drawn_ms < STILL_MS;
    let motion = g.motion.moving(now_ms) || !m.timers.is_empty();
    let fonts_loaded = gloo::utils::document().fonts().status() == web_sys::FontFaceSetLoadStatus::Loaded;
    g.widths.borrow_mut().renew(fonts_loaded);
    let scene_on = |canvas: &HtmlCanvasElement, whole: bool, draw: &dyn Fn(&Scene<'_>)| {
        let Some(c) = context(canvas, ratio, size) else { return };
        if whole {
            c.clear_rect(0.0, 0.0, size.0, size.1);
        }
        draw(&Scene {
            c: &c,
            p: props.palette,
            l: &g.layout,
            now_ms,
            picked: props.picked.as_ref(),
            filter: &props.filter,
            still: calm,
            hues: RefCell::default(),
            faced: Cell::new(None),
            widths: &g.widths,
        });
    };
    if !fresh {
        scene_on(still, true, &|s| s.draw(&m));
    } else if g.drawn_told != m.told {
        scene_on(still, false, &|s| s.draw_instruments(&m));
    }
    let still_took_ms = clock_ms() - now_ms;
    // One of the two at a time where it takes long.
    let turn = fresh || still_took_ms < STILL_LONG_MS;
    let (due, held) = overlay(g.moving, motion, turn);
    if due {
        scene_on(moving, true, &|s| s.overlay(&m, &g.motion));
    }
    g.moving = held;
    g.drawn_told = m.told;
    if !fresh {
        g.drawn = Some(wanted);
        g.drawn_ms = now_ms;
        g.rested_ms = now_ms + still_took_ms * STILL_SHARE;
    }
}

/// The animation's callback, once it is made: it asks for itself again.
type Tick = Option<Closure<dyn FnMut()>>;

fn ask(tick: &RefCell<Tick>) {
    if let Some(f) = &*tick.borrow() {
        let _ = gloo::utils::window().request_animation_frame(f.as_ref().unchecked_ref());
    }
}

/// The tank.
#[component]
pub fn Tank(props: &Props) -> Html {
    let (still, moving, glass_ref) = (use_node_ref(), use_node_ref(), use_node_ref());
    let glass = use_mut_ref(Glass::default);
    let redraw = use_force_update();
    let latest = use_mut_ref(|| props.clone());
    *latest.borrow_mut() = props.clone();
    {
        // One animation loop for the component's life; it reads the newest properties.
        let (still, moving, glass, latest) = (still.clone(), moving.clone(), glass.clone(), latest.clone());
        let redraw = redraw.clone();
        use_effect_with((), move |()| {
            let alive = Rc::new(Cell::new(true));
            let tick: Rc<RefCell<Tick>> = Rc::default();
            let (again, stay, size) = (tick.clone(), alive.clone(), Cell::new((0.0, 0.0)));
            *tick.borrow_mut() = Some(Closure::new(move || {
                if !stay.get() {
                    return;
                }
                if let (Some(s), Some(m)) = (still.cast(), moving.cast()) {
                    let props = latest.borrow().clone();
                    paint(&s, &m, &mut glass.borrow_mut(), &props);
                }
                let now = glass.borrow().layout.size;
                if size.replace(now) != now {
                    // The glass got another size: what can be held goes along.
                    redraw.force_update();
                }
                ask(&again);
            }));
            ask(&tick);
            move || alive.set(false)
        });
    }
    {
        // A wheel zooms instead of scrolling, which a passive listener could not prevent.
        let (element, glass, redraw) = (glass_ref.clone(), glass.clone(), redraw.clone());
        use_effect_with((), move |()| {
            let target = element.cast::<HtmlElement>();
            let listener = target.map(|t| {
                let options = EventListenerOptions::enable_prevent_default();
                EventListener::new_with_options(&t.clone(), "wheel", options, move |e| {
                    let Some(e) = e.dyn_ref::<WheelEvent>() else { return };
                    e.prevent_default();
                    let r = t.get_bounding_client_rect();
                    let (x, y) = (f64::from(e.client_x()) - r.left(), f64::from(e.client_y()) - r.top());
                    let factor = (-e.delta_y().clamp(-200.0, 200.0) * 0.002).exp();
                    let mut g = glass.borrow_mut();
                    g.lens = g.lens.zoom_at(g.layout.field, x, y, factor);
                    drop(g);
                    redraw.force_update();
                })
            });
            move || drop(listener)
        });
    }
    let position = {
        let element = glass_ref.clone();
        move |e: &PointerEvent| {
            let r = element.cast::<HtmlElement>().map(|t| t.get_bounding_client_rect());
            let (left, top) = r.map_or((0.0, 0.0), |r| (r.left(), r.top()));
            (f64::from(e.client_x()) - left, f64::from(e.client_y()) - top)
        }
    };
    let on_down = {
        let (glass, position) = (glass.clone(), position.clone());
        Callback::from(move |e: PointerEvent| {
            let mut g = glass.borrow_mut();
            g.moved &= !g.fingers.is_empty();
            g.fingers.insert(e.pointer_id(), position(&e));
        })
    };
    let on_move = {
        let (glass, redraw, position) = (glass.clone(), redraw.clone(), position.clone());
        Callback::from(move |e: PointerEvent| {
            let mut g = glass.borrow_mut();
            if e.buttons() == 0 {
                g.fingers.remove(&e.pointer_id());
            } else if g.dragged(e.pointer_id(), position(&e)) {
                drop(g);
                redraw.force_update();
            }
        })
    };
    let on_up = {
        let glass = glass.clone();
        Callback::from(move |e: PointerEvent| {
            glass.borrow_mut().fingers.remove(&e.pointer_id());
        })
    };
    let on_click = {
        let (glass, desk) = (glass.clone(), props.desk.clone());
        Callback::from(move |e: MouseEvent| {
            let g = glass.borrow();
            if g.moved {
                return;
            }
            let parts: Vec<(String, u32)> =
                desk.model.borrow().parts.iter().map(|p| (p.name.clone(), p.machine)).collect();
            let hit = g.hit(f64::from(e.offset_x()), f64::from(e.offset_y()), &parts);
            desk.act(Act::Pick(hit));
        })
    };
    let zoom_by = {
        let (glass, redraw) = (glass.clone(), redraw.clone());
        Callback::from(move |factor: f64| {
            let mut g = glass.borrow_mut();
            let (x, y) = g.layout.field.centre();
            g.lens = if factor == 0.0 { Lens::default() } else { g.lens.zoom_at(g.layout.field, x, y, factor) };
            drop(g);
            redraw.force_update();
        })
    };
    let zoomed = glass.borrow().lens.zoom > 1.0;
    let button = |testid: &'static str, name: &'static str, sign: &'static str, factor: f64, off: bool| {
        let zoom_by = zoom_by.clone();
        let onclick = Callback::from(move |_: MouseEvent| zoom_by.emit(factor));
        html! { <button type="button" class="icon" data-testid={testid} aria-label={name} title={name} disabled={off} {onclick}>{ sign }</button> }
    };
    html! {
        <div class="tank" data-testid="tank" ref={glass_ref} onpointerdown={on_down} onpointermove={on_move} onpointerup={on_up.clone()}
            onpointercancel={on_up}>
            <canvas ref={still} aria-hidden="true" onclick={on_click} data-testid="tank-canvas" />
            <canvas ref={moving} aria-hidden="true" class="moving" />
            <holds::Holds props={props.clone()} glass={holds::Shared(glass.clone())} redraw={let r = redraw.clone(); Callback::from(move |()| r.force_update())} pan={(glass.borrow().lens.pan.0, glass.borrow().lens.pan.1, glass.borrow().lens.zoom)}
                size={glass.borrow().layout.size} zoom_by={zoom_by.clone()} />
            <div class="zoom">
                { button("zoom-out", "Zoom out", "−", 0.5, !zoomed) }
                { button("zoom-in", "Zoom in", "+", 2.0, false) }
                if zoomed {
                    { button("zoom-all", "Show all", "1:1", 0.0, false) }
                }
            </div>
        </div>
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
