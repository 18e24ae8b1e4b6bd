//! The YAML drawer: a draft that is never lost, apply, and what to do when the api-server refuses.

use web_sys::{HtmlTextAreaElement, InputEvent, KeyboardEvent};
use yew::prelude::*;

use super::desk::Desk;
use super::examples::EXAMPLES;
use super::mend::{self, Problem};
use super::store;
use super::ui::Act;

/// What the editor needs.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// What all views share.
    pub desk: Desk,
    /// The text that a chip put in: its number goes up with each.
    pub pasted: (u64, AttrValue),
    /// Goes up when commands have said more.
    pub version: u64,
}

/// The file name under which kubectl sees the draft.
const FILE: &str = "manifest.yaml";

/// The YAML drawer.
#[component]
pub fn Editor(props: &Props) -> Html {
    let text = use_state(|| store::get(store::DRAFT).unwrap_or_default());
    let running = use_state(|| None::<u64>);
    let (area, band) = (use_node_ref(), use_node_ref());
    {
        let (text, running) = (text.clone(), running.clone());
        use_effect_with(props.pasted.clone(), move |(n, pasted)| {
            if *n > 0 {
                store::set(store::DRAFT, pasted);
                text.set(pasted.to_string());
                running.set(None);
            }
        });
    }
    let set_text = {
        let text = text.clone();
        move |new: String| {
            store::set(store::DRAFT, &new);
            text.set(new);
        }
    };
    let said = running.and_then(|id| props.desk.commands.borrow().get(&id).cloned());
    let problem: Option<Problem> =
        said.as_ref().filter(|s| s.code.is_some_and(|c| c != 0)).and_then(|s| mend::explain(&text, &s.stream(true)));
    let good = said.as_ref().filter(|s| s.code == Some(0)).map(|s| s.stream(false));
    let apply = {
        let (desk, text, running) = (props.desk.clone(), text.clone(), running.clone());
        move |draft: Option<String>| {
            let draft = draft.unwrap_or_else(|| (*text).clone());
            running.set(Some(desk.command(&format!("kubectl apply -f {FILE}"), vec![(FILE.to_owned(), draft)])));
        }
    };
    let on_input = {
        let set_text = set_text.clone();
        Callback::from(move |e: InputEvent| {
            if let Some(t) = e.target_dyn_into::<HtmlTextAreaElement>() {
                set_text(t.value());
            }
        })
    };
    let on_key = {
        let apply = apply.clone();
        Callback::from(move |e: KeyboardEvent| {
            if e.key() == "Enter" && (e.ctrl_key() || e.meta_key()) {
                e.prevent_default();
                apply(None);
            }
        })
    };
    let on_apply = {
        let apply = apply.clone();
        Callback::from(move |_: MouseEvent| apply(None))
    };
    let on_mend = problem.as_ref().and_then(|p| p.mend.clone()).map(|(what, mended)| {
        let (set_text, running) = (set_text.clone(), running.clone());
        let onclick = Callback::from(move |_: MouseEvent| {
            set_text(mended.clone());
            running.set(None);
        });
        html! { <button type="button" class="primary" data-testid="editor-mend" {onclick}>{ what }</button> }
    });
    let close = {
        let desk = props.desk.clone();
        Callback::from(move |_: MouseEvent| desk.act(Act::Editor(false)))
    };
    let lines = text.lines().count().max(1) + usize::from(text.ends_with('\n'));
    let wrong = problem.as_ref().and_then(|p| p.line);
    {
        // The line concerned comes into view by itself.
        let band = band.clone();
        use_effect_with(wrong, move |_| {
            if let Some(e) = band.cast::<web_sys::Element>() {
                let options = web_sys::ScrollIntoViewOptions::new();
                options.set_block(web_sys::ScrollLogicalPosition::Nearest);
                e.scroll_into_view_with_scroll_into_view_options(&options);
            }
        });
    }
    let numbers: Html = (0..lines)
        .map(|i| {
            let class = if Some(i) == wrong { "number wrong" } else { "number" };
            html! { <div class={class}>{ i + 1 }</div> }
        })
        .collect();
    let examples: Html = EXAMPLES
        .iter()
        .map(|(name, manifest)| {
            let set_text = set_text.clone();
            let running = running.clone();
            let onclick = Callback::from(move |_: MouseEvent| {
                set_text((*manifest).to_owned());
                running.set(None);
            });
            html! { <button type="button" class="quiet example" data-testid={format!("example-{}", name.to_lowercase())} {onclick}>{ *name }</button> }
        })
        .collect();
    let busy = said.as_ref().is_some_and(|s| s.code.is_none());
    html! {
        <section class="drawer left" aria-label="YAML" data-testid="editor-drawer">
            <header>
                <h2 class="grow">{ "YAML" }</h2>
                <button type="button" class="icon" aria-label="Close the editor" data-testid="editor-close" onclick={close}>{ "×" }</button>
            </header>
            <div class="row tools" role="group" aria-label="Examples">{ examples }</div>
            <div class="code">
                if let Some(i) = wrong {
                    <div class="band" aria-hidden="true" ref={band} style={format!("top:calc(12px + {i} * var(--code-line))")} />
                }
                <div class="numbers" aria-hidden="true">{ numbers }</div>
                <textarea ref={area} data-testid="editor" spellcheck="false" autocapitalize="off" autocomplete="off" wrap="off"
                    aria-label="Manifest" placeholder={"Paste a manifest here.\nCtrl+Enter applies it."}
                    rows={lines.max(12).to_string()} value={(*text).clone()} oninput={on_input} onkeydown={on_key} />
            </div>
            if let Some(p) = &problem {
                <div class="problem" role="alert" data-testid="editor-problem">
                    if let Some(line) = p.line {
                        <p class="where">{ format!("Line {}", line + 1) }</p>
                    }
                    <pre data-testid="editor-message">{ &p.message }</pre>
                    if !p.explanation.is_empty() {
                        <p>{ &p.explanation }</p>
                    }
                    { for on_mend }
                </div>
            }
            if let Some(g) = &good {
                <pre class="good" role="status" data-testid="editor-result">{ g }</pre>
            }
            <footer>
                <button type="button" class="primary" data-testid="editor-apply" disabled={busy || text.trim().is_empty()} onclick={on_apply}>
                    { if busy { "Applying" } else { "Apply" } }
                </button>
                <span class="soft">{ "kubectl apply -f manifest.yaml, or Ctrl+Enter" }</span>
            </footer>
        </section>
    }
}
