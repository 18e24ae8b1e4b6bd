//! The scheduler's table for one pod: what each filter and each score said of each node.

use std::collections::BTreeSet;

use podarium_core::observe::{Answer, VerdictView};
use yew::prelude::*;

use crate::page::words;

/// Nodes shown: the best first, then the refused ones.
const ROWS_MAX: usize = 60;

/// The plugins that scored, in the order in which they first did.
fn plugins(verdicts: &[VerdictView]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    verdicts.iter().flat_map(|v| &v.scores).map(|(p, _)| p.as_str()).filter(|p| seen.insert(*p)).collect()
}

/// The best first, the chosen one before its equals, the refused last.
fn in_order(verdicts: &[VerdictView]) -> Vec<&VerdictView> {
    let mut rows: Vec<&VerdictView> = verdicts.iter().collect();
    rows.sort_by(|a, b| {
        let rank = |v: &VerdictView| (!v.refused.is_empty(), !v.chosen, -v.total);
        rank(a).cmp(&rank(b)).then_with(|| a.node.cmp(&b.node))
    });
    rows
}

/// A plugin's name in words that may be broken.
fn heading(plugin: &str) -> Html {
    let mut pieces: Vec<String> = Vec::new();
    for c in plugin.chars() {
        match pieces.last_mut() {
            Some(p) if !c.is_uppercase() => p.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces.into_iter().map(|p| html! { <>{ p }<wbr /></> }).collect()
}

pub fn view(a: Option<&Answer>, now_ns: u64) -> Html {
    let (at_ns, verdicts, summary) = match a {
        Some(Answer::Decision { at_ns, verdicts, summary }) => (*at_ns, verdicts, summary),
        Some(Answer::Nothing(why)) => return html! { <p class="soft" data-testid="decision">{ why }</p> },
        _ => return html! { <p class="soft">{ "Asking the scheduler" }</p> },
    };
    let names = plugins(verdicts);
    let rows = in_order(verdicts);
    let more = rows.len().saturating_sub(ROWS_MAX);
    let row = |v: &&VerdictView| {
        let score =
            |plugin: &str| v.scores.iter().find(|(p, _)| p == plugin).map_or(String::new(), |(_, s)| s.to_string());
        html! {
            <tr class={classes!(v.chosen.then_some("chosen"))} data-testid="decision-row">
                <th scope="row" title={v.node.clone()}>{ words::clip(&v.node, 22) }if v.chosen { <span class="mark">{ " chosen" }</span> }</th>
                if v.refused.is_empty() {
                    <td class="total">{ v.total }</td>
                    { for names.iter().map(|p| html! { <td>{ score(p) }</td> }) }
                } else {
                    <td class="refused" colspan={(names.len() + 1).to_string()}>{ &v.refused }</td>
                }
            </tr>
        }
    };
    html! {
        <div class="decision" data-testid="decision">
            <p><span class="soft">{ format!("{} ago: ", words::age(now_ns.saturating_sub(at_ns))) }</span>{ summary }</p>
            if !rows.is_empty() {
                <div class="scroll" tabindex="0" role="region" aria-label="Filters and scores by node">
                    <table>
                        <thead><tr><th scope="col">{ "Node" }</th><th scope="col">{ "Sum" }</th>{ for names.iter().map(|p| html! { <th scope="col" class="plugin">{ heading(p) }</th> }) }</tr></thead>
                        <tbody>{ for rows.iter().take(ROWS_MAX).map(row) }</tbody>
                    </table>
                </div>
            }
            if more > 0 { <p class="soft">{ format!("and {} more", words::count(more, "node")) }</p> }
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_node_stands_first_and_the_refused_last() {
        let verdict = |node: &str, total, refused: &str, chosen| VerdictView {
            node: node.into(),
            refused: refused.into(),
            scores: if refused.is_empty() { vec![("TaintToleration".into(), total)] } else { Vec::new() },
            total,
            chosen,
        };
        let all = [
            verdict("a", 0, "NodeUnschedulable: node(s) were unschedulable", false),
            verdict("b", 300, "", false),
            verdict("c", 300, "", true),
            verdict("d", 200, "", false),
        ];
        assert_eq!(in_order(&all).iter().map(|v| v.node.as_str()).collect::<Vec<_>>(), ["c", "b", "d", "a"]);
        assert_eq!(plugins(&all), ["TaintToleration"]);
    }
}
