//! The outermost component: opens the line to the worker, keeps the desk, and lays the views out.

use gloo::events::{EventListener, EventListenerOptions};
use podarium_core::cluster::Output;
use podarium_core::session::ClusterConfig;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};
use yew::prelude::*;

use super::desk::{Desk, Visited};
use super::editor::Editor;
use super::examples::EXAMPLES;
use super::feed::Feed;
use super::inspector::Inspector;
use super::link::Link;
use super::palette::{DARK, LIGHT};
use super::store;
use super::tank::Tank;
use super::terminal::Terminal;
use super::timebar::TimeBar;
use super::ui::{Act, Pick, Theme, Ui};
use super::words;
use crate::protocol::{Speed, ToPage, ToWorker};

/// The page's texts are made anew at most this often, in milliseconds; the canvas draws at display rate.
const WORDS_MS: f64 = 120.0;
/// How many answers are kept.
const ANSWERS_MAX: usize = 64;

fn prefers_dark() -> bool {
    let query = gloo::utils::window().match_media("(prefers-color-scheme: dark)");
    query.ok().flatten().is_some_and(|q| q.matches())
}

fn now_ms() -> f64 {
    gloo::utils::window().performance().map_or(0.0, |p| p.now())
}

/// Takes a message of the worker; whether the texts must be made anew soon.
fn receive(
    desk: &Desk,
    message: ToPage,
    broken: &UseStateSetter<Option<String>>,
    notice: &UseStateSetter<Option<String>>,
) -> bool {
    match message {
        ToPage::Ready => {
            let session = store::shared().or_else(|| store::get(store::SESSION));
            desk.send(&ToWorker::Start { session, config: new_config() });
            false
        }
        ToPage::Pong(_) => false,
        ToPage::Frame(frame) => {
            desk.model.borrow_mut().apply(*frame);
            desk.send(&ToWorker::FrameShown);
            true
        }
        ToPage::Clock(clock) => {
            desk.model.borrow_mut().clock = clock;
            true
        }
        ToPage::Output(outputs) => {
            for o in outputs {
                hear(desk, o);
            }
            true
        }
        ToPage::Answer { id, answer } => {
            let mut answers = desk.answers.borrow_mut();
            answers.insert(id, answer);
            while answers.len() > ANSWERS_MAX {
                answers.pop_first();
            }
            true
        }
        ToPage::Saved(session) => {
            store::set(store::SESSION, &session);
            *desk.session.borrow_mut() = session;
            false
        }
        ToPage::Problem(what) => {
            notice.set(Some(what));
            true
        }
        ToPage::Panicked(why) => {
            broken.set(Some(why));
            true
        }
    }
}

/// A new cluster's config: another seed every time, and the wall clock of now.
fn new_config() -> ClusterConfig {
    let seed = (js_sys::Math::random() * 9_007_199_254_740_991.0) as u64;
    ClusterConfig { seed, epoch_unix_s: (js_sys::Date::now() / 1000.0) as i64, ..ClusterConfig::default() }
}

fn hear(desk: &Desk, o: Output) {
    match o {
        Output::Text { id, stderr, text } => {
            desk.commands.borrow_mut().entry(id).or_default().text.push((stderr, text));
        }
        Output::Exit { id, code } => {
            desk.commands.borrow_mut().entry(id).or_default().code = Some(code);
        }
        Output::Visited { id, url, status, headers, body, took_ns } => {
            *desk.visited.borrow_mut() = Some(Visited { id, url, status, headers, body, took_ns });
        }
        Output::Response { .. } => {}
    }
}

/// The stored session with its end moved to what the page has seen last.
fn session_now(desk: &Desk) -> Option<String> {
    let text = desk.session.borrow().clone();
    let mut session = podarium_core::session::Session::from_json(&text).ok()?;
    session.until = podarium_core::sim::SimTime::from_nanos(desk.model.borrow().now_ns).max(session.until);
    Some(session.to_json())
}

/// The page.
#[component]
pub fn App() -> Html {
    let ui = use_reducer(|| Ui::recall(&store::get(store::UI).unwrap_or_default()));
    let desk = {
        let dispatcher = ui.dispatcher();
        // Numbers of inputs go on from where the stored session's end, so that none is used twice.
        use_memo((), move |()| Desk::new(dispatcher, js_sys::Date::now() as u64))
    };
    let desk = (*desk).clone();
    let tick = use_state(|| 0u64);
    let broken = use_state(|| None::<String>);
    let notice = use_state(|| None::<String>);
    let pasted = use_state(|| (0u64, AttrValue::default()));
    {
        let (desk, tick, broken, notice) = (desk.clone(), tick.setter(), broken.setter(), notice.setter());
        use_effect_with((), move |()| {
            let (inner, last, count) = (desk.clone(), std::cell::Cell::new(0.0), std::cell::Cell::new(0u64));
            let pending = std::rc::Rc::new(std::cell::Cell::new(false));
            let link = Link::open(move |message| {
                if !receive(&inner, message, &broken, &notice) || pending.get() {
                    return;
                }
                let wait = (WORDS_MS - (now_ms() - last.get())).max(0.0);
                pending.set(true);
                last.set(now_ms() + wait);
                count.set(count.get() + 1);
                let (tick, n, pending) = (tick.clone(), count.get(), pending.clone());
                gloo::timers::callback::Timeout::new(wait as u32, move || {
                    pending.set(false);
                    tick.set(n);
                })
                .forget();
            });
            *desk.link.borrow_mut() = link;
        });
    }
    {
        let desk = desk.clone();
        use_effect_with((), move |()| {
            let leave = EventListener::new(&gloo::utils::window(), "pagehide", {
                let desk = desk.clone();
                move |_| {
                    if let Some(s) = session_now(&desk) {
                        store::set(store::SESSION, &s);
                    }
                }
            });
            let options = EventListenerOptions::enable_prevent_default();
            let keys = EventListener::new_with_options(&gloo::utils::document(), "keydown", options, move |e| {
                if let Some(e) = e.dyn_ref::<KeyboardEvent>() {
                    on_key(&desk, e);
                }
            });
            move || drop((leave, keys))
        });
    }
    let dark = match ui.theme {
        Theme::System => prefers_dark(),
        Theme::Light => false,
        Theme::Dark => true,
    };
    let palette = if dark { &DARK } else { &LIGHT };
    use_effect_with((dark, ui.remember()), move |(dark, remember)| {
        store::set(store::UI, remember);
        if let Some(root) = gloo::utils::document().document_element() {
            let scheme = if *dark { "dark" } else { "light" };
            let _ = root.set_attribute("style", &format!("{};color-scheme:{scheme}", palette.css()));
        }
    });
    let on_filter = {
        let desk = desk.clone();
        Callback::from(move |e: InputEvent| {
            if let Some(t) = e.target_dyn_into::<HtmlInputElement>() {
                desk.act(Act::Filter(t.value()));
            }
        })
    };
    let on_theme = {
        let desk = desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Theme(if dark { Theme::Light } else { Theme::Dark })))
    };
    let on_share = {
        let (desk, notice) = (desk.clone(), notice.setter());
        Callback::from(move |_: MouseEvent| {
            let Some(s) = session_now(&desk) else {
                notice.set(Some("Nothing has been done to this cluster yet, so there is nothing to share.".into()));
                return;
            };
            let link = store::share_link(&s);
            let _ = gloo::utils::window().navigator().clipboard().write_text(&link);
            notice.set(Some("A link to this cluster, at this moment, is in the clipboard.".into()));
        })
    };
    let on_new = {
        let desk = desk.clone();
        Callback::from(move |_: MouseEvent| {
            store::remove(store::SESSION);
            *desk.session.borrow_mut() = String::new();
            let _ = gloo::utils::window().location().set_hash("");
            desk.act(Act::Pick(None));
            desk.commands.borrow_mut().clear();
            *desk.model.borrow_mut() = Default::default();
            desk.send(&ToWorker::Start { session: None, config: new_config() });
        })
    };
    let model = desk.model.borrow();
    let summary = words::summary(&model);
    let chips: Html = EXAMPLES
        .iter()
        .map(|(name, manifest)| {
            let (desk, pasted) = (desk.clone(), pasted.clone());
            let onclick = Callback::from(move |_: MouseEvent| {
                pasted.set((pasted.0 + 1, AttrValue::from(*manifest)));
                desk.act(Act::Editor(true));
            });
            html! { <button type="button" class="chip" data-testid={format!("chip-{}", name.to_lowercase())} {onclick}>{ *name }</button> }
        })
        .collect();
    let workloads: Html = model
        .workloads
        .values()
        .filter(|w| w.owner == 0 && w.namespace != "kube-system")
        .take(8)
        .map(|w| {
            let (desk, id) = (desk.clone(), w.id);
            let onclick = Callback::from(move |_: MouseEvent| desk.act(Act::Pick(Some(Pick::Workload(id)))));
            html! {
                <button key={w.id} type="button" class="chip workload" data-testid={format!("workload-{}", w.name)}
                    title={format!("{} {}", w.kind, w.name)} {onclick}>
                    <span class="dot" style={format!("background:{}", palette.workload(w.id))} />
                    { format!("{} {}/{}", words::clip(&w.name, 20), w.ready, w.desired) }
                </button>
            }
        })
        .collect();
    let empty = model.own_pods().next().is_none();
    let sentence = if model.clock.booting {
        "The control plane starts, and machines join."
    } else if empty && model.workloads.values().all(|w| w.namespace == "kube-system") {
        "This is a cluster. Give it something to run."
    } else if model.anything_runs() {
        "Now break it: touch a node, a pod, or a part of the control plane."
    } else {
        "Watch the parts at work."
    };
    let version = model.version;
    let said: u64 =
        desk.commands.borrow().values().map(|s| s.text.len() as u64 + u64::from(s.code.is_some()) + 1).sum();
    drop(model);
    html! {
        <div class={classes!("page", ui.editor_open.then_some("with-left"), ui.picked.is_some().then_some("with-right"))}>
            <header class="top">
                <h1>{ "Podarium" }</h1>
                <p class="summary" data-testid="summary" role="status" title={summary.clone()}>{ summary.clone() }</p>
                <input type="search" class="filter" placeholder="Filter  /" aria-label="Filter by name" data-testid="filter"
                    value={ui.filter.clone()} oninput={on_filter} />
                <button type="button" class="quiet" data-testid="new-cluster" onclick={on_new}>{ "New" }</button>
                <button type="button" class="quiet" data-testid="share" onclick={on_share}>{ "Share" }</button>
                <button type="button" class="quiet" data-testid="theme" onclick={on_theme}>{ if dark { "Light" } else { "Dark" } }</button>
            </header>
            <main>
                if ui.editor_open {
                    <Editor desk={desk.clone()} pasted={(*pasted).clone()} version={said} />
                }
                <div class="middle">
                    if let Some(why) = &*broken {
                        <div class="problem broken" role="alert" data-testid="broken">
                            <h2>{ "The cluster's worker stopped." }</h2>
                            <pre>{ why }</pre>
                            <p>{ "Reload the page: what you did is stored, and the same cluster comes back." }</p>
                        </div>
                    }
                    if let Some(what) = &*notice {
                        <p class="notice" role="status" data-testid="notice">{ what }
                            <button type="button" class="icon" aria-label="Dismiss" onclick={let n = notice.setter(); Callback::from(move |_: MouseEvent| n.set(None))}>{ "×" }</button>
                        </p>
                    }
                    <Tank desk={desk.clone()} {version} picked={ui.picked.clone()} filter={AttrValue::from(ui.filter.clone())} {palette} />
                    <div class="hint">
                        <p data-testid="sentence">{ sentence }</p>
                        <div class="chips">
                            if empty { { chips } } else { { workloads } }
                            <AddNode desk={desk.clone()} />
                        </div>
                    </div>
                    if ui.terminal_open {
                        <Terminal desk={desk.clone()} version={said} />
                    }
                </div>
                if let Some(p) = &ui.picked {
                    <Inspector desk={desk.clone()} picked={p.clone()} tick={*tick} />
                }
                if ui.feed_open {
                    <Feed desk={desk.clone()} filter={AttrValue::from(ui.filter.clone())} tick={*tick} />
                }
            </main>
            <TimeBar desk={desk.clone()} ui={(*ui).clone()} tick={*tick} />
            if ui.keys_open { { keys(&desk) } }
        </div>
    }
}

/// What the add-node button needs.
#[derive(Properties, Clone, PartialEq)]
struct AddNodeProps {
    desk: Desk,
}

#[component]
fn AddNode(props: &AddNodeProps) -> Html {
    let desk = props.desk.clone();
    let onclick =
        Callback::from(move |_: MouseEvent| desk.submit(podarium_core::session::Input::AddNodes { count: 1 }));
    html! { <button type="button" class="chip" data-testid="add-node" {onclick}>{ "Add a node" }</button> }
}

/// Keys that work anywhere but in a field.
const KEYS: [(&str, &str); 9] = [
    ("Space", "pause and go on"),
    (".", "run one event"),
    ("n", "skip to the next change"),
    ("1, 2, 3, 4", "1x, 10x, 100x, as fast as it goes"),
    ("e", "YAML"),
    ("t", "terminal"),
    ("v", "events"),
    ("/", "filter"),
    ("Esc", "close"),
];

fn keys(desk: &Desk) -> Html {
    let desk = desk.clone();
    let close = Callback::from(move |_: MouseEvent| desk.act(Act::Keys(false)));
    let rows: Html = KEYS.iter().map(|(k, what)| html! { <><dt><kbd>{ *k }</kbd></dt><dd>{ *what }</dd></> }).collect();
    html! {
        <div class="veil" data-testid="keys">
            <section class="sheet" role="dialog" aria-label="Keys">
                <h2>{ "Keys" }</h2>
                <dl>{ rows }</dl>
                <button type="button" class="primary" onclick={close}>{ "Close" }</button>
            </section>
        </div>
    }
}

fn on_key(desk: &Desk, e: &KeyboardEvent) {
    let field = e.target().and_then(|t| t.dyn_into::<HtmlElement>().ok()).is_some_and(|t| {
        matches!(t.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            || (t.tag_name() == "BUTTON" && matches!(e.key().as_str(), " " | "Enter"))
    });
    if e.key() == "Escape" {
        desk.act(Act::Close);
        return;
    }
    if field || e.ctrl_key() || e.meta_key() || e.alt_key() {
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
        "e" => desk.act(Act::Editor(true)),
        "t" => desk.act(Act::Terminal(true)),
        "v" => desk.act(Act::Feed(true)),
        "?" => desk.act(Act::Keys(true)),
        "/" => {
            let field = gloo::utils::document().query_selector(".filter").ok().flatten();
            if let Some(f) = field.and_then(|f| f.dyn_into::<HtmlElement>().ok()) {
                let _ = f.focus();
            }
        }
        _ => return,
    }
    e.prevent_default();
}
