//! The tank as a component: the canvas, its zoom and pan, and the overlay of things to hold on to.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, MouseEvent, WheelEvent};
use yew::prelude::*;

use super::draw::{Motion, Scene};
use super::layout::Layout;
use crate::page::desk::Desk;
use crate::page::palette::Palette;
use crate::page::ui::{Act, Pick};
use crate::page::words;

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

/// Things beyond this many are held on to by zooming in or by the terminal, not each by an element.
const HOLDS_MAX: usize = 300;

struct Glass {
    layout: Layout,
    layout_version: u64,
    motion: Motion,
    zoom: f64,
    pan: (f64, f64),
    drag: Option<(f64, f64)>,
    moved: bool,
}

impl Default for Glass {
    fn default() -> Self {
        Glass {
            layout: Layout::default(),
            layout_version: u64::MAX,
            motion: Motion::default(),
            zoom: 1.0,
            pan: (0.0, 0.0),
            drag: None,
            moved: false,
        }
    }
}

impl Glass {
    /// From the screen to the tank.
    fn inside(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.pan.0) / self.zoom, (y - self.pan.1) / self.zoom)
    }

    fn zoom_at(&mut self, x: f64, y: f64, factor: f64) {
        let zoom = (self.zoom * factor).clamp(1.0, 24.0);
        let (ix, iy) = self.inside(x, y);
        self.zoom = zoom;
        self.pan = (x - ix * zoom, y - iy * zoom);
        self.hold();
    }

    /// The glass never leaves the window.
    fn hold(&mut self) {
        let (w, h) = self.layout.size;
        self.pan.0 = self.pan.0.clamp(w - w * self.zoom, 0.0);
        self.pan.1 = self.pan.1.clamp(h - h * self.zoom, 0.0);
    }

    fn hit(&self, x: f64, y: f64, parts: &[(String, u32)]) -> Option<Pick> {
        let (x, y) = self.inside(x, y);
        if let Some((uid, _)) = self.layout.pods.iter().find(|(_, r)| r.contains(x, y)) {
            return Some(Pick::Pod(uid.clone()));
        }
        if let Some(i) = self.layout.parts.iter().position(|r| r.contains(x, y)) {
            return parts.get(i).map(|(n, m)| Pick::Part(n.clone(), *m));
        }
        if let Some((id, _)) = self.layout.nodes.iter().find(|(_, r)| r.contains(x, y)) {
            return Some(Pick::Node(*id));
        }
        self.layout.control_plane.filter(|(_, r)| r.contains(x, y)).map(|(id, _)| Pick::Node(id))
    }
}

/// Draws once and asks for the next time.
fn paint(canvas: &HtmlCanvasElement, glass: &Rc<RefCell<Glass>>, props: &Props) {
    let Some(context) =
        canvas.get_context("2d").ok().flatten().and_then(|c| c.dyn_into::<CanvasRenderingContext2d>().ok())
    else {
        return;
    };
    let window = gloo::utils::window();
    let ratio = window.device_pixel_ratio().max(1.0);
    let (w, h) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    let (pw, ph) = ((w * ratio) as u32, (h * ratio) as u32);
    if canvas.width() != pw || canvas.height() != ph {
        canvas.set_width(pw);
        canvas.set_height(ph);
    }
    let now_ms = window.performance().map_or(0.0, |p| p.now());
    let mut g = glass.borrow_mut();
    let mut m = props.desk.model.borrow_mut();
    if g.layout_version != m.version || g.layout.size != (w, h) {
        g.layout = Layout::new(&m, w, h);
        g.layout_version = m.version;
        g.hold();
    }
    let still = window.match_media("(prefers-reduced-motion: reduce)").ok().flatten().is_some_and(|q| q.matches());
    {
        let g = &mut *g;
        g.motion.follow(&mut m, &g.layout, now_ms);
    }
    let _ = context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    context.clear_rect(0.0, 0.0, w, h);
    let _ = context.set_transform(ratio * g.zoom, 0.0, 0.0, ratio * g.zoom, g.pan.0 * ratio, g.pan.1 * ratio);
    let scene = Scene {
        c: &context,
        p: props.palette,
        l: &g.layout,
        now_ms,
        picked: props.picked.as_ref(),
        filter: &props.filter,
        still,
        zoom: g.zoom,
    };
    scene.draw(&m, &g.motion);
}

/// The animation's callback, once it is made: it asks for itself again.
type Tick = Option<Closure<dyn FnMut()>>;

/// The tank.
#[component]
pub fn Tank(props: &Props) -> Html {
    let canvas = use_node_ref();
    let glass = use_mut_ref(Glass::default);
    let redraw = use_force_update();
    let latest = use_mut_ref(|| props.clone());
    *latest.borrow_mut() = props.clone();
    {
        // One animation loop for the component's life; it reads the newest properties.
        let (canvas, glass, latest) = (canvas.clone(), glass.clone(), latest.clone());
        use_effect_with((), move |()| {
            let alive = Rc::new(std::cell::Cell::new(true));
            let tick: Rc<RefCell<Tick>> = Rc::default();
            let (again, stay) = (tick.clone(), alive.clone());
            *tick.borrow_mut() = Some(Closure::new(move || {
                if !stay.get() {
                    return;
                }
                if let Some(c) = canvas.cast::<HtmlCanvasElement>() {
                    let props = latest.borrow().clone();
                    paint(&c, &glass, &props);
                }
                if let Some(f) = &*again.borrow() {
                    let _ = gloo::utils::window().request_animation_frame(f.as_ref().unchecked_ref());
                }
            }));
            if let Some(f) = &*tick.borrow() {
                let _ = gloo::utils::window().request_animation_frame(f.as_ref().unchecked_ref());
            }
            move || alive.set(false)
        });
    }
    let position = |e: &MouseEvent| (f64::from(e.offset_x()), f64::from(e.offset_y()));
    let on_wheel = {
        let (glass, redraw) = (glass.clone(), redraw.clone());
        Callback::from(move |e: WheelEvent| {
            e.prevent_default();
            let factor = (-e.delta_y() * 0.0016).exp();
            glass.borrow_mut().zoom_at(f64::from(e.offset_x()), f64::from(e.offset_y()), factor);
            redraw.force_update();
        })
    };
    let on_down = {
        let glass = glass.clone();
        Callback::from(move |e: MouseEvent| {
            let mut g = glass.borrow_mut();
            g.drag = Some(position(&e));
            g.moved = false;
        })
    };
    let on_move = {
        let glass = glass.clone();
        Callback::from(move |e: MouseEvent| {
            let mut g = glass.borrow_mut();
            let at = position(&e);
            if e.buttons() == 0 {
                g.drag = None;
            }
            if let Some(from) = g.drag {
                let (dx, dy) = (at.0 - from.0, at.1 - from.1);
                g.moved |= dx.hypot(dy) > 3.0;
                g.pan = (g.pan.0 + dx, g.pan.1 + dy);
                g.hold();
                g.drag = Some(at);
            }
        })
    };
    let on_click = {
        let (glass, desk, redraw) = (glass.clone(), props.desk.clone(), redraw.clone());
        Callback::from(move |e: MouseEvent| {
            let (x, y) = position(&e);
            let mut g = glass.borrow_mut();
            g.drag = None;
            if g.moved {
                redraw.force_update();
                return;
            }
            let parts: Vec<(String, u32)> =
                desk.model.borrow().parts.iter().map(|p| (p.name.clone(), p.machine)).collect();
            desk.act(Act::Pick(g.hit(x, y, &parts)));
        })
    };
    let on_double = {
        let (glass, redraw) = (glass.clone(), redraw.clone());
        Callback::from(move |_: MouseEvent| {
            let mut g = glass.borrow_mut();
            g.zoom = 1.0;
            g.pan = (0.0, 0.0);
            redraw.force_update();
        })
    };
    html! {
        <div class="tank" data-testid="tank">
            <canvas ref={canvas} aria-hidden="true" onwheel={on_wheel} onmousedown={on_down} onmousemove={on_move}
                onclick={on_click} ondblclick={on_double} data-testid="tank-canvas" />
            { holds(props, &glass.borrow()) }
        </div>
    }
}

/// The elements that keyboards, screen readers and tests hold on to.
fn holds(props: &Props, g: &Glass) -> Html {
    let m = props.desk.model.borrow();
    // The canvas may not have drawn this version yet: places come from the same pure geometry.
    let fresh;
    let layout = if g.layout_version == m.version {
        &g.layout
    } else {
        let (w, h) = if g.layout.size.0 > 0.0 { g.layout.size } else { (1000.0, 600.0) };
        fresh = Layout::new(&m, w, h);
        &fresh
    };
    let mut out: Vec<Html> = Vec::new();
    let mut hold = |key: String, testid: String, label: String, r: super::layout::Rect, pick: Pick| {
        if out.len() >= HOLDS_MAX {
            return;
        }
        let style = format!(
            "left:{:.1}px;top:{:.1}px;width:{:.1}px;height:{:.1}px",
            r.x * g.zoom + g.pan.0,
            r.y * g.zoom + g.pan.1,
            r.w * g.zoom,
            r.h * g.zoom
        );
        let desk = props.desk.clone();
        let pressed = props.picked.as_ref() == Some(&pick);
        let onclick = Callback::from(move |_: MouseEvent| desk.act(Act::Pick(Some(pick.clone()))));
        out.push(html! {
            <button key={key} type="button" class="hold" {style} data-testid={testid} title={label.clone()}
                aria-label={label} aria-pressed={pressed.to_string()} {onclick} />
        });
    };
    if let Some((id, r)) = layout.control_plane
        && let Some(n) = m.nodes.get(&id)
    {
        let header = super::layout::Rect { h: 32.0, ..r };
        let label = format!("Node {}, control plane, {}", n.name, words::node_state(n, m.silence_ns(id)));
        hold(format!("n{id}"), format!("node-{}", n.name), label, header, Pick::Node(id));
    }
    for (p, r) in m.parts.iter().zip(&layout.parts) {
        let label = format!("{}, {}", p.name, words::part_state(p.state));
        let pick = Pick::Part(p.name.clone(), p.machine);
        hold(format!("part{}@{}", p.name, p.machine), format!("part-{}", p.name), label, *r, pick);
    }
    for (id, r) in &layout.nodes {
        let Some(n) = m.nodes.get(id) else { continue };
        let header = if layout.dense { *r } else { super::layout::Rect { h: 32.0, ..*r } };
        let label = format!("Node {}, {}", n.name, words::node_state(n, m.silence_ns(*id)));
        hold(format!("n{id}"), format!("node-{}", n.name), label, header, Pick::Node(*id));
    }
    for p in m.pods.values() {
        let Some(r) = layout.pods.get(&p.uid) else { continue };
        let label = format!("Pod {}, {}", p.name, words::pod_state(p));
        hold(p.uid.clone(), format!("pod-{}", p.name), label, *r, Pick::Pod(p.uid.clone()));
    }
    html! { <div class="holds" role="group" aria-label="The cluster">{ for out }</div> }
}
