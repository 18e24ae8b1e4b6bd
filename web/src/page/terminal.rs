//! The prompt: the person's own computer, with kubectl.

use podarium_core::session::Input;
use web_sys::{HtmlElement, HtmlInputElement, KeyboardEvent};
use yew::prelude::*;

use super::complete;
use super::desk::{Desk, Said};
use super::ui::Act;

/// What the terminal needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// Goes up when commands have said more.
    pub version: u64,
}

/// Commands shown: the newest.
const SHOWN_MAX: usize = 60;
/// Completions shown at one time.
const OFFERED_MAX: usize = 24;

/// What Ctrl-D types.
const END_OF_FILE: char = '\u{4}';

/// The terminal.
#[component]
pub fn Terminal(props: &Props) -> Html {
    let line = use_state(String::new);
    let back = use_state(|| 0usize);
    let offered = use_state(Vec::<String>::new);
    let screen = use_node_ref();
    {
        let screen = screen.clone();
        use_effect_with(props.version, move |_| {
            if let Some(e) = screen.cast::<HtmlElement>() {
                e.set_scroll_top(e.scroll_height());
            }
        });
    }
    let on_input = {
        let (line, offered) = (line.clone(), offered.clone());
        Callback::from(move |e: InputEvent| {
            offered.set(Vec::new());
            if let Some(t) = e.target_dyn_into::<HtmlInputElement>() {
                line.set(t.value());
            }
        })
    };
    let on_key = {
        let (line, back, offered, desk) = (line.clone(), back.clone(), offered.clone(), props.desk.clone());
        Callback::from(move |e: KeyboardEvent| {
            let lines = |s: &Said| std::iter::once(s.line.clone()).chain(s.typed.iter().cloned()).collect::<Vec<_>>();
            let history: Vec<String> = desk.commands.borrow().values().flat_map(lines).collect();
            let reader = desk.reader().map(|(id, _)| id);
            match e.key().as_str() {
                "Enter" => {
                    e.prevent_default();
                    let typed = line.trim().to_owned();
                    if let Some(id) = reader {
                        desk.type_to(id, format!("{}\n", *line));
                    } else if typed == "clear" {
                        desk.commands.borrow_mut().clear();
                    } else if !typed.is_empty() {
                        desk.command(&typed, Vec::new());
                    }
                    line.set(String::new());
                    offered.set(Vec::new());
                    back.set(0);
                }
                "d" if e.ctrl_key() && reader.is_some() => {
                    e.prevent_default();
                    if let Some(id) = reader {
                        desk.type_to(id, format!("{}{END_OF_FILE}", *line));
                    }
                    line.set(String::new());
                }
                // An empty line lets the Tab key go on to the next control, as everywhere.
                "Tab" if !e.shift_key() && !line.trim().is_empty() && reader.is_none() => {
                    let found = complete::candidates(&line, &desk.model.borrow());
                    if !found.is_empty() {
                        e.prevent_default();
                        line.set(complete::extend(&line, &found));
                        offered.set(if found.len() > 1 { found } else { Vec::new() });
                    }
                }
                "ArrowUp" if *back < history.len() => {
                    e.prevent_default();
                    line.set(history[history.len() - 1 - *back].clone());
                    back.set(*back + 1);
                }
                "ArrowDown" => {
                    e.prevent_default();
                    let to = back.saturating_sub(1);
                    back.set(to);
                    line.set(if to == 0 {
                        String::new()
                    } else {
                        history.get(history.len() - to).cloned().unwrap_or_default()
                    });
                }
                "c" if e.ctrl_key() => {
                    let running: Vec<u64> =
                        desk.commands.borrow().iter().filter(|(_, s)| s.code.is_none()).map(|(id, _)| *id).collect();
                    if !running.is_empty() {
                        e.prevent_default();
                    }
                    for id in running {
                        desk.submit(Input::Interrupt { id });
                    }
                }
                _ => {}
            }
        })
    };
    let close = {
        let desk = props.desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Terminal(false)))
    };
    let reader = props.desk.reader();
    let commands = props.desk.commands.borrow();
    let body: Html = commands
        .iter()
        .skip(commands.len().saturating_sub(SHOWN_MAX))
        .map(|(id, s)| {
            // The prompt of a command that reads stands where the person types.
            let (last, prompt) = (s.text.len(), reader.as_ref().filter(|(r, _)| r == id).map_or("", |(_, p)| p));
            let shown = |i: usize, t: &str| {
                t.strip_suffix(prompt).filter(|_| i + 1 == last).unwrap_or(t).to_owned()
            };
            let line = |(i, (stderr, t)): (usize, &(bool, String))| {
                html! { <span class={if *stderr { "stderr" } else { "stdout" }}>{ shown(i, t) }</span> }
            };
            let out: Html = s.text.iter().enumerate().map(line).collect();
            html! { <div class="command"><div class="line"><span class="prompt">{ "$ " }</span>{ &s.line }</div><pre>{ out }</pre></div> }
        })
        .collect();
    html! {
        <section class="terminal" aria-label="Terminal" data-testid="terminal">
            <header><h2 class="grow">{ "Terminal" }</h2>
                <button type="button" class="icon" aria-label="Close the terminal" data-testid="terminal-close" onclick={close}>{ "×" }</button></header>
            <div class="screen" ref={screen} data-testid="terminal-output" role="log">
                if commands.is_empty() {
                    <p class="soft">{ "This is your computer, and kubectl knows the cluster. Try kubectl get nodes, or help. The Tab key completes, the arrow keys bring back what was typed." }</p>
                }
                { body }
            </div>
            if !offered.is_empty() {
                <ul class="offered" role="status" data-testid="terminal-completions">
                    { for offered.iter().take(OFFERED_MAX).map(|c| html! { <li>{ c }</li> }) }
                    if offered.len() > OFFERED_MAX { <li>{ format!("and {} more", offered.len() - OFFERED_MAX) }</li> }
                </ul>
            }
            <label class="entry">
                <span class="prompt" aria-hidden="true" data-testid="terminal-prompt">{ reader.as_ref().map_or("$ ", |(_, prompt)| prompt) }</span>
                <input type="text" data-testid="terminal-input" aria-label="Command" autocomplete="off" autocapitalize="off" spellcheck="false"
                    value={(*line).clone()} oninput={on_input} onkeydown={on_key} />
            </label>
        </section>
    }
}
