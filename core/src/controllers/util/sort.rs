//! Sorting by an order that need not be a total one.

/// Merge sort by `less`. Upstream's orders of pods aren't transitive in every case, which the standard library's sort may
/// answer with a panic; this one ends with some order whatever `less` says.
pub fn sort_by_less<T: Clone>(items: &mut [T], less: &mut impl FnMut(&T, &T) -> bool) {
    if items.len() < 2 {
        return;
    }
    let (left, right) = items.split_at_mut(items.len() / 2);
    sort_by_less(left, less);
    sort_by_less(right, less);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let from_right = match (l.peek(), r.peek()) {
            (Some(a), Some(b)) => less(b, a),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (None, None) => break,
        };
        merged.extend(if from_right { r.next() } else { l.next() }.cloned());
    }
    items.clone_from_slice(&merged);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_stably() {
        let mut v = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (0, 'e')];
        sort_by_less(&mut v, &mut |a, b| a.0 < b.0);
        assert_eq!(v, [(0, 'e'), (1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }
}
