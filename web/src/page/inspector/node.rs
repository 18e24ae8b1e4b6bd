//! A node in words, and what can be done to it and its machine.

use podarium_core::observe::{Answer, NodeHealth, NodeView, PodView};
use podarium_core::session::{Input, MachineAction, ServiceAction};
use yew::prelude::*;

use super::{action, breakable, command, conditions, facts_list, next};
use crate::page::desk::Desk;
use crate::page::model::Model;
use crate::page::ui::{Act, Pick};
use crate::page::words;

/// Pods listed by name; the others are counted.
const PODS_MAX: usize = 12;

pub fn view(desk: &Desk, m: &Model, n: &NodeView, status: Option<&Answer>) -> Html {
    let silence = m.silence_ns(n.id);
    let on_it: Vec<&PodView> = m.pods.values().filter(|p| p.node == Some(n.id)).collect();
    let mine = m.timers.iter().filter(|t| t.machine == Some(n.id));
    let doomed = m.timers.iter().filter(|t| !t.pod.is_empty() && on_it.iter().any(|p| p.uid == t.pod));
    let doomed = doomed.min_by_key(|t| t.until_ns);
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ words::node_state(n, silence) }</p>
            if let Some(trouble) = words::machine_trouble(n).filter(|_| n.powered) { <p class="trouble">{ format!("On {}, {trouble}.", n.name) }</p> }
            if !n.why.is_empty() && n.health != NodeHealth::Ready { <p>{ &n.why }</p> }
            { next(m, mine.chain(doomed)) }
            <h3>{ "Break it, mend it" }</h3>
            <div class="acts">{ acts(desk, n) }</div>
            { facts_list([
                ("Lease renewed", silence.map_or("never".into(), |s| format!("{} ago", words::age(s)))),
                ("CPU requested", format!("{} of {} millicores", words::thousands(n.cpu_requested_milli), words::thousands(n.cpu_milli))),
                ("Memory requested", format!("{} of {}", words::bytes(n.memory_requested_bytes), words::bytes(n.memory_bytes))),
                ("Pods", format!("{} of {}", on_it.len(), n.pods_max)),
                ("Services", format!("kubelet {}, containerd {}", if n.kubelet { "runs" } else { "is down" }, if n.containerd { "runs" } else { "is down" })),
            ].into_iter()) }
            { pods(desk, &on_it) }
            if !n.taints.is_empty() {
                <h3>{ "Taints" }</h3>
                <ul class="taints" data-testid="inspector-taints">{ for n.taints.iter().map(|t| html! { <li><code>{ breakable(t) }</code></li> }) }</ul>
            }
            { conditions(status, m.now_ns) }
        </>
    }
}

fn acts(desk: &Desk, n: &NodeView) -> Html {
    let machine = |a: MachineAction| Input::Machine { machine: n.name.clone(), action: a };
    let kubelet = |a: ServiceAction| Input::Service { machine: n.name.clone(), service: "kubelet".into(), action: a };
    html! {
        <>
            if n.powered {
                { action(desk, "power-off", "Power off", machine(MachineAction::PowerOff)) }
            } else {
                { action(desk, "power-on", "Power on", machine(MachineAction::PowerOn)) }
            }
            if n.kubelet {
                { action(desk, "stop-kubelet", "Stop kubelet", kubelet(ServiceAction::Stop)) }
                { action(desk, "kill-kubelet", "Kill kubelet", kubelet(ServiceAction::Kill)) }
            } else if n.powered {
                { action(desk, "start-kubelet", "Start kubelet", kubelet(ServiceAction::Start)) }
            }
            if n.plugged {
                { action(desk, "unplug", "Cut network", machine(MachineAction::Unplug)) }
            } else {
                { action(desk, "plug", "Mend network", machine(MachineAction::Plug)) }
            }
            if n.unschedulable {
                { command(desk, "uncordon", "Uncordon", format!("kubectl uncordon {}", n.name)) }
            } else {
                { command(desk, "cordon", "Cordon", format!("kubectl cordon {}", n.name)) }
            }
            { command(desk, "drain", "Drain", format!("kubectl drain {} --ignore-daemonsets --delete-emptydir-data --force", n.name)) }
            if n.health != NodeHealth::Gone {
                { command(desk, "delete-node", "Delete Node object", format!("kubectl delete node {}", n.name)) }
            }
        </>
    }
}

fn pods(desk: &Desk, on_it: &[&PodView]) -> Html {
    let own: Vec<&&PodView> = on_it.iter().filter(|p| !p.system).collect();
    if own.is_empty() {
        return Html::default();
    }
    let rows = own.iter().take(PODS_MAX).map(|p| {
        let (desk, uid) = (desk.clone(), p.uid.clone());
        let onclick = Callback::from(move |_: MouseEvent| desk.act(Act::Pick(Some(Pick::Pod(uid.clone())))));
        html! {
            <li><button type="button" class="link" title={p.name.clone()} {onclick}>{ words::clip(&p.name, 30) }</button>
                <span class="soft">{ &p.status }</span></li>
        }
    });
    let more = own.len().saturating_sub(PODS_MAX);
    html! {
        <>
            <h3>{ "Pods on it" }</h3>
            <ul class="pods">
                { for rows }
                if more > 0 { <li class="soft">{ format!("and {} more: kubectl get pods -o wide lists them", words::thousands(more as u64)) }</li> }
            </ul>
        </>
    }
}
