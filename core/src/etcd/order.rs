//! The keys in order, a shelf for each kind: to list the few LimitRanges costs nothing of what thousands of pods would.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::late_order::LateOrder;

/// Keys by shelf. The keys of a shelf begin with its name, and no other shelf's name begins with that of a shelf that has room for
/// more than one, so that keys come in order if shelves do.
#[derive(Debug, Default)]
pub(super) struct Order(BTreeMap<Rc<str>, LateOrder<()>>);

/// Up to its third slash, as in `/registry/pods/`, and all of a key that has fewer.
fn shelf(key: &str) -> &str {
    key.match_indices('/').nth(2).and_then(|(at, _)| key.get(..=at)).unwrap_or(key)
}

impl Order {
    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, key: Rc<str>) {
        match self.0.get_mut(shelf(&key)) {
            Some(keys) => keys.insert(key, ()),
            None => self.0.entry(shelf(&key).into()).or_default().insert(key, ()),
        }
    }

    /// Takes a key away.
    pub(super) fn remove(&mut self, key: &str) {
        let name = shelf(key);
        if let Some(keys) = self.0.get_mut(name) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(name);
            }
        }
    }

    /// Calls `f` with each key that begins with `prefix`, in order. Only shelves that have such keys are put in order.
    pub(super) fn each_with_prefix(&self, prefix: &str, mut f: impl FnMut(&Rc<str>)) {
        let one = self.0.get_key_value(shelf(prefix)).filter(|(name, _)| name.len() < prefix.len());
        let shelves = self.0.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        for (_, keys) in one.into_iter().chain(shelves.take_while(|(name, _)| name.starts_with(prefix))) {
            let keys = keys.sorted();
            let from = keys.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
            from.take_while(|(key, ())| key.starts_with(prefix)).for_each(|(key, ())| f(key));
        }
    }

    /// Calls `f` with each key from `first` on, up to a bound, in order and until it says no.
    pub(super) fn each(&self, first: &str, upper: Bound<&str>, mut f: impl FnMut(&Rc<str>) -> bool) {
        // The shelf of which `first` may be a key is the last that is not beyond it.
        let begin = self.0.range::<str, _>((Bound::Unbounded, Bound::Included(first))).next_back();
        let begin = begin.map_or(first, |(name, _)| &**name);
        for (name, keys) in self.0.range::<str, _>((Bound::Included(begin), Bound::Unbounded)) {
            let beyond = match upper {
                Bound::Included(last) => **name > *last,
                Bound::Excluded(end) => **name >= *end,
                Bound::Unbounded => false,
            };
            if beyond {
                return;
            }
            if !keys.sorted().range::<str, _>((Bound::Included(first), upper)).all(|(key, ())| f(key)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_one_sorted_set() {
        let keys = [
            "", "/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d", "/a/bc/a", "/a/bc/b", "/ab/c/d", "a",
            "a/b/c/d", "a/b/c/e", "b", "/a/b0", "/a/b/c0",
        ];
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        let mut order = Order::default();
        keys.iter().for_each(|key| order.insert((*key).into()));
        let found = |order: &Order, first: &str, upper: Bound<&str>| {
            let mut found = Vec::new();
            order.each(first, upper, |key| {
                found.push(key.to_string());
                true
            });
            found
        };
        for first in keys {
            assert_eq!(found(&order, first, Bound::Included(first)), [first]);
            let from: Vec<&str> = sorted.iter().copied().filter(|key| *key >= first).collect();
            assert_eq!(found(&order, first, Bound::Unbounded), from, "from {first:?}");
            for end in keys.into_iter().filter(|end| *end > first) {
                let within: Vec<&str> = from.iter().copied().filter(|key| *key < end).collect();
                assert_eq!(found(&order, first, Bound::Excluded(end)), within, "{first:?} to {end:?}");
            }
        }
        for prefix in keys {
            let mut found = Vec::new();
            order.each_with_prefix(prefix, |key| found.push(key.to_string()));
            let expected: Vec<&str> = sorted.iter().copied().filter(|key| key.starts_with(prefix)).collect();
            assert_eq!(found, expected, "with {prefix:?}");
        }
        for key in &sorted[1..] {
            order.remove(key);
        }
        assert_eq!(found(&order, "", Bound::Unbounded), [""]);
        let mut count = 0;
        order.each("", Bound::Unbounded, |_| {
            count += 1;
            false
        });
        assert_eq!(count, 1);
    }
}
