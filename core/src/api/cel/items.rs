//! Lists, which may be sets or maps by what their schemas say: these are equal whatever their order, and added up by what tells
//! their items apart. Models apiserver `pkg/cel/common/valuesunstructured.go`.

use std::ops::Deref;

use super::value::{Key, Val};

/// What tells the items of a list apart.
#[derive(Clone, Debug, Default)]
enum Apart {
    #[default]
    Place,
    Value,
    /// The values of these fields.
    Keys(Vec<String>),
}

/// The items of a list.
#[derive(Clone, Debug, Default)]
pub struct Items {
    all: Vec<Val>,
    apart: Apart,
}

impl Deref for Items {
    type Target = Vec<Val>;

    fn deref(&self) -> &Vec<Val> {
        &self.all
    }
}

impl From<Vec<Val>> for Items {
    fn from(all: Vec<Val>) -> Self {
        Items { all, apart: Apart::Place }
    }
}

fn field<'v>(v: &'v Val, name: &str) -> Option<&'v Val> {
    match v {
        Val::Object(fields) => fields.get(name),
        Val::Map(entries) => entries.get(&Key::Text(name.into())),
        _ => None,
    }
}

impl Items {
    /// The items of a set.
    pub fn set(all: Vec<Val>) -> Self {
        Items { all, apart: Apart::Value }
    }

    /// The items of a list that is a map by these fields.
    pub fn by_keys(all: Vec<Val>, keys: Vec<String>) -> Self {
        Items { all, apart: Apart::Keys(keys) }
    }

    /// Whether two items are the same one, by the way in which these are told apart.
    fn is_one(&self, a: &Val, b: &Val) -> bool {
        match &self.apart {
            Apart::Place => false,
            Apart::Value => a.same(b),
            Apart::Keys(keys) => keys.iter().all(|key| match (field(a, key), field(b, key)) {
                (Some(a), Some(b)) => a.same(b),
                (None, None) => true,
                _ => false,
            }),
        }
    }

    /// Whether another list holds the same.
    pub fn same(&self, other: &Items) -> bool {
        if self.len() != other.len() {
            return false;
        }
        match self.apart {
            Apart::Place => self.iter().zip(other.iter()).all(|(a, b)| a.same(b)),
            _ => other.iter().all(|b| self.iter().any(|a| self.is_one(a, b) && a.same(b))),
        }
    }

    /// These items and others: of a set what is new, of a map with the others' values where both have one.
    pub fn plus(&self, other: &Items) -> Items {
        let mut all = self.all.clone();
        for item in other.iter() {
            match all.iter_mut().find(|a| self.is_one(a, item)) {
                Some(have) => *have = item.clone(),
                None => all.push(item.clone()),
            }
        }
        Items { all, apart: self.apart.clone() }
    }
}
