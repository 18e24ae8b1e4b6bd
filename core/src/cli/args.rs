//! Flags and words of a command. Models spf13/pflag.

use std::collections::BTreeMap;

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `--all`, or `--all=false`.
    Switch,
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// `1m30s`.
    Duration,
    /// Texts between commas; may be given more than once.
    List,
    /// Text; may be given more than once.
    Array,
}

/// A flag that a command takes.
#[derive(Clone, Debug)]
pub struct Flag {
    /// `namespace`.
    pub name: &'static str,
    /// `n`.
    pub short: Option<char>,
    /// What its value is.
    pub kind: Kind,
    /// Its value when it isn't given.
    pub default: &'static str,
    /// What help says of it.
    pub usage: &'static str,
    /// Its value when it is given without one.
    pub bare: Option<&'static str>,
}

/// A command's words, sorted out.
#[derive(Clone, Debug, Default)]
pub struct Args {
    /// What is no flag.
    pub words: Vec<String>,
    /// What came after `--`.
    pub rest: Vec<String>,
    given: BTreeMap<&'static str, Vec<String>>,
    defaults: BTreeMap<&'static str, &'static str>,
}

/// Why words could not be sorted.
#[derive(Debug, PartialEq)]
pub enum Wrong {
    /// Help was asked for.
    Help,
    /// pflag's words.
    Text(String),
}

fn switch_value(v: &str) -> Option<&'static str> {
    match v {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some("true"),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some("false"),
        _ => None,
    }
}

/// A whole number as Go's ParseInt with base 0 reads it.
fn is_number(v: &str) -> bool {
    let digits = v.strip_prefix(['+', '-']).unwrap_or(v).replace('_', "");
    match digits.get(..2) {
        Some("0x" | "0X") => i64::from_str_radix(&digits[2..], 16).is_ok(),
        _ => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<i64>().is_ok(),
    }
}

impl Args {
    /// Sorts words into flags and the rest.
    pub fn parse(words: &[String], flags: &[&'static Flag]) -> Result<Self, Wrong> {
        let mut out = Args { defaults: flags.iter().map(|f| (f.name, f.default)).collect(), ..Args::default() };
        let mut it = words.iter();
        while let Some(w) = it.next() {
            if w == "--" {
                out.rest = it.cloned().collect();
                break;
            }
            if let Some(long) = w.strip_prefix("--") {
                if long.starts_with(['-', '=']) {
                    return Err(Wrong::Text(format!("bad flag syntax: {w}")));
                }
                let (name, given) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
                let name = name.replace('_', "-");
                let Some(flag) = flags.iter().find(|f| f.name == name) else {
                    return Err(if name == "help" {
                        Wrong::Help
                    } else {
                        Wrong::Text(format!("unknown flag: --{name}"))
                    });
                };
                let v = match (given, flag.bare) {
                    (Some(v), _) => v,
                    (None, Some(bare)) => bare.to_owned(),
                    (None, None) => {
                        it.next().cloned().ok_or_else(|| Wrong::Text(format!("flag needs an argument: --{name}")))?
                    }
                };
                out.set(flag, v)?;
            } else if w.len() > 1 && w.starts_with('-') {
                out.shorthands(&w[1..], flags, &mut it)?;
            } else {
                out.words.push(w.clone());
            }
        }
        Ok(out)
    }

    fn shorthands(
        &mut self,
        letters: &str,
        flags: &[&'static Flag],
        it: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), Wrong> {
        for (i, c) in letters.char_indices() {
            let left = &letters[i..];
            let Some(flag) = flags.iter().find(|f| f.short == Some(c)) else {
                return Err(if c == 'h' {
                    Wrong::Help
                } else {
                    Wrong::Text(format!("unknown shorthand flag: '{c}' in -{left}"))
                });
            };
            let tail = &left[c.len_utf8()..];
            if let Some(v) = tail.strip_prefix('=') {
                return self.set(flag, v.to_owned());
            }
            if let Some(bare) = flag.bare {
                self.set(flag, bare.to_owned())?;
                continue;
            }
            if !tail.is_empty() {
                return self.set(flag, tail.to_owned());
            }
            let v =
                it.next().cloned().ok_or_else(|| Wrong::Text(format!("flag needs an argument: '{c}' in -{left}")))?;
            return self.set(flag, v);
        }
        Ok(())
    }

    fn set(&mut self, flag: &'static Flag, v: String) -> Result<(), Wrong> {
        let wrong = |why: String| {
            let shown = match flag.short {
                Some(c) => format!("-{c}, --{}", flag.name),
                None => format!("--{}", flag.name),
            };
            let quoted = crate::api::field::quote(&v);
            Wrong::Text(format!("invalid argument {quoted} for \"{shown}\" flag: {why}"))
        };
        let quoted = crate::api::field::quote(&v);
        let values = match flag.kind {
            Kind::Switch => match switch_value(&v) {
                Some(v) => vec![v.to_owned()],
                None => return Err(wrong(format!("strconv.ParseBool: parsing {quoted}: invalid syntax"))),
            },
            Kind::Number if !is_number(&v) => {
                return Err(wrong(format!("strconv.ParseInt: parsing {quoted}: invalid syntax")));
            }
            Kind::Duration if super::time::parse_duration(&v).is_none() => {
                let unit = v.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !v.is_empty();
                let why = if unit { "missing unit in duration" } else { "invalid duration" };
                return Err(wrong(format!("time: {why} {quoted}")));
            }
            Kind::List => v.split(',').map(str::to_owned).collect(),
            _ => vec![v],
        };
        self.given.entry(flag.name).or_default().extend(values);
        Ok(())
    }

    /// A flag's last value, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).and_then(|v| v.last()).map(String::as_str)
    }

    /// A flag's value, or what it is when not given; empty for a flag that the command hasn't.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).or_else(|| self.defaults.get(name).copied()).unwrap_or_default()
    }

    /// A number's value.
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// A duration's value.
    pub fn duration(&self, name: &str) -> std::time::Duration {
        super::time::parse_duration(self.text(name)).unwrap_or_default()
    }

    /// All values of a flag.
    pub fn all(&self, name: &str) -> &[String] {
        self.given.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a switch is on.
    pub fn on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn flag(name: &'static str, short: Option<char>, kind: Kind, bare: Option<&'static str>) -> Flag {
        Flag { name, short, kind, default: "", usage: "", bare }
    }

    static FLAGS: [Flag; 7] = [
        flag("namespace", Some('n'), Kind::Text, None),
        flag("output", Some('o'), Kind::Text, None),
        flag("label-columns", Some('L'), Kind::List, None),
        flag("all-namespaces", Some('A'), Kind::Switch, Some("true")),
        flag("replicas", None, Kind::Number, None),
        flag("timeout", None, Kind::Duration, None),
        flag("dry-run", None, Kind::Text, Some("unchanged")),
    ];

    fn parse(line: &str) -> Result<Args, Wrong> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Args::parse(&words, &FLAGS.iter().collect::<Vec<_>>())
    }

    #[test]
    fn words_and_flags() {
        let a = parse("get pods -n kube-system -owide -A --dry-run --replicas=3 -L a,b -L c -- x").expect("args");
        assert_eq!(a.words, ["get", "pods"]);
        assert_eq!(a.rest, ["x"]);
        assert_eq!((a.get("namespace"), a.get("output")), (Some("kube-system"), Some("wide")));
        assert_eq!((a.get("dry-run"), a.number("replicas")), (Some("unchanged"), 3));
        assert_eq!(a.all("label-columns"), ["a", "b", "c"]);
        assert!(a.on("all-namespaces"));
    }

    #[test]
    fn what_is_wrong_is_said_in_pflags_words() {
        for (line, why) in [
            ("--nope", "unknown flag: --nope"),
            ("-Az", "unknown shorthand flag: 'z' in -z"),
            ("-n", "flag needs an argument: 'n' in -n"),
            ("--output", "flag needs an argument: --output"),
            ("--=x", "bad flag syntax: --=x"),
            (
                "--replicas=two",
                "invalid argument \"two\" for \"--replicas\" flag: strconv.ParseInt: parsing \"two\": invalid syntax",
            ),
            (
                "-A=maybe",
                "invalid argument \"maybe\" for \"-A, --all-namespaces\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
            ("--timeout=5", "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\""),
        ] {
            assert_eq!(parse(line).expect_err("an error"), Wrong::Text(why.into()));
        }
        assert_eq!(parse("get -h").expect_err("help"), Wrong::Help);
    }
}
