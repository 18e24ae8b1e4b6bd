//! The outermost component.

use std::rc::Rc;

use yew::prelude::*;

use super::link::Link;
use crate::protocol::{ToPage, ToWorker};

/// How the worker is doing, as far as the page knows.
#[derive(Clone, PartialEq, Eq)]
enum WorkerState {
    Starting,
    Ready,
    Panicked(String),
}

impl WorkerState {
    fn words(&self) -> String {
        match self {
            WorkerState::Starting => "starting".to_owned(),
            WorkerState::Ready => "ready".to_owned(),
            WorkerState::Panicked(why) => format!("stopped: {why}"),
        }
    }
}

#[component]
pub fn App() -> Html {
    let state = use_state(|| WorkerState::Starting);
    let link = use_mut_ref(|| None::<Rc<Link>>);
    {
        let state = state.clone();
        use_effect_with((), move |()| {
            let replies = link.clone();
            let opened = Link::open(move |message| match message {
                ToPage::Ready => {
                    if let Some(link) = &*replies.borrow() {
                        link.send(&ToWorker::Ping(1));
                    }
                }
                ToPage::Pong(_) => state.set(WorkerState::Ready),
                ToPage::Panicked(why) => state.set(WorkerState::Panicked(why)),
            });
            *link.borrow_mut() = opened.map(Rc::new);
        });
    }
    html! {
        <main>
            <h1>{ "Podarium" }</h1>
            <p>{ "The cluster's worker: " }<output data-testid="worker-state">{ state.words() }</output></p>
        </main>
    }
}
