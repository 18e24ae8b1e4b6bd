//! The page that a container answered. Hostile: it is shown in a frame that may do nothing.

use yew::prelude::*;

use super::facts_list;
use crate::page::desk::Visited;

pub fn view(v: &Visited) -> Html {
    if v.pending {
        return html! { <p class="soft" role="status">{ format!("GET {} is on its way; the clock must run for an answer.", v.url) }</p> };
    }
    if v.status == 0 {
        return html! {
            <div class="problem" role="alert" data-testid="visited-error"><p class="where">{ "No answer" }</p><p>{ &v.body }</p></div>
        };
    }
    html! {
        <div class="visited" data-testid="visited">
            <p class="soft">{ format!("{} answered {} in {:.1} ms", v.url, v.status, v.took_ns as f64 / 1e6) }</p>
            <iframe sandbox="" title={format!("The page at {}", v.url)} srcdoc={v.body.clone()} data-testid="visited-page" />
            <details><summary>{ "Headers" }</summary>
                { facts_list(v.headers.iter().map(|(k, h)| (k.as_str(), h.clone()))) }
            </details>
        </div>
    }
}
