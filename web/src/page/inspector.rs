//! The inspector: what is picked, in words first, with what can be done to it.

mod decision;
mod node;
mod part;
mod pod;
mod visited;
mod workload;

use podarium_core::observe::{Answer, ConditionView, Question, TimerView};
use podarium_core::session::Input;
use yew::prelude::*;

use super::desk::Desk;
use super::feed;
use super::model::Model;
use super::ui::{Act, Pick, Tab};
use super::words;

/// What the inspector needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// What is picked.
    pub picked: Pick,
    /// Which of its tabs is open.
    pub tab: Tab,
    /// Goes up when the world or an answer changed.
    pub tick: u64,
}

/// What of the picked thing can be asked for.
#[derive(Clone, Debug, Default, PartialEq)]
struct Thing {
    kind: &'static str,
    title: String,
    resource: String,
    namespace: String,
    name: String,
    /// As events name it.
    about: String,
    uid: String,
    containers: Vec<String>,
    tabs: &'static [Tab],
}

const OBJECT_TABS: &[Tab] = &[Tab::Summary, Tab::Why, Tab::Events, Tab::Yaml];
const POD_TABS: &[Tab] = &[Tab::Summary, Tab::Why, Tab::Events, Tab::Logs, Tab::Yaml];

/// What is picked, if it is still there.
fn thing(m: &Model, picked: &Pick) -> Option<Thing> {
    Some(match picked {
        Pick::Node(id) => {
            let n = m.nodes.get(id)?;
            Thing {
                kind: "Node",
                title: n.name.clone(),
                resource: "nodes".into(),
                name: n.name.clone(),
                about: format!("Node/{}", n.name),
                tabs: OBJECT_TABS,
                ..Thing::default()
            }
        }
        Pick::Pod(uid) => {
            let p = m.pods.get(uid)?;
            Thing {
                kind: "Pod",
                title: p.name.clone(),
                resource: "pods".into(),
                namespace: p.namespace.clone(),
                name: p.name.clone(),
                about: format!("Pod/{}", p.name),
                uid: uid.clone(),
                containers: p.containers.iter().map(|c| c.name.clone()).collect(),
                tabs: POD_TABS,
            }
        }
        Pick::Part(name, machine) => {
            let p = m.parts.iter().find(|p| p.name == *name && p.machine == *machine)?;
            let tabs: &[Tab] = &[Tab::Summary, Tab::Why];
            Thing { kind: "Control plane", title: p.name.clone(), tabs, ..Thing::default() }
        }
        Pick::Workload(id) => {
            let w = m.workloads.get(id)?;
            Thing {
                kind: "Workload",
                title: w.name.clone(),
                resource: w.resource.clone(),
                namespace: w.namespace.clone(),
                name: w.name.clone(),
                about: format!("{}/{}", w.kind, w.name),
                tabs: OBJECT_TABS,
                ..Thing::default()
            }
        }
    })
}

/// What must be asked for a tab to be shown.
fn questions(t: &Thing, picked: &Pick, tab: Tab, container: usize, previous: bool) -> Vec<Question> {
    let (resource, namespace, name) = (t.resource.clone(), t.namespace.clone(), t.name.clone());
    match (tab, picked) {
        (Tab::Why, Pick::Part(name, machine)) => vec![Question::Part { name: name.clone(), machine: *machine }],
        (Tab::Why, Pick::Pod(uid)) => {
            vec![Question::Decision { uid: uid.clone() }, Question::Why { resource, namespace, name }]
        }
        (Tab::Why, _) => vec![Question::Why { resource, namespace, name }],
        (Tab::Summary, Pick::Pod(_) | Pick::Node(_)) => vec![Question::Status { resource, namespace, name }],
        (Tab::Yaml, _) => vec![Question::Yaml { resource, namespace, name }],
        (Tab::Logs, _) => t
            .containers
            .get(container)
            .map(|c| Question::Logs { namespace, pod: name, container: c.clone(), tail: 300, previous })
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

/// How often what can change is asked for again, in ticks of the page's words.
const ASK_TICKS: u64 = 4;

/// The inspector.
#[component]
pub fn Inspector(props: &Props) -> Html {
    // The questions of the open tab: the key that they belong to, and their numbers.
    let asked = use_state(|| (String::new(), Vec::<u32>::new()));
    let container = use_state(|| 0usize);
    let previous = use_state(|| false);
    let kept = use_mut_ref(|| (String::new(), Vec::<Option<Answer>>::new()));
    let desk = &props.desk;
    let m = desk.model.borrow();
    let found = thing(&m, &props.picked);
    let t = found.clone().unwrap_or_default();
    let shown = if t.tabs.contains(&props.tab) { props.tab } else { Tab::Summary };
    let key = format!("{} {shown:?} {} {}", props.picked.key(), *container, *previous);
    {
        let (desk, t, picked, asked) = (desk.clone(), t.clone(), props.picked.clone(), asked.clone());
        let (c, before) = (*container, *previous);
        use_effect_with((key.clone(), props.tick / ASK_TICKS), move |(key, _)| {
            let numbers = questions(&t, &picked, shown, c, before).into_iter().map(|q| desk.ask(q)).collect();
            asked.set((key.clone(), numbers));
        });
    }
    // The newest answer stays until a newer one is there, so that nothing flickers.
    let mut kept = kept.borrow_mut();
    if kept.0 != key {
        *kept = (key.clone(), Vec::new());
    }
    if asked.0 == key {
        kept.1.resize(asked.1.len(), None);
        for (slot, id) in kept.1.iter_mut().zip(&asked.1) {
            if let Some(a) = desk.answers.borrow().get(id) {
                *slot = Some(a.clone());
            }
        }
    }
    let answer = |i: usize| kept.1.get(i).and_then(|a| a.as_ref());
    let close = {
        let desk = desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Pick(None)))
    };
    let content = match (shown, &props.picked) {
        _ if found.is_none() => {
            html! { <p class="soft empty" data-testid="inspector-gone">{ "It is gone: it was deleted, or its machine was taken away." }</p> }
        }
        (Tab::Summary, Pick::Node(id)) => {
            m.nodes.get(id).map(|n| node::view(desk, &m, n, answer(0))).unwrap_or_default()
        }
        (Tab::Summary, Pick::Pod(uid)) => {
            m.pods.get(uid).map(|p| pod::view(desk, &m, p, answer(0))).unwrap_or_default()
        }
        (Tab::Summary, Pick::Part(name, machine)) => {
            let part = m.parts.iter().find(|p| p.name == *name && p.machine == *machine);
            part.map(|p| part::view(desk, &m, p)).unwrap_or_default()
        }
        (Tab::Summary, Pick::Workload(id)) => m
            .workloads
            .get(id)
            .map(|w| html! { <workload::Workload desk={desk.clone()} w={w.clone()} /> })
            .unwrap_or_default(),
        (Tab::Events, _) => events(&m, &t),
        (Tab::Logs, _) => html! {
            <>
                { log_choice(&t, &container, &previous) }
                { log(answer(0)) }
            </>
        },
        (Tab::Yaml, _) => {
            html! { <pre class="yaml" data-testid="inspector-yaml" tabindex="0">{ text(answer(0)) }</pre> }
        }
        (Tab::Why, Pick::Pod(_)) => html! {
            <div data-testid="inspector-why">
                <h3>{ "The scheduler's choice" }</h3>
                { decision::view(answer(0), m.now_ns) }
                <h3>{ "Why it is as it is now" }</h3>
                { causes(answer(1)) }
            </div>
        },
        (Tab::Why, _) => html! { <div data-testid="inspector-why">{ causes(answer(0)) }</div> },
    };
    let (kind, title) = if found.is_some() { (t.kind, t.title.clone()) } else { ("", "Gone".to_owned()) };
    html! {
        <section class="drawer right" aria-label="Inspector" data-testid="inspector">
            <header>
                <div class="grow">
                    <p class="soft kind">{ kind }</p>
                    <h2 title={title.clone()} tabindex="-1" data-testid="inspector-title">{ words::clip(&title, 36) }</h2>
                </div>
                <button type="button" class="icon" aria-label="Close the inspector" data-testid="inspector-close" onclick={close}>{ "×" }</button>
            </header>
            <div class="tabs" role="tablist">{ strip(desk, t.tabs, shown) }</div>
            <div class="content" role="tabpanel">{ content }</div>
        </section>
    }
}

fn strip(desk: &Desk, tabs: &[Tab], shown: Tab) -> Html {
    tabs.iter()
        .map(|t| {
            let on = shown == *t;
            let (desk, t) = (desk.clone(), *t);
            let onclick = Callback::from(move |_: MouseEvent| desk.act(Act::Tab(t)));
            html! {
                <button type="button" role="tab" aria-selected={on.to_string()} class={classes!("tab", on.then_some("on"))}
                    data-testid={format!("inspector-tab-{}", t.id())} {onclick}>{ t.name() }</button>
            }
        })
        .collect()
}

fn events(m: &Model, t: &Thing) -> Html {
    let mine =
        m.events.iter().rev().filter(|e| if t.uid.is_empty() { e.about == t.about } else { e.about_uid == t.uid });
    let rows: Vec<Html> = mine.take(80).map(feed::row).collect();
    if rows.is_empty() {
        html! { <p class="soft empty" data-testid="inspector-events">{ "No events about it. Events are kept for an hour." }</p> }
    } else {
        html! { <ul data-testid="inspector-events">{ for rows }</ul> }
    }
}

fn log_choice(t: &Thing, chosen: &UseStateHandle<usize>, previous: &UseStateHandle<bool>) -> Html {
    let buttons: Html = t
        .containers
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let (chosen, on) = (chosen.clone(), **chosen == i);
            let onclick = Callback::from(move |_: MouseEvent| chosen.set(i));
            html! { <button type="button" class={classes!("quiet", on.then_some("on"))} aria-pressed={on.to_string()} {onclick}>{ name }</button> }
        })
        .collect();
    let on = **previous;
    let toggle = {
        let previous = previous.clone();
        Callback::from(move |_: MouseEvent| previous.set(!on))
    };
    html! {
        <div class="row">
            { buttons }
            <span class="grow" />
            <button type="button" class={classes!("quiet", on.then_some("on"))} aria-pressed={on.to_string()} data-testid="logs-previous"
                title="kubectl logs --previous" onclick={toggle}>{ "Before the restart" }</button>
        </div>
    }
}

fn log(a: Option<&Answer>) -> Html {
    let lines = match a {
        Some(Answer::Text(t)) if t.is_empty() => {
            return html! { <p class="soft empty" data-testid="inspector-logs">{ "It has written nothing yet." }</p> };
        }
        Some(Answer::Nothing(why)) => return html! { <p class="soft empty" data-testid="inspector-logs">{ why }</p> },
        other => text(other),
    };
    html! { <pre class="log" data-testid="inspector-logs" tabindex="0">{ lines }</pre> }
}

fn text(a: Option<&Answer>) -> String {
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
        _ => html! { <p class="soft empty">{ "Asking the cluster" }</p> },
    }
}

fn facts_list<'a>(facts: impl Iterator<Item = (&'a str, String)>) -> Html {
    let rows: Html = facts.map(|(k, v)| html! { <><dt>{ k.to_owned() }</dt><dd>{ breakable(&v) }</dd></> }).collect();
    html! { <dl>{ rows }</dl> }
}

/// A long name may be broken after its dots, slashes, dashes and colons rather than inside a word.
fn breakable(text: &str) -> Html {
    text.split_inclusive(['.', '/', ':', '=']).map(|piece| html! { <>{ piece.to_owned() }<wbr /></> }).collect()
}

fn conditions(a: Option<&Answer>, now_ns: u64) -> Html {
    let Some(Answer::Status { conditions, .. }) = a else { return Html::default() };
    if conditions.is_empty() {
        return Html::default();
    }
    // A pressure, or a disruption, is well when it is not.
    let bad_when_true =
        |kind: &str| kind.ends_with("Pressure") || kind.ends_with("Unavailable") || kind == "DisruptionTarget";
    let class = |c: &ConditionView| {
        let wanted = if bad_when_true(&c.kind) { "False" } else { "True" };
        if c.status == wanted { "is-good" } else { "is-bad" }
    };
    let row = |c: &ConditionView| {
        let since = c.since_ns.map_or(String::new(), |at| format!("for {}", words::age(now_ns.saturating_sub(at))));
        let why = match (c.reason.is_empty(), c.message.is_empty()) {
            (true, _) => c.message.clone(),
            (_, true) => c.reason.clone(),
            _ => format!("{}: {}", c.reason, c.message),
        };
        html! {
            <li data-testid={format!("condition-{}", c.kind)}>
                <span class="condition">{ &c.kind }</span>{ " " }<strong class={class(c)}>{ &c.status }</strong>{ " " }
                <span class="soft">{ since }</span>
                if !why.is_empty() { <p class="soft">{ why }</p> }
            </li>
        }
    };
    html! { <><h3>{ "Conditions" }</h3><ul class="conditions" data-testid="inspector-conditions">{ for conditions.iter().map(row) }</ul></> }
}

/// What will happen by itself, each with the arc that is drawn of it in the tank.
fn next<'a>(m: &Model, timers: impl Iterator<Item = &'a TimerView>) -> Html {
    let rows: Vec<Html> = timers
        .map(|t| {
            let span = t.until_ns.saturating_sub(t.from_ns).max(1) as f64;
            let done = (m.now_ns.saturating_sub(t.from_ns) as f64 / span).clamp(0.0, 1.0);
            html! {
                <li>
                    <svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7" /><circle class="done" cx="10" cy="10" r="7"
                        pathLength="100" stroke-dasharray={format!("{:.1} 100", done * 100.0)} /></svg>
                    <p>{ words::timer(t, m) }</p>
                </li>
            }
        })
        .collect();
    if rows.is_empty() {
        return Html::default();
    }
    html! { <><h3>{ "What happens next" }</h3><ul class="next" data-testid="inspector-next">{ for rows }</ul></> }
}

/// A button that does something to the cluster.
fn action(desk: &Desk, testid: &str, name: &str, input: Input) -> Html {
    let desk = desk.clone();
    let onclick = Callback::from(move |_: MouseEvent| desk.submit(input.clone()));
    html! { <button type="button" class="act" data-testid={format!("action-{testid}")} {onclick}>{ name }</button> }
}

/// A button that runs a command; what it says is in the terminal, and in a remark.
fn command(desk: &Desk, testid: &str, name: &str, line: String) -> Html {
    let desk = desk.clone();
    let title = line.clone();
    let onclick = Callback::from(move |_: MouseEvent| {
        desk.command_told(&line);
    });
    html! { <button type="button" class="act" data-testid={format!("action-{testid}")} {title} {onclick}>{ name }</button> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::testing;

    #[test]
    fn each_tab_asks_for_what_it_shows() {
        let m = testing::world(3, 3);
        let ask = |picked: Pick, tab| {
            let t = thing(&m, &picked).expect("a thing");
            questions(&t, &picked, tab, 0, false)
        };
        assert!(matches!(
            ask(Pick::Pod("uid-0".into()), Tab::Why)[..],
            [Question::Decision { .. }, Question::Why { .. }]
        ));
        assert!(
            matches!(&ask(Pick::Pod("uid-0".into()), Tab::Logs)[..], [Question::Logs { container, .. }] if container == "nginx")
        );
        assert!(matches!(ask(Pick::Node(2), Tab::Summary)[..], [Question::Status { .. }]));
        assert!(matches!(ask(Pick::Part("etcd".into(), 1), Tab::Why)[..], [Question::Part { .. }]));
        assert!(ask(Pick::Node(2), Tab::Events).is_empty());
        assert_eq!(thing(&m, &Pick::Pod("gone".into())), None);
    }
}
