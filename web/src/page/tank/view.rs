//! The tank as a component: its two canvases, zoom and pan by wheel, finger and key, and what can be held.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use gloo::events::{EventListener, EventListenerOptions};
use wasm_bindgen::prelude::*;
use web_sys::{HtmlElement, PointerEvent, WheelEvent};
use yew::prelude::*;

use super::holds;
use super::layout::Lens;
use super::picture::Picture;
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

/// A drawing that is on the screen sooner than this, in milliseconds, is followed by the next at display rate.
const FRAME_EASY_MS: f64 = 7.0;
/// After one that took longer the drawing rests for so many times what it took longer: on a machine with other work to do, the cluster's own
/// above all, the page stays awake instead of smooth.
const FRAME_REST: f64 = 3.0;
/// It rests at most this long, in milliseconds.
const FRAME_REST_MAX_MS: f64 = 120.0;

/// What can be held is made anew with the page's texts; where places changed after these, it is so long after, in milliseconds.
const HELD_LATE_MS: f64 = 250.0;

/// When what was begun at `began_ms` and was on the screen at `done_ms` may be drawn again.
fn rested(began_ms: f64, done_ms: f64) -> f64 {
    began_ms + ((done_ms - began_ms - FRAME_EASY_MS) * FRAME_REST).clamp(0.0, FRAME_REST_MAX_MS)
}

/// Real milliseconds since the page began.
pub(super) fn clock_ms() -> f64 {
    gloo::utils::window().performance().map_or(0.0, |p| p.now())
}

/// What the tank remembers between drawings.
#[derive(Default)]
pub struct Glass {
    /// Places, and what was drawn of them.
    pub picture: Picture,
    /// The version of the layout that what can be held was made of, and when, in real milliseconds.
    pub held: (Option<u64>, f64),
    /// How the field is looked at.
    pub lens: Lens,
    /// Fingers and buttons that are down, and where.
    fingers: BTreeMap<i32, (f64, f64)>,
    moved: bool,
}

impl Glass {
    fn hit(&self, x: f64, y: f64, parts: &[(String, u32)]) -> Option<Pick> {
        let l = &self.picture.layout;
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

    /// Whether what can be held should be made anew: places have changed, and nothing else made it lately.
    fn is_held_late(&self, now_ms: f64) -> bool {
        self.held.0 != self.picture.version && now_ms - self.held.1 >= HELD_LATE_MS
    }

    /// Whether the person is zooming or panning: what a hand leads follows it at once.
    pub(super) fn is_led(&self) -> bool {
        self.picture.lens != self.lens
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
        let field = self.picture.layout.field;
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
            let (rested_ms, held_soon) = (Rc::new(Cell::new(0.0)), Rc::new(Cell::new(false)));
            *tick.borrow_mut() = Some(Closure::new(move || {
                if !stay.get() {
                    return;
                }
                let began_ms = clock_ms();
                if began_ms < rested_ms.get() && !glass.borrow().is_led() {
                    return ask(&again);
                }
                if let (Some(s), Some(m)) = (still.cast(), moving.cast()) {
                    let props = latest.borrow().clone();
                    let lens = glass.borrow().lens;
                    if glass.borrow_mut().picture.paint(&s, &m, lens, &props) {
                        // What is posted now has its turn when the drawing is on the screen.
                        let next_ms = began_ms + glass.borrow().picture.frame_ms();
                        let rested_ms = rested_ms.clone();
                        rested_ms.set(next_ms);
                        let done = move || rested_ms.set(rested(began_ms, clock_ms()).max(next_ms));
                        gloo::timers::callback::Timeout::new(0, done).forget();
                    }
                }
                let now = glass.borrow().picture.layout.size;
                // When the glass gets another size or things other places, what can be held goes along: in a turn of its own, for
                // what is shown after it is a turn too.
                let due = size.replace(now) != now || glass.borrow().is_held_late(began_ms);
                if due && !held_soon.replace(true) {
                    let (redraw, held_soon) = (redraw.clone(), held_soon.clone());
                    let hold = move || {
                        held_soon.set(false);
                        redraw.force_update();
                    };
                    gloo::timers::callback::Timeout::new(0, hold).forget();
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
                    g.lens = g.lens.zoom_at(g.picture.layout.field, x, y, factor);
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
            let (x, y) = g.picture.layout.field.centre();
            g.lens = if factor == 0.0 { Lens::default() } else { g.lens.zoom_at(g.picture.layout.field, x, y, factor) };
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
                size={glass.borrow().picture.layout.size} zoom_by={zoom_by.clone()} />
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
    use super::rested;

    #[test]
    fn drawing_rests_where_it_takes_long_and_never_for_long() {
        for (took_ms, rest_ms) in [(0.0, 0.0), (7.0, 0.0), (10.0, 9.0), (20.0, 39.0), (60.0, 120.0), (5_000.0, 120.0)] {
            assert_eq!(rested(100.0, 100.0 + took_ms) - 100.0, rest_ms, "{took_ms}");
        }
    }
}
