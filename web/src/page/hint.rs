//! Under the tank: one sentence that says what to do next, and what to do it with.

use podarium_core::observe::{NodeHealth, NodeView, PartState, PodShape, PodView, TimerKind};
use podarium_core::session::Input;
use yew::prelude::*;

use super::desk::Desk;
use super::examples::EXAMPLES;
use super::model::Model;
use super::palette::Palette;
use super::ui::{Act, Pick};
use super::words;
use crate::protocol::ToWorker;

/// Workloads that have a chip.
const CHIPS_MAX: usize = 8;
/// Nodes added by the chip for many.
const MANY_NODES: u32 = 10;

/// What the hint needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// Colours.
    pub palette: &'static Palette,
    /// Puts a manifest into the editor.
    pub on_paste: Callback<&'static str>,
    /// Goes up when the world has changed.
    pub tick: u64,
}

/// Whether nothing more will happen by itself, though a machine is away: all that can run elsewhere does.
fn waits_for_a_hand(m: &Model) -> bool {
    let is_away = |n: &NodeView| words::machine_trouble(n).is_some();
    let rests = |p: &PodView| {
        let there = p.node.and_then(|id| m.nodes.get(&id));
        there.is_some_and(is_away) || matches!(p.shape, PodShape::Running | PodShape::Succeeded | PodShape::Failed)
    };
    let mut away = m.nodes.values().filter(|n| is_away(n)).peekable();
    away.peek().is_some()
        && away.all(|n| n.health == NodeHealth::Unknown)
        && m.timers.is_empty()
        && m.parts.iter().all(|p| p.state == PartState::Running)
        && m.pods.values().all(rests)
}

/// What to do next.
fn sentence(m: &Model) -> &'static str {
    let empty = m.own_pods().next().is_none();
    if m.clock.booting {
        "The control plane starts, and machines join."
    } else if empty && m.workloads.values().all(|w| w.namespace == "kube-system") {
        "This is a cluster. Give it something to run."
    } else if !m.anything_runs() {
        "Watch the parts at work."
    } else {
        let summary = words::summary(m);
        if waits_for_a_hand(m) {
            "What could be replaced is. Now bring back what you took away."
        } else if summary.contains(';') {
            "Watch it repair itself, or skip to what happens next."
        } else if summary.ends_with("all well") {
            "Now break it: touch a node, a pod, or a part of the control plane."
        } else {
            "Watch the parts at work."
        }
    }
}

/// The hint.
#[component]
pub fn Hint(props: &Props) -> Html {
    let desk = &props.desk;
    let m = desk.model.borrow();
    let own: Vec<_> = m.workloads.values().filter(|w| w.owner == 0 && w.namespace != "kube-system").collect();
    let empty = own.is_empty() && m.own_pods().next().is_none();
    let chips = EXAMPLES.iter().map(|(name, manifest)| {
        let (paste, manifest) = (props.on_paste.clone(), *manifest);
        let onclick = Callback::from(move |_: MouseEvent| paste.emit(manifest));
        html! { <button type="button" class="chip" data-testid={format!("chip-{}", name.to_lowercase())} {onclick}>{ *name }</button> }
    });
    let workloads = own.iter().take(CHIPS_MAX).map(|w| {
        let (desk, id) = (desk.clone(), w.id);
        let onclick = Callback::from(move |_: MouseEvent| desk.act(Act::Pick(Some(Pick::Workload(id)))));
        let title = format!("{} {}: {} of {} ready", w.kind, w.name, w.ready, w.desired);
        html! {
            <button key={w.id} type="button" class="chip workload" data-testid={format!("workload-{}", w.name)} aria-label={title.clone()} {title} {onclick}>
                <span class="dot" style={format!("background:{}", props.palette.workload(w.id))} />
                { words::clip(&w.name, 20) }<span class="soft">{ format!("{}/{}", words::thousands(w.ready.into()), words::thousands(w.desired.into())) }</span>
            </button>
        }
    });
    let more = own.len().saturating_sub(CHIPS_MAX);
    let add = |testid: &'static str, name: &'static str, count: u32| {
        let desk = desk.clone();
        let onclick = Callback::from(move |_: MouseEvent| desk.submit(Input::AddNodes { count }));
        html! { <button type="button" class="chip plain" data-testid={testid} {onclick}>{ name }</button> }
    };
    let skip = {
        let desk = desk.clone();
        Callback::from(move |_: MouseEvent| desk.send(&ToWorker::SkipToChange))
    };
    // A pull is over before its sentence is read.
    let waits = m.timers.iter().find(|t| t.kind != TimerKind::ImagePull).filter(|_| !m.clock.booting);
    let waits = waits.map(|t| words::timer(t, &m));
    html! {
        <div class="hint">
            <div class="say">
                <p data-testid="sentence">{ sentence(&m) }</p>
                if let Some(what) = waits {
                    <p class="soft" data-testid="waits">{ what }{ " " }<button type="button" class="link" data-testid="skip-wait" onclick={skip}>{ "Skip" }</button></p>
                }
            </div>
            <div class="chips">
                if empty { { for chips } } else { { for workloads } }
                if more > 0 { <span class="soft more">{ format!("and {more} more") }</span> }
                { add("add-node", "Add a node", 1) }
                if m.nodes.len() >= 6 { { add("add-nodes-10", "Add ten", MANY_NODES) } }
            </div>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::testing;

    #[test]
    fn the_sentence_leads_on() {
        let mut m = testing::world(3, 0);
        assert_eq!(sentence(&m), "The control plane starts, and machines join.");
        m.clock.booting = false;
        assert_eq!(sentence(&m), "This is a cluster. Give it something to run.");
        let mut m = testing::world(3, 3);
        m.clock.booting = false;
        assert!(sentence(&m).starts_with("Now break it"));
        m.nodes.get_mut(&2).expect("worker-1").powered = false;
        assert!(sentence(&m).starts_with("Watch it repair itself"));
        // Its node is called NotReady, and nothing more is waited for.
        m.nodes.get_mut(&2).expect("worker-1").health = NodeHealth::Unknown;
        assert!(sentence(&m).starts_with("What could be replaced is."));
        m.pods.insert("uid-9".into(), PodView { shape: PodShape::Pending, ..testing::pod("uid-9", "web-9", None) });
        assert!(sentence(&m).starts_with("Watch it repair itself"));
    }
}
