//! What a part of an object was before it was changed. Models apiserver `pkg/cel/common/equality.go`.

use std::collections::BTreeMap;

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

    /// Its items, if it is a list whose items are told apart by keys: of others it can't be told which one each was.
    pub fn items(self) -> Option<CorrelatedItems<'a>> {
        let (old, schema) = (OldItems::of(self.old, self.schema)?, &self.schema["items"]);
        schema.is_object().then_some(CorrelatedItems { old, schema })
    }

    /// `CachedDeepEqual`: the order of maps that are lists doesn't matter.
    pub fn is_same(self) -> bool {
        match (self.new, self.old) {
            (Value::Array(new), Value::Array(old)) if is_map(self.schema) => {
                let items = self.items();
                let same = |v| items.as_ref().and_then(|items| items.item(v)).is_some_and(Correlated::is_same);
                new.len() == old.len() && new.iter().all(same)
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

/// The items of a list with what they were.
pub(super) struct CorrelatedItems<'a> {
    old: OldItems<'a>,
    schema: &'a Value,
}

impl<'a> CorrelatedItems<'a> {
    /// An item, if it was there.
    pub fn item(&self, new: &'a Value) -> Option<Correlated<'a>> {
        Some(Correlated { new, old: self.old.item(new)?, schema: self.schema })
    }
}

/// The items that a list had before, by their keys.
pub(super) struct OldItems<'a> {
    keys: Vec<&'a str>,
    by_key: BTreeMap<String, &'a Value>,
}

impl<'a> OldItems<'a> {
    /// The items of a list, if its schema says that keys tell them apart.
    pub fn of(old: &'a Value, schema: &'a Value) -> Option<Self> {
        if !is_map(schema) {
            return None;
        }
        let keys = texts_of(schema, "x-kubernetes-list-map-keys");
        let mut by_key = BTreeMap::new();
        for item in old.as_array()? {
            by_key.entry(key_of(item, &keys)).or_insert(item);
        }
        Some(OldItems { keys, by_key })
    }

    /// What an item was.
    pub fn item(&self, new: &Value) -> Option<&'a Value> {
        if !new.is_object() {
            return None;
        }
        self.by_key.get(&key_of(new, &self.keys)).copied()
    }
}

/// The values of an item's keys as JSON writes them, which is unlike for unlike values.
fn key_of(item: &Value, keys: &[&str]) -> String {
    let values: Vec<String> = keys.iter().map(|k| item[*k].to_string()).collect();
    values.join(",")
}
