//! Keys that are put in order when somebody reads them in order.
//!
//! Names of one workload begin alike, so that keeping them sorted costs many long comparisons each, and most collections are
//! written far more often than they are read from end to end.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Values by key, in the order of keys for whoever reads them.
#[derive(Debug)]
pub(crate) struct LateOrder<V>(RefCell<Shelf<V>>);

#[derive(Debug)]
struct Shelf<V> {
    sorted: BTreeMap<Rc<str>, V>,
    /// What came since somebody read.
    new: Vec<(Rc<str>, V)>,
}

impl<V> Default for LateOrder<V> {
    fn default() -> Self {
        LateOrder(RefCell::new(Shelf { sorted: BTreeMap::new(), new: Vec::new() }))
    }
}

impl<V> Shelf<V> {
    fn settle(&mut self) {
        self.sorted.extend(self.new.drain(..));
    }
}

impl<V> LateOrder<V> {
    /// Adds a key that is not there, or is the last that was added.
    pub(crate) fn insert(&mut self, key: Rc<str>, value: V) {
        let new = &mut self.0.get_mut().new;
        match new.last_mut() {
            Some((last, held)) if *last == key => *held = value,
            _ => new.push((key, value)),
        }
    }

    /// Takes a key away.
    pub(crate) fn remove(&mut self, key: &str) {
        let shelf = self.0.get_mut();
        shelf.settle();
        shelf.sorted.remove(key);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let shelf = self.0.borrow();
        shelf.sorted.len() + shelf.new.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in order.
    pub(crate) fn sorted(&self) -> Ref<'_, BTreeMap<Rc<str>, V>> {
        if !self.0.borrow().new.is_empty() {
            self.0.borrow_mut().settle();
        }
        Ref::map(self.0.borrow(), |shelf| &shelf.sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(order: &LateOrder<usize>) -> Vec<(String, usize)> {
        order.sorted().iter().map(|(k, v)| (k.to_string(), *v)).collect()
    }

    #[test]
    fn keys_come_in_order_whenever_they_were_added() {
        let mut order = LateOrder::default();
        for (i, key) in ["b", "d", "a"].into_iter().enumerate() {
            order.insert(key.into(), i);
        }
        let pair = |k: &str, v| (k.to_owned(), v);
        assert_eq!(keys(&order), [pair("a", 2), pair("b", 0), pair("d", 1)]);
        order.insert("c".into(), 3);
        order.insert("c".into(), 4);
        assert_eq!(order.len(), 4, "the same key twice in a row is one");
        order.remove("d");
        order.remove("c");
        order.insert("d".into(), 5);
        assert_eq!(keys(&order), [pair("a", 2), pair("b", 0), pair("d", 5)]);
        order.remove("a");
        order.remove("b");
        assert!(!order.is_empty());
        order.remove("d");
        assert!(order.is_empty());
    }
}
