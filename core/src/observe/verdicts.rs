//! The scheduler's filter and score table as the page shows it.

use super::inspect::{Answer, VerdictView};
use crate::scheduler::decision::{Decision, NodeOutcome};

impl From<&Decision> for Answer {
    /// Nodes that fit first, the best of them on top.
    fn from(d: &Decision) -> Answer {
        let mut verdicts: Vec<VerdictView> = d
            .verdicts()
            .map(|v| {
                let chosen = d.chosen.as_ref() == Some(&v.node);
                let node = v.node.to_string();
                match v.outcome {
                    NodeOutcome::Rejected { plugin, reasons } => VerdictView {
                        node,
                        refused: format!("{plugin}: {}", reasons.join(", ")),
                        scores: Vec::new(),
                        total: 0,
                        chosen,
                    },
                    NodeOutcome::Feasible { scores, total } => {
                        let scores = scores.iter().map(|s| (s.plugin.to_owned(), s.weighted)).collect();
                        VerdictView { node, refused: String::new(), scores, total, chosen }
                    }
                }
            })
            .collect();
        verdicts.sort_by_key(|v| (!v.refused.is_empty(), !v.chosen, -v.total));
        let looked_at = verdicts.len();
        let fit = verdicts.iter().filter(|v| v.refused.is_empty()).count();
        let summary = match &d.chosen {
            Some(node) => format!("{node}: {fit} of {looked_at} nodes looked at fit, {} in the cluster", d.all_nodes),
            None => d.message.clone(),
        };
        Answer::Decision { at_ns: d.at, verdicts, summary }
    }
}
