//! The signs of the tank and what they mean: the same shapes as the canvas draws, for the list of keys.

use yew::prelude::*;

/// A sign's drawing in a square of 24, and its meaning.
fn signs() -> [(Html, &'static str); 13] {
    let cell = |inner: Html| {
        html! { <><rect x="3" y="3" width="18" height="18" rx="5" fill="none" stroke="currentColor" stroke-width="2" />{ inner }</> }
    };
    [
        (
            html! { <rect x="3" y="3" width="18" height="18" rx="5" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="4 3" /> },
            "pod waits for a node",
        ),
        (
            cell(html! { <path d="M12 7a5 5 0 1 1 -5 5" fill="none" stroke="currentColor" stroke-width="2.5" /> }),
            "its image is pulled; the ring fills",
        ),
        (
            html! { <><rect x="3" y="3" width="18" height="18" rx="5" fill="currentColor" /><circle cx="12" cy="12" r="2.5" class="hole" /></> },
            "running; a dot for each container",
        ),
        (
            html! { <path d="M8 3h5l8 8v5a5 5 0 0 1 -5 5H8a5 5 0 0 1 -5 -5V8a5 5 0 0 1 5 -5z" fill="currentColor" /> },
            "running, not ready",
        ),
        (
            cell(
                html! { <path d="M4 12l8 -8M6 18L18 6M12 20l8 -8M12 8v4l3 2" fill="none" stroke="currentColor" stroke-width="1.5" /> },
            ),
            "in back-off: waits to be started again",
        ),
        (
            html! { <path d="M3 3h4v4H3zM13 3h4v4h-4zM8 8h4v4H8zM17 8h4v4h-4zM3 13h4v4H3zM13 13h4v4h-4zM8 17h4v4H8z" fill="currentColor" /> },
            "terminating",
        ),
        (
            html! { <rect x="3" y="3" width="18" height="18" rx="5" class="veiled" stroke="currentColor" stroke-width="2" /> },
            "on a lost node: what the api-server remembers",
        ),
        (
            html! { <><circle cx="12" cy="12" r="8" fill="none" class="track" stroke-width="3" /><path d="M12 4a8 8 0 1 1 -8 8" fill="none" stroke="currentColor" stroke-width="3" /></> },
            "something happens when the arc has closed",
        ),
        (html! { <circle cx="12" cy="12" r="4" fill="currentColor" /> }, "request"),
        (html! { <circle cx="12" cy="12" r="4" fill="none" stroke="currentColor" stroke-width="2" /> }, "watch event"),
        (html! { <path d="M12 7v10" stroke="currentColor" stroke-width="2.5" /> }, "heartbeat: a lease is renewed"),
        (html! { <path d="M5 12h14" stroke="currentColor" stroke-width="3" /> }, "HTTP between pods"),
        (
            html! { <path d="M7 7l10 10M17 7L7 17" stroke="currentColor" stroke-width="2.5" /> },
            "refused or failed request",
        ),
    ]
}

/// The list.
pub fn view() -> Html {
    let rows = signs().into_iter().map(|(drawing, meaning)| {
        html! { <li><svg viewBox="0 0 24 24" aria-hidden="true">{ drawing }</svg>{ meaning }</li> }
    });
    html! { <ul class="signs">{ for rows }</ul> }
}
