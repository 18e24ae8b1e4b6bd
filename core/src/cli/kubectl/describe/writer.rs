//! Lines with their indent, laid out in columns at the end. Models describe's `PrefixWriter` over a tabwriter.

use serde_json::Value;

use super::super::show::text;
use super::super::tabs;

/// How long a line of an annotation may be before it goes below its key. Models describe.go's maxAnnotationLen.
const ANNOTATION_LEN_MAX: usize = 140;

/// What a description is written with.
#[derive(Default)]
pub struct Writer {
    done: String,
    text: String,
}

impl Writer {
    pub fn new() -> Self {
        Writer::default()
    }

    /// Writes at an indent; the text ends its own line.
    pub fn put(&mut self, level: usize, s: impl AsRef<str>) {
        for _ in 0..level {
            self.text.push_str("  ");
        }
        self.text.push_str(s.as_ref());
    }

    /// A line: a key, and what it is.
    pub fn field(&mut self, level: usize, key: &str, what: impl AsRef<str>) {
        self.put(level, format!("{key}:\t{}\n", what.as_ref()));
    }

    /// A line without columns of its own.
    pub fn line(&mut self, level: usize, s: impl AsRef<str>) {
        self.put(level, s);
        self.text.push('\n');
    }

    /// Lays out what was written so far; what follows has columns of its own.
    pub fn flush(&mut self) {
        self.done.push_str(&tabs::align(&std::mem::take(&mut self.text), 0, 2));
    }

    /// The whole.
    pub fn finish(mut self) -> String {
        self.flush();
        self.done
    }

    /// The text with its tabs, not laid out.
    pub fn raw(self) -> String {
        self.text
    }

    /// Name, namespace, labels and annotations, as most kinds begin.
    pub fn head(&mut self, o: &Value) {
        let m = &o["metadata"];
        self.field(0, "Name", text(&m["name"]));
        self.field(0, "Namespace", text(&m["namespace"]));
        self.labels("Labels", &m["labels"]);
        self.annotations("Annotations", &m["annotations"]);
    }

    /// A map, a line a key.
    pub fn labels(&mut self, title: &str, map: &Value) {
        self.labels_indented("", title, "\t", map);
    }

    pub fn labels_indented(&mut self, indent: &str, title: &str, inner: &str, map: &Value) {
        let lines: Vec<String> =
            map.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v))).collect();
        self.put(0, format!("{indent}{title}:{inner}"));
        if lines.is_empty() {
            self.line(0, "<none>");
        }
        for (i, l) in lines.iter().enumerate() {
            if i > 0 {
                self.put(0, format!("{indent}{inner}"));
            }
            self.line(0, l);
        }
    }

    /// Annotations; long ones go below their key, the one that apply keeps is left out.
    pub fn annotations(&mut self, title: &str, map: &Value) {
        const SKIPPED: &str = "kubectl.kubernetes.io/last-applied-configuration";
        self.put(0, format!("{title}:\t"));
        let shown: Vec<(&String, String)> =
            map.as_object().into_iter().flatten().filter(|(k, _)| *k != SKIPPED).map(|(k, v)| (k, text(v))).collect();
        if shown.is_empty() {
            self.line(0, "<none>");
            return;
        }
        for (i, (key, value)) in shown.into_iter().enumerate() {
            if i > 0 {
                self.put(0, "\t");
            }
            let value = value.strip_suffix('\n').unwrap_or(&value);
            if value.len() + key.len() + 2 > ANNOTATION_LEN_MAX || value.contains('\n') {
                self.line(0, format!("{key}:"));
                for s in value.split('\n') {
                    let short: String = s.chars().take(ANNOTATION_LEN_MAX - 2).collect();
                    let dots = if short.len() < s.len() { "..." } else { "" };
                    self.line(0, format!("\t  {short}{dots}"));
                }
            } else {
                self.line(0, format!("{key}: {value}"));
            }
        }
    }
}
