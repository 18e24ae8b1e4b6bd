//! What types and fields are for. The text is some 900 kB, so it isn't part of the core: whoever serves or shows it gives it
//! (`schema/v1_36_descriptions.txt`).

use std::collections::BTreeMap;

/// The documentation of all types.
#[derive(Clone, Debug, Default)]
pub struct Descriptions {
    types: BTreeMap<String, (String, BTreeMap<String, String>)>,
}

fn unescape(s: &str) -> String {
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
    out
}

impl Descriptions {
    /// Reads the data file.
    pub fn parse(text: &str) -> Self {
        let mut types: BTreeMap<String, (String, BTreeMap<String, String>)> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let (name, words) = line.split_once('\t').unwrap_or((line, ""));
            let words = unescape(words);
            if let Some(ty) = name.strip_prefix("T ") {
                ty.clone_into(&mut current);
                types.insert(ty.to_owned(), (words, BTreeMap::new()));
            } else if let Some((_, fields)) = types.get_mut(&current) {
                fields.insert(name.to_owned(), words);
            }
        }
        Descriptions { types }
    }

    /// What a type is, by its name such as `core/v1.PodSpec`.
    pub fn of_type(&self, name: &str) -> &str {
        self.types.get(name).map_or("", |(text, _)| text)
    }

    /// What a field of it is for. Inlined fields are described where they are declared.
    pub fn of_field(&self, ty: &str, field: &str) -> &str {
        self.types.get(ty).and_then(|(_, fields)| fields.get(field)).map_or("", String::as_str)
    }
}
