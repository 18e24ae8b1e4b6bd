//! Words and flags of a command line.

use std::collections::BTreeMap;

/// Splits a line into words as a shell does: quotes, backslashes, no expansion.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let w = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => w.push(c),
                        None => return Err("unexpected EOF while looking for matching `''".into()),
                    }
                }
            }
            '"' => {
                let w = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => w.push(c),
                            Some(c) => w.extend(['\\', c]),
                            None => return Err("unexpected EOF while looking for matching `\"'".into()),
                        },
                        Some(c) => w.push(c),
                        None => return Err("unexpected EOF while looking for matching `\"'".into()),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A flag that a command takes.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// `namespace`.
    pub name: &'static str,
    /// `n`, or a blank for none.
    pub short: char,
    /// Whether it is a switch: `--all`, or `--all=false`.
    pub switch: bool,
}

/// A flag with a value.
pub const fn value(name: &'static str, short: char) -> Flag {
    Flag { name, short, switch: false }
}

/// A flag that is on or off.
pub const fn switch(name: &'static str, short: char) -> Flag {
    Flag { name, short, switch: true }
}

/// A command's words, sorted out.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// What is no flag.
    pub words: Vec<String>,
    /// What came after `--`.
    pub rest: Vec<String>,
    flags: BTreeMap<&'static str, Vec<String>>,
}

impl Args {
    /// Sorts words into flags and the rest; pflag's words for what is wrong.
    pub fn parse(words: &[String], flags: &[Flag]) -> Result<Self, String> {
        let mut out = Args::default();
        let mut it = words.iter();
        while let Some(w) = it.next() {
            if w == "--" {
                out.rest = it.cloned().collect();
                break;
            }
            if let Some(long) = w.strip_prefix("--") {
                let (name, given) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
                let flag = flags.iter().find(|f| f.name == name).ok_or_else(|| format!("unknown flag: --{name}"))?;
                let v = match given {
                    Some(v) => v,
                    None if flag.switch => "true".into(),
                    None => it.next().cloned().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
                };
                out.flags.entry(flag.name).or_default().push(v);
            } else if w.len() > 1 && w.starts_with('-') {
                for (i, c) in w[1..].char_indices() {
                    let flag = flags
                        .iter()
                        .find(|f| f.short == c)
                        .ok_or_else(|| format!("unknown shorthand flag: '{c}' in {w}"))?;
                    if flag.switch {
                        out.flags.entry(flag.name).or_default().push("true".into());
                        continue;
                    }
                    let tail = &w[1 + i + c.len_utf8()..];
                    let tail = tail.strip_prefix('=').unwrap_or(tail);
                    let v = if tail.is_empty() {
                        it.next().cloned().ok_or_else(|| format!("flag needs an argument: '{c}' in {w}"))?
                    } else {
                        tail.to_owned()
                    };
                    out.flags.entry(flag.name).or_default().push(v);
                    break;
                }
            } else {
                out.words.push(w.clone());
            }
        }
        Ok(out)
    }

    /// A flag's last value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.flags.get(name).and_then(|v| v.last()).map(String::as_str)
    }

    /// All values of a flag.
    pub fn all(&self, name: &str) -> &[String] {
        self.flags.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a switch is on.
    pub fn on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v == "true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_flags() {
        let words =
            split(r#"kubectl get pods -n kube-system -owide -l "app in (a, b)" --field-selector='a=b' -A -- x"#)
                .expect("words");
        let flags = [
            value("namespace", 'n'),
            value("output", 'o'),
            value("selector", 'l'),
            value("field-selector", ' '),
            switch("all-namespaces", 'A'),
        ];
        let a = Args::parse(&words[1..], &flags).expect("args");
        assert_eq!(a.words, ["get", "pods"]);
        assert_eq!(a.rest, ["x"]);
        assert_eq!((a.get("namespace"), a.get("output")), (Some("kube-system"), Some("wide")));
        assert_eq!((a.get("selector"), a.get("field-selector")), (Some("app in (a, b)"), Some("a=b")));
        assert!(a.on("all-namespaces"));
    }

    #[test]
    fn what_is_wrong_is_said_in_pflags_words() {
        for (line, why) in [
            ("--nope", "unknown flag: --nope"),
            ("-z", "unknown shorthand flag: 'z' in -z"),
            ("-n", "flag needs an argument: 'n' in -n"),
        ] {
            assert_eq!(Args::parse(&[line.to_owned()], &[value("namespace", 'n')]).expect_err("an error"), why);
        }
        assert!(split("a 'b").is_err());
    }
}
