//! YAML as go-yaml v2 reads it into untyped values, and as sigs.k8s.io/yaml then makes JSON of them: keys sorted.
//! Models go.yaml.in/yaml/v2 `{decode,resolve}.go` and sigs.k8s.io/yaml `yaml.go`.

use std::collections::BTreeMap;

use super::tree::{Node, Tree};
use crate::api::field::quote;

mod events;
mod resolve;

use events::{Event, Events};
use resolve::{Scalar, resolve};

const DEPTH_MAX: usize = 10_000;

/// A container that is being read, with the anchor it carries.
enum Open {
    Sequence { items: Vec<u32>, anchor: Option<String>, line: usize },
    Mapping { entries: BTreeMap<String, u32>, key: Option<Key>, anchor: Option<String>, line: usize },
}

enum Key {
    Plain(String),
    /// `<<`: the value's entries are taken over.
    Merge,
}

struct Builder {
    tree: Tree,
    open: Vec<Open>,
    anchors: BTreeMap<String, u32>,
    /// How many values each node stands for, aliases followed.
    sizes: Vec<u64>,
    decoded: u64,
    aliased: u64,
    errors: Vec<String>,
}

/// The first document in `bytes`, and what strict mode says of it.
pub(super) fn parse(bytes: &[u8]) -> Result<(Tree, Vec<String>), String> {
    let mut b = Builder {
        tree: Tree::default(),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        sizes: Vec::new(),
        decoded: 0,
        aliased: 0,
        errors: Vec::new(),
    };
    let mut events = Events::new(bytes);
    loop {
        let (event, line) = events.next().map_err(|e| format!("yaml: {e}"))?;
        let done = match event {
            Event::Other => continue,
            Event::End => {
                let null = b.push(Node::Null, 1);
                b.tree.set_root(null);
                true
            }
            Event::SequenceStart { anchor } => {
                b.begin(Open::Sequence { items: Vec::new(), anchor, line }, line)?;
                false
            }
            Event::MappingStart { anchor } => {
                b.begin(Open::Mapping { entries: BTreeMap::new(), key: None, anchor, line }, line)?;
                false
            }
            Event::ContainerEnd => b.end()?,
            Event::Scalar { value, tag, plain, anchor } => b.scalar(&value, tag.as_deref(), plain, anchor, line)?,
            Event::Alias { anchor } => b.alias(&anchor, line)?,
        };
        if done {
            return Ok((b.tree, b.errors));
        }
    }
}

impl Builder {
    fn push(&mut self, node: Node, size: u64) -> u32 {
        self.sizes.push(size);
        self.tree.push(node)
    }

    fn size(&self, id: u32) -> u64 {
        self.sizes.get(id as usize).copied().unwrap_or(1)
    }

    fn at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping { key: None, .. }))
    }

    fn begin(&mut self, open: Open, line: usize) -> Result<(), String> {
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("yaml: line {line}: exceeded max depth of {DEPTH_MAX}"));
        }
        if self.at_key() {
            let what = match open {
                Open::Sequence { .. } => "[]interface {}",
                Open::Mapping { .. } => "map[interface {}]interface {}",
            };
            return Err(format!("yaml: invalid map key: {what}{{}}"));
        }
        self.count(1, false)?;
        let anchor = match &open {
            Open::Sequence { anchor, .. } | Open::Mapping { anchor, .. } => anchor.clone(),
        };
        if let Some(a) = anchor {
            // Whoever names it before it ends is inside it.
            self.anchors.insert(a, u32::MAX);
        }
        self.open.push(open);
        Ok(())
    }

    /// go-yaml's guard against documents that unfold to much more than they are.
    fn count(&mut self, n: u64, alias: bool) -> Result<(), String> {
        const LOW: u64 = 400_000;
        const HIGH: u64 = 4_000_000;
        self.decoded = self.decoded.saturating_add(n);
        if alias {
            self.aliased = self.aliased.saturating_add(n);
        }
        // In parts per thousand: 990 up to the low mark, 100 from the high one, straight between.
        let allowed = match self.decoded {
            d if d <= LOW => 990,
            d if d >= HIGH => 100,
            d => 990 - 890 * (d - LOW) / (HIGH - LOW),
        };
        let ratio_exceeded = u128::from(self.aliased) * 1000 > u128::from(self.decoded) * u128::from(allowed);
        if self.aliased > 100 && self.decoded > 1000 && ratio_exceeded {
            return Err("yaml: document contains excessive aliasing".to_owned());
        }
        Ok(())
    }

    fn end(&mut self) -> Result<bool, String> {
        match self.open.pop() {
            Some(Open::Sequence { items, anchor, line }) => {
                let size = items.iter().fold(1u64, |n, i| n.saturating_add(self.size(*i)));
                let id = self.push(Node::Array(items), size);
                self.attach(id, anchor, line)
            }
            Some(Open::Mapping { entries, anchor, line, .. }) => {
                // A mapping's keys count as values too.
                let size = entries.values().fold(1u64, |n, i| n.saturating_add(1).saturating_add(self.size(*i)));
                let id = self.push(Node::Object(entries.into_iter().collect()), size);
                self.attach(id, anchor, line)
            }
            None => Ok(false),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        tag: Option<&str>,
        plain: bool,
        anchor: Option<String>,
        line: usize,
    ) -> Result<bool, String> {
        self.count(1, false)?;
        let is_merge = text == "<<" && (plain && matches!(tag, None | Some("!" | "tag:yaml.org,2002:merge")));
        if is_merge && self.at_key() {
            if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
                *key = Some(Key::Merge);
            }
            return Ok(false);
        }
        let value = resolve(text, tag, plain).map_err(|e| format!("yaml: {e}"))?;
        if self.at_key() {
            let name = value.as_key()?;
            if let Some(a) = anchor {
                let id = self.push(Node::String(name.clone()), 1);
                self.anchors.insert(a, id);
            }
            if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
                *key = Some(Key::Plain(name));
            }
            return Ok(false);
        }
        let node = match value {
            Scalar::Null => Node::Null,
            Scalar::Bool(b) => Node::Bool(b),
            Scalar::String(s) => Node::String(s),
            Scalar::Int(i) => Node::Number(i.to_string()),
            Scalar::Uint(u) => Node::Number(u.to_string()),
            Scalar::Float(f) if f.is_finite() => Node::Number(resolve::go_float(f)),
            Scalar::Float(f) => {
                let shown = if f.is_nan() {
                    "NaN"
                } else if f > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                return Err(format!("json: unsupported value: {shown}"));
            }
        };
        let id = self.push(node, 1);
        self.attach(id, anchor, line)
    }

    fn alias(&mut self, anchor: &str, line: usize) -> Result<bool, String> {
        let id = match self.anchors.get(anchor) {
            None => return Err(format!("yaml: unknown anchor '{anchor}' referenced")),
            Some(&u32::MAX) => return Err(format!("yaml: anchor '{anchor}' value contains itself")),
            Some(id) => *id,
        };
        self.count(1, false)?;
        self.count(self.size(id), true)?;
        if self.at_key() {
            let name = match self.tree.get(id) {
                Node::String(s) | Node::Number(s) => s.clone(),
                Node::Bool(b) => b.to_string(),
                _ => return Err("yaml: invalid map key".to_owned()),
            };
            if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
                *key = Some(Key::Plain(name));
            }
            return Ok(false);
        }
        self.attach(id, None, line)
    }

    /// Puts a finished value where it belongs; true if it is the document.
    fn attach(&mut self, id: u32, anchor: Option<String>, line: usize) -> Result<bool, String> {
        if let Some(a) = anchor {
            self.anchors.insert(a, id);
        }
        match self.open.last_mut() {
            None => {
                self.tree.set_root(id);
                return Ok(true);
            }
            Some(Open::Sequence { items, .. }) => items.push(id),
            Some(Open::Mapping { entries, key, .. }) => match key.take() {
                Some(Key::Merge) => return self.merge(id, line).map(|()| false),
                Some(Key::Plain(name)) => {
                    if entries.contains_key(&name) {
                        self.errors.push(format!("line {line}: key {} already set in map", quote(&name)));
                    }
                    entries.insert(name, id);
                }
                None => {}
            },
        }
        Ok(false)
    }

    fn merge(&mut self, id: u32, line: usize) -> Result<(), String> {
        let wrong = || "yaml: map merge requires map or sequence of maps as the value".to_owned();
        let maps: Vec<u32> = match self.tree.get(id) {
            Node::Object(_) => vec![id],
            // The first of several maps wins, so it is put in last.
            Node::Array(items) => items.iter().rev().copied().collect(),
            _ => return Err(wrong()),
        };
        for map in maps {
            let Node::Object(taken) = self.tree.get(map) else { return Err(wrong()) };
            let taken = taken.clone();
            if let Some(Open::Mapping { entries, .. }) = self.open.last_mut() {
                for (k, v) in taken {
                    if entries.contains_key(&k) {
                        self.errors.push(format!("line {line}: key {} already set in map", quote(&k)));
                    }
                    entries.insert(k, v);
                }
            }
        }
        Ok(())
    }
}
