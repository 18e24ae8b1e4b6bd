//! The unified diff that upstream prints when an immutable struct was changed.
//! Models apimachinery `pkg/util/diff` and the difflib it uses: the longest matching block, recursively, with lines
//! that are too common left out of the search, and three lines of context.

use std::collections::BTreeMap;

use super::go::Go;

const CONTEXT: usize = 3;
/// From this many lines on, common lines are not searched for.
const POPULAR_FROM_LINES: usize = 200;

/// How `new` differs from `old`.
pub(crate) fn diff(old: &Go, new: &Go) -> String {
    let (old, new) = (old.pretty(), new.pretty());
    unified(&old.split('\n').collect::<Vec<_>>(), &new.split('\n').collect::<Vec<_>>())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    a: usize,
    b: usize,
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    same: bool,
    a: (usize, usize),
    b: (usize, usize),
}

struct Matcher<'a> {
    a: &'a [&'a str],
    b: &'a [&'a str],
    lines_of_b: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Matcher<'a> {
    fn new(a: &'a [&'a str], b: &'a [&'a str]) -> Self {
        let mut lines_of_b: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (j, line) in b.iter().enumerate() {
            lines_of_b.entry(line).or_default().push(j);
        }
        if b.len() >= POPULAR_FROM_LINES {
            let often = b.len() / 100 + 1;
            lines_of_b.retain(|_, at| at.len() <= often);
        }
        Matcher { a, b, lines_of_b }
    }

    /// The longest block within the ranges, the earliest in `a` and then in `b` among equals.
    fn longest(&self, a: (usize, usize), b: (usize, usize)) -> Block {
        let mut best = Block { a: a.0, b: b.0, len: 0 };
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        for i in a.0..a.1 {
            let mut next: BTreeMap<usize, usize> = BTreeMap::new();
            let at = self.a.get(i).and_then(|line| self.lines_of_b.get(line));
            for &j in at.into_iter().flatten() {
                if j < b.0 {
                    continue;
                }
                if j >= b.1 {
                    break;
                }
                let len = j.checked_sub(1).and_then(|j| lengths.get(&j)).copied().unwrap_or(0) + 1;
                next.insert(j, len);
                if len > best.len {
                    best = Block { a: i + 1 - len, b: j + 1 - len, len };
                }
            }
            lengths = next;
        }
        // Lines too common to be searched for still lengthen a match.
        while best.a > a.0 && best.b > b.0 && self.a.get(best.a - 1) == self.b.get(best.b - 1) {
            best = Block { a: best.a - 1, b: best.b - 1, len: best.len + 1 };
        }
        while best.a + best.len < a.1
            && best.b + best.len < b.1
            && self.a.get(best.a + best.len) == self.b.get(best.b + best.len)
        {
            best.len += 1;
        }
        best
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut todo = vec![((0, self.a.len()), (0, self.b.len()))];
        while let Some((a, b)) = todo.pop() {
            let m = self.longest(a, b);
            if m.len == 0 {
                continue;
            }
            blocks.push(m);
            if a.0 < m.a && b.0 < m.b {
                todo.push(((a.0, m.a), (b.0, m.b)));
            }
            if m.a + m.len < a.1 && m.b + m.len < b.1 {
                todo.push(((m.a + m.len, a.1), (m.b + m.len, b.1)));
            }
        }
        blocks.sort_by_key(|m| (m.a, m.b));
        let mut merged: Vec<Block> = Vec::new();
        for m in blocks {
            match merged.last_mut() {
                Some(last) if last.a + last.len == m.a && last.b + last.len == m.b => last.len += m.len,
                _ => merged.push(m),
            }
        }
        merged
    }

    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let (mut i, mut j) = (0, 0);
        let end = Block { a: self.a.len(), b: self.b.len(), len: 0 };
        for m in self.blocks().into_iter().chain([end]) {
            if i < m.a || j < m.b {
                changes.push(Change { same: false, a: (i, m.a), b: (j, m.b) });
            }
            (i, j) = (m.a + m.len, m.b + m.len);
            if m.len > 0 {
                changes.push(Change { same: true, a: (m.a, i), b: (m.b, j) });
            }
        }
        changes
    }
}

/// The changes with their context, cut where the unchanged lines between them are many.
fn groups(mut changes: Vec<Change>) -> Vec<Vec<Change>> {
    if let Some(first) = changes.first_mut().filter(|c| c.same) {
        first.a.0 = first.a.0.max(first.a.1.saturating_sub(CONTEXT));
        first.b.0 = first.b.0.max(first.b.1.saturating_sub(CONTEXT));
    }
    if let Some(last) = changes.last_mut().filter(|c| c.same) {
        last.a.1 = last.a.1.min(last.a.0 + CONTEXT);
        last.b.1 = last.b.1.min(last.b.0 + CONTEXT);
    }
    let mut groups = Vec::new();
    let mut group: Vec<Change> = Vec::new();
    for mut c in changes {
        if c.same && c.a.1 - c.a.0 > 2 * CONTEXT {
            group.push(Change {
                same: true,
                a: (c.a.0, c.a.1.min(c.a.0 + CONTEXT)),
                b: (c.b.0, c.b.1.min(c.b.0 + CONTEXT)),
            });
            groups.push(std::mem::take(&mut group));
            c.a.0 = c.a.0.max(c.a.1.saturating_sub(CONTEXT));
            c.b.0 = c.b.0.max(c.b.1.saturating_sub(CONTEXT));
        }
        group.push(c);
    }
    if group.len() > 1 || group.first().is_some_and(|c| !c.same) {
        groups.push(group);
    }
    groups
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        1 => (start + 1).to_string(),
        0 => format!("{start},0"),
        len => format!("{},{len}", start + 1),
    }
}

fn unified(a: &[&str], b: &[&str]) -> String {
    let mut out = String::new();
    let lines = |out: &mut String, sign: char, of: &[&str], (from, to): (usize, usize)| {
        for line in of.get(from..to).unwrap_or_default() {
            out.push(sign);
            out.push_str(line);
            out.push('\n');
        }
    };
    for group in groups(Matcher::new(a, b).changes()) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (of_a, of_b) = (range(first.a.0, last.a.1), range(first.b.0, last.b.1));
        out.push_str(&format!("@@ -{of_a} +{of_b} @@\n"));
        for c in &group {
            if c.same {
                lines(&mut out, ' ', a, c.a);
            } else {
                lines(&mut out, '-', a, c.a);
                lines(&mut out, '+', b, c.b);
            }
        }
    }
    out
}
