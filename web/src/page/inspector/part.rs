//! A part of the control plane in words, and what can be done to it.

use podarium_core::observe::{PartState, PartView};
use podarium_core::session::{ComponentAction, Input};
use yew::prelude::*;

use super::{action, facts_list, next};
use crate::page::desk::Desk;
use crate::page::model::Model;
use crate::page::words;

/// What a part does, and what is missing without it.
fn purpose(name: &str) -> (&'static str, &'static str) {
    match name {
        "etcd" => (
            "Keeps the state of the cluster, as keys and values. Only the api-server talks to it.",
            "Without it the api-server can read and write nothing. Pods that run go on.",
        ),
        "kube-apiserver" => (
            "The one door to the cluster's state: everybody lists, watches and writes through it.",
            "Without it kubectl is refused and nothing changes. Kubelets go on with what they know.",
        ),
        "kube-scheduler" => (
            "Decides which node each new pod goes to. It places nothing itself: it posts a Binding.",
            "Without it new pods stay Pending. Pods that run go on.",
        ),
        "kube-controller-manager" => (
            "The control loops: each compares what is with what shall be, and does something about it.",
            "Without it nothing heals and nothing scales. Pods that run go on.",
        ),
        _ => ("", ""),
    }
}

pub fn view(desk: &Desk, m: &Model, p: &PartView) -> Html {
    let machine = m.nodes.get(&p.machine).map_or_else(String::new, |n| n.name.clone());
    let (does, without) = purpose(&p.name);
    let mirror = m.pod_named("kube-system", &format!("{}-{machine}", p.name));
    let uid = mirror.map_or("", |p| p.uid.as_str());
    let input =
        |action: ComponentAction| Input::Component { machine: machine.clone(), component: p.name.clone(), action };
    let what_now = match p.state {
        PartState::Stopped => {
            "Its manifest is out of /etc/kubernetes/manifests: its kubelet keeps it stopped until it is back."
        }
        PartState::BackOff | PartState::Down => {
            "Its kubelet starts it again; the oftener it died, the longer it waits, up to 5 min."
        }
        PartState::Starting => "Its kubelet is starting it.",
        PartState::Running => {
            "It is a static pod: killed, its kubelet starts it again. Stop moves its manifest out of /etc/kubernetes/manifests."
        }
    };
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ words::part_state(p.state) }</p>
            <p>{ does }</p>
            <p class={classes!((p.state != PartState::Running).then_some("trouble"))}>{ without }</p>
            { next(m, m.timers.iter().filter(|t| !uid.is_empty() && t.pod == uid)) }
            <h3>{ "Break it, mend it" }</h3>
            <div class="acts">
                if p.state == PartState::Running {
                    { action(desk, "kill-part", "Kill", input(ComponentAction::Kill)) }
                }
                if p.state == PartState::Stopped {
                    { action(desk, "start-part", "Start", input(ComponentAction::Start)) }
                } else {
                    { action(desk, "stop-part", "Stop", input(ComponentAction::Stop)) }
                }
            </div>
            <p class="soft">{ what_now }</p>
            { facts_list([
                ("Runs on", machine.clone()),
                ("Started", words::count(p.starts as usize, "time")),
                ("Last", m.doing(&p.name).unwrap_or_else(|| p.last.clone())),
            ].into_iter().filter(|(_, v)| !v.is_empty())) }
        </>
    }
}
