//! A pod in words, its containers, and what can be done to them.

use podarium_core::observe::{Answer, ContainerView, PodView};
use podarium_core::session::Input;
use yew::prelude::*;

use super::visited;
use super::{action, command, conditions, facts_list, next};
use crate::page::desk::Desk;
use crate::page::model::Model;
use crate::page::ui::{Act, Pick};
use crate::page::words;

pub fn view(desk: &Desk, m: &Model, p: &PodView, status: Option<&Answer>) -> Html {
    let node = p.node.and_then(|id| m.nodes.get(&id));
    let visited = desk.visited.borrow().clone().filter(|v| v.pod == p.uid);
    let open = {
        let (desk, namespace, name, uid) = (desk.clone(), p.namespace.clone(), p.name.clone(), p.uid.clone());
        Callback::from(move |_: MouseEvent| desk.visit(&namespace, &name, &uid))
    };
    let owner = m.workloads.get(&p.workload).map(|w| {
        let (desk, id) = (desk.clone(), w.id);
        let onclick = Callback::from(move |_: MouseEvent| desk.act(Act::Pick(Some(Pick::Workload(id)))));
        html! { <p>{ "Kept by " }<button type="button" class="link" data-testid="inspector-owner" {onclick}>{ format!("{} {}", w.kind, words::clip(&w.name, 28)) }</button></p> }
    });
    let phase = match status {
        Some(Answer::Status { phase, .. }) => phase.clone(),
        _ => String::new(),
    };
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ words::pod_state_shaped(p, m.shape(p)) }</p>
            { for owner }
            { for words::stays(p, m).map(|why| html! { <p class="soft" data-testid="inspector-stays">{ why }</p> }) }
            { next(m, m.timers.iter().filter(|t| t.pod == p.uid)) }
            <div class="acts">
                <button type="button" class="primary" data-testid="open-page" disabled={p.ip.is_empty()}
                    title="What its container answers to GET /" onclick={open}>{ "Open" }</button>
                { command(desk, "delete-pod", "Delete pod", format!("kubectl delete pod {} -n {} --wait=false", p.name, p.namespace)) }
            </div>
            if let Some(v) = visited { { visited::view(&v) } }
            { facts_list([
                ("Phase", phase),
                ("Namespace", p.namespace.clone()),
                ("Node", node.map_or("none yet".to_owned(), |n| n.name.clone())),
                ("Pod IP", if p.ip.is_empty() { "none yet".into() } else { p.ip.clone() }),
                ("Age", words::age(m.now_ns.saturating_sub(p.created_ns))),
            ].into_iter()) }
            <h3>{ "Containers" }</h3>
            <ul class="containers">{ for p.containers.iter().map(|c| container(desk, p, c)) }</ul>
            { conditions(status, m.now_ns) }
        </>
    }
}

fn container(desk: &Desk, p: &PodView, c: &ContainerView) -> Html {
    let mut state = match (c.shape, c.reason.is_empty()) {
        (s, true) => format!("{s:?}"),
        (s, false) => format!("{s:?}: {}", c.reason),
    };
    if c.ready {
        state.push_str(", ready");
    }
    if c.restarts > 0 {
        state.push_str(", ");
        state.push_str(&words::count(c.restarts as usize, "restart"));
    }
    let kill = Input::KillContainer { namespace: p.namespace.clone(), pod: p.name.clone(), container: c.name.clone() };
    html! {
        <li class="container">
            <div class="grow"><strong title={c.name.clone()}>{ words::clip(&c.name, 28) }</strong>{ " " }<span class="soft" title={c.image.clone()}>{ words::clip(&c.image, 36) }</span>
            <p>{ state }</p></div>
            { action(desk, "kill-container", "Kill", kill) }
        </li>
    }
}
