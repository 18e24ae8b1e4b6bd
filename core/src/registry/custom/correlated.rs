//! What a part of an object was before it was changed. Models apiserver `pkg/cel/common/equality.go`.

use serde_json::Value;

use crate::registry::validation::json::{opt_str, texts_of};

/// A part with what it was, and its schema.
#[derive(Clone, Copy)]
pub(super) struct Correlated<'a> {
    new: &'a Value,
    old: &'a Value,
    schema: &'a Value,
}

impl<'a> Correlated<'a> {
    pub fn new(new: &'a Value, old: &'a Value, schema: &'a Value) -> Self {
        Correlated { new, old, schema }
    }

    /// A field, if it is there and was.
    pub fn key(self, name: &str) -> Option<Self> {
        let (new, old) = (self.new.as_object()?.get(name)?, self.old.as_object()?.get(name)?);
        let own = &self.schema["properties"][name];
        let schema = if own.is_object() { own } else { &self.schema["additionalProperties"] };
        schema.is_object().then_some(Correlated { new, old, schema })
    }

    /// An item: only in maps that are lists can it be told which one it was.
    pub fn index(self, i: usize) -> Option<Self> {
        let new = self.new.as_array()?.get(i)?;
        let old = old_item(new, self.old, self.schema)?;
        let schema = &self.schema["items"];
        schema.is_object().then_some(Correlated { new, old, schema })
    }

    /// `CachedDeepEqual`: the order of maps that are lists doesn't matter.
    pub fn is_same(self) -> bool {
        match (self.new, self.old) {
            (Value::Array(new), Value::Array(old)) if is_map(self.schema) => {
                new.len() == old.len() && (0..new.len()).all(|i| self.index(i).is_some_and(Correlated::is_same))
            }
            (Value::Object(new), Value::Object(old)) => {
                new.len() == old.len() && new.keys().all(|k| self.key(k).is_some_and(Correlated::is_same))
            }
            (new, old) => new == old,
        }
    }
}

fn is_map(schema: &Value) -> bool {
    opt_str(schema, "x-kubernetes-list-type") == Some("map")
}

/// What an item of a list was before.
pub(super) fn old_item<'a>(item: &Value, old: &'a Value, schema: &Value) -> Option<&'a Value> {
    if !is_map(schema) || !item.is_object() {
        return None;
    }
    let keys = texts_of(schema, "x-kubernetes-list-map-keys");
    old.as_array()?.iter().find(|o| keys.iter().all(|k| o[*k] == item[*k]))
}
