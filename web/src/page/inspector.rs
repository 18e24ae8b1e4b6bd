//! The inspector: what is picked, in words first, with what can be done to it.

use podarium_core::observe::{Answer, NodeView, PartState, PartView, PodView, Question, WorkloadView};
use podarium_core::session::{ComponentAction, Input, MachineAction, ServiceAction};
use yew::prelude::*;

use super::desk::{Desk, Visited};
use super::feed;
use super::ui::{Act, Pick};
use super::words;

/// What the inspector needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// What is picked.
    pub picked: Pick,
    /// Goes up when the world or an answer changed.
    pub tick: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Summary,
    Why,
    Yaml,
    Events,
    Logs,
}

/// What of the picked thing can be asked for: its resource, namespace and name, and uid.
#[derive(Clone, Debug, Default, PartialEq)]
struct Thing {
    resource: String,
    namespace: String,
    name: String,
    about: String,
}

/// The inspector.
#[component]
pub fn Inspector(props: &Props) -> Html {
    let tab = use_state(|| Tab::Summary);
    let question = use_state(|| None::<u32>);
    let container = use_state(|| 0usize);
    let m = props.desk.model.borrow();
    let desk = &props.desk;
    let (title, kind, thing, body, tabs): (String, &str, Thing, Html, Vec<Tab>) = match &props.picked {
        Pick::Node(id) => match m.nodes.get(id) {
            Some(n) => {
                let thing = Thing {
                    resource: "nodes".into(),
                    name: n.name.clone(),
                    about: format!("Node/{}", n.name),
                    ..Thing::default()
                };
                (n.name.clone(), "Node", thing, node(desk, &m, n), vec![Tab::Summary, Tab::Why, Tab::Yaml, Tab::Events])
            }
            None => gone(),
        },
        Pick::Pod(uid) => match m.pods.get(uid) {
            Some(p) => {
                let thing = Thing {
                    resource: "pods".into(),
                    namespace: p.namespace.clone(),
                    name: p.name.clone(),
                    about: format!("Pod/{}", p.name),
                };
                (
                    p.name.clone(),
                    "Pod",
                    thing,
                    pod(desk, &m, p),
                    vec![Tab::Summary, Tab::Why, Tab::Yaml, Tab::Events, Tab::Logs],
                )
            }
            None => gone(),
        },
        Pick::Part(name, machine) => match m.parts.iter().find(|p| p.name == *name && p.machine == *machine) {
            Some(p) => {
                (p.name.clone(), "Control plane", Thing::default(), part(desk, &m, p), vec![Tab::Summary, Tab::Why])
            }
            None => gone(),
        },
        Pick::Workload(id) => match m.workloads.get(id) {
            Some(w) => {
                let thing = Thing {
                    resource: w.resource.clone(),
                    namespace: w.namespace.clone(),
                    name: w.name.clone(),
                    about: format!("{}/{}", w.kind, w.name),
                };
                (
                    w.name.clone(),
                    "Workload",
                    thing,
                    workload(desk, w),
                    vec![Tab::Summary, Tab::Why, Tab::Yaml, Tab::Events],
                )
            }
            None => gone(),
        },
    };
    {
        // Asked again when the tab or the thing changes, and for logs whenever the world moves on.
        let (desk, thing, picked, tab, question) =
            (desk.clone(), thing.clone(), props.picked.clone(), *tab, question.clone());
        let names: Vec<String> = match &props.picked {
            Pick::Pod(uid) => {
                m.pods.get(uid).map(|p| p.containers.iter().map(|c| c.name.clone()).collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let pace = props.tick / 8;
        use_effect_with((props.picked.clone(), tab, *container, pace), move |(_, tab, container, _)| {
            let q = match (tab, &picked) {
                (Tab::Why, Pick::Part(name, machine)) => Some(Question::Part { name: name.clone(), machine: *machine }),
                (Tab::Why, _) => {
                    Some(Question::Why { resource: thing.resource, namespace: thing.namespace, name: thing.name })
                }
                (Tab::Yaml, _) => {
                    Some(Question::Yaml { resource: thing.resource, namespace: thing.namespace, name: thing.name })
                }
                (Tab::Logs, _) => names.get(*container).map(|c| Question::Logs {
                    namespace: thing.namespace,
                    pod: thing.name,
                    container: c.clone(),
                    tail: 300,
                    previous: false,
                }),
                _ => None,
            };
            question.set(q.map(|q| desk.ask(q)));
        });
    }
    let close = {
        let desk = desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Pick(None)))
    };
    let strip: Html = tabs
        .iter()
        .map(|t| {
            let (name, id) = match t {
                Tab::Summary => ("Summary", "summary"),
                Tab::Why => ("Why", "why"),
                Tab::Yaml => ("YAML", "yaml"),
                Tab::Events => ("Events", "events"),
                Tab::Logs => ("Logs", "logs"),
            };
            let (to, on) = (tab.clone(), *tab == *t);
            let t = *t;
            let onclick = Callback::from(move |_: MouseEvent| to.set(t));
            html! {
                <button type="button" role="tab" aria-selected={on.to_string()} class={classes!("tab", on.then_some("on"))}
                    data-testid={format!("inspector-tab-{id}")} {onclick}>{ name }</button>
            }
        })
        .collect();
    let shown = if tabs.contains(&tab) { *tab } else { Tab::Summary };
    let answered = {
        let answers = desk.answers.borrow();
        // The newest answer stays until a newer one is there, so that nothing flickers.
        question.and_then(|id| answers.range(..=id).next_back().map(|(_, a)| a.clone()))
    };
    let content = match shown {
        Tab::Summary => body,
        Tab::Events => {
            let rows: Vec<Html> =
                m.events.iter().rev().filter(|e| e.about == thing.about).take(60).map(feed::row).collect();
            if rows.is_empty() {
                html! { <p class="soft empty">{ "No events about it." }</p> }
            } else {
                html! { <ul data-testid="inspector-events">{ for rows }</ul> }
            }
        }
        Tab::Logs => html! {
            <>
                { container_choice(&m, &props.picked, &container) }
                <pre class="log" data-testid="inspector-logs">{ answer_text(answered.as_ref()) }</pre>
            </>
        },
        Tab::Yaml => html! { <pre class="yaml" data-testid="inspector-yaml">{ answer_text(answered.as_ref()) }</pre> },
        Tab::Why => html! { <div data-testid="inspector-why">{ causes(answered.as_ref()) }</div> },
    };
    html! {
        <section class="drawer right" aria-label="Inspector" data-testid="inspector">
            <header>
                <div>
                    <p class="soft kind">{ kind }</p>
                    <h2 title={title.clone()} data-testid="inspector-title">{ words::clip(&title, 34) }</h2>
                </div>
                <button type="button" class="icon" aria-label="Close the inspector" data-testid="inspector-close" onclick={close}>{ "×" }</button>
            </header>
            <div class="tabs" role="tablist">{ strip }</div>
            <div class="content">{ content }</div>
        </section>
    }
}

fn gone() -> (String, &'static str, Thing, Html, Vec<Tab>) {
    let body = html! { <p class="soft empty" data-testid="inspector-gone">{ "It is gone." }</p> };
    ("Gone".into(), "", Thing::default(), body, vec![Tab::Summary])
}

fn container_choice(m: &super::model::Model, picked: &Pick, chosen: &UseStateHandle<usize>) -> Html {
    let Pick::Pod(uid) = picked else { return Html::default() };
    let Some(p) = m.pods.get(uid).filter(|p| p.containers.len() > 1) else { return Html::default() };
    let buttons: Html = p
        .containers
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let chosen = chosen.clone();
            let on = *chosen == i;
            let onclick = Callback::from(move |_: MouseEvent| chosen.set(i));
            html! { <button type="button" class={classes!("quiet", on.then_some("on"))} {onclick}>{ &c.name }</button> }
        })
        .collect();
    html! { <div class="row">{ buttons }</div> }
}

fn answer_text(a: Option<&Answer>) -> String {
    match a {
        Some(Answer::Text(t)) => t.clone(),
        Some(Answer::Nothing(why)) => why.clone(),
        _ => String::new(),
    }
}

fn causes(a: Option<&Answer>) -> Html {
    match a {
        Some(Answer::Causes(chain)) => {
            let rows: Html = chain
                .iter()
                .enumerate()
                .map(|(i, c)| {
                    html! {
                        <li>
                            <span class="when">{ words::clock(c.at_ns) }</span>
                            <p><strong>{ &c.who }</strong>{ " " }{ &c.what }
                            if i + 1 < chain.len() { <span class="soft">{ ", because" }</span> }</p>
                        </li>
                    }
                })
                .collect();
            html! { <ol class="causes">{ rows }</ol> }
        }
        Some(Answer::Facts(facts)) => facts_list(facts.iter().map(|(k, v)| (k.as_str(), v.clone()))),
        Some(Answer::Nothing(why)) => html! { <p class="soft empty">{ why }</p> },
        _ => html! { <p class="soft empty">{ "Asking" }</p> },
    }
}

fn facts_list<'a>(facts: impl Iterator<Item = (&'a str, String)>) -> Html {
    let rows: Html = facts.map(|(k, v)| html! { <><dt>{ k.to_owned() }</dt><dd>{ v }</dd></> }).collect();
    html! { <dl>{ rows }</dl> }
}

/// A button that does something to the cluster.
fn action(desk: &Desk, testid: &str, name: &str, input: Input) -> Html {
    let desk = desk.clone();
    let onclick = Callback::from(move |_: MouseEvent| desk.submit(input.clone()));
    html! { <button type="button" class="act" data-testid={format!("action-{testid}")} {onclick}>{ name }</button> }
}

/// A button that runs a command; what it says is in the terminal.
fn command(desk: &Desk, testid: &str, name: &str, line: String) -> Html {
    let desk = desk.clone();
    let title = line.clone();
    let onclick = Callback::from(move |_: MouseEvent| {
        desk.command(&line, Vec::new());
    });
    html! { <button type="button" class="act" data-testid={format!("action-{testid}")} {title} {onclick}>{ name }</button> }
}

fn node(desk: &Desk, m: &super::model::Model, n: &NodeView) -> Html {
    let silence = m.silence_ns(n.id);
    let timers: Vec<Html> = m
        .timers
        .iter()
        .filter(|t| t.machine == Some(n.id))
        .map(|t| html! { <li>{ words::timer(t, m.now_ns) }</li> })
        .collect();
    let on_it: Vec<&PodView> = m.pods.values().filter(|p| p.node == Some(n.id)).collect();
    let doomed = m.timers.iter().filter(|t| on_it.iter().any(|p| p.uid == t.pod)).min_by_key(|t| t.until_ns);
    let machine = |a: MachineAction| Input::Machine { machine: n.name.clone(), action: a };
    let kubelet = |a: ServiceAction| Input::Service { machine: n.name.clone(), service: "kubelet".into(), action: a };
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ words::node_state(n, silence) }</p>
            if !n.why.is_empty() { <p>{ &n.why }</p> }
            if !timers.is_empty() || doomed.is_some() {
                <h3>{ "What happens next" }</h3>
                <ul class="next" data-testid="inspector-next">
                    { for timers }
                    if let Some(t) = doomed {
                        <li>{ words::timer(t, m.now_ns) }</li>
                    }
                </ul>
            }
            { facts_list([
                ("Pods", format!("{} of {}", on_it.len(), n.pods_max)),
                ("CPU requested", format!("{} of {} millicores", words::thousands(n.cpu_requested_milli), words::thousands(n.cpu_milli))),
                ("Memory requested", format!("{} of {}", words::bytes(n.memory_requested_bytes), words::bytes(n.memory_bytes))),
                ("Lease renewed", silence.map_or("never".into(), |s| format!("{} ago", words::age(s)))),
                ("Taints", if n.taints.is_empty() { "none".into() } else { n.taints.join(", ") }),
                ("Machine", format!("{}, network {}", if n.powered { "on" } else { "off" }, if n.plugged { "plugged in" } else { "unplugged" })),
                ("Services", format!("kubelet {}, containerd {}", if n.kubelet { "runs" } else { "is down" }, if n.containerd { "runs" } else { "is down" })),
            ].into_iter()) }
            <h3>{ "Break it, mend it" }</h3>
            <div class="acts">
                if n.powered {
                    { action(desk, "power-off", "Power off", machine(MachineAction::PowerOff)) }
                } else {
                    { action(desk, "power-on", "Power on", machine(MachineAction::PowerOn)) }
                }
                if n.kubelet {
                    { action(desk, "stop-kubelet", "Stop kubelet", kubelet(ServiceAction::Stop)) }
                    { action(desk, "kill-kubelet", "Kill kubelet", kubelet(ServiceAction::Kill)) }
                } else {
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
                { command(desk, "delete-node", "Delete Node object", format!("kubectl delete node {}", n.name)) }
            </div>
        </>
    }
}

fn pod(desk: &Desk, m: &super::model::Model, p: &PodView) -> Html {
    let timers: Vec<Html> =
        m.timers.iter().filter(|t| t.pod == p.uid).map(|t| html! { <li>{ words::timer(t, m.now_ns) }</li> }).collect();
    let node = p.node.and_then(|id| m.nodes.get(&id)).map_or("none yet".to_owned(), |n| n.name.clone());
    let visited = desk.visited.borrow().clone().filter(|v| !p.ip.is_empty() && v.url.contains(&p.ip));
    let open = {
        let (desk, namespace, name) = (desk.clone(), p.namespace.clone(), p.name.clone());
        Callback::from(move |_: MouseEvent| {
            let id = desk.number();
            desk.submit(Input::Visit {
                id,
                namespace: namespace.clone(),
                pod: name.clone(),
                port: 0,
                path: "/".into(),
            });
        })
    };
    let owner = m.workloads.get(&p.workload).map(|w| {
        let (desk, id) = (desk.clone(), w.id);
        let onclick = Callback::from(move |_: MouseEvent| desk.act(Act::Pick(Some(Pick::Workload(id)))));
        html! { <p>{ "Kept by " }<button type="button" class="link" data-testid="inspector-owner" {onclick}>{ format!("{} {}", w.kind, w.name) }</button></p> }
    });
    let containers: Html = p
        .containers
        .iter()
        .map(|c| {
            let state = match (c.shape, c.reason.is_empty()) {
                (s, true) => format!("{s:?}"),
                (s, false) => format!("{s:?}: {}", c.reason),
            };
            let kill = Input::KillContainer { namespace: p.namespace.clone(), pod: p.name.clone(), container: c.name.clone() };
            html! {
                <li class="container">
                    <strong>{ &c.name }</strong>{ " " }<span class="soft">{ &c.image }</span>
                    <div>{ state }{ if c.restarts > 0 { format!(", {}", words::count(c.restarts as usize, "restart")) } else { String::new() } }</div>
                    { action(desk, "kill-container", "Kill container", kill) }
                </li>
            }
        })
        .collect();
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ words::pod_state(p) }</p>
            { for owner }
            if !timers.is_empty() {
                <h3>{ "What happens next" }</h3>
                <ul class="next" data-testid="inspector-next">{ for timers }</ul>
            }
            { facts_list([
                ("Namespace", p.namespace.clone()),
                ("Node", node),
                ("Pod IP", if p.ip.is_empty() { "none yet".into() } else { p.ip.clone() }),
                ("Age", words::age(m.now_ns.saturating_sub(p.created_ns))),
            ].into_iter()) }
            <h3>{ "Containers" }</h3>
            <ul class="containers">{ containers }</ul>
            <div class="acts">
                <button type="button" class="primary" data-testid="open-page" onclick={open}>{ "Open" }</button>
                { command(desk, "delete-pod", "Delete pod", format!("kubectl delete pod {} -n {} --wait=false", p.name, p.namespace)) }
            </div>
            if let Some(v) = visited { { page(&v) } }
        </>
    }
}

/// The page that a container answered. Hostile: it is shown in a frame that may do nothing.
fn page(v: &Visited) -> Html {
    if v.status == 0 {
        return html! { <div class="problem" data-testid="visited-error"><p>{ &v.url }</p><pre>{ &v.body }</pre></div> };
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

fn part(desk: &Desk, m: &super::model::Model, p: &PartView) -> Html {
    let machine = m.nodes.get(&p.machine).map_or_else(String::new, |n| n.name.clone());
    let does = match p.name.as_str() {
        "etcd" => "Keeps the state of the cluster, as keys and values. Only the api-server talks to it.",
        "kube-apiserver" => "The one door to the cluster's state: everybody lists, watches and writes through it.",
        "kube-scheduler" => "Decides which node each new pod goes to. It places nothing itself: it posts a Binding.",
        "kube-controller-manager" => {
            "The control loops: each compares what is with what shall be, and does something about it."
        }
        _ => "",
    };
    let without = match p.name.as_str() {
        "etcd" => "Without it the api-server can read and write nothing. Pods that run go on.",
        "kube-apiserver" => "Without it kubectl is refused and nothing changes. Kubelets go on with what they know.",
        "kube-scheduler" => "Without it new pods stay Pending. Pods that run go on.",
        "kube-controller-manager" => "Without it nothing heals and nothing scales. Pods that run go on.",
        _ => "",
    };
    let input =
        |action: ComponentAction| Input::Component { machine: machine.clone(), component: p.name.clone(), action };
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ words::part_state(p.state) }</p>
            <p>{ does }</p>
            <p>{ without }</p>
            { facts_list([("Runs on", machine.clone()), ("Started", words::count(p.starts as usize, "time")), ("Last", p.last.clone())].into_iter().filter(|(_, v)| !v.is_empty())) }
            <h3>{ "Break it, mend it" }</h3>
            <div class="acts">
                { action(desk, "kill-part", "Kill", input(ComponentAction::Kill)) }
                if p.state == PartState::Stopped {
                    { action(desk, "start-part", "Start", input(ComponentAction::Start)) }
                } else {
                    { action(desk, "stop-part", "Stop", input(ComponentAction::Stop)) }
                }
            </div>
            <p class="soft">{ "It is a static pod: killed, its kubelet starts it again. Stop moves its manifest out of /etc/kubernetes/manifests." }</p>
        </>
    }
}

fn workload(desk: &Desk, w: &WorkloadView) -> Html {
    let scale = |testid: &str, name: &str, to: u32| {
        command(
            desk,
            testid,
            name,
            format!("kubectl scale {} {} -n {} --replicas={to}", w.resource, w.name, w.namespace),
        )
    };
    html! {
        <>
            <p class="state" data-testid="inspector-state">{ format!("{} wanted, {} there, {} ready", w.desired, w.current, w.ready) }</p>
            { facts_list([("Kind", w.kind.clone()), ("Namespace", w.namespace.clone())].into_iter()) }
            <div class="acts">
                { scale("scale-down", "One less", w.desired.saturating_sub(1)) }
                { scale("scale-up", "One more", w.desired.saturating_add(1)) }
                { scale("scale-10", "Ten times", w.desired.saturating_mul(10).clamp(1, 150_000)) }
                { command(desk, "delete-workload", "Delete", format!("kubectl delete {} {} -n {}", w.resource, w.name, w.namespace)) }
            </div>
        </>
    }
}
