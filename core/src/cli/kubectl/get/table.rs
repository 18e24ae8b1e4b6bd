//! Tables as text. Models cli-runtime `pkg/printers/tableprinter.go`.

use serde_json::Value;

use super::super::resources::Resource;
use super::super::show::{self, items, text};
use super::super::{Cx, tabs};

/// A table that is printed bit by bit: headers once, columns as wide as they ever were.
pub(super) struct Table<'a> {
    cx: &'a Cx<'a>,
    resource: &'a Resource,
    with_kind: bool,
    headers: bool,
    columns: Value,
    aligned: tabs::Aligner,
}

/// A cell's text; what comes after a line's end is cut off.
fn cell(v: &Value) -> String {
    let s = match v {
        Value::Null => return String::new(),
        Value::String(s) => s,
        other => return other.to_string(),
    };
    let shown = |s: &str| s.replace('\u{1b}', "^[").replace('\r', "\\r");
    match s.find(['\n', '\r', '\u{c}']) {
        Some(at) => format!("{}...", shown(&s[..at])),
        None => shown(s),
    }
}

impl<'a> Table<'a> {
    pub(super) fn new(cx: &'a Cx<'a>, resource: &'a Resource, with_kind: bool) -> Self {
        let headers = !cx.args.on("no-headers");
        Table { cx, resource, with_kind, headers, columns: Value::Null, aligned: tabs::Aligner::default() }
    }

    /// The rows of an api-server's Table, behind headers the first time.
    pub(super) fn text(&mut self, t: &Value) -> String {
        self.events(t, None)
    }

    /// The same with what happened to the objects in the first column.
    pub(super) fn events(&mut self, t: &Value, event: Option<&str>) -> String {
        if !t["columnDefinitions"].is_null() {
            self.columns = t["columnDefinitions"].clone();
        }
        let args = &self.cx.args;
        let (wide, labels) = (args.text("output") == "wide", args.on("show-labels"));
        let namespaces = args.on("all-namespaces") && self.resource.namespaced;
        let label_columns = args.all("label-columns");
        let columns: Vec<(usize, &Value)> = items(&self.columns)
            .iter()
            .enumerate()
            .filter(|(_, c)| wide || c["priority"].as_i64().unwrap_or(0) == 0)
            .collect();
        let name_at = items(&self.columns).iter().position(|c| c["format"] == "name" && c["type"] == "string");
        let mut rows: Vec<Vec<String>> = Vec::new();
        if self.headers {
            let mut head: Vec<String> = columns.iter().map(|(_, c)| text(&c["name"]).to_uppercase()).collect();
            if namespaces {
                head.insert(0, "NAMESPACE".into());
            }
            if event.is_some() {
                head.insert(0, "EVENT".into());
            }
            head.extend(label_columns.iter().map(|l| l.rsplit('/').next().unwrap_or(l).to_uppercase()));
            if labels {
                head.push("LABELS".into());
            }
            rows.push(head);
        }
        for row in items(&t["rows"]) {
            let meta = &row["object"]["metadata"];
            let mut cells: Vec<String> = columns
                .iter()
                .map(|(i, _)| {
                    let c = cell(&row["cells"][*i]);
                    let named = self.with_kind && name_at == Some(*i);
                    if named { format!("{}/{c}", self.resource.qualified()) } else { c }
                })
                .collect();
            if namespaces {
                cells.insert(0, text(&meta["namespace"]));
            }
            if let Some(e) = event {
                cells.insert(0, e.to_owned());
            }
            cells.extend(label_columns.iter().map(|l| show::or_none(text(&meta["labels"][l.as_str()]))));
            if labels {
                cells.push(show::labels(&meta["labels"]));
            }
            rows.push(cells);
        }
        self.headers = false;
        self.aligned.rows(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_one_line() {
        for (v, want) in [(json!("a\nb"), "a..."), (json!(null), ""), (json!(3), "3"), (json!("x"), "x")] {
            assert_eq!(cell(&v), want);
        }
    }
}
