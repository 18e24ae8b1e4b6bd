//! What keeps pods, in words: how many there are, and how many there shall be.

use podarium_core::observe::WorkloadView;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::{command, facts_list};
use crate::page::desk::Desk;
use crate::page::words;

/// The most pods that upstream supports in one cluster.
const REPLICAS_MAX: u32 = 150_000;

/// What the view needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// The workload.
    pub w: WorkloadView,
}

/// The view.
#[component]
pub fn Workload(props: &Props) -> Html {
    let wanted = use_state(String::new);
    let (desk, w) = (&props.desk, &props.w);
    let line = {
        let (resource, name, namespace) = (w.resource.clone(), w.name.clone(), w.namespace.clone());
        move |to: u32| format!("kubectl scale {resource} {name} -n {namespace} --replicas={to}")
    };
    let scale = |testid: &str, name: &str, to: u32| command(desk, testid, name, line(to));
    let number = wanted.trim().parse::<u32>().ok().filter(|n| *n <= REPLICAS_MAX);
    let on_input = {
        let wanted = wanted.clone();
        Callback::from(move |e: InputEvent| {
            if let Some(t) = e.target_dyn_into::<HtmlInputElement>() {
                wanted.set(t.value());
            }
        })
    };
    let on_submit = {
        let (desk, line, wanted) = (desk.clone(), line.clone(), wanted.clone());
        Callback::from(move |e: SubmitEvent| {
            e.prevent_default();
            if let Some(n) = number {
                desk.command_told(&line(n));
                wanted.set(String::new());
            }
        })
    };
    let can_scale = !matches!(w.kind.as_str(), "DaemonSet" | "Job");
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ format!("{} wanted, {} there, {} ready", words::thousands(w.desired.into()), words::thousands(w.current.into()), words::thousands(w.ready.into())) }</p>
            if can_scale {
                <h3>{ "Scale" }</h3>
                <div class="acts">
                    { scale("scale-down", "One less", w.desired.saturating_sub(1)) }
                    { scale("scale-up", "One more", w.desired.saturating_add(1)) }
                    { scale("scale-10", "Ten times", w.desired.saturating_mul(10).clamp(1, REPLICAS_MAX)) }
                </div>
                <form class="row" onsubmit={on_submit}>
                    <label class="field">{ "Replicas " }
                        <input type="text" inputmode="numeric" size="7" data-testid="scale-input" value={(*wanted).clone()}
                            placeholder={w.desired.to_string()} oninput={on_input} /></label>
                    <button type="submit" class="act" data-testid="action-scale" disabled={number.is_none()}>{ "Scale" }</button>
                </form>
            }
            { facts_list([("Kind", w.kind.clone()), ("Namespace", w.namespace.clone())].into_iter()) }
            <div class="acts">
                { command(desk, "delete-workload", "Delete", format!("kubectl delete {} {} -n {}", w.resource, w.name, w.namespace)) }
            </div>
        </>
    }
}
