//! Values as Go's JSON encoder prints internal structs: fields in declared order, zero values and nulls included.

/// A Go value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Go {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no whole one, as it is printed.
    Number(String),
    Text(String),
    List(Vec<Go>),
    Fields(Vec<(String, Go)>),
}

/// A struct: names and values in order.
macro_rules! fields {
    ($($name:literal: $value:expr),* $(,)?) => {
        crate::registry::validation::go::Go::Fields(vec![$(($name.to_owned(), $value.into())),*])
    };
}
pub(crate) use fields;

impl From<bool> for Go {
    fn from(v: bool) -> Self {
        Go::Bool(v)
    }
}
impl From<i32> for Go {
    fn from(v: i32) -> Self {
        Go::Int(i64::from(v))
    }
}
impl From<i64> for Go {
    fn from(v: i64) -> Self {
        Go::Int(v)
    }
}
impl From<&str> for Go {
    fn from(v: &str) -> Self {
        Go::Text(v.to_owned())
    }
}
impl From<&String> for Go {
    fn from(v: &String) -> Self {
        Go::Text(v.clone())
    }
}
impl From<String> for Go {
    fn from(v: String) -> Self {
        Go::Text(v)
    }
}
impl<T: Into<Go>> From<Option<T>> for Go {
    fn from(v: Option<T>) -> Self {
        v.map_or(Go::Null, Into::into)
    }
}

/// A slice: null if absent or empty and not optional upstream.
pub(crate) fn each<T>(items: &Option<Vec<T>>, to_go: impl Fn(&T) -> Go) -> Go {
    items.as_ref().map_or(Go::Null, |items| Go::List(items.iter().map(to_go).collect()))
}

impl Go {
    /// JSON on one line.
    pub(crate) fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None, 0);
        out
    }

    /// JSON with one blank of indentation a level, as upstream's diffs print it.
    pub(crate) fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(" "), 0);
        out
    }

    fn write(&self, out: &mut String, indent: Option<&str>, depth: usize) {
        match self {
            Go::Null => out.push_str("null"),
            Go::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
            Go::Int(v) => out.push_str(&v.to_string()),
            Go::Number(v) => out.push_str(v),
            Go::Text(v) => out.push_str(&json_text(v)),
            Go::List(items) => {
                let items = items.iter().map(|v| (None, v));
                write_all(out, '[', ']', items, indent, depth);
            }
            Go::Fields(fields) => {
                let fields = fields.iter().map(|(k, v)| (Some(k.as_str()), v));
                write_all(out, '{', '}', fields, indent, depth);
            }
        }
    }
}

fn write_all<'a>(
    out: &mut String,
    open: char,
    close: char,
    items: impl Iterator<Item = (Option<&'a str>, &'a Go)>,
    indent: Option<&str>,
    depth: usize,
) {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            for _ in 0..depth {
                out.push_str(indent);
            }
        }
    };
    out.push(open);
    let mut any = false;
    for (name, value) in items {
        if any {
            out.push(',');
        }
        any = true;
        line(out, depth + 1);
        if let Some(name) = name {
            out.push_str(&json_text(name));
            out.push_str(if indent.is_some() { ": " } else { ":" });
        }
        value.write(out, indent, depth + 1);
    }
    if any {
        line(out, depth);
    }
    out.push(close);
}

/// A string as Go's encoder writes it, with `<`, `>` and `&` escaped.
fn json_text(s: &str) -> String {
    let plain = serde_json::Value::from(s).to_string();
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

impl Go {
    /// Upstream's `Semantic.DeepEqual`: absent and empty lists and maps are the same.
    pub(crate) fn same(&self, other: &Go) -> bool {
        match (self, other) {
            (Go::List(a), Go::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Go::Fields(a), Go::Fields(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((n, a), (m, b))| n == m && a.same(b))
            }
            (Go::Null, Go::List(v)) | (Go::List(v), Go::Null) => v.is_empty(),
            (Go::Null, Go::Fields(v)) | (Go::Fields(v), Go::Null) => v.is_empty(),
            (a, b) => a == b,
        }
    }
}
