//! The event feed: what the cluster says of itself, the newest first.

use podarium_core::observe::EventView;
use web_sys::HtmlInputElement;
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
            <span class="reason">if warning { <span class="mark">{ "Warning " }</span> }{ &e.reason }</span>
            <span class="about" title={e.about.clone()}>{ words::clip(&e.about, 40) }if e.count > 1 { { format!(", {} times", e.count) } }</span>
            <span class="message">{ &e.message }</span>
        </li>
    }
}

/// Whether an event passes both filters.
fn passes(e: &EventView, filters: [&str; 2], warnings_only: bool) -> bool {
    (!warnings_only || e.kind == "Warning")
        && filters.iter().all(|f| words::matches(f, &[&e.about, &e.reason, &e.message, &e.source]))
}

/// What the feed needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// The page's filter.
    pub filter: AttrValue,
    /// The feed's own.
    pub own_filter: AttrValue,
    /// Whether warnings alone are shown.
    pub warnings_only: bool,
    /// Goes up when there is more.
    pub tick: u64,
}

/// The event feed.
#[component]
pub fn Feed(props: &Props) -> Html {
    let m = props.desk.model.borrow();
    let filters = [props.filter.as_str(), props.own_filter.as_str()];
    let shown: Vec<Html> =
        m.events.iter().rev().filter(|e| passes(e, filters, props.warnings_only)).take(SHOWN_MAX).map(row).collect();
    let act = |act: Act| {
        let desk = props.desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(act.clone()))
    };
    let on_filter = {
        let desk = props.desk.clone();
        Callback::from(move |e: InputEvent| {
            if let Some(t) = e.target_dyn_into::<HtmlInputElement>() {
                desk.act(Act::FeedFilter(t.value()));
            }
        })
    };
    let only = props.warnings_only;
    html! {
        <section class="drawer feed" aria-label="Events" data-testid="feed">
            <header>
                <h2 class="grow">{ "Events" }</h2>
                <button type="button" class="icon" aria-label="Close the events" data-testid="feed-close" onclick={act(Act::Feed(false))}>{ "×" }</button>
            </header>
            <div class="row tools">
                <input type="search" class="filter grow" placeholder="Object, reason or message" aria-label="Filter the events" data-testid="feed-filter"
                    value={props.own_filter.clone()} oninput={on_filter} />
                <button type="button" class={classes!("quiet", only.then_some("on"))} aria-pressed={only.to_string()} data-testid="feed-warnings"
                    onclick={act(Act::WarningsOnly(!only))}>{ "Warnings" }</button>
            </div>
            if shown.is_empty() && m.events.is_empty() {
                <p class="soft empty">{ "No events yet. Parts of the cluster write them when something happens." }</p>
            } else if shown.is_empty() {
                <p class="soft empty">{ format!("None of {} matches.", words::count(m.events.len(), "event")) }</p>
            } else {
                <ul>{ for shown }</ul>
            }
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_filters_hold() {
        let e = EventView {
            key: "k".into(),
            at_ns: 0,
            kind: "Warning".into(),
            reason: "FailedScheduling".into(),
            about: "Pod/web-1".into(),
            namespace: "default".into(),
            about_uid: "u".into(),
            message: "0/3 nodes are available".into(),
            source: "default-scheduler".into(),
            count: 1,
        };
        assert!(passes(&e, ["web", "scheduling"], true));
        assert!(!passes(&e, ["web", "Pulled"], false));
        assert!(!passes(&EventView { kind: "Normal".into(), ..e }, ["", ""], true));
    }
}
