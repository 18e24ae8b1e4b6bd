//! A document as it was written: keys in order and twice if they are there twice, numbers as text.
//! Nodes live in one vector, so a document of any depth is dropped without recursion.

use serde_json::{Map, Value};

/// How deep the JSON of an untyped field may nest: such values are walked by recursion later.
const DEPTH_MAX: usize = 256;

/// One value.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<u32>),
    Object(Vec<(String, u32)>),
}

impl Node {
    /// What Go's errors call it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "bool",
            Node::Number(_) => "number",
            Node::String(_) => "string",
            Node::Array(_) => "array",
            Node::Object(_) => "object",
        }
    }
}

/// A document.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    root: u32,
}

static NULL: Node = Node::Null;

/// A number as serde has it: whole ones exactly where they fit, others as floats.
pub(super) fn number(text: &str) -> Value {
    if let Ok(i) = text.parse::<i64>() {
        return Value::from(i);
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number)
}

impl Tree {
    pub(super) fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    pub(super) fn set_root(&mut self, id: u32) {
        self.root = id;
    }

    pub(super) fn get(&self, id: u32) -> &Node {
        self.nodes.get(id as usize).unwrap_or(&NULL)
    }

    pub(super) fn root(&self) -> &Node {
        self.get(self.root)
    }

    pub(super) fn root_id(&self) -> u32 {
        self.root
    }

    /// All of it as a value; the last of duplicate keys wins.
    pub(super) fn to_value(&self) -> Result<Value, String> {
        self.value_of(self.root, 0)
    }

    pub(super) fn value_of(&self, id: u32, depth: usize) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err("exceeded max depth".to_owned());
        }
        Ok(match self.get(id) {
            Node::Null => Value::Null,
            Node::Bool(b) => Value::Bool(*b),
            Node::Number(n) => number(n),
            Node::String(s) => Value::String(s.clone()),
            Node::Array(items) => {
                Value::Array(items.iter().map(|i| self.value_of(*i, depth + 1)).collect::<Result<_, _>>()?)
            }
            Node::Object(entries) => {
                let mut o = Map::new();
                for (k, v) in entries {
                    o.insert(k.clone(), self.value_of(*v, depth + 1)?);
                }
                Value::Object(o)
            }
        })
    }

    /// A value as a document.
    pub(super) fn from_value(value: &Value) -> Tree {
        let mut t = Tree::default();
        t.root = t.add(value);
        t
    }

    fn add(&mut self, value: &Value) -> u32 {
        let node = match value {
            Value::Null => Node::Null,
            Value::Bool(b) => Node::Bool(*b),
            Value::Number(n) => Node::Number(n.to_string()),
            Value::String(s) => Node::String(s.clone()),
            Value::Array(a) => Node::Array(a.iter().map(|v| self.add(v)).collect()),
            Value::Object(o) => Node::Object(o.iter().map(|(k, v)| (k.clone(), self.add(v))).collect()),
        };
        self.push(node)
    }
}
