//! A list that only grows, and whose items are lent for as long as it lives.

use std::cell::{Cell, OnceCell};

/// Each chunk is twice as large as the one before.
const FIRST: usize = 8;
const CHUNKS: usize = 13;

/// Items by the order in which they came.
pub(super) struct Arena<T> {
    chunks: [OnceCell<Box<[OnceCell<T>]>>; CHUNKS],
    len: Cell<usize>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena { chunks: std::array::from_fn(|_| OnceCell::new()), len: Cell::new(0) }
    }
}

/// The chunk of an item, and its place there.
fn place(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST + 1).ilog2() as usize;
    (chunk, index - FIRST * ((1 << chunk) - 1))
}

impl<T> Arena<T> {
    /// Adds an item; its index, or nothing if there is no room any more.
    pub(super) fn push(&self, item: T) -> Option<usize> {
        let index = self.len.get();
        let (chunk, at) = place(index);
        let cells = self.chunks.get(chunk)?.get_or_init(|| (0..FIRST << chunk).map(|_| OnceCell::new()).collect());
        cells.get(at)?.set(item).ok()?;
        self.len.set(index + 1);
        Some(index)
    }

    /// An item.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let (chunk, at) = place(index);
        self.chunks.get(chunk)?.get()?.get(at)?.get()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_where_they_are() {
        let all = Arena::default();
        let first = all.push(0).and_then(|i| all.get(i)).expect("the first");
        for i in 1..1000 {
            assert_eq!(all.push(i), Some(i));
        }
        assert_eq!(*first, 0);
        assert_eq!((0..1000).map(|i| all.get(i).copied()).collect::<Option<Vec<_>>>(), Some((0..1000).collect()));
        assert_eq!((all.get(1000), all.len()), (None, 1000));
    }
}
