//! The event feed: what the cluster says of itself, the newest first.

use podarium_core::observe::EventView;
use yew::prelude::*;

use super::desk::Desk;
use super::ui::Act;
use super::words;

/// How many events are shown.
const SHOWN_MAX: usize = 120;

/// One event as a row.
pub fn row(e: &EventView) -> Html {
    let warning = e.kind == "Warning";
    html! {
        <li key={e.key.clone()} class={classes!("event", warning.then_some("warning"))} data-testid="event">
            <span class="when">{ words::clock(e.at_ns).chars().take(8).collect::<String>() }</span>
            <span class="reason">{ if warning { "! " } else { "" } }{ &e.reason }</span>
            <span class="about" title={e.about.clone()}>{ words::clip(&e.about, 38) }</span>
            <span class="message">{ &e.message }{ if e.count > 1 { format!(" (x{})", e.count) } else { String::new() } }</span>
        </li>
    }
}

/// What the feed needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// The filter.
    pub filter: AttrValue,
    /// Goes up when there is more.
    pub tick: u64,
}

/// The event feed.
#[component]
pub fn Feed(props: &Props) -> Html {
    let m = props.desk.model.borrow();
    let f = props.filter.as_str();
    let shown: Vec<Html> = m
        .events
        .iter()
        .rev()
        .filter(|e| f.is_empty() || e.about.contains(f) || e.reason.contains(f) || e.message.contains(f))
        .take(SHOWN_MAX)
        .map(row)
        .collect();
    let close = {
        let desk = props.desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Feed(false)))
    };
    html! {
        <section class="drawer feed" aria-label="Events" data-testid="feed">
            <header>
                <h2>{ "Events" }</h2>
                <button type="button" class="icon" aria-label="Close the events" data-testid="feed-close" onclick={close}>{ "×" }</button>
            </header>
            if shown.is_empty() {
                <p class="soft empty">{ "No events yet. Parts of the cluster write them when something happens." }</p>
            } else {
                <ul>{ for shown }</ul>
            }
        </section>
    }
}
