//! A map that forgets what was used longest ago once it is full. Models client-go's use of golang/groupcache's `lru`.

use std::hash::Hash;

use indexmap::{Equivalent, IndexMap};
use rustc_hash::FxBuildHasher;

struct Node<V> {
    value: V,
    /// The node that was used next after this one, and the one used last before it.
    newer: usize,
    older: usize,
}

/// At most so many values by key, found by hash.
pub(super) struct Lru<K, V> {
    max: usize,
    nodes: IndexMap<K, Node<V>, FxBuildHasher>,
    newest: usize,
    oldest: usize,
}

/// No node.
const NONE: usize = usize::MAX;

impl<K: Eq + Hash, V> Lru<K, V> {
    /// An empty one for `max` values, at least one.
    pub(super) fn new(max: usize) -> Self {
        Lru { max: max.max(1), nodes: IndexMap::default(), newest: NONE, oldest: NONE }
    }

    /// The value of a key, made if it is not there; it is the newest from now on.
    pub(super) fn get_or_insert_with<Q>(&mut self, key: &Q, make: impl FnOnce() -> V) -> &mut V
    where
        Q: ?Sized + Hash + Equivalent<K>,
        K: for<'a> From<&'a Q>,
    {
        let at = match self.nodes.get_index_of(key) {
            Some(at) => {
                self.unlink(at);
                at
            }
            None => {
                if self.nodes.len() == self.max {
                    self.forget_oldest();
                }
                self.nodes.insert(key.into(), Node { value: make(), newer: NONE, older: NONE });
                self.nodes.len() - 1
            }
        };
        self.link(at);
        &mut self.nodes[at].value
    }

    fn forget_oldest(&mut self) {
        let at = self.oldest;
        self.unlink(at);
        self.nodes.swap_remove_index(at);
        // The last node took its place.
        let Some(moved) = self.nodes.get_index(at).map(|(_, node)| (node.newer, node.older)) else { return };
        self.join(moved.0, at);
        self.join(at, moved.1);
    }

    fn link(&mut self, at: usize) {
        let older = self.newest;
        self.join(NONE, at);
        self.join(at, older);
    }

    fn unlink(&mut self, at: usize) {
        let (newer, older) = (self.nodes[at].newer, self.nodes[at].older);
        self.join(newer, older);
    }

    /// Makes two nodes neighbours; without one of them the other is the newest or the oldest.
    fn join(&mut self, newer: usize, older: usize) {
        match self.nodes.get_index_mut(newer) {
            Some((_, node)) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_index_mut(older) {
            Some((_, node)) => node.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values after each key was counted up in turn.
    fn counts(max: usize, keys: &str) -> Vec<u32> {
        let mut lru = Lru::<String, u32>::new(max);
        keys.chars()
            .map(|key| {
                let count = lru.get_or_insert_with(key.encode_utf8(&mut [0; 4]) as &str, || 0);
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
