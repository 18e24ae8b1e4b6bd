//! The keys that work anywhere but in a field, and their list.

use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};
use yew::prelude::*;

use super::desk::Desk;
use super::signs;
use super::ui::Act;
use crate::protocol::{Speed, ToWorker};

const KEYS: [(&str, &str); 12] = [
    ("Space", "pause, and go on"),
    (".", "run one event"),
    ("n", "skip to the next change"),
    ("1 2 3 4", "1x, 10x, 100x, as fast as it goes"),
    ("e", "YAML"),
    ("t", "terminal"),
    ("v", "events"),
    ("/", "filter"),
    ("Arrows", "from one object of the tank to the next"),
    ("+ - 0", "zoom in, out, show all (in the tank)"),
    ("?", "this list"),
    ("Esc", "close what was opened last"),
];

/// The list of keys.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// Goes up when the world has changed.
    pub tick: u64,
}

/// The list.
#[component]
pub fn Keys(props: &Props) -> Html {
    let close = {
        let desk = props.desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Keys(false)))
    };
    let button = use_node_ref();
    {
        let button = button.clone();
        use_effect_with((), move |()| {
            if let Some(b) = button.cast::<HtmlElement>() {
                let _ = b.focus();
            }
        });
    }
    let rows = KEYS.iter().map(|(k, what)| {
        html! { <><dt>{ for k.split(' ').map(|k| html! { <kbd>{ k.to_owned() }</kbd> }) }</dt><dd>{ *what }</dd></> }
    });
    html! {
        <div class="veil" data-testid="keys">
            <section class="sheet" role="dialog" aria-modal="true" aria-label="Keys and signs">
                <div class="columns">
                    <div><h2>{ "Keys" }</h2><dl>{ for rows }</dl></div>
                    <div><h2>{ "Signs" }</h2>{ signs::view() }<p class="soft">{ "Pods of one workload have one colour; the cluster's own are grey." }</p></div>
                </div>
                { file(&props.desk) }
                <button type="button" class="primary" ref={button} data-testid="keys-close" onclick={close}>{ "Close" }</button>
            </section>
        </div>
    }
}

/// The session and its trace as a file, for bug reports and tests: made when it is asked for.
fn file(desk: &Desk) -> Html {
    let make = {
        let desk = desk.clone();
        Callback::from(move |_: MouseEvent| desk.send(&ToWorker::Export))
    };
    html! {
        <p class="soft">
            { "All that was done to this cluster, and the trace of what followed, fit into a file: " }
            <button type="button" class="quiet" data-testid="export" onclick={make}>{ "Export" }</button>
            if let Some(url) = &*desk.exported.borrow() {
                { " " }<a href={url.to_string()} download="podarium.json" data-testid="export-file">{ "podarium.json" }</a>
            }
        </p>
    }
}

/// Whether the key belongs to the element that has the focus.
fn taken(e: &KeyboardEvent) -> bool {
    let Some(t) = e.target().and_then(|t| t.dyn_into::<HtmlElement>().ok()) else { return false };
    let presses = matches!(e.key().as_str(), " " | "Enter");
    match t.tag_name().as_str() {
        "INPUT" | "TEXTAREA" | "SELECT" => true,
        "BUTTON" | "SUMMARY" => presses,
        _ => false,
    }
}

/// A key was pressed somewhere.
pub fn pressed(desk: &Desk, e: &KeyboardEvent) {
    if e.key() == "Escape" {
        // A field is left before anything is closed.
        let field = e.target().and_then(|t| t.dyn_into::<HtmlElement>().ok());
        match field.filter(|t| matches!(t.tag_name().as_str(), "INPUT" | "TEXTAREA")) {
            Some(t) => {
                let _ = t.blur();
            }
            None => desk.act(Act::Close),
        }
        return;
    }
    if taken(e) || e.ctrl_key() || e.meta_key() || e.alt_key() {
        return;
    }
    let message = match e.key().as_str() {
        " " => {
            let paused = desk.model.borrow().clock.speed == Speed::Paused;
            Some(ToWorker::Speed(if paused { Speed::Times(1.0) } else { Speed::Paused }))
        }
        "." => Some(ToWorker::StepEvent),
        "n" => Some(ToWorker::SkipToChange),
        "1" => Some(ToWorker::Speed(Speed::Times(1.0))),
        "2" => Some(ToWorker::Speed(Speed::Times(10.0))),
        "3" => Some(ToWorker::Speed(Speed::Times(100.0))),
        "4" => Some(ToWorker::Speed(Speed::Max)),
        _ => None,
    };
    if let Some(message) = message {
        e.prevent_default();
        desk.send(&message);
        return;
    }
    match e.key().as_str() {
        "e" => open(desk, Act::Editor(true), "[data-testid=editor]"),
        "t" => open(desk, Act::Terminal(true), "[data-testid=terminal-input]"),
        "v" => open(desk, Act::Feed(true), "[data-testid=feed-filter]"),
        "?" => desk.act(Act::Keys(true)),
        "/" => focus(".filter"),
        _ => return,
    }
    e.prevent_default();
}

/// Opens a drawer and goes there: who asks for it by key wants to type.
fn open(desk: &Desk, act: Act, field: &'static str) {
    desk.act(act);
    gloo::timers::callback::Timeout::new(0, move || focus(field)).forget();
}

fn focus(selector: &str) {
    let field = gloo::utils::document().query_selector(selector).ok().flatten();
    if let Some(f) = field.and_then(|f| f.dyn_into::<HtmlElement>().ok()) {
        let _ = f.focus();
    }
}
