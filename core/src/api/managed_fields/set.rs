//! Sets of field paths, and their JSON: FieldsV1.
//! Models sigs.k8s.io/structured-merge-diff `fieldpath/{set,element,serialize,serialize-pe}.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::api::field::quote;

/// How deep a set from outside may nest.
const DEPTH_MAX: usize = 256;

/// A scalar in a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scalar {
    Int(i64),
    /// As its shortest text.
    Float(String),
    String(Rc<str>),
    Bool(bool),
}

impl Scalar {
    /// The value, if it is a scalar.
    pub fn of(v: &Value) -> Option<Self> {
        Some(match v {
            Value::String(s) => Scalar::String(s.as_str().into()),
            Value::Bool(b) => Scalar::Bool(*b),
            Value::Number(n) => n.as_i64().map_or_else(|| Scalar::Float(n.to_string()), Scalar::Int),
            _ => return None,
        })
    }

    fn to_value(&self) -> Value {
        match self {
            Scalar::Int(i) => Value::from(*i),
            Scalar::Float(f) => f.parse::<f64>().map_or(Value::Null, Value::from),
            Scalar::String(s) => Value::from(&**s),
            Scalar::Bool(b) => Value::Bool(*b),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Float(s) => f.write_str(s),
            Scalar::String(s) => f.write_str(&quote(s)),
            Scalar::Bool(b) => write!(f, "{b}"),
        }
    }
}

/// A step of a path. The order of the variants is the order of the API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of a struct, a key of a map.
    Field(Rc<str>),
    /// An item of a list whose items are told apart by keys, sorted by name.
    Key(Rc<[(Rc<str>, Scalar)]>),
    /// An item of a set.
    Value(Scalar),
    Index(i64),
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(n) => write!(f, ".{n}"),
            Element::Key(keys) => {
                let terms: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", terms.join(","))
            }
            Element::Value(v) => write!(f, "[={v}]"),
            Element::Index(i) => write!(f, "[{i}]"),
        }
    }
}

impl Element {
    fn to_json_key(&self) -> String {
        match self {
            Element::Field(n) => format!("f:{n}"),
            Element::Key(keys) => {
                let o: Map<String, Value> = keys.iter().map(|(k, v)| (k.to_string(), v.to_value())).collect();
                format!("k:{}", Value::Object(o))
            }
            Element::Value(v) => format!("v:{}", v.to_value()),
            Element::Index(i) => format!("i:{i}"),
        }
    }

    /// Nothing for a kind of element that isn't known.
    fn from_json_key(s: &str) -> Result<Option<Self>, String> {
        let bad = |e: &dyn fmt::Display| format!("parsing key as path element: {e}");
        if s.len() < 2 {
            return Err(format!("key must be 2 characters long: {s}"));
        }
        if s.as_bytes().get(1) != Some(&b':') {
            return Err(format!("missing colon: {s}"));
        }
        let rest = s.get(2..).unwrap_or("");
        Ok(Some(match s.as_bytes().first() {
            Some(b'f') => Element::Field(rest.into()),
            Some(b'v') => {
                let v: Value = serde_json::from_str(rest).map_err(|e| bad(&e))?;
                Element::Value(Scalar::of(&v).ok_or_else(|| bad(&"not a scalar"))?)
            }
            Some(b'k') => {
                let o: Map<String, Value> = serde_json::from_str(rest).map_err(|e| bad(&e))?;
                let mut keys = Vec::with_capacity(o.len());
                for (k, v) in o {
                    keys.push((k.into(), Scalar::of(&v).ok_or_else(|| bad(&"not a scalar"))?));
                }
                Element::Key(keys.into())
            }
            Some(b'i') => Element::Index(rest.parse().map_err(|e: std::num::ParseIntError| bad(&e))?),
            _ => return Ok(None),
        }))
    }
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set {
    members: BTreeSet<Element>,
    children: BTreeMap<Element, Set>,
}

impl Set {
    /// Whether no path is in it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Set::is_empty)
    }

    /// Puts a path in.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut at = self;
        for p in parents {
            if !at.children.contains_key(p) {
                at.children.insert(p.clone(), Set::default());
            }
            match at.children.get_mut(p) {
                Some(next) => at = next,
                None => return,
            }
        }
        if !at.members.contains(last) {
            at.members.insert(last.clone());
        }
    }

    /// Whether the path is in it.
    pub fn has(&self, path: &[Element]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        let mut at = self;
        for p in parents {
            match at.children.get(p) {
                Some(next) => at = next,
                None => return false,
            }
        }
        at.members.contains(last)
    }

    pub(super) fn has_member(&self, e: &Element) -> bool {
        self.members.contains(e)
    }

    /// The paths below this step.
    pub(super) fn below(&self, e: &Element) -> Option<&Set> {
        self.children.get(e).filter(|s| !s.is_empty())
    }

    pub(super) fn children(&self) -> impl Iterator<Item = (&Element, &Set)> {
        self.children.iter()
    }

    /// The same members, these children.
    pub(super) fn rebuilt(&self, more: Vec<Element>, children: BTreeMap<Element, Set>) -> Set {
        let mut members = self.members.clone();
        members.extend(more);
        Set { members, children }
    }

    /// Paths in either.
    pub fn union(&self, other: &Set) -> Set {
        let mut out = self.clone();
        out.members.extend(other.members.iter().cloned());
        for (e, s) in &other.children {
            match out.children.get_mut(e) {
                Some(mine) => *mine = mine.union(s),
                None => {
                    out.children.insert(e.clone(), s.clone());
                }
            }
        }
        out
    }

    /// Paths in both.
    pub fn intersection(&self, other: &Set) -> Set {
        let children = self.children.iter().filter_map(|(e, s)| {
            let both = s.intersection(other.children.get(e)?);
            (!both.is_empty()).then(|| (e.clone(), both))
        });
        Set { members: self.members.intersection(&other.members).cloned().collect(), children: children.collect() }
    }

    /// Paths that the other lacks.
    pub fn difference(&self, other: &Set) -> Set {
        if other.is_empty() {
            return self.clone();
        }
        let children = self.children.iter().filter_map(|(e, s)| {
            let rest = match other.children.get(e) {
                Some(o) => s.difference(o),
                None => s.clone(),
            };
            (!rest.is_empty()).then(|| (e.clone(), rest))
        });
        Set { members: self.members.difference(&other.members).cloned().collect(), children: children.collect() }
    }

    /// Paths that neither are in the other nor lie below one that is.
    pub fn recursive_difference(&self, other: &Set) -> Set {
        if other.is_empty() {
            return self.clone();
        }
        let children = self.children.iter().filter(|(e, _)| !other.members.contains(*e)).filter_map(|(e, s)| {
            let rest = match other.children.get(e) {
                Some(o) => s.recursive_difference(o),
                None => s.clone(),
            };
            (!rest.is_empty()).then(|| (e.clone(), rest))
        });
        Set { members: self.members.difference(&other.members).cloned().collect(), children: children.collect() }
    }

    /// Every path: a set's own members before what lies below.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<Element>, out: &mut Vec<Vec<Element>>) {
        for m in &self.members {
            let mut p = prefix.clone();
            p.push(m.clone());
            out.push(p);
        }
        for (e, s) in &self.children {
            prefix.push(e.clone());
            s.collect(prefix, out);
            prefix.pop();
        }
    }

    /// As FieldsV1.
    pub fn to_value(&self) -> Value {
        self.emit(false)
    }

    fn emit(&self, include_self: bool) -> Value {
        let mut o = Map::new();
        if include_self && !(self.members.is_empty() && self.children.is_empty()) {
            o.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for m in self.members.iter().filter(|m| !self.children.contains_key(*m)) {
            o.insert(m.to_json_key(), Value::Object(Map::new()));
        }
        for (e, s) in &self.children {
            o.insert(e.to_json_key(), s.emit(self.members.contains(e)));
        }
        Value::Object(o)
    }

    /// From FieldsV1.
    pub fn from_value(v: &Value) -> Result<Self, String> {
        Ok(Self::read(v, 0)?.0.unwrap_or_default())
    }

    /// What lies below, if anything, and whether this place itself is a member.
    fn read(v: &Value, depth: usize) -> Result<(Option<Set>, bool), String> {
        if depth > DEPTH_MAX {
            return Err("exceeded max depth".to_owned());
        }
        let mut out: Option<Set> = None;
        let mut is_member = false;
        for (key, v) in v.as_object().into_iter().flatten() {
            if key == "." {
                is_member = true;
                continue;
            }
            let Some(e) = Element::from_json_key(key)? else { continue };
            let (below, member) = Self::read(v, depth + 1)?;
            if member {
                out.get_or_insert_default().members.insert(e.clone());
            }
            if let Some(below) = below {
                out.get_or_insert_default().children.insert(e, below);
            }
        }
        let member = is_member || out.is_none();
        Ok((out, member))
    }
}

/// A path as conflicts print it.
pub(super) fn show_path(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}
