//! What expressions evaluate to. Models cel-go `common/types` and apiserver `pkg/cel/{common,library}`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use serde_json::Value;

use super::items::Items;
use super::url::Url;
use crate::api::field::quote;
use crate::api::quantity::Quantity;

/// A key of a map, in the order in which maps are gone through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Rc<str>),
}

/// A question to the authorizer as it is put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Which of its types it is by now: nothing, a path, a group, a resource, or an answer.
    pub stage: Stage,
    pub path: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// Who is asked about, if it isn't who asks: a service account's namespace and name.
    pub account: Option<(String, String)>,
    pub allowed: bool,
    pub reason: String,
}

/// What of a question is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Authorizer,
    Path,
    Group,
    Resource,
    Decision,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Val {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    List(Rc<Items>),
    Map(Rc<BTreeMap<Key, Val>>),
    /// An object of a schema: its fields by their own names.
    Object(Rc<BTreeMap<String, Val>>),
    /// An object that an expression made: its type's name, and its fields.
    Made(Rc<(String, BTreeMap<String, Val>)>),
    Timestamp(jiff::Timestamp),
    /// In nanoseconds.
    Duration(i128),
    Type(&'static str),
    Optional(Option<Rc<Val>>),
    Quantity(Quantity),
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    Url(Rc<Url>),
    /// A named format, such as a DNS label.
    Format(&'static str),
    /// A version's numbers, what comes before its release, and how it is written.
    Semver(Rc<[u64; 3]>, Rc<str>, Rc<str>),
    Question(Rc<Question>),
}

impl Val {
    pub fn text(s: &str) -> Self {
        Val::Text(s.into())
    }

    pub fn list(items: Vec<Val>) -> Self {
        Val::List(Rc::new(items.into()))
    }

    pub fn some(v: Val) -> Self {
        Val::Optional(Some(Rc::new(v)))
    }

    /// JSON without a schema.
    pub fn of(v: &Value) -> Self {
        match v {
            Value::Null => Val::Null,
            Value::Bool(b) => Val::Bool(*b),
            Value::Number(n) => n.as_i64().map_or_else(|| Val::Double(n.as_f64().unwrap_or(0.0)), Val::Int),
            Value::String(s) => Val::text(s),
            Value::Array(items) => Val::list(items.iter().map(Val::of).collect()),
            Value::Object(o) => {
                Val::Map(Rc::new(o.iter().map(|(k, v)| (Key::Text(k.as_str().into()), Val::of(v))).collect()))
            }
        }
    }

    /// As JSON, where it can be.
    pub fn to_json(&self) -> Value {
        match self {
            Val::Bool(b) => (*b).into(),
            Val::Int(i) => (*i).into(),
            Val::Uint(u) => (*u).into(),
            Val::Double(d) => (*d).into(),
            Val::Text(s) => (**s).into(),
            Val::List(items) => items.iter().map(Val::to_json).collect(),
            Val::Map(m) => m.iter().map(|(k, v)| (k.shown(), v.to_json())).collect::<serde_json::Map<_, _>>().into(),
            Val::Object(o) => fields_to_json(o),
            Val::Made(made) => fields_to_json(&made.1),
            Val::Optional(Some(v)) => v.to_json(),
            _ => Value::Null,
        }
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Val::Null => "null_type",
            Val::Bool(_) => "bool",
            Val::Int(_) => "int",
            Val::Uint(_) => "uint",
            Val::Double(_) => "double",
            Val::Text(_) => "string",
            Val::Bytes(_) => "bytes",
            Val::List(_) => "list",
            Val::Map(_) => "map",
            Val::Object(_) | Val::Made(_) => "object",
            Val::Timestamp(_) => "google.protobuf.Timestamp",
            Val::Duration(_) => "google.protobuf.Duration",
            Val::Type(_) => "type",
            Val::Optional(_) => "optional_type",
            Val::Quantity(_) => "kubernetes.Quantity",
            Val::Ip(_) => "net.IP",
            Val::Cidr(..) => "net.CIDR",
            Val::Url(_) => "kubernetes.URL",
            Val::Format(_) => "kubernetes.NamedFormat",
            Val::Semver(..) => "kubernetes.Semver",
            Val::Question(q) => match q.stage {
                Stage::Authorizer => "kubernetes.authorization.Authorizer",
                Stage::Path => "kubernetes.authorization.PathCheck",
                Stage::Group => "kubernetes.authorization.GroupCheck",
                Stage::Resource => "kubernetes.authorization.ResourceCheck",
                Stage::Decision => "kubernetes.authorization.Decision",
            },
        }
    }

    /// The name of the Go type that it is.
    pub fn go_name(&self) -> &'static str {
        match self {
            Val::Null => "types.Null",
            Val::Bool(_) => "types.Bool",
            Val::Int(_) => "types.Int",
            Val::Uint(_) => "types.Uint",
            Val::Double(_) => "types.Double",
            Val::Text(_) => "types.String",
            Val::Bytes(_) => "types.Bytes",
            Val::Timestamp(_) => "types.Timestamp",
            Val::Duration(_) => "types.Duration",
            Val::Type(_) => "*types.Type",
            Val::Optional(_) => "*types.Optional",
            _ => "types.Object",
        }
    }

    pub fn to_key(&self) -> Option<Key> {
        Some(match self {
            Val::Bool(b) => Key::Bool(*b),
            Val::Int(i) => Key::Int(*i),
            Val::Uint(u) => i64::try_from(*u).map_or(Key::Uint(*u), Key::Int),
            Val::Double(d) if d.fract() == 0.0 && d.abs() < 9e15 => Key::Int(*d as i64),
            Val::Text(s) => Key::Text(s.clone()),
            _ => return None,
        })
    }

    fn as_number(&self) -> Option<f64> {
        Some(match self {
            Val::Int(i) => *i as f64,
            Val::Uint(u) => *u as f64,
            Val::Double(d) => *d,
            _ => return None,
        })
    }

    /// Numbers of different types compare by value.
    pub fn compare(&self, other: &Val) -> Option<Ordering> {
        match (self, other) {
            (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
            (Val::Uint(a), Val::Uint(b)) => Some(a.cmp(b)),
            (Val::Int(a), Val::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Val::Uint(a), Val::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Val::Text(a), Val::Text(b)) => Some(a.cmp(b)),
            (Val::Bytes(a), Val::Bytes(b)) => Some(a.cmp(b)),
            (Val::Timestamp(a), Val::Timestamp(b)) => Some(a.cmp(b)),
            (Val::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
            (a, b) => a.as_number()?.partial_cmp(&b.as_number()?),
        }
    }

    pub fn same(&self, other: &Val) -> bool {
        match (self, other) {
            (Val::Null, Val::Null) => true,
            (Val::List(a), Val::List(b)) => a.same(b),
            (Val::Map(a), Val::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| v.same(w)))
            }
            (Val::Object(a), Val::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| v.same(w)))
            }
            (Val::Made(a), Val::Made(b)) => {
                let same = |(k, v): (&String, &Val)| b.1.get(k).is_some_and(|w| v.same(w));
                a.0 == b.0 && a.1.len() == b.1.len() && a.1.iter().all(same)
            }
            (Val::Type(a), Val::Type(b)) => a == b,
            (Val::Optional(a), Val::Optional(b)) => match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => a.same(b),
                _ => false,
            },
            (Val::Quantity(a), Val::Quantity(b)) => a == b,
            (Val::Ip(a), Val::Ip(b)) => a == b,
            (Val::Cidr(a, m), Val::Cidr(b, n)) => (a, m) == (b, n),
            (Val::Url(a), Val::Url(b)) => a.text == b.text,
            (Val::Format(a), Val::Format(b)) => a == b,
            (Val::Semver(a, p, _), Val::Semver(b, q, _)) => (a, p) == (b, q),
            (Val::Question(a), Val::Question(b)) => a == b,
            (a, b) => a.compare(b) == Some(Ordering::Equal),
        }
    }

    /// Whether it is what its type has where nothing is set.
    pub fn is_zero(&self) -> bool {
        match self {
            Val::Null | Val::Optional(None) => true,
            Val::Bool(b) => !b,
            Val::Int(i) => *i == 0,
            Val::Uint(u) => *u == 0,
            Val::Double(d) => *d == 0.0,
            Val::Text(s) => s.is_empty(),
            Val::Bytes(b) => b.is_empty(),
            Val::List(l) => l.is_empty(),
            Val::Map(m) => m.is_empty(),
            Val::Object(o) => o.is_empty(),
            Val::Made(made) => made.1.is_empty(),
            Val::Duration(d) => *d == 0,
            // Go's zero time.
            Val::Timestamp(t) => t.as_nanosecond() == -62_135_596_800_000_000_000,
            _ => false,
        }
    }
}

fn fields_to_json(fields: &BTreeMap<String, Val>) -> Value {
    fields.iter().map(|(k, v)| (k.clone(), v.to_json())).collect::<serde_json::Map<_, _>>().into()
}

/// What is wrong with the types of an object that was made: each is to be named by its path. Models cel/mutation `typeCheck`.
pub fn misnamed(v: &Val, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    match v {
        Val::Made(made) => {
            let name = &made.0;
            if name != path {
                found.push(format!(
                    "unexpected type name {}, expected {}, which matches field name path from root Object type",
                    quote(name),
                    quote(path)
                ));
            }
            found.extend(made.1.iter().flat_map(|(field, v)| misnamed(v, &format!("{path}.{field}"))));
        }
        Val::List(items) => found.extend(items.iter().flat_map(|v| misnamed(v, path))),
        Val::Map(entries) => found.extend(entries.values().flat_map(|v| misnamed(v, path))),
        _ => {}
    }
    found
}

impl Key {
    pub fn to_val(&self) -> Val {
        match self {
            Key::Bool(b) => Val::Bool(*b),
            Key::Int(i) => Val::Int(*i),
            Key::Uint(u) => Val::Uint(*u),
            Key::Text(s) => Val::Text(s.clone()),
        }
    }

    pub fn shown(&self) -> String {
        match self {
            Key::Bool(b) => b.to_string(),
            Key::Int(i) => i.to_string(),
            Key::Uint(u) => u.to_string(),
            Key::Text(s) => s.to_string(),
        }
    }
}

/// A duration as Go prints and reads it.
pub(super) fn show_duration(nanos: i128) -> String {
    let seconds = nanos as f64 / 1e9;
    match nanos % 1_000_000_000 {
        0 => format!("{}s", nanos / 1_000_000_000),
        _ => format!("{seconds}s"),
    }
}

/// Go's `time.ParseDuration`.
pub(super) fn parse_duration(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let length = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(length);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty()).then_some((sign * nanos) as i128)
}
