//! Lists that many containers have in common.

use std::collections::VecDeque;
use std::rc::Rc;

/// So many are known again.
const KEPT: usize = 8;

/// The newest of some lists, of which equal ones are kept once.
pub(super) struct Newest<T>(VecDeque<Rc<[T]>>);

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Newest(VecDeque::new())
    }
}

impl<T: PartialEq> Newest<T> {
    /// The list, the same as that of somebody before if it is equal.
    pub(super) fn share(&mut self, list: Vec<T>) -> Rc<[T]> {
        if let Some(known) = self.0.iter().rev().find(|known| ***known == *list) {
            return known.clone();
        }
        let list: Rc<[T]> = list.into();
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(list.clone());
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_are_one_as_long_as_they_are_known() {
        let mut newest = Newest::default();
        let first = newest.share(vec![0, 1]);
        assert!(Rc::ptr_eq(&first, &newest.share(vec![0, 1])));
        for other in 1..=KEPT {
            assert!(!Rc::ptr_eq(&first, &newest.share(vec![other])));
        }
        let again = newest.share(vec![0, 1]);
        assert!(!Rc::ptr_eq(&first, &again) && first == again);
    }
}
