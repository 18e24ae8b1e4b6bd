//! The slim line at the top: the name, the cluster in words, and what concerns the page as a whole.

use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::desk::Desk;
use super::ui::{Act, Theme};
use super::words;

/// What the line needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// The filter's text.
    pub filter: AttrValue,
    /// Whether the page is dark.
    pub dark: bool,
    /// Makes a new cluster.
    pub on_new: Callback<()>,
    /// Puts a link into the clipboard.
    pub on_share: Callback<()>,
    /// Goes up when the world has changed.
    pub tick: u64,
}

/// The line.
#[component]
pub fn Top(props: &Props) -> Html {
    let summary = words::summary(&props.desk.model.borrow());
    let on_filter = {
        let desk = props.desk.clone();
        Callback::from(move |e: InputEvent| {
            if let Some(t) = e.target_dyn_into::<HtmlInputElement>() {
                desk.act(Act::Filter(t.value()));
            }
        })
    };
    let on_theme = {
        let (desk, dark) = (props.desk.clone(), props.dark);
        Callback::from(move |_: MouseEvent| desk.act(Act::Theme(if dark { Theme::Light } else { Theme::Dark })))
    };
    let on_keys = {
        let desk = props.desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Keys(true)))
    };
    let emit = |callback: &Callback<()>| {
        let callback = callback.clone();
        Callback::from(move |_: MouseEvent| callback.emit(()))
    };
    html! {
        <header class="top">
            <h1>{ "Podarium" }</h1>
            <p class="summary" data-testid="summary" role="status" title={summary.clone()}>{ summary.clone() }</p>
            <input type="search" class="filter" placeholder="Filter" aria-label="Filter by name or state" title="Filter by name or state ( / )"
                data-testid="filter" value={props.filter.clone()} oninput={on_filter} />
            <button type="button" class="quiet" data-testid="new-cluster" title="Forget this cluster and boot a new one" onclick={emit(&props.on_new)}>{ "New" }</button>
            <button type="button" class="quiet" data-testid="share" title="Copy a link to this cluster at this moment" onclick={emit(&props.on_share)}>{ "Share" }</button>
            <button type="button" class="quiet" data-testid="theme" title="Colours" onclick={on_theme}>{ if props.dark { "Light" } else { "Dark" } }</button>
            <button type="button" class="quiet" data-testid="show-keys" title="Keys and signs ( ? )" onclick={on_keys}>{ "Help" }</button>
        </header>
    }
}
