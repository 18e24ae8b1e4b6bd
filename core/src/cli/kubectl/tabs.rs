//! Text in columns, as Go's text/tabwriter lays it out: a column is a run of neighbouring lines that all have a cell there.

/// Lays text out: cells end with a tab, the text after a line's last tab belongs to no column.
pub(in crate::cli) fn align(text: &str, min_width: usize, padding: usize) -> String {
    let mut lines: Vec<Vec<&str>> = text.split('\n').map(|l| l.split('\t').collect()).collect();
    let ended = lines.last().is_some_and(|l| l.len() == 1 && l[0].is_empty());
    if ended {
        lines.pop();
    }
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|l| vec![0; l.len().saturating_sub(1)]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            if widths[start].len() <= column {
                start += 1;
                continue;
            }
            let end = (start..lines.len()).find(|i| widths[*i].len() <= column).unwrap_or(lines.len());
            let widest = lines[start..end].iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
            // A column without any text takes no room.
            let width = if widest == 0 { 0 } else { (widest + padding).max(min_width) };
            for w in &mut widths[start..end] {
                w[column] = width;
            }
            start = end;
        }
    }
    let mut out = String::new();
    for (n, (line, widths)) in lines.iter().zip(&widths).enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
        out.push_str(line.last().copied().unwrap_or_default());
        if n + 1 < lines.len() || ended {
            out.push('\n');
        }
    }
    out
}

/// Rows that come bit by bit: a column stays as wide as it ever was. Models liggitt/tabwriter with RememberWidths.
#[derive(Default)]
pub(super) struct Aligner {
    widths: Vec<usize>,
}

impl Aligner {
    /// Lays rows out as `kubectl get` aligns them.
    pub(super) fn rows(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            for (i, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
                if self.widths.len() <= i {
                    self.widths.push(6);
                }
                let needed = cell.chars().count();
                // A column without any text takes no room beyond the least.
                self.widths[i] = self.widths[i].max(if needed == 0 { 0 } else { needed + 3 });
            }
        }
        let mut out = String::new();
        for row in rows {
            for (i, cell) in row.iter().enumerate() {
                out.push_str(cell);
                if i + 1 < row.len() {
                    let width = self.widths.get(i).copied().unwrap_or(0);
                    out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
                }
            }
            out.push('\n');
        }
        out
    }
}

/// Rows as `kubectl get` aligns them.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&row.join("\t"));
        text.push('\n');
    }
    align(&text, 6, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_runs_of_neighbouring_lines() {
        for (text, want) in [
            ("a\tb\nccc\td\n", "a    b\nccc  d\n"),
            ("Name:\tx\nData\n====\nlonger key:\ty\n", "Name:  x\nData\n====\nlonger key:  y\n"),
            ("a\t\tb\nc\t\td\n", "a  b\nc  d\n"),
            ("  k\tv\n    deep:\tw\n", "  k        v\n    deep:  w\n"),
        ] {
            assert_eq!(align(text, 0, 2), want);
        }
    }

    #[test]
    fn columns_stay_wide() {
        let row = |a: &str| [vec![a.to_owned(), "x".to_owned()]];
        let mut aligned = Aligner::default();
        assert_eq!(aligned.rows(&row("worker-1")), "worker-1   x\n");
        assert_eq!(aligned.rows(&row("a")), "a          x\n");
    }

    #[test]
    fn a_table_has_three_blanks_between_columns() {
        let rows = [["NAME", "AGE"], ["worker-1", "5s"]].map(|r| r.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "NAME       AGE\nworker-1   5s\n");
    }
}
