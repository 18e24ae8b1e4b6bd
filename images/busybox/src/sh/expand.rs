//! Expansion: variables, command substitution, splitting into fields, and patterns.

use podarium_guest::fs;

use super::parse::{Part, Word};
use super::{Flow, Shell};
use crate::stream::Streams;

/// A character of an expanded word: quoted ones are neither split nor patterns.
type Char = (char, bool);

/// Whether a word runs a command.
pub(super) fn has_command(word: &Word) -> bool {
    word.iter().any(|part| matches!(part, Part::Command { .. }))
}

/// Whether a text fits a pattern of `*`, `?` and `[..]`.
pub(super) fn matches(pattern: &[Char], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(('*', false)) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(('?', false)) => {
                p += 1;
                t += 1;
                continue;
            }
            Some(('[', false)) => {
                if let Some((found, length)) = class(&pattern[p..], text[t])
                    && found
                {
                    p += length;
                    t += 1;
                    continue;
                }
            }
            Some((c, _)) if *c == text[t] => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        let Some((at, from)) = star else { return false };
        star = Some((at, from + 1));
        p = at + 1;
        t = from + 1;
    }
    pattern[p..].iter().all(|c| *c == ('*', false))
}

/// Whether a character is in the class that the pattern begins with, and the class's length.
fn class(pattern: &[Char], c: char) -> Option<(bool, usize)> {
    let end = pattern.iter().skip(2).position(|(c, _)| *c == ']')? + 2;
    let mut inner: Vec<char> = pattern[1..end].iter().map(|(c, _)| *c).collect();
    let negated = matches!(inner.first(), Some('!' | '^'));
    if negated {
        inner.remove(0);
    }
    let mut found = false;
    let mut at = 0;
    while at < inner.len() {
        if at + 2 < inner.len() && inner[at + 1] == '-' {
            found |= (inner[at]..=inner[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= inner[at] == c;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}

impl Shell {
    /// A word as one text.
    pub(super) async fn text(&mut self, word: &Word, streams: &Streams) -> Result<String, Flow> {
        let fields = self.expand(word, streams, false).await?;
        Ok(fields.into_iter().flatten().map(|(c, _)| c).collect())
    }

    pub(super) async fn pattern(&mut self, word: &Word, streams: &Streams) -> Result<Vec<Char>, Flow> {
        Ok(self.expand(word, streams, false).await?.into_iter().flatten().collect())
    }

    /// Words as the arguments of a command.
    pub(super) async fn fields(&mut self, words: &[Word], streams: &Streams) -> Result<Vec<String>, Flow> {
        let mut all = Vec::new();
        for word in words {
            for field in self.expand(word, streams, true).await? {
                let wild = field.iter().any(|(c, quoted)| !quoted && matches!(c, '*' | '?' | '['));
                let plain: String = field.iter().map(|(c, _)| *c).collect();
                let found = if wild { self.glob(&field) } else { Vec::new() };
                if found.is_empty() {
                    all.push(plain);
                } else {
                    all.extend(found);
                }
            }
        }
        Ok(all)
    }

    /// The files that a pattern names.
    fn glob(&self, pattern: &[Char]) -> Vec<String> {
        let text: String = pattern.iter().map(|(c, _)| *c).collect();
        let absolute = text.starts_with('/');
        let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
        for part in pattern.split(|(c, _)| *c == '/').filter(|part| !part.is_empty()) {
            let name: String = part.iter().map(|(c, _)| *c).collect();
            let mut next = Vec::new();
            for base in &found {
                let dir = if base.is_empty() { self.directory.clone() } else { self.path(base) };
                let join = |name: &str| {
                    format!("{base}{}{name}", if base.is_empty() || base.ends_with('/') { "" } else { "/" })
                };
                if part.iter().any(|(c, quoted)| !quoted && matches!(c, '*' | '?' | '[')) {
                    let names = fs::list(&dir).unwrap_or_default();
                    let fitting =
                        names.iter().filter(|n| (!n.starts_with('.') || name.starts_with('.')) && matches(part, n));
                    next.extend(fitting.map(|name| join(name)));
                } else if fs::stat(&self.path(&join(&name))).is_ok() {
                    next.push(join(&name));
                }
            }
            found = next;
        }
        found
    }

    /// A word's fields, quoted characters marked.
    async fn expand(&mut self, word: &Word, streams: &Streams, split: bool) -> Result<Vec<Vec<Char>>, Flow> {
        let mut fields: Vec<Vec<Char>> = Vec::new();
        // Whether the last field still grows.
        let mut open = false;
        for (index, part) in word.iter().enumerate() {
            let (text, quoted) = match part {
                Part::Text { text, quoted } => {
                    let mut text = text.clone();
                    if index == 0 && !quoted && (text == "~" || text.starts_with("~/")) {
                        text.replace_range(..1, &self.get("HOME").unwrap_or_else(|| "/root".to_owned()));
                    }
                    push(&mut fields, &mut open, text.chars().map(|c| (c, *quoted)));
                    continue;
                }
                Part::Variable { name, operator: None, quoted: true } if name == "@" && split => {
                    for (index, parameter) in self.parameters.clone().iter().enumerate() {
                        open &= index == 0;
                        push(&mut fields, &mut open, parameter.chars().map(|c| (c, true)));
                    }
                    continue;
                }
                Part::Variable { name, operator, quoted } => {
                    let value = Box::pin(self.variable(name, operator.as_ref(), streams)).await?;
                    (value, *quoted)
                }
                Part::Command { body, quoted } => (Box::pin(self.capture(body, streams)).await, *quoted),
                Part::Arithmetic(expression) => {
                    let text = Box::pin(self.text(expression, streams)).await?;
                    match super::arith::evaluate(&text, &mut self.variables) {
                        Ok(value) => (value.to_string(), true),
                        Err(why) => {
                            streams.err.print(&format!("{}: arithmetic {why}\n", self.name)).await;
                            self.status = 2;
                            return Err(Flow::Exit);
                        }
                    }
                }
            };
            if quoted || !split {
                push(&mut fields, &mut open, text.chars().map(|c| (c, quoted)));
                continue;
            }
            let separators = self.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
            for c in text.chars() {
                if separators.contains(c) {
                    open = false;
                } else {
                    push(&mut fields, &mut open, std::iter::once((c, false)));
                }
            }
        }
        Ok(fields)
    }

    async fn variable(
        &mut self,
        name: &str,
        operator: Option<&(String, Word)>,
        streams: &Streams,
    ) -> Result<String, Flow> {
        let value = match name {
            "?" => Some(self.status.to_string()),
            "$" => Some("1".to_owned()),
            "!" => (self.last_job > 0).then(|| self.last_job.to_string()),
            "#" => Some(self.parameters.len().to_string()),
            "@" | "*" => Some(self.parameters.join(" ")),
            "-" => Some(String::new()),
            "0" => Some(self.name.clone()),
            "PWD" => Some(self.directory.clone()),
            "RANDOM" => {
                let mut bytes = [0; 2];
                podarium_guest::process::random(&mut bytes);
                Some((u16::from_le_bytes(bytes) >> 1).to_string())
            }
            name if name.bytes().all(|b| b.is_ascii_digit()) => {
                name.parse::<usize>().ok().and_then(|n| self.parameters.get(n.wrapping_sub(1)).cloned())
            }
            name => self.get(name),
        };
        let Some((operator, word)) = operator else {
            if value.is_none() && self.nounset {
                streams.err.print(&format!("{}: {name}: parameter not set\n", self.name)).await;
                self.status = 2;
                return Err(Flow::Exit);
            }
            return Ok(value.unwrap_or_default());
        };
        let absent = value.is_none() || (operator.starts_with(':') && value.as_deref() == Some(""));
        match operator.trim_start_matches(':') {
            "#len" => Ok(value.unwrap_or_default().chars().count().to_string()),
            "-" if absent => self.text(word, streams).await,
            "=" if absent => {
                let text = self.text(word, streams).await?;
                self.set(name, &text);
                Ok(text)
            }
            "+" => {
                if absent {
                    Ok(String::new())
                } else {
                    self.text(word, streams).await
                }
            }
            "?" if absent => {
                let text = self.text(word, streams).await?;
                let why = if text.is_empty() { "parameter not set" } else { &text };
                streams.err.print(&format!("{}: {name}: {why}\n", self.name)).await;
                self.status = 2;
                Err(Flow::Exit)
            }
            cut @ ("#" | "##" | "%" | "%%") => {
                // In `${x%.*}` the pattern isn't quoted, though the grammar reads it as if.
                let pattern: Vec<Char> =
                    self.pattern(word, streams).await?.into_iter().map(|(c, _)| (c, false)).collect();
                let text: Vec<char> = value.unwrap_or_default().chars().collect();
                let all = |range: &[char]| range.iter().collect::<String>();
                let mut places: Vec<usize> = (0..=text.len()).collect();
                if matches!(cut, "##" | "%") {
                    places.reverse();
                }
                for place in places {
                    let (head, tail) = text.split_at(place);
                    if cut.starts_with('#') && matches(&pattern, &all(head)) {
                        return Ok(all(tail));
                    }
                    if cut.starts_with('%') && matches(&pattern, &all(tail)) {
                        return Ok(all(head));
                    }
                }
                Ok(all(&text))
            }
            _ => Ok(value.unwrap_or_default()),
        }
    }
}

fn push(fields: &mut Vec<Vec<Char>>, open: &mut bool, chars: impl Iterator<Item = Char>) {
    if !*open {
        fields.push(Vec::new());
        *open = true;
    }
    if let Some(field) = fields.last_mut() {
        field.extend(chars);
    }
}
