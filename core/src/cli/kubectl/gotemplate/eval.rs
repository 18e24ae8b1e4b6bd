//! Executes templates over JSON. Models Go's text/template exec.go and funcs.go.

use std::cmp::Ordering;

use base64::Engine as _;
use serde_json::Value;

use super::{Node, Operand, Pipeline};

/// How much a template may print.
const OUTPUT_BYTES_MAX: usize = 4 << 20;

/// Variables in sight.
pub(super) struct Scope {
    variables: Vec<(String, Value)>,
}

/// What ends a loop's turn.
#[derive(PartialEq)]
pub(super) enum Flow {
    On,
    Break,
    Continue,
}

/// A value that may be missing from a map.
type Found = Option<Value>;

fn is_true(v: &Found) -> bool {
    match v {
        None | Some(Value::Null) => false,
        Some(Value::Bool(b)) => *b,
        Some(Value::Number(n)) => n.as_f64() != Some(0.0),
        Some(Value::String(s)) => !s.is_empty(),
        Some(Value::Array(a)) => !a.is_empty(),
        Some(Value::Object(o)) => !o.is_empty(),
    }
}

/// A number as Go's %v prints a float64: with an exponent below 1e-4 and from 1e6 on.
fn float(f: f64) -> String {
    let digits = format!("{:e}", f.abs());
    let exponent: i32 = digits.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if f != 0.0 && !(-4..6).contains(&exponent) {
        let (mantissa, _) = digits.split_once('e').unwrap_or((&digits, ""));
        let sign = if f < 0.0 { "-" } else { "" };
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.abs());
    }
    format!("{f}")
}

fn shown(v: &Found) -> String {
    match v {
        None => "<no value>".into(),
        Some(Value::Null) => "<nil>".into(),
        Some(Value::String(s)) => s.clone(),
        Some(Value::Number(n)) => n.as_f64().map_or_else(|| n.to_string(), float),
        Some(Value::Array(a)) => {
            format!("[{}]", a.iter().map(|v| shown(&Some(v.clone()))).collect::<Vec<_>>().join(" "))
        }
        Some(Value::Object(o)) => {
            let inner: Vec<String> = o.iter().map(|(k, v)| format!("{k}:{}", shown(&Some(v.clone())))).collect();
            format!("map[{}]", inner.join(" "))
        }
        Some(v) => v.to_string(),
    }
}

impl Scope {
    pub(super) fn new(root: &Value) -> Self {
        Scope { variables: vec![(String::new(), root.clone())] }
    }

    pub(super) fn run(&mut self, nodes: &[Node], dot: &Value, out: &mut String) -> Result<Flow, String> {
        let depth = self.variables.len();
        for n in nodes {
            if out.len() > OUTPUT_BYTES_MAX {
                return Err("the output is too large".into());
            }
            let flow = self.node(n, dot, out)?;
            if flow != Flow::On {
                self.variables.truncate(depth);
                return Ok(flow);
            }
        }
        self.variables.truncate(depth);
        Ok(Flow::On)
    }

    fn node(&mut self, n: &Node, dot: &Value, out: &mut String) -> Result<Flow, String> {
        match n {
            Node::Text(t) => out.push_str(t),
            Node::Action(p) => {
                let v = self.pipeline(p, dot)?;
                match p.declares.first() {
                    Some(name) => self.set(name, v.unwrap_or(Value::Null), p.assigns),
                    None => out.push_str(&shown(&v)),
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Branch { with, test, then, otherwise } => {
                let v = self.pipeline(test, dot)?;
                let depth = self.variables.len();
                if let Some(name) = test.declares.first() {
                    self.variables.push((name.clone(), v.clone().unwrap_or(Value::Null)));
                }
                let flow = match (is_true(&v), v) {
                    (true, Some(v)) if *with => self.run(then, &v, out)?,
                    (true, _) => self.run(then, dot, out)?,
                    (false, _) => self.run(otherwise, dot, out)?,
                };
                self.variables.truncate(depth);
                return Ok(flow);
            }
            Node::Range { over, body, otherwise } => {
                let v = self.pipeline(over, dot)?;
                return self.range(over, &v, body, otherwise, dot, out);
            }
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        over: &Pipeline,
        v: &Found,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
        out: &mut String,
    ) -> Result<Flow, String> {
        let pairs: Vec<(Value, Value)> = match v {
            Some(Value::Array(a)) => a.iter().enumerate().map(|(i, v)| (i.into(), v.clone())).collect(),
            Some(Value::Object(o)) => o.iter().map(|(k, v)| (k.clone().into(), v.clone())).collect(),
            None | Some(Value::Null) => Vec::new(),
            Some(other) => return Err(format!("range can't iterate over {}", shown(&Some(other.clone())))),
        };
        if pairs.is_empty() {
            return self.run(otherwise, dot, out);
        }
        let depth = self.variables.len();
        for (k, v) in pairs {
            match over.declares.as_slice() {
                [one] => self.variables.push((one.clone(), v.clone())),
                [key, value] => {
                    self.variables.push((key.clone(), k));
                    self.variables.push((value.clone(), v.clone()));
                }
                _ => {}
            }
            let flow = self.run(body, &v, out)?;
            self.variables.truncate(depth);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, name: &str, v: Value, assigns: bool) {
        let old = self.variables.iter_mut().rev().find(|(n, _)| n == name).filter(|_| assigns);
        match old {
            Some(old) => old.1 = v,
            None => self.variables.push((name.to_owned(), v)),
        }
    }

    fn pipeline(&mut self, p: &Pipeline, dot: &Value) -> Result<Found, String> {
        let mut last: Option<Found> = None;
        for c in &p.commands {
            last = Some(self.command(c, dot, last)?);
        }
        Ok(last.unwrap_or_default())
    }

    fn command(&mut self, c: &[Operand], dot: &Value, fed: Option<Found>) -> Result<Found, String> {
        if let Some((Operand::Function(name), rest)) = c.split_first() {
            let mut args: Vec<Found> = Vec::new();
            for o in rest {
                args.push(self.operand(o, dot)?);
            }
            args.extend(fed);
            return call(name, &args)
                .map_err(|e| format!("template: output: executing \"output\" at <{name}>: error calling {name}: {e}"));
        }
        match c {
            [one] => self.operand(one, dot),
            _ => Err("template: output: executing \"output\": can't give argument to non-function".into()),
        }
    }

    fn operand(&mut self, o: &Operand, dot: &Value) -> Result<Found, String> {
        match o {
            Operand::Dot => Ok(Some(dot.clone())),
            Operand::Literal(v) => Ok(Some(v.clone())),
            Operand::Field(f) => walk(Some(dot.clone()), f),
            Operand::Variable(name, f) => {
                let v = self.variables.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                match v {
                    Some(v) => walk(Some(v), f),
                    None => Err(format!("template: output:1: undefined variable \"${name}\"")),
                }
            }
            Operand::Group(p, f) => {
                let v = self.pipeline(p, dot)?;
                walk(v, f)
            }
            Operand::Function(name) => call(name, &[]),
        }
    }
}

/// Follows fields; a key that a map hasn't gives no value.
fn walk(v: Found, fields: &[String]) -> Result<Found, String> {
    let mut v = v;
    for f in fields {
        v = match v {
            Some(Value::Object(o)) => o.get(f).cloned(),
            None | Some(Value::Null) => {
                let whole = fields.join(".");
                return Err(format!(
                    "template: output:1:2: executing \"output\" at <.{whole}>: nil pointer evaluating interface {{}}.{f}"
                ));
            }
            Some(_) => {
                let whole = fields.join(".");
                return Err(format!(
                    "template: output:1:2: executing \"output\" at <.{whole}>: can't evaluate field {f} in type interface {{}}"
                ));
            }
        };
    }
    Ok(v)
}

fn compare(a: &Found, b: &Found) -> Result<Ordering, String> {
    match (a, b) {
        (Some(Value::Number(x)), Some(Value::Number(y))) => {
            Ok(x.as_f64().partial_cmp(&y.as_f64()).unwrap_or(Ordering::Equal))
        }
        (Some(Value::String(x)), Some(Value::String(y))) => Ok(x.cmp(y)),
        (Some(Value::Bool(x)), Some(Value::Bool(y))) => Ok(x.cmp(y)),
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(Ordering::Equal),
        (None | Some(Value::Null), _) | (_, None | Some(Value::Null)) => Ok(Ordering::Less),
        _ => Err("incompatible types for comparison".into()),
    }
}

fn call(name: &str, args: &[Found]) -> Result<Found, String> {
    let text = |i: usize| args.get(i).map(shown).unwrap_or_default();
    let first = args.first().cloned().ok_or_else(|| format!("wrong number of args for {name}: want at least 1 got 0"));
    Ok(Some(match name {
        "and" => return first.map(|f| args.iter().find(|a| !is_true(a)).or(args.last()).cloned().unwrap_or(f)),
        "or" => return first.map(|f| args.iter().find(|a| is_true(a)).or(args.last()).cloned().unwrap_or(f)),
        "not" => (!is_true(&first?)).into(),
        "eq" => {
            let f = first?;
            let same = |b: &Found| compare(&f, b).map(Ordering::is_eq);
            let found: Result<Vec<bool>, String> = args[1..].iter().map(same).collect();
            found?.contains(&true).into()
        }
        "ne" | "lt" | "le" | "gt" | "ge" => {
            let [a, b] = args else {
                return Err(format!("wrong number of args for {name}: want 2 got {}", args.len()));
            };
            let o = compare(a, b)?;
            match name {
                "ne" => o.is_ne(),
                "lt" => o.is_lt(),
                "le" => o.is_le(),
                "gt" => o.is_gt(),
                _ => o.is_ge(),
            }
            .into()
        }
        "len" => match first? {
            Some(Value::String(s)) => s.len().into(),
            Some(Value::Array(a)) => a.len().into(),
            Some(Value::Object(o)) => o.len().into(),
            _ => return Err("len of nil pointer".into()),
        },
        "index" => return index(first?, &args[1..]),
        "exists" => return Ok(Some(index(first?, &args[1..]).is_ok_and(|v| v.is_some()).into())),
        "slice" => {
            let number = |i: usize| args.get(i).and_then(|v| v.as_ref()?.as_u64()).map(|n| n as usize);
            match first? {
                Some(Value::String(s)) => {
                    let (from, to) = (number(1).unwrap_or(0), number(2).unwrap_or(s.len()));
                    s.get(from..to).ok_or("index out of range")?.into()
                }
                Some(Value::Array(a)) => {
                    let (from, to) = (number(1).unwrap_or(0), number(2).unwrap_or(a.len()));
                    a.get(from..to).ok_or("index out of range")?.to_vec().into()
                }
                _ => return Err("slice of untyped nil".into()),
            }
        }
        "print" => args.iter().map(shown).collect::<String>().into(),
        "println" => (args.iter().map(shown).collect::<Vec<_>>().join(" ") + "\n").into(),
        "printf" => printf(&text(0), args.get(1..).unwrap_or_default()).into(),
        "base64decode" => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text(0)).map_err(|e| e.to_string())?;
            String::from_utf8_lossy(&bytes).into_owned().into()
        }
        "urlquery" => crate::cli::kubectl::encode(&text(0)).into(),
        "html" => text(0).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").into(),
        _ => text(0).into(),
    }))
}

fn index(v: Found, keys: &[Found]) -> Result<Found, String> {
    let mut v = v;
    for k in keys {
        v = match (v, k) {
            (Some(Value::Object(o)), Some(Value::String(k))) => o.get(k).cloned(),
            (Some(Value::Array(a)), Some(Value::Number(n))) => {
                let at = n.as_u64().and_then(|n| usize::try_from(n).ok());
                Some(at.and_then(|i| a.get(i)).cloned().ok_or_else(|| format!("index out of range: {n}"))?)
            }
            (None | Some(Value::Null), _) => return Err("index of untyped nil".into()),
            _ => return Err("can't index item".into()),
        };
    }
    Ok(v)
}

/// Go's printf, as far as templates use it.
fn printf(format: &str, args: &[Found]) -> String {
    let mut out = String::new();
    let mut args = args.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        while let Some(f) = chars.next_if(|c| c.is_ascii_digit() || "-+# .0".contains(*c)) {
            spec.push(f);
        }
        let verb = chars.next().unwrap_or('%');
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(a) = args.next() else {
            out.push_str(&format!("%!{verb}(MISSING)"));
            continue;
        };
        let text = match verb {
            'q' => crate::api::field::quote(&shown(a)),
            'd' => match a.as_ref().and_then(Value::as_f64) {
                Some(n) => format!("{n:.0}"),
                None => format!("%!d(string={})", shown(a)),
            },
            'f' => {
                let places = spec.split_once('.').and_then(|(_, p)| p.parse().ok()).unwrap_or(6usize);
                format!("{:.*}", places.min(30), a.as_ref().and_then(Value::as_f64).unwrap_or(0.0))
            }
            _ => shown(a),
        };
        let width: usize =
            spec.trim_start_matches('-').split('.').next().and_then(|w| w.parse().ok()).unwrap_or(0).min(1000);
        let fill = " ".repeat(width.saturating_sub(text.chars().count()));
        out.push_str(&if spec.starts_with('-') { text + &fill } else { fill + &text });
    }
    out
}
