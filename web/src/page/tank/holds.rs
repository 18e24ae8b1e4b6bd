//! What keyboards, screen readers and tests hold on to: an element for each object of the canvas that can be seen.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};
use yew::prelude::*;

use super::layout::{Detail, HEADER, Layout, Rect};
use super::view::{Glass, Props as TankProps, clock_ms};
use crate::page::model::Model;
use crate::page::ui::{Act, Pick};
use crate::page::words;

/// Things beyond this many are held on to by zooming in, filtering, or the terminal, not each by an element.
const HOLDS_MAX: usize = 300;
/// Of these at most so many are nodes.
const NODES_MAX: usize = 200;
/// So many elements more are made in one turn: two hundred at once would be a long task.
const SLICE: usize = 60;
/// While there are this few, each is a stop of the Tab key; when there are more, the arrow keys go from one to the next.
const STOPS_MAX: usize = 40;

/// The tank's glass, shared; two of one tank are equal.
#[derive(Clone)]
pub struct Shared(pub Rc<RefCell<Glass>>);

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// What the holds need.
#[derive(Properties, Clone, PartialEq)]
pub struct HoldsProps {
    /// The tank's own.
    pub props: TankProps,
    /// The glass.
    pub glass: Shared,
    /// Draws the tank again.
    pub redraw: Callback<()>,
    /// Goes along with the lens, so that holds follow it.
    pub pan: (f64, f64, f64),
    /// Goes along with the glass's size.
    pub size: (f64, f64),
    /// Zooms by a factor; 0 shows all.
    pub zoom_by: Callback<f64>,
}

/// An object that can be held.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// What it is.
    pub pick: Pick,
    /// Its `data-testid`.
    pub testid: String,
    /// Its name and state in words.
    pub label: String,
    /// Where.
    pub place: Rect,
}

/// Which way an arrow key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// All that can be held now, at most `HOLDS_MAX`, and how many there are in all.
pub fn list(m: &Model, l: &Layout, filter: &str, picked: Option<&Pick>) -> (Vec<Hold>, usize) {
    let mut out: Vec<Hold> = Vec::new();
    let mut total = 0;
    let mut add = |pick: &dyn Fn() -> Pick,
                   mine: bool,
                   kind: &str,
                   prefix: &str,
                   (name, state): (&str, &dyn Fn() -> String),
                   place: Rect,
                   share: usize| {
        if !mine && !filter.is_empty() && !words::matches(filter, &[name, &state()]) {
            return;
        }
        total += 1;
        // Of ten thousand objects few get an element: what the others would be called isn't made up.
        if place.w > 0.0 && place.h > 0.0 && (out.len() < share || mine) {
            let label = format!("{kind}{name}, {}", state());
            out.push(Hold { pick: pick(), testid: format!("{prefix}-{name}"), label, place });
        }
    };
    if let Some((id, r)) = l.control_plane
        && let Some(n) = m.nodes.get(&id)
    {
        let state = || words::node_state(n, m.silence_ns(id));
        let place = Rect { h: HEADER - 4.0, ..r };
        let mine = picked == Some(&Pick::Node(id));
        add(&|| Pick::Node(id), mine, "Control-plane node ", "node", (&n.name, &state), place, HOLDS_MAX);
    }
    for (p, r) in m.parts.iter().zip(&l.parts) {
        let pick = || Pick::Part(p.name.clone(), p.machine);
        let mine = picked == Some(&pick());
        add(&pick, mine, "", "part", (&p.name, &|| words::part_state(p.state).to_owned()), *r, HOLDS_MAX);
    }
    for (id, r) in &l.nodes {
        let Some(n) = m.nodes.get(id) else { continue };
        let state = || words::node_state(n, m.silence_ns(*id));
        let head = match l.detail {
            Detail::Full => Rect { h: HEADER - 6.0, ..*r },
            Detail::Compact => Rect { h: 18.0, ..*r },
            Detail::Dense => *r,
        };
        let mine = picked == Some(&Pick::Node(*id));
        // Some room is kept for pods.
        add(&|| Pick::Node(*id), mine, "Node ", "node", (&n.name, &state), l.field.common(&head), NODES_MAX);
    }
    for (uid, r) in &l.pods {
        let Some(p) = m.pods.get(uid) else { continue };
        let place = if r.y >= l.field.y - 1.0 { l.field.common(r) } else { *r };
        let mine = matches!(picked, Some(Pick::Pod(x)) if x == uid);
        let state = || words::pod_state_shaped(p, m.shape(p));
        add(&|| Pick::Pod(uid.clone()), mine, "Pod ", "pod", (&p.name, &state), place, HOLDS_MAX);
    }
    (out, total)
}

/// The nearest thing that way.
pub fn neighbour(all: &[Hold], from: &Pick, way: Way) -> Option<usize> {
    let here = all.iter().find(|h| h.pick == *from)?.place;
    let (x, y) = here.centre();
    let mut best: Option<(f64, usize)> = None;
    for (i, h) in all.iter().enumerate().filter(|(_, h)| h.pick != *from) {
        let (hx, hy) = h.place.centre();
        let (dx, dy) = (hx - x, hy - y);
        let (w, tall) = ((here.w + h.place.w) / 2.0, (here.h + h.place.h) / 2.0);
        let (along, across, thick, wide) = match way {
            Way::Left => (-dx, dy, w, tall),
            Way::Right => (dx, dy, w, tall),
            Way::Up => (-dy, dx, tall, w),
            Way::Down => (dy, dx, tall, w),
        };
        // What lies within the thing's own extent that way is not beyond it.
        let own = if matches!(way, Way::Left | Way::Right) { here.w } else { here.h };
        if along < (own / 2.0).max(2.0) {
            continue;
        }
        // From edge to edge: what lies straight ahead is nearer than what lies aside, and of those the middle one.
        let gap = |distance: f64, size: f64| (distance.abs() - size).max(0.0);
        let cost = gap(along, thick) + 2.5 * gap(across, wide) + 0.05 * (along + across.abs());
        if best.is_none_or(|(c, _)| cost < c) {
            best = Some((cost, i));
        }
    }
    best.map(|(_, i)| i)
}

fn focus(testid: &str) {
    let all = gloo::utils::document().query_selector_all(".hold").ok();
    for i in 0..all.as_ref().map_or(0, |a| a.length()) {
        let element = all.as_ref().and_then(|a| a.item(i)).and_then(|e| e.dyn_into::<HtmlElement>().ok());
        if let Some(e) = element.filter(|e| e.get_attribute("data-testid").as_deref() == Some(testid)) {
            let _ = e.focus();
        }
    }
}

/// How many elements there may be by now, of all that there are to be: some more in every turn.
#[hook]
fn use_slices(all: usize) -> usize {
    let made = use_state(|| SLICE);
    let setter = made.setter();
    use_effect_with((*made, all), move |(made, all)| {
        let more = made + SLICE;
        let turn = (made < all).then(|| gloo::timers::callback::Timeout::new(0, move || setter.set(more)));
        move || drop(turn)
    });
    *made
}

/// The elements.
#[component]
pub fn Holds(props: &HoldsProps) -> Html {
    let current = use_state(|| None::<Pick>);
    let tank = &props.props;
    let m = tank.desk.model.borrow();
    let mut g = props.glass.0.borrow_mut();
    // What can be held is what is seen; before anything is, places come from the same pure geometry. The lens is followed at once.
    g.held = (g.picture.version, clock_ms());
    let fresh;
    let layout = if g.picture.layout.size.0 > 0.0 && !g.is_led() {
        &g.picture.layout
    } else {
        let size = if g.picture.layout.size.0 > 0.0 { g.picture.layout.size } else { (1_000.0, 600.0) };
        fresh = Layout::new(&m, size.0, size.1, g.lens);
        &fresh
    };
    let (all, total) = list(&m, layout, &tank.filter, tank.picked.as_ref());
    let roving = all.len() > STOPS_MAX;
    let stop = current.as_ref().filter(|c| all.iter().any(|h| h.pick == **c)).or(all.first().map(|h| &h.pick)).cloned();
    let on_key = {
        let (all, current, zoom_by) = (all.clone(), current.clone(), props.zoom_by.clone());
        let (glass, redraw) = (props.glass.clone(), props.redraw.clone());
        Callback::from(move |e: KeyboardEvent| {
            let way = match e.key().as_str() {
                "ArrowLeft" => Way::Left,
                "ArrowRight" => Way::Right,
                "ArrowUp" => Way::Up,
                "ArrowDown" => Way::Down,
                "+" | "=" => return zoom_by.emit(2.0),
                "-" => return zoom_by.emit(0.5),
                "0" => return zoom_by.emit(0.0),
                _ => return,
            };
            e.prevent_default();
            let testid = e.target_dyn_into::<HtmlElement>().and_then(|t| t.get_attribute("data-testid"));
            let from = all.iter().find(|h| Some(&h.testid) == testid.as_ref()).map(|h| h.pick.clone());
            let to = from.and_then(|from| neighbour(&all, &from, way)).and_then(|i| all.get(i));
            if let Some(h) = to {
                current.set(Some(h.pick.clone()));
                let mut g = glass.0.borrow_mut();
                if matches!(h.pick, Pick::Node(_) | Pick::Pod(_)) && h.place.y >= g.picture.layout.field.y {
                    g.lens = g.lens.showing(g.picture.layout.field, h.place);
                }
                drop(g);
                focus(&h.testid);
                redraw.emit(());
            }
        })
    };
    let made = use_slices(all.len());
    let held: Html = all
        .iter()
        .take(made)
        .map(|h| {
            let r = h.place;
            let style = format!("left:{:.1}px;top:{:.1}px;width:{:.1}px;height:{:.1}px", r.x, r.y, r.w, r.h);
            let desk = tank.desk.clone();
            let pick = h.pick.clone();
            let pressed = tank.picked.as_ref() == Some(&h.pick);
            let onclick = {
                let (pick, current, glass) = (pick.clone(), current.clone(), props.glass.clone());
                Callback::from(move |e: MouseEvent| {
                    // A key's click has no detail, and no drag before it.
                    if e.detail() != 0 && glass.0.borrow().was_dragged() {
                        return;
                    }
                    current.set(Some(pick.clone()));
                    desk.act(Act::Pick(Some(pick.clone())));
                })
            };
            let tabindex = if !roving || stop.as_ref() == Some(&h.pick) { "0" } else { "-1" };
            html! {
                <button key={h.pick.key()} type="button" class="hold" {style} {tabindex} data-testid={h.testid.clone()}
                    title={h.label.clone()} aria-label={h.label.clone()} aria-pressed={pressed.to_string()} {onclick} />
            }
        })
        .collect();
    let label = if total > all.len() {
        format!(
            "The cluster: {} of {} objects; zoom in or filter to reach the others",
            words::thousands(all.len() as u64),
            words::thousands(total as u64)
        )
    } else {
        "The cluster; arrow keys go from one object to the next".to_owned()
    };
    html! { <div class="holds" role="group" aria-label={label} onkeydown={on_key}>{ held }</div> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tank::layout::Lens;
    use crate::page::testing;

    fn world(nodes: usize, pods: usize) -> (Model, Layout) {
        let m = testing::world(nodes, pods);
        let l = Layout::new(&m, 1440.0, 760.0, Lens::default());
        (m, l)
    }

    #[test]
    fn every_object_of_the_canvas_has_a_name() {
        let (m, l) = world(3, 9);
        let (all, total) = list(&m, &l, "", None);
        assert_eq!((all.len(), total), (17, 17));
        let find = |testid: &str| all.iter().find(|h| h.testid == testid).map(|h| h.label.clone());
        assert_eq!(find("node-worker-2").as_deref(), Some("Node worker-2, Ready"));
        assert_eq!(find("part-etcd").as_deref(), Some("etcd, running"));
        assert_eq!(find("pod-web-4").as_deref(), Some("Pod web-4, Running"));
    }

    #[test]
    fn there_are_never_too_many_elements() {
        let (m, l) = world(1_000, 10_000);
        let (all, total) = list(&m, &l, "", None);
        assert_eq!(all.len(), HOLDS_MAX);
        assert_eq!(total, 11_005);
        let (all, _) = list(&m, &l, "web-9999", None);
        assert_eq!(all.iter().map(|h| h.testid.as_str()).collect::<Vec<_>>(), ["pod-web-9999"]);
        let picked = Pick::Node(900);
        let (all, _) = list(&m, &l, "", Some(&picked));
        assert!(all.iter().any(|h| h.pick == picked), "what is picked is always there");
    }

    #[test]
    fn arrow_keys_go_where_they_point() {
        let (m, l) = world(3, 9);
        let (all, _) = list(&m, &l, "", None);
        let go = |from: &str, way| {
            let from = &all.iter().find(|h| h.testid == from).expect("a hold").pick;
            neighbour(&all, from, way).map(|i| all[i].testid.clone()).unwrap_or_default()
        };
        assert_eq!(go("part-etcd", Way::Right), "part-kube-apiserver");
        assert_eq!(go("node-worker-1", Way::Right), "node-worker-2");
        assert_eq!(go("node-worker-3", Way::Left), "node-worker-2");
        assert!(go("node-worker-1", Way::Down).starts_with("pod-web-"));
        assert!(go("node-worker-2", Way::Up).starts_with("part-"));
        assert_eq!(go("node-control-plane", Way::Up), "");
    }
}
