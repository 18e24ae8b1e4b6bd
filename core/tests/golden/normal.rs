//! Replaces what legitimately differs from run to run by a placeholder, as `tests/golden/replay.py` does.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::{Map, Value};

const SUFFIX: &str = "bcdfghjklmnpqrstvwxz2456789";
const AGE_COLUMNS: [&str; 6] = ["Age", "Last Schedule", "Duration", "Last Seen", "First Seen", "Last"];

fn re(text: &str) -> Regex {
    Regex::new(text).expect("a valid expression")
}

static UID: LazyLock<Regex> = LazyLock::new(|| re("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| re(r"20(?:2[4-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"));
static JWT: LazyLock<Regex> = LazyLock::new(|| re(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"));
static ACCESS: LazyLock<Regex> = LazyLock::new(|| re(r"kube-api-access-[a-z0-9]{5}\b"));
static RV: LazyLock<Regex> = LazyLock::new(|| {
    re(
        r"(?i)((?:resource ?version|ResourceVersion in (?:precondition|object meta)|storage revision|ResourceVersion in record|current)[^0-9a-zA-Z]{1,8})(\d+)",
    )
});
static TOO_OLD: LazyLock<Regex> = LazyLock::new(|| re(r"(too old resource version: )\d+ \(\d+\)"));
static POD_IP: LazyLock<Regex> = LazyLock::new(|| re(r"\b10\.244\.\d+\.\d+\b"));
static CLUSTER_IP: LazyLock<Regex> = LazyLock::new(|| re(r"\b10\.(9[6-9]|10\d|11[01])\.\d+\.\d+\b"));
static AGE: LazyLock<Regex> = LazyLock::new(|| re(r"^(?:(\d+[smhdy])+|<unknown>|<invalid>)$"));
static AGO: LazyLock<Regex> = LazyLock::new(|| re(r"\((\d+[smhdy])+ ago\)"));
static GENERATE_NAME: LazyLock<Regex> = LazyLock::new(|| re(r#""generateName": "([^"]+)""#));
static NAME: LazyLock<Regex> = LazyLock::new(|| re(r#""name": "([a-z0-9.-]+)""#));

pub struct Normaliser {
    ns: String,
    sent: String,
    prefixes: Vec<(String, Regex)>,
    names: Vec<(String, Regex)>,
    keep_managed_fields: bool,
    generated: BTreeMap<String, String>,
    columns: Vec<Value>,
    server: String,
}

impl Normaliser {
    pub fn new(case: &Value, ns: &str, server: &str) -> Self {
        let request = &case["request"];
        let sent_values = serde_json::json!([request["body"], request["query"], request["path"], case["during"]]);
        let mut sent = sent_values.to_string().replace("<ns>", ns);
        sent.push_str(request["body"].as_str().unwrap_or_default());
        let steps = case["setup"].as_array().into_iter().flatten().chain([request]);
        let steps = steps.chain(case["during"].as_array().into_iter().flatten());
        let bodies: Vec<&str> = steps.filter_map(|s| s["body"].as_str()).collect();
        let bodies = bodies.join(" ");
        let mut prefixes: Vec<String> = GENERATE_NAME.captures_iter(&bodies).map(|c| c[1].to_owned()).collect();
        prefixes.sort();
        prefixes.dedup();
        let mut names: Vec<String> =
            NAME.captures_iter(&bodies).map(|c| c[1].to_owned()).filter(|n| n.len() < 20).collect();
        names.sort();
        names.dedup();
        let prefixes = prefixes.into_iter().map(|p| {
            let base: String = p.chars().take(58).collect();
            let r = re(&format!("{}[{SUFFIX}]{{5}}", regex::escape(&base)));
            (base, r)
        });
        let names = names.into_iter().map(|n| {
            let r = re(&format!(r"\b{}-[{SUFFIX}]{{5}}", regex::escape(&n)));
            (n, r)
        });
        Normaliser {
            ns: ns.to_owned(),
            sent,
            prefixes: prefixes.collect(),
            names: names.collect(),
            keep_managed_fields: case["keepManagedFields"] == true,
            generated: BTreeMap::new(),
            columns: Vec::new(),
            server: server.to_owned(),
        }
    }

    pub fn scan(&mut self, v: &Value) {
        match v {
            Value::Object(o) => {
                let meta = &v["metadata"];
                if let (Some(prefix), Some(name)) = (meta["generateName"].as_str(), meta["name"].as_str())
                    && !prefix.is_empty()
                    && name.starts_with(prefix)
                {
                    self.generated.insert(name.to_owned(), format!("{prefix}<suffix>"));
                }
                o.values().for_each(|v| self.scan(v));
            }
            Value::Array(a) => a.iter().for_each(|v| self.scan(v)),
            _ => {}
        }
    }

    /// Replaces matches that aren't followed by a character for which `follows` holds: the look-ahead of the original.
    fn replace_bounded(text: &str, r: &Regex, with: &str, follows: fn(char) -> bool) -> String {
        let mut out = String::new();
        let mut at = 0;
        while let Some(m) = r.find_at(text, at) {
            let next = text[m.end()..].chars().next();
            out.push_str(&text[at..m.start()]);
            if next.is_some_and(follows) {
                out.push_str(m.as_str());
            } else {
                out.push_str(with);
            }
            at = m.end();
        }
        out.push_str(&text[at..]);
        out
    }

    pub fn text(&self, v: &str) -> String {
        let mut v = v.to_owned();
        let mut generated: Vec<&String> = self.generated.keys().collect();
        generated.sort_by_key(|n| std::cmp::Reverse(n.len()));
        for name in generated {
            v = v.replace(name.as_str(), &self.generated[name]);
        }
        for (base, r) in &self.prefixes {
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            v = Self::replace_bounded(&v, r, &format!("{base}<suffix>"), word);
        }
        for (name, r) in &self.names {
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            v = Self::replace_bounded(&v, r, &format!("{name}-<suffix>"), word);
        }
        v = v.replace(&self.ns, "<ns>");
        let unless_sent = |m: &str, placeholder: &str| {
            if self.sent.contains(m) { m.to_owned() } else { placeholder.to_owned() }
        };
        v = TIME.replace_all(&v, "<time>").into_owned();
        v = UID.replace_all(&v, |m: &Captures<'_>| unless_sent(&m[0], "<uid>")).into_owned();
        v = JWT.replace_all(&v, "<token>").into_owned();
        v = ACCESS.replace_all(&v, "kube-api-access-<suffix>").into_owned();
        v = RV
            .replace_all(
                &v,
                |m: &Captures<'_>| {
                    if self.sent.contains(&m[2]) { m[0].to_owned() } else { format!("{}<rv>", &m[1]) }
                },
            )
            .into_owned();
        v = TOO_OLD.replace_all(&v, "${1}<rv> (<rv>)").into_owned();
        v = POD_IP.replace_all(&v, "<podip>").into_owned();
        v = CLUSTER_IP.replace_all(&v, |m: &Captures<'_>| unless_sent(&m[0], "<ip>")).into_owned();
        v.replace(&self.server, "<server>")
    }

    pub fn value(&mut self, v: &Value) -> Value {
        match v {
            Value::String(s) => self.text(s).into(),
            Value::Array(a) => a.iter().map(|v| self.value(v)).collect(),
            Value::Object(o) if v["kind"] == "Table" && o.contains_key("rows") => self.table(o),
            Value::Object(o) => {
                let mut out = Map::new();
                for (k, v) in o {
                    if k == "managedFields" && !self.keep_managed_fields {
                        continue;
                    }
                    let text = v.as_str().unwrap_or_default();
                    let new = if k == "resourceVersion" && !text.is_empty() && text != "0" {
                        let digits = text.bytes().all(|b| b.is_ascii_digit());
                        if digits && !self.sent.contains(text) { "<rv>".into() } else { v.clone() }
                    } else if k == "continue" && !text.is_empty() {
                        "<continue>".into()
                    } else if k == "uid" && !text.is_empty() {
                        if self.sent.contains(text) { v.clone() } else { "<uid>".into() }
                    } else if (k == "nodePort" || k == "healthCheckNodePort")
                        && v.is_i64()
                        && !self.sent.contains(&v.to_string())
                    {
                        "<port>".into()
                    } else {
                        let key = self.text(k);
                        let new = self.value(v);
                        out.insert(key, new);
                        continue;
                    };
                    out.insert(k.clone(), new);
                }
                Value::Object(out)
            }
            other => other.clone(),
        }
    }

    fn table(&mut self, o: &Map<String, Value>) -> Value {
        if let Some(Value::Array(c)) = o.get("columnDefinitions") {
            self.columns = c.clone();
        }
        let ages: Vec<bool> = self
            .columns
            .iter()
            .map(|c| c["name"].as_str().is_some_and(|n| AGE_COLUMNS.contains(&n)) || c["format"] == "date-time")
            .collect();
        let mut rows = Vec::new();
        for row in o.get("rows").and_then(Value::as_array).into_iter().flatten() {
            let mut new = row.as_object().cloned().unwrap_or_default();
            let mut cells = Vec::new();
            for (i, c) in row["cells"].as_array().into_iter().flatten().enumerate() {
                let cell = match c.as_str() {
                    Some(s) if ages.get(i) == Some(&true) && AGE.is_match(s) => "<age>".into(),
                    _ => self.value(c),
                };
                cells.push(match cell.as_str() {
                    Some(s) => AGO.replace_all(s, "(<age> ago)").into_owned().into(),
                    None => cell,
                });
            }
            new.insert("cells".into(), cells.into());
            if let Some(object) = new.get("object").cloned() {
                new.insert("object".into(), self.value(&object));
            }
            rows.push(Value::Object(new));
        }
        let mut out = Map::new();
        for (k, v) in o {
            let v = if k == "rows" { Value::Array(std::mem::take(&mut rows)) } else { self.value(v) };
            out.insert(k.clone(), v);
        }
        Value::Object(out)
    }

    pub fn headers(&self, headers: &[(&'static str, String)]) -> Value {
        let mut out = Map::new();
        for (name, v) in headers {
            match *name {
                "Content-Type" => {
                    out.insert("content-type".into(), v.as_str().into());
                }
                "Warning" => {
                    let list = out.entry("warning").or_insert_with(|| Value::Array(Vec::new()));
                    if let Some(list) = list.as_array_mut() {
                        list.push(self.text(v).into());
                    }
                }
                "Allow" => {
                    out.insert("allow".into(), v.as_str().into());
                }
                _ => {}
            }
        }
        Value::Object(out)
    }
}
