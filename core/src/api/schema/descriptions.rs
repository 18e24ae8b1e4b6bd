//! What types and fields are for. The text is some 900 kB, so it isn't part of the core: whoever serves or shows it gives it
//! (`schema/v1_36_descriptions.txt`).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// The documentation of all types: the text, in which each is found when somebody first asks.
#[derive(Clone, Debug, Default)]
pub struct Descriptions {
    text: &'static str,
    /// What is said of a type: its own words, and a line for each field.
    types: OnceCell<BTreeMap<&'static str, &'static str>>,
}

/// Begins the name of a type.
const TYPE: &str = "T ";

fn unescape(s: &str) -> Cow<'_, str> {
    if !s.contains('\\') {
        return s.into();
    }
    let mut out = String::with_capacity(s.len());
    let mut chars = s.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out.into()
}

/// A line's name and its words.
fn split(line: &str) -> (&str, &str) {
    line.split_once('\t').unwrap_or((line, ""))
}

impl Descriptions {
    /// The data file's.
    pub fn new(text: &'static str) -> Self {
        Descriptions { text, types: OnceCell::new() }
    }

    fn types(&self) -> &BTreeMap<&'static str, &'static str> {
        self.types.get_or_init(|| {
            let begins = |(at, line): (usize, &'static str)| {
                let (name, _) = split(line.strip_prefix(TYPE)?);
                Some((name, at + TYPE.len() + name.len()))
            };
            let mut at = 0;
            let lines = self.text.split_inclusive('\n').map(|line| {
                at += line.len();
                (at - line.len(), line.trim_end_matches(['\r', '\n']))
            });
            let types: Vec<(&str, usize)> = lines.filter_map(begins).collect();
            let ends = types.iter().skip(1).map(|(name, from)| from - name.len() - TYPE.len());
            let ends = ends.chain([self.text.len()]);
            let block = |((name, from), to): (&(&'static str, usize), usize)| Some((*name, self.text.get(*from..to)?));
            types.iter().zip(ends).filter_map(block).collect()
        })
    }

    /// The lines about a type, the first its own.
    fn lines(&self, name: &str) -> impl Iterator<Item = &'static str> {
        self.types().get(name).copied().unwrap_or_default().lines()
    }

    /// What a type is, by its name such as `core/v1.PodSpec`.
    pub fn of_type(&self, name: &str) -> Cow<'static, str> {
        unescape(self.lines(name).next().map_or("", |line| split(line).1))
    }

    /// What a field of it is for. Inlined fields are described where they are declared.
    pub fn of_field(&self, ty: &str, field: &str) -> Cow<'static, str> {
        let line = self.lines(ty).skip(1).map(split).find(|(name, _)| *name == field);
        unescape(line.map_or("", |(_, words)| words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_type_and_field() {
        let d = Descriptions::new(
            "# A remark\nT a/v1.A\tAn A.\nx\tIts x:\\n\\\\\ny\nT a/v1.AB\nx\tAnother x.\nT b\tThe last.",
        );
        assert_eq!((&*d.of_type("a/v1.A"), &*d.of_type("a/v1.AB"), &*d.of_type("b")), ("An A.", "", "The last."));
        assert_eq!((&*d.of_field("a/v1.A", "x"), &*d.of_field("a/v1.AB", "x")), ("Its x:\n\\", "Another x."));
        assert_eq!((&*d.of_field("a/v1.A", "y"), &*d.of_field("b", "y"), &*d.of_type("c")), ("", "", ""));
    }
}
