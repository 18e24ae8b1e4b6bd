//! The outermost component: opens the line to the worker, keeps the desk, and lays the views out.

use gloo::events::{EventListener, EventListenerOptions};
use podarium_core::cluster::Output;
use podarium_core::session::ClusterConfig;
use wasm_bindgen::JsCast;
use web_sys::KeyboardEvent;
use yew::prelude::*;

use super::desk::{Desk, Said, Visited};
use super::editor::Editor;
use super::feed::Feed;
use super::hint::Hint;
use super::inspector::Inspector;
use super::keys;
use super::link::Link;
use super::palette::{DARK, LIGHT};
use super::store;
use super::tank::Tank;
use super::terminal::Terminal;
use super::timebar::TimeBar;
use super::top::Top;
use super::ui::{Act, Theme, Ui};
use crate::protocol::{Speed, ToPage, ToWorker};

/// A remark over the tank.
#[derive(Clone, Debug, PartialEq)]
struct Notice {
    text: String,
    wrong: bool,
    /// Whether it goes by itself.
    passing: bool,
}

/// How long a passing remark stays, in real milliseconds.
const NOTICE_MS: u32 = 7_000;
/// How long the first screen is left in peace before the rest of this module is fetched, in milliseconds.
const REST_AFTER_MS: u32 = 300;
/// A window narrower than this shows drawers as sheets.
const NARROW_PX: f64 = 760.0;

impl Notice {
    fn passing(text: impl Into<String>) -> Self {
        Notice { text: text.into(), wrong: false, passing: true }
    }

    fn lasting(text: impl Into<String>) -> Self {
        Notice { text: text.into(), wrong: true, passing: false }
    }

    /// What a command said, in its last line.
    fn of(said: &Said) -> Self {
        let wrong = said.code.is_some_and(|c| c != 0);
        let last = |stderr: bool| said.stream(stderr).trim_end().lines().last().unwrap_or_default().to_owned();
        let text = if wrong { last(true) } else { last(false) };
        let text = if text.is_empty() { format!("{} has ended", said.line) } else { text };
        Notice { text, wrong, passing: !wrong }
    }
}

/// The page's texts are made anew at most this often, in milliseconds; the canvas draws at display rate.
const WORDS_MS: f64 = 120.0;
/// The worker is told of touches at most this often, in milliseconds: who types must not stop a cluster.
const TOUCH_MS: f64 = 100.0;
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
    notice: &UseStateSetter<Option<Notice>>,
) -> bool {
    match message {
        ToPage::Ready => {
            let session = store::take_shared().or_else(|| store::get(store::SESSION));
            *desk.session.borrow_mut() = session.clone().unwrap_or_default();
            desk.remember_commands();
            let start = ToWorker::Start { session, config: new_config(FIRST_SEED) };
            let stood = store::get(store::PAUSED).map(|_| ToWorker::Speed(Speed::Paused));
            desk.begin([Some(start), stood].into_iter().flatten());
            false
        }
        ToPage::Pong(_) => false,
        ToPage::Frame(frame) => {
            desk.model.borrow_mut().apply(*frame);
            desk.send(&ToWorker::FrameShown);
            true
        }
        ToPage::Clock(clock) => {
            let before = std::mem::replace(&mut desk.model.borrow_mut().clock, clock);
            if before.booting && !clock.booting {
                // The first screen is there. Whatever the person does next, its code is then here.
                let fetch = || wasm_bindgen_futures::spawn_local(crate::halves::prefetch());
                gloo::timers::callback::Timeout::new(REST_AFTER_MS, fetch).forget();
            }
            if before.speed != clock.speed {
                // A cluster that stood comes back standing.
                match clock.speed {
                    Speed::Paused => store::set(store::PAUSED, "true"),
                    _ => store::remove(store::PAUSED),
                }
            }
            true
        }
        ToPage::Output(outputs) => {
            for o in outputs {
                if let Some(n) = hear(desk, o) {
                    notice.set(Some(n));
                }
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
        ToPage::Exported { session, trace } => {
            // Both are text that came from serde, so putting them together cannot fail.
            let file = serde_json::json!({ "session": session, "trace": trace }).to_string();
            *desk.exported.borrow_mut() =
                Some(gloo::file::Blob::new_with_options(&*file, Some("application/json")).into());
            true
        }
        ToPage::Problem(what) => {
            notice.set(Some(Notice::lasting(what)));
            true
        }
        ToPage::Panicked(why) => {
            broken.set(Some(why));
            true
        }
    }
}

/// The seed of everybody's first cluster: its boot is the one whose code is fetched first (`xtask/first-screen`).
pub(crate) const FIRST_SEED: u64 = 11;

/// Another seed every time.
fn any_seed() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_991.0) as u64
}

/// A new cluster's config, with the wall clock of now.
fn new_config(seed: u64) -> ClusterConfig {
    ClusterConfig { seed, epoch_unix_s: (js_sys::Date::now() / 1000.0) as i64, ..ClusterConfig::default() }
}

/// Takes what an input led to; a remark if a button's command has ended.
fn hear(desk: &Desk, o: Output) -> Option<Notice> {
    match o {
        Output::Text { id, stderr, text } => {
            if let Some(said) = desk.commands.borrow_mut().get_mut(&id) {
                said.text.push((stderr, text));
            }
        }
        Output::Exit { id, code } => {
            let mut commands = desk.commands.borrow_mut();
            let said = commands.get_mut(&id)?;
            said.code = Some(code);
            said.reads = false;
            if desk.told.borrow_mut().remove(&id) {
                return Some(Notice::of(said));
            }
        }
        Output::Reads { id, reads } => {
            if let Some(said) = desk.commands.borrow_mut().get_mut(&id) {
                said.reads = reads;
            }
        }
        Output::Visited { id, url, status, headers, body, took_ns } => {
            let mut last = desk.visited.borrow_mut();
            // Another page may have been asked for since.
            if let Some(v) = last.as_mut().filter(|v| v.id == id) {
                let pod = v.pod.clone();
                *v = Visited { id, pod, pending: false, url, status, headers, body, took_ns };
            }
        }
        Output::Response { .. } => {}
    }
    None
}

/// The stored session with its end moved to what the page has seen last.
fn session_now(desk: &Desk) -> Option<String> {
    let text = desk.session.borrow().clone();
    let mut session = podarium_core::session::Session::from_json(&text).ok()?;
    session.until = podarium_core::sim::SimTime::from_nanos(desk.model.borrow().now_ns).max(session.until);
    Some(session.to_json())
}

/// Listens to the worker for the component's life.
#[hook]
fn use_link(
    desk: &Desk,
    tick: UseStateSetter<u64>,
    broken: UseStateSetter<Option<String>>,
    notice: UseStateSetter<Option<Notice>>,
) {
    let desk = desk.clone();
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

/// Whether the window is narrow now.
fn narrow() -> bool {
    gloo::utils::window().inner_width().ok().and_then(|w| w.as_f64()).is_some_and(|w| w < NARROW_PX)
}

/// Keys, the window's size, leaving, and a worker that could not even begin.
#[hook]
fn use_window(desk: &Desk, broken: UseStateSetter<Option<String>>) {
    let desk = desk.clone();
    use_effect_with((), move |()| {
        let window = gloo::utils::window();
        let leave = EventListener::new(&window, "pagehide", {
            let desk = desk.clone();
            move |_| {
                if let Some(s) = session_now(&desk) {
                    store::set(store::SESSION, &s);
                }
            }
        });
        let resize = EventListener::new(&window, "resize", {
            let desk = desk.clone();
            move |_| desk.act(Act::Narrow(narrow()))
        });
        let lost = EventListener::new(&gloo::utils::document(), "podarium-broken", move |e| {
            let why = e.dyn_ref::<web_sys::CustomEvent>().and_then(|e| e.detail().as_string());
            broken.set(Some(why.unwrap_or_else(|| "It could not be started.".to_owned())));
        });
        let options = EventListenerOptions::enable_prevent_default();
        let listener = EventListener::new_with_options(&gloo::utils::document(), "keydown", options, {
            let desk = desk.clone();
            move |e| {
                if let Some(e) = e.dyn_ref::<KeyboardEvent>() {
                    keys::pressed(&desk, e);
                }
            }
        });
        let touched_ms = std::rc::Rc::new(std::cell::Cell::new(f64::MIN));
        let touched = ["pointerdown", "keydown", "input"].map(|event| {
            let (desk, touched_ms) = (desk.clone(), touched_ms.clone());
            let options = EventListenerOptions::run_in_capture_phase();
            EventListener::new_with_options(&gloo::utils::document(), event, options, move |_| {
                if now_ms() - touched_ms.get() >= TOUCH_MS {
                    touched_ms.set(now_ms());
                    desk.send(&ToWorker::Touched);
                }
            })
        });
        move || drop((leave, resize, lost, listener, touched))
    });
}

/// What of the page is there: it is put up in turns, so that the main thread never stands for the whole of it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Bars,
    Tank,
    Drawers,
}

/// One stage after the other, each in a turn of its own.
#[hook]
fn use_stages() -> Stage {
    let stage = use_state(|| Stage::Bars);
    let setter = stage.setter();
    use_effect_with(*stage, move |now| {
        let next = match now {
            Stage::Bars => Some(Stage::Tank),
            Stage::Tank => Some(Stage::Drawers),
            Stage::Drawers => None,
        };
        let turn = next.map(|next| gloo::timers::callback::Timeout::new(0, move || setter.set(next)));
        move || drop(turn)
    });
    *stage
}

/// The page.
#[component]
pub fn App() -> Html {
    let ui = use_reducer(|| Ui { narrow: narrow(), ..Ui::recall(&store::get(store::UI).unwrap_or_default()) });
    let desk = {
        let dispatcher = ui.dispatcher();
        // Numbers of inputs go on from where the stored session's end, so that none is used twice.
        use_memo((), move |()| Desk::new(dispatcher, js_sys::Date::now() as u64))
    };
    let desk = (*desk).clone();
    let tick = use_state(|| 0u64);
    let broken = use_state(|| None::<String>);
    let notice = use_state(|| None::<Notice>);
    let pasted = use_state(|| (0u64, AttrValue::default()));
    let stage = use_stages();
    let drawers = stage == Stage::Drawers;
    use_link(&desk, tick.setter(), broken.setter(), notice.setter());
    use_window(&desk, broken.setter());
    {
        let setter = notice.setter();
        use_effect_with((*notice).clone(), move |n| {
            let passing = n.as_ref().is_some_and(|n| n.passing);
            let timer = passing.then(|| gloo::timers::callback::Timeout::new(NOTICE_MS, move || setter.set(None)));
            move || drop(timer)
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
    let on_share = {
        let (desk, notice) = (desk.clone(), notice.setter());
        Callback::from(move |()| {
            let Some(s) = session_now(&desk) else {
                notice.set(Some(Notice::passing(
                    "Nothing has been done to this cluster yet, so there is nothing to share.",
                )));
                return;
            };
            let link = store::share_link(&s);
            let _ = gloo::utils::window().navigator().clipboard().write_text(&link);
            notice.set(Some(Notice::passing("A link to this cluster, at this moment, is in the clipboard.")));
        })
    };
    let on_new = {
        let desk = desk.clone();
        Callback::from(move |()| {
            store::remove(store::SESSION);
            store::remove(store::PAUSED);
            *desk.session.borrow_mut() = String::new();
            desk.act(Act::Pick(None));
            desk.commands.borrow_mut().clear();
            *desk.model.borrow_mut() = Default::default();
            desk.send(&ToWorker::Start { session: None, config: new_config(any_seed()) });
        })
    };
    let on_paste = {
        let (desk, pasted) = (desk.clone(), pasted.clone());
        Callback::from(move |manifest: &'static str| {
            pasted.set((pasted.0 + 1, AttrValue::from(manifest)));
            desk.act(Act::Editor(true));
        })
    };
    let (version, booted) = {
        let m = desk.model.borrow();
        (m.names_version(), !m.nodes.is_empty())
    };
    let said: u64 =
        desk.commands.borrow().values().map(|s| s.text.len() as u64 + u64::from(s.code.is_some()) + 1).sum();
    let filter = AttrValue::from(ui.filter.clone());
    html! {
        <div class="page">
            <Top desk={desk.clone()} filter={filter.clone()} {dark} {on_new} {on_share} tick={*tick} />
            <main>
                if ui.editor_open && drawers {
                    <Editor desk={desk.clone()} pasted={(*pasted).clone()} version={said} />
                }
                <div class="middle">
                    if let Some(why) = &*broken { { broken_panel(why) } }
                    if let Some(n) = &*notice { { remark(n, notice.setter()) } }
                    if stage >= Stage::Tank {
                        <Tank desk={desk.clone()} {version} picked={ui.picked.clone()} filter={filter.clone()} {palette} />
                    }
                    if !booted && broken.is_none() {
                        <p class="loading soft" role="status">{ "The machines are being switched on." }</p>
                    }
                    if drawers {
                        <Hint desk={desk.clone()} {palette} {on_paste} tick={*tick} />
                    }
                    if ui.terminal_open && drawers {
                        <Terminal desk={desk.clone()} version={said} />
                    }
                </div>
                if let Some(p) = ui.picked.as_ref().filter(|_| drawers) {
                    <Inspector desk={desk.clone()} picked={p.clone()} tab={ui.tab} tick={*tick} />
                }
                if ui.feed_open && drawers {
                    <Feed desk={desk.clone()} filter={filter.clone()} own_filter={AttrValue::from(ui.feed_filter.clone())}
                        warnings_only={ui.warnings_only} tick={*tick} />
                }
            </main>
            <TimeBar desk={desk.clone()} ui={(*ui).clone()} tick={*tick} />
            if ui.keys_open { <keys::Keys desk={desk.clone()} tick={*tick} /> }
        </div>
    }
}

fn broken_panel(why: &str) -> Html {
    let onclick = Callback::from(|_: MouseEvent| {
        let _ = gloo::utils::window().location().reload();
    });
    html! {
        <section class="broken" role="alert" data-testid="broken">
            <h2>{ "The cluster's worker has stopped" }</h2>
            <p>{ "What you see is the last moment that it told of. What you did is stored: reload, and the same cluster comes back." }</p>
            <button type="button" class="primary" data-testid="reload" {onclick}>{ "Reload" }</button>
            <details><summary>{ "What it said" }</summary><pre>{ why.to_owned() }</pre></details>
        </section>
    }
}

fn remark(n: &Notice, notice: UseStateSetter<Option<Notice>>) -> Html {
    let onclick = Callback::from(move |_: MouseEvent| notice.set(None));
    html! {
        <div class={classes!("notice", n.wrong.then_some("wrong"))} role="status" data-testid="notice">
            <p>{ &n.text }</p>
            <button type="button" class="icon" aria-label="Dismiss" {onclick}>{ "×" }</button>
        </div>
    }
}
