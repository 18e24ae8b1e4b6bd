//! The time bar: always there.

use yew::prelude::*;

use super::desk::Desk;
use super::ui::{Act, Ui};
use super::words;
use crate::protocol::{Speed, ToWorker};

/// What the time bar needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// The page's state.
    pub ui: Ui,
    /// Goes up when the clock moved.
    pub tick: u64,
}

/// The time bar.
#[component]
pub fn TimeBar(props: &Props) -> Html {
    let m = props.desk.model.borrow();
    let clock = m.clock;
    let send = |message: ToWorker| {
        let desk = props.desk.clone();
        Callback::from(move |_: MouseEvent| desk.send(&message))
    };
    let speed = |testid: &'static str, name: &'static str, label: &'static str, s: Speed| {
        let on = clock.speed == s && !clock.booting;
        html! {
            <button type="button" data-testid={testid} aria-label={label} title={label} aria-pressed={on.to_string()}
                class={classes!("step", on.then_some("on"))} onclick={send(ToWorker::Speed(s))}>{ name }</button>
        }
    };
    let words = if clock.booting {
        "starting up, faster than it does in life".to_owned()
    } else {
        match clock.speed {
            Speed::Paused => match props.desk.commands_running() {
                0 => "paused".to_owned(),
                n => format!(
                    "paused; {} for time to go on",
                    if n == 1 { "1 command waits".to_owned() } else { format!("{n} commands wait") }
                ),
            },
            Speed::Times(f) if clock.behind && clock.real_speed < f * 0.95 => {
                format!("running at {:.0}x: this machine can't do {f:.0}x", clock.real_speed)
            }
            Speed::Max => format!("running at {}x", words::thousands(clock.real_speed as u64)),
            Speed::Times(f) => format!("{f:.0}x"),
        }
    };
    let toggle = |testid: &'static str, name: &'static str, open: bool, act: Act| {
        let desk = props.desk.clone();
        let onclick = Callback::from(move |_: MouseEvent| desk.act(act.clone()));
        html! {
            <button type="button" class={classes!("quiet", open.then_some("on"))} data-testid={testid}
                aria-expanded={open.to_string()} {onclick}>{ name }</button>
        }
    };
    let ui = &props.ui;
    html! {
        <nav class="timebar" aria-label="Time" data-testid="timebar">
            <div class="speeds" role="group" aria-label="Speed">
                { speed("speed-pause", "Pause", "Pause", Speed::Paused) }
                <button type="button" class="step" data-testid="step-event" aria-label="Run one event" title="Run one event"
                    onclick={send(ToWorker::StepEvent)}>{ "Step" }</button>
                { speed("speed-1x", "1x", "As fast as life", Speed::Times(1.0)) }
                { speed("speed-10x", "10x", "Ten times as fast as life", Speed::Times(10.0)) }
                { speed("speed-100x", "100x", "A hundred times as fast as life", Speed::Times(100.0)) }
                { speed("speed-max", "Max", "As fast as this machine can", Speed::Max) }
                <button type="button" class="step" data-testid="skip-change" aria-label="Skip to the next change"
                    title="Skip to the next change" onclick={send(ToWorker::SkipToChange)}>{ "Skip" }</button>
            </div>
            <output class="clock" data-testid="clock" aria-live="off">{ words::clock(m.now_ns) }</output>
            <span class="soft pace grow" data-testid="pace" title={words.clone()}>{ words.clone() }</span>
            { toggle("toggle-editor", "YAML", ui.editor_open, Act::Editor(!ui.editor_open)) }
            { toggle("toggle-terminal", "Terminal", ui.terminal_open, Act::Terminal(!ui.terminal_open)) }
            { toggle("toggle-feed", "Events", ui.feed_open, Act::Feed(!ui.feed_open)) }
        </nav>
    }
}
