//! A map that forgets what was used longest ago once it is full. Models client-go's use of golang/groupcache's `lru`.

use std::hash::Hash;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

struct Node<K, V> {
    key: K,
    value: V,
    /// The node that was used next after this one, and the one used last before it.
    newer: usize,
    older: usize,
}

/// At most so many values by key, found by hash.
pub(super) struct Lru<K, V> {
    max: usize,
    places: IndexMap<K, usize, FxBuildHasher>,
    nodes: Vec<Node<K, V>>,
    newest: usize,
    oldest: usize,
}

/// No node.
const NONE: usize = usize::MAX;

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// An empty one for `max` values, at least one.
    pub(super) fn new(max: usize) -> Self {
        Lru { max: max.max(1), places: IndexMap::default(), nodes: Vec::new(), newest: NONE, oldest: NONE }
    }

    /// The value of a key, made if it is not there; it is the newest from now on.
    pub(super) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.places.get(&key) {
            Some(at) => {
                let at = *at;
                self.unlink(at);
                at
            }
            None => {
                let at = self.place(key.clone(), make());
                self.places.insert(key, at);
                at
            }
        };
        self.link(at);
        &mut self.nodes[at].value
    }

    /// A node that is linked to no other, the oldest one's if there is no more room.
    fn place(&mut self, key: K, value: V) -> usize {
        let node = Node { key, value, newer: NONE, older: NONE };
        if self.nodes.len() < self.max {
            self.nodes.push(node);
            return self.nodes.len() - 1;
        }
        let at = self.oldest;
        self.unlink(at);
        let old = std::mem::replace(&mut self.nodes[at], node);
        self.places.swap_remove(&old.key);
        at
    }

    fn link(&mut self, at: usize) {
        let older = std::mem::replace(&mut self.newest, at);
        let node = &mut self.nodes[at];
        (node.older, node.newer) = (older, NONE);
        match self.nodes.get_mut(older) {
            Some(next) => next.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: usize) {
        let node = &self.nodes[at];
        let (newer, older) = (node.newer, node.older);
        match self.nodes.get_mut(newer) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values after each key was counted up in turn.
    fn counts(max: usize, keys: &str) -> Vec<u32> {
        let mut lru = Lru::new(max);
        keys.chars()
            .map(|key| {
                let count = lru.get_or_insert_with(key, || 0);
                *count += 1;
                *count
            })
            .collect()
    }

    #[test]
    fn what_was_used_longest_ago_is_forgotten() {
        assert_eq!(counts(3, "abcabc"), [1, 1, 1, 2, 2, 2]);
        assert_eq!(counts(3, "abcadbac"), [1, 1, 1, 2, 1, 1, 3, 1], "b went when d came, c when b came again");
        assert_eq!(counts(1, "aaba"), [1, 2, 1, 1]);
        assert_eq!(counts(2, "abababcab"), [1, 1, 2, 2, 3, 3, 1, 1, 1]);
    }
}
