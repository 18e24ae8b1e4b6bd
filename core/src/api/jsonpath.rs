//! JSONPath templates and custom columns. Models client-go `util/jsonpath` and kubectl `pkg/cmd/get/customcolumn.go`.

use serde_json::Value;

use super::schema::go_json;

/// A value's text: empty for what is not there.
pub fn text(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// How deep a template may be nested.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// `[start:end:step]`; an index alone is a slice of one that must exist.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    Index(i64),
    Wildcard,
    Recursive,
    Filter(Operand, String, Operand),
    /// `['a','b']`, `[0,1]`
    Union(Vec<Vec<Step>>),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(Vec<Step>),
    Value(Value),
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Path(Vec<Step>),
    Range(Vec<Step>, Vec<Node>),
}

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template(Vec<Node>);

struct Parser<'a> {
    chars: Vec<char>,
    at: usize,
    whole: &'a str,
}

impl Template {
    /// Parses `{.a.b[0]}{"\n"}`; the error is the parser's own.
    pub fn parse(s: &str) -> Result<Template, String> {
        let mut p = Parser { chars: s.chars().collect(), at: 0, whole: s };
        let (nodes, ended) = p.nodes(0)?;
        if ended {
            return Err("not in range, nothing to end".into());
        }
        Ok(Template(nodes))
    }

    /// What the template says of a value.
    pub fn execute(&self, v: &Value) -> Result<String, String> {
        let mut out = String::new();
        run(&self.0, v, v, &mut out)?;
        Ok(out)
    }

    /// The values that a template of one path finds.
    pub fn find<'a>(&self, v: &'a Value) -> Vec<&'a Value> {
        match self.0.as_slice() {
            [Node::Path(steps)] => walk(steps, v, v, true).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let is = self.peek() == Some(c);
        self.at += usize::from(is);
        is
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn word(&self, w: &str) -> bool {
        let rest: String = self.chars[self.at..].iter().take(w.len() + 1).collect();
        rest.starts_with(w) && !rest[w.len()..].starts_with(|c: char| c.is_alphanumeric())
    }

    /// Nodes up to the end, or to the `{end}` of a range.
    fn nodes(&mut self, depth: usize) -> Result<(Vec<Node>, bool), String> {
        if depth > DEPTH_MAX {
            return Err("too deep".into());
        }
        let mut out = Vec::new();
        let mut plain = String::new();
        while let Some(c) = self.peek() {
            if c != '{' {
                plain.push(c);
                self.at += 1;
                continue;
            }
            self.at += 1;
            if !plain.is_empty() {
                out.push(Node::Text(std::mem::take(&mut plain)));
            }
            self.blanks();
            if self.word("end") {
                self.at += 3;
                self.close()?;
                return Ok((out, true));
            }
            if self.word("range") {
                self.at += 5;
                self.blanks();
                let path = self.path(depth)?;
                self.close()?;
                let (inner, ended) = self.nodes(depth + 1)?;
                if !ended {
                    return Err("unterminated range".into());
                }
                out.push(Node::Range(path, inner));
                continue;
            }
            loop {
                self.blanks();
                match self.peek() {
                    None => return Err("unclosed action".into()),
                    Some('}') => break,
                    Some(q @ ('"' | '\'')) => {
                        let s = self.quoted(q)?;
                        out.push(Node::Text(s));
                    }
                    Some(_) => out.push(Node::Path(self.path(depth)?)),
                }
            }
            self.at += 1;
        }
        if !plain.is_empty() {
            out.push(Node::Text(plain));
        }
        Ok((out, false))
    }

    fn close(&mut self) -> Result<(), String> {
        self.blanks();
        if self.take('}') { Ok(()) } else { Err("unclosed action".into()) }
    }

    fn quoted(&mut self, q: char) -> Result<String, String> {
        self.at += 1;
        let mut s = String::new();
        loop {
            match self.peek() {
                None => return Err("unterminated quoted string".into()),
                Some('\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some('n') => s.push('\n'),
                        Some('t') => s.push('\t'),
                        Some('r') => s.push('\r'),
                        Some(c) => s.push(c),
                        None => return Err("unterminated quoted string".into()),
                    }
                    self.at += 1;
                }
                Some(c) if c == q => {
                    self.at += 1;
                    return Ok(s);
                }
                Some(c) => {
                    s.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn path(&mut self, depth: usize) -> Result<Vec<Step>, String> {
        if depth > DEPTH_MAX {
            return Err("too deep".into());
        }
        let start = self.at;
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some('@' | '$') if self.at == start => self.at += 1,
                Some('.') => {
                    self.at += 1;
                    if self.take('.') {
                        steps.push(Step::Recursive);
                        if self.peek() == Some('[') {
                            continue;
                        }
                    }
                    self.field(&mut steps);
                }
                Some('[') => {
                    self.at += 1;
                    steps.push(self.bracket(depth + 1)?);
                }
                Some('*') => {
                    self.at += 1;
                    steps.push(Step::Wildcard);
                }
                Some(c) if self.at == start && (c.is_alphanumeric() || c == '_') => self.field(&mut steps),
                Some(c) if self.at == start => {
                    return Err(format!("unrecognized character in action: U+{:04X} '{c}'", c as u32));
                }
                _ => return Ok(steps),
            }
        }
    }

    fn field(&mut self, steps: &mut Vec<Step>) {
        if self.take('*') {
            steps.push(Step::Wildcard);
            return;
        }
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    name.extend(self.peek());
                    self.at += 1;
                }
                '.' | '[' | ']' | '}' | ')' | ',' | '=' | '!' | '<' | '>' | '|' | '\'' | '"' => break,
                c if c.is_whitespace() => break,
                c => {
                    name.push(c);
                    self.at += 1;
                }
            }
        }
        if !name.is_empty() {
            steps.push(Step::Field(name));
        }
    }

    fn bracket(&mut self, depth: usize) -> Result<Step, String> {
        self.blanks();
        if self.take('?') {
            return self.filter(depth);
        }
        if self.take('*') {
            return if self.take(']') { Ok(Step::Wildcard) } else { Err("unterminated array".into()) };
        }
        let mut parts: Vec<Vec<Step>> = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                Some(q @ ('\'' | '"')) => {
                    let s = self.quoted(q)?;
                    parts.push(vec![Step::Field(s)]);
                }
                _ => {
                    let mut s = String::new();
                    while let Some(c) = self.peek().filter(|c| !matches!(c, ',' | ']')) {
                        s.push(c);
                        self.at += 1;
                    }
                    parts.push(vec![slice(s.trim())?]);
                }
            }
            self.blanks();
            if self.take(']') {
                break;
            }
            if !self.take(',') {
                return Err("unterminated array".into());
            }
        }
        match (parts.len(), parts.pop()) {
            (1, Some(mut one)) => one.pop().ok_or_else(|| "invalid array index ".to_owned()),
            (_, Some(last)) => {
                parts.push(last);
                Ok(Step::Union(parts))
            }
            _ => Err("unterminated array".into()),
        }
    }

    fn filter(&mut self, depth: usize) -> Result<Step, String> {
        if !self.take('(') {
            return Err(format!("unterminated filter in {}", self.whole));
        }
        let left = self.operand(depth)?;
        self.blanks();
        let mut operator = String::new();
        while let Some(c) = self.peek().filter(|c| matches!(c, '=' | '!' | '<' | '>')) {
            operator.push(c);
            self.at += 1;
        }
        let right = if operator.is_empty() {
            operator = "exists".into();
            Operand::Value(Value::Null)
        } else {
            self.operand(depth)?
        };
        self.blanks();
        if !(self.take(')') && self.take(']')) {
            return Err("unterminated filter".into());
        }
        if !["==", "!=", "<", ">", "<=", ">=", "exists"].contains(&operator.as_str()) {
            return Err(format!("unrecognized filter operator {operator}"));
        }
        Ok(Step::Filter(left, operator, right))
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, String> {
        self.blanks();
        match self.peek() {
            Some(q @ ('\'' | '"')) => Ok(Operand::Value(Value::String(self.quoted(q)?))),
            Some('@' | '$' | '.') => Ok(Operand::Path(self.path(depth + 1)?)),
            _ => {
                let mut s = String::new();
                while let Some(c) =
                    self.peek().filter(|c| !c.is_whitespace() && !matches!(c, ')' | '=' | '!' | '<' | '>'))
                {
                    s.push(c);
                    self.at += 1;
                }
                serde_json::from_str(&s).map(Operand::Value).map_err(|_| format!("cannot parse filter operand {s}"))
            }
        }
    }
}

fn slice(s: &str) -> Result<Step, String> {
    let bad = || format!("invalid array index {s}");
    let number =
        |p: &str| if p.trim().is_empty() { Ok(None) } else { p.trim().parse::<i64>().map(Some).map_err(|_| bad()) };
    let parts: Vec<&str> = s.split(':').collect();
    match parts.as_slice() {
        [one] => one.trim().parse().map(Step::Index).map_err(|_| bad()),
        [a, b] => Ok(Step::Slice(number(a)?, number(b)?, None)),
        [a, b, c] => Ok(Step::Slice(number(a)?, number(b)?, number(c)?)),
        _ => Err(bad()),
    }
}

fn children(v: &Value) -> Vec<&Value> {
    match v {
        Value::Array(a) => a.iter().collect(),
        Value::Object(m) => m.values().collect(),
        _ => Vec::new(),
    }
}

fn descend<'a>(v: &'a Value, into: &mut Vec<&'a Value>) {
    into.push(v);
    for c in children(v) {
        descend(c, into);
    }
}

/// The values that a path finds; a field that is missing is no error unless `strict`.
fn walk<'a>(steps: &[Step], v: &'a Value, root: &'a Value, lenient: bool) -> Result<Vec<&'a Value>, String> {
    let mut found = vec![v];
    let mut recursive = false;
    for step in steps {
        let mut next = Vec::new();
        for v in found {
            match step {
                Step::Field(name) => match v {
                    Value::Object(m) => match m.get(name) {
                        Some(x) => next.push(x),
                        None if lenient || recursive => {}
                        None => return Err(format!("{name} is not found")),
                    },
                    Value::Array(_) if !lenient && !recursive => {
                        return Err(format!("can't find field {name} in a list"));
                    }
                    _ => {}
                },
                Step::Index(i) => {
                    let list = v.as_array().map(Vec::as_slice).unwrap_or_default();
                    let at = if *i < 0 { *i + list.len() as i64 } else { *i };
                    match usize::try_from(at).ok().and_then(|at| list.get(at)) {
                        Some(x) => next.push(x),
                        None if lenient || recursive => {}
                        None => return Err(format!("array index out of bounds: index {i}, length {}", list.len())),
                    }
                }
                Step::Slice(a, b, step) => {
                    let list = v.as_array().map(Vec::as_slice).unwrap_or_default();
                    let n = list.len() as i64;
                    let place =
                        |x: Option<i64>, default: i64| x.map_or(default, |x| if x < 0 { x + n } else { x }).clamp(0, n);
                    let (a, b) = (place(*a, 0), place(*b, n));
                    let step = step.unwrap_or(1).max(1);
                    next.extend((a..b).step_by(step as usize).filter_map(|i| list.get(i as usize)));
                }
                Step::Wildcard => next.extend(children(v)),
                Step::Recursive => descend(v, &mut next),
                Step::Filter(left, operator, right) => {
                    for c in children(v) {
                        if matches(left, operator, right, c, root) {
                            next.push(c);
                        }
                    }
                }
                Step::Union(parts) => {
                    for p in parts {
                        next.extend(walk(p, v, root, lenient)?);
                    }
                }
            }
        }
        recursive = matches!(step, Step::Recursive);
        found = next;
    }
    Ok(found)
}

fn matches(left: &Operand, operator: &str, right: &Operand, v: &Value, root: &Value) -> bool {
    let value = |o: &Operand| match o {
        Operand::Value(v) => Some(v.clone()),
        Operand::Path(p) => walk(p, v, root, true).ok().and_then(|f| f.first().map(|v| (*v).clone())),
    };
    let Some(a) = value(left) else { return false };
    if operator == "exists" {
        return true;
    }
    let Some(b) = value(right) else { return false };
    let order = match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) => x.partial_cmp(&y),
        _ if a.is_string() == b.is_string() => Some(text(&a).cmp(&text(&b))),
        _ => None,
    };
    match (operator, order) {
        ("==", o) => o.is_some_and(std::cmp::Ordering::is_eq),
        ("!=", o) => !o.is_some_and(std::cmp::Ordering::is_eq),
        ("<", Some(o)) => o.is_lt(),
        (">", Some(o)) => o.is_gt(),
        ("<=", Some(o)) => o.is_le(),
        (">=", Some(o)) => o.is_ge(),
        _ => false,
    }
}

fn run(nodes: &[Node], v: &Value, root: &Value, out: &mut String) -> Result<(), String> {
    for n in nodes {
        match n {
            Node::Text(s) => out.push_str(s),
            Node::Path(steps) => {
                let found = walk(steps, v, root, false)?;
                let texts: Vec<String> = found.into_iter().map(shown).collect();
                out.push_str(&texts.join(" "));
            }
            Node::Range(steps, inner) => {
                for x in walk(steps, v, root, false)? {
                    run(inner, x, root, out)?;
                }
            }
        }
    }
    Ok(())
}

/// A found value: text as it stands, the rest as JSON.
fn shown(v: &Value) -> String {
    match v {
        Value::Object(_) | Value::Array(_) => go_json(v, None),
        other => text(other),
    }
}

/// `a.b`, `.a.b`, `{a.b}` and `{.a.b}` as a template. Models get.RelaxedJSONPathExpression.
pub fn relaxed(s: &str) -> Result<Template, String> {
    let bare = s.strip_prefix('{').and_then(|s| s.strip_suffix('}')).unwrap_or(s);
    let bare = bare.strip_prefix('.').unwrap_or(bare);
    if bare.is_empty() || bare.contains(['{', '}']) {
        return Err(format!(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{{name1.name2}}' or '{{.name1.name2}}', but got {s}"
        ));
    }
    Template::parse(&format!("{{.{bare}}}"))
}

/// What a column shows of a value: what was found, comma by comma; Go's way for lists and maps.
pub fn column(t: &Template, v: &Value) -> String {
    let found = t.find(v);
    let texts: Vec<String> = found.into_iter().map(crate::api::patch::go_fmt).collect();
    if texts.is_empty() { "<none>".into() } else { texts.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates() {
        let v = json!({
            "kind": "List",
            "items": [
                {"name": "a", "labels": {"x.y/z": "1"}, "ports": [{"n": 80}, {"n": 443}], "ready": true},
                {"name": "b", "labels": {}, "ports": []},
            ],
        });
        for (template, want) in [
            ("{.kind}", "List"),
            ("{.items[*].name}", "a b"),
            ("{.items[0].name}{'\\n'}", "a\n"),
            ("{range .items[*]}{.name}{\"\\t\"}{end}", "a\tb\t"),
            ("{.items[?(@.name==\"b\")].name}", "b"),
            ("{.items[?(@.ready)].name}", "a"),
            ("{.items[0].ports[?(@.n>100)].n}", "443"),
            ("{.items[0].labels.x\\.y/z}", "1"),
            ("{.items[0].labels['x.y/z']}", "1"),
            ("{..name}", "a b"),
            ("{.items[-1:].name}", "b"),
            ("{.items[0].ports}", "[{\"n\":80},{\"n\":443}]"),
            ("n: {.items[0]['name','ready']}", "n: a true"),
        ] {
            assert_eq!(Template::parse(template).expect(template).execute(&v).expect(template), want, "{template}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(
            Template::parse("{.spec.nodeName}{\\n}").expect_err("an error"),
            "unrecognized character in action: U+005C '\\'"
        );
        assert_eq!(Template::parse("{.a").expect_err("an error"), "unclosed action");
        assert_eq!(Template::parse("{.a}").expect("fine").execute(&json!({})).expect_err("missing"), "a is not found");
    }

    #[test]
    fn columns() {
        let v = json!({"metadata": {"name": "x"}, "list": [1, 2]});
        for (path, want) in
            [(".metadata.name", "x"), ("{.metadata.name}", "x"), ("metadata.nope", "<none>"), (".list[*]", "1,2")]
        {
            assert_eq!(column(&relaxed(path).expect("a path"), &v), want);
        }
    }
}
