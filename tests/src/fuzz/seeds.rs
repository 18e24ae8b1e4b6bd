//! What is known to be good, or known to be refused: the recorded requests and the manifests. Mutations begin here.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

/// A recorded request.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    pub content_type: String,
    pub accept: String,
    pub body: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(below: &str, extension: &str) -> Vec<String> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root().join(below))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    paths.sort();
    paths.iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect()
}

/// The recorded requests, those of set-up steps too.
pub fn requests() -> &'static [Recorded] {
    static ALL: OnceLock<Vec<Recorded>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for text in files("tests/golden/cases", "json") {
            let cases: Value = serde_json::from_str(&text).unwrap_or_default();
            gather(&cases, &mut all);
        }
        assert!(all.len() > 100, "the recorded cases are in the repository");
        all
    })
}

/// A request is whatever has a method and a path.
fn gather(v: &Value, all: &mut Vec<Recorded>) {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    match v {
        Value::Array(items) => items.iter().for_each(|i| gather(i, all)),
        Value::Object(o) if o.contains_key("method") && o.contains_key("path") => {
            let body = match &v["body"] {
                Value::String(s) => s.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            all.push(Recorded {
                method: text(&v["method"]),
                path: text(&v["path"]),
                content_type: text(&v["contentType"]),
                accept: text(&v["accept"]),
                body,
            });
        }
        Value::Object(o) => o.values().for_each(|i| gather(i, all)),
        _ => {}
    }
}

/// Manifests and the recorded requests' bodies.
pub fn texts() -> &'static [String] {
    static ALL: OnceLock<Vec<String>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = files("static/manifests", "yaml");
        all.extend(requests().iter().map(|r| r.body.clone()).filter(|b| !b.is_empty()));
        all
    })
}
