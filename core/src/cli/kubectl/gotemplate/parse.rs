//! Reads templates. Models Go's text/template/parse.

use serde_json::Value;

use super::{Node, Operand, Pipeline};

/// How deep blocks and brackets may stand in each other.
const DEPTH_MAX: usize = 64;

/// Functions that templates know.
pub(super) const FUNCTIONS: &[&str] = &[
    "and",
    "or",
    "not",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "html",
    "js",
    "urlquery",
    "exists",
    "base64decode",
];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    /// The words of an action, and its line.
    Action(Vec<Word>, usize),
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Name(String),
    /// `.a.b`, none for a lone dot.
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Literal(Value),
    Open,
    /// `)` with the fields behind it.
    Close(Vec<String>),
    Pipe,
    Comma,
    Declare,
    Assign,
}

fn fail(line: usize, what: impl std::fmt::Display) -> String {
    format!("template: output:{line}: {what}")
}

/// Splits a template into text and actions.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let (mut rest, mut line, mut trim) = (text, 1, false);
    while let Some((before, after)) = rest.split_once("{{") {
        line += before.matches('\n').count();
        let mut plain = if trim { before.trim_start() } else { before };
        let after = match after.strip_prefix("- ").or_else(|| after.strip_prefix("-\n")) {
            Some(a) => {
                plain = plain.trim_end();
                a
            }
            None => after,
        };
        if !plain.is_empty() {
            out.push(Token::Text(plain.to_owned()));
        }
        if let Some(c) = after.trim_start().strip_prefix("/*") {
            let (_, end) = c.split_once("*/").ok_or_else(|| fail(line, "unclosed comment"))?;
            let (mark, end) =
                end.split_once("}}").ok_or_else(|| fail(line, "comment ends before closing delimiter"))?;
            trim = mark.trim_end().ends_with('-') || mark.trim() == "-";
            rest = end;
            continue;
        }
        let end = close(after).ok_or_else(|| fail(line, "unclosed action"))?;
        let inner = &after[..end];
        let (inner, trims) = match inner.strip_suffix(" -") {
            Some(i) => (i, true),
            None => (inner, false),
        };
        trim = trims;
        out.push(Token::Action(words(inner, line)?, line));
        line += inner.matches('\n').count();
        rest = &after[end + 2..];
    }
    let last = if trim { rest.trim_start() } else { rest };
    if !last.is_empty() {
        out.push(Token::Text(last.to_owned()));
    }
    Ok(out)
}

/// Where an action ends: at braces outside of quotes.
fn close(s: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (i, c) in s.char_indices() {
        match quote {
            Some(q) => {
                if escaped {
                    escaped = false;
                } else if c == '\\' && q == '"' {
                    escaped = true;
                } else if c == q {
                    quote = None;
                }
            }
            None if c == '"' || c == '`' => quote = Some(c),
            None if s[i..].starts_with("}}") => return Some(i),
            None => {}
        }
    }
    None
}

fn fields(rest: &mut &str) -> Vec<String> {
    let mut out = Vec::new();
    while let Some(r) = rest.strip_prefix('.') {
        let end = r.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(r.len());
        if end == 0 {
            break;
        }
        out.push(r[..end].to_owned());
        *rest = &r[end..];
    }
    out
}

fn words(text: &str, line: usize) -> Result<Vec<Word>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let word = match c {
            '(' => {
                rest = &rest[1..];
                Word::Open
            }
            ')' => {
                rest = &rest[1..];
                Word::Close(fields(&mut rest))
            }
            '|' => {
                rest = &rest[1..];
                Word::Pipe
            }
            ',' => {
                rest = &rest[1..];
                Word::Comma
            }
            '=' => {
                rest = &rest[1..];
                Word::Assign
            }
            ':' if rest.starts_with(":=") => {
                rest = &rest[2..];
                Word::Declare
            }
            '.' => {
                let f = fields(&mut rest);
                if f.is_empty() {
                    rest = &rest[1..];
                }
                Word::Field(f)
            }
            '$' => {
                let r = &rest[1..];
                let end = r.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(r.len());
                let name = r[..end].to_owned();
                rest = &r[end..];
                Word::Variable(name, fields(&mut rest))
            }
            '"' | '`' | '\'' => {
                let (value, after) = string(rest, c).ok_or_else(|| fail(line, "unterminated quoted string"))?;
                rest = after;
                Word::Literal(value)
            }
            c if c.is_ascii_digit() || (c == '-' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                let end =
                    rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '.').map_or(rest.len(), |e| e + 1);
                let n: Value = serde_json::from_str(&rest[..end])
                    .map_err(|_| fail(line, format!("bad number syntax: \"{}\"", &rest[..end])))?;
                rest = &rest[end..];
                Word::Literal(n)
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let name = &rest[..end];
                rest = &rest[end..];
                match name {
                    "true" => Word::Literal(true.into()),
                    "false" => Word::Literal(false.into()),
                    "nil" => Word::Literal(Value::Null),
                    n => Word::Name(n.to_owned()),
                }
            }
            c => return Err(fail(line, format!("unexpected {} in operand", crate::api::field::quote(&c.to_string())))),
        };
        out.push(word);
        rest = rest.trim_start();
    }
    Ok(out)
}

/// A quoted text and what comes after it.
fn string(s: &str, quote: char) -> Option<(Value, &str)> {
    let mut out = String::new();
    let mut chars = s.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            c if c == quote => return Some((Value::String(out), &s[i + c.len_utf8()..])),
            '\\' if quote != '`' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                c => out.push(c),
            },
            c => out.push(c),
        }
    }
    None
}

struct Parser {
    tokens: std::vec::IntoIter<Token>,
    line: usize,
}

/// How a block ended.
#[derive(PartialEq)]
enum End {
    File,
    Closed,
    /// `else`, with the rest of its words.
    Else(Vec<Word>),
}

impl Parser {
    fn block(&mut self, depth: usize) -> Result<(Vec<Node>, End), String> {
        if depth > DEPTH_MAX {
            return Err(fail(self.line, "template is too deep"));
        }
        let mut out = Vec::new();
        while let Some(t) = self.tokens.next() {
            let (mut words, line) = match t {
                Token::Text(t) => {
                    out.push(Node::Text(t));
                    continue;
                }
                Token::Action(w, line) => (w, line),
            };
            self.line = line;
            let keyword = match words.first() {
                Some(Word::Name(n)) => n.clone(),
                Some(_) => String::new(),
                None => return Err(fail(line, "missing value for command")),
            };
            match keyword.as_str() {
                "end" => return Ok((out, End::Closed)),
                "else" => return Ok((out, End::Else(words.split_off(1)))),
                "break" => out.push(Node::Break),
                "continue" => out.push(Node::Continue),
                "if" | "with" => out.push(self.branch(keyword == "with", words.split_off(1), depth)?),
                "range" => {
                    let over = self.pipeline(words.split_off(1))?;
                    let (body, otherwise) = self.bodies(depth)?;
                    out.push(Node::Range { over, body, otherwise });
                }
                _ => {
                    let p = self.pipeline(words)?;
                    out.push(Node::Action(p));
                }
            }
        }
        Ok((out, End::File))
    }

    fn branch(&mut self, with: bool, test: Vec<Word>, depth: usize) -> Result<Node, String> {
        let test = self.pipeline(test)?;
        let (then, end) = self.block(depth + 1)?;
        let otherwise = match end {
            End::Closed => Vec::new(),
            End::Else(mut words) if matches!(words.first(), Some(Word::Name(n)) if n == "if" || n == "with") => {
                let with = matches!(words.first(), Some(Word::Name(n)) if n == "with");
                vec![self.branch(with, words.split_off(1), depth + 1)?]
            }
            End::Else(_) => self.last(depth)?,
            End::File => return Err(fail(self.line, "unexpected EOF")),
        };
        Ok(Node::Branch { with, test, then, otherwise })
    }

    fn bodies(&mut self, depth: usize) -> Result<(Vec<Node>, Vec<Node>), String> {
        let (body, end) = self.block(depth + 1)?;
        match end {
            End::Closed => Ok((body, Vec::new())),
            End::Else(_) => Ok((body, self.last(depth)?)),
            End::File => Err(fail(self.line, "unexpected EOF")),
        }
    }

    fn last(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        match self.block(depth + 1)? {
            (nodes, End::Closed) => Ok(nodes),
            (_, End::Else(_)) => Err(fail(self.line, "expected end; found {{else}}")),
            (_, End::File) => Err(fail(self.line, "unexpected EOF")),
        }
    }

    fn pipeline(&self, words: Vec<Word>) -> Result<Pipeline, String> {
        let mut p = Pipeline { declares: Vec::new(), assigns: false, commands: Vec::new() };
        let mut words = words;
        if let Some(at) = words.iter().position(|w| matches!(w, Word::Declare | Word::Assign)) {
            p.assigns = words[at] == Word::Assign;
            let rest = words.split_off(at + 1);
            for w in words {
                if let Word::Variable(n, _) = w {
                    p.declares.push(n);
                }
            }
            words = rest;
        }
        let mut it = words.into_iter().peekable();
        p.commands = self.commands(&mut it, 0)?;
        match it.next() {
            None => Ok(p),
            Some(_) => Err(fail(self.line, "unexpected right paren")),
        }
    }

    fn commands(
        &self,
        it: &mut std::iter::Peekable<std::vec::IntoIter<Word>>,
        depth: usize,
    ) -> Result<Vec<Vec<Operand>>, String> {
        if depth > DEPTH_MAX {
            return Err(fail(self.line, "template is too deep"));
        }
        let mut all = vec![Vec::new()];
        while let Some(w) = it.next_if(|w| !matches!(w, Word::Close(_))) {
            let operand = match w {
                Word::Pipe => {
                    all.push(Vec::new());
                    continue;
                }
                Word::Field(f) if f.is_empty() => Operand::Dot,
                Word::Field(f) => Operand::Field(f),
                Word::Variable(n, f) => Operand::Variable(n, f),
                Word::Literal(v) => Operand::Literal(v),
                Word::Name(n) if FUNCTIONS.contains(&n.as_str()) => Operand::Function(n),
                Word::Name(n) => {
                    return Err(fail(self.line, format!("function {} not defined", crate::api::field::quote(&n))));
                }
                Word::Open => {
                    let commands = self.commands(it, depth + 1)?;
                    let Some(Word::Close(f)) = it.next() else { return Err(fail(self.line, "unclosed left paren")) };
                    Operand::Group(Box::new(Pipeline { declares: Vec::new(), assigns: false, commands }), f)
                }
                _ => return Err(fail(self.line, "unexpected token in operand")),
            };
            if let Some(last) = all.last_mut() {
                last.push(operand);
            }
        }
        if all.iter().any(Vec::is_empty) {
            return Err(fail(self.line, "missing value for command"));
        }
        Ok(all)
    }
}

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut p = Parser { tokens: tokens(text)?.into_iter(), line: 1 };
    match p.block(0)? {
        (nodes, End::File) => Ok(nodes),
        (_, End::Closed) => Err(fail(p.line, "unexpected {{end}}")),
        (_, End::Else(_)) => Err(fail(p.line, "unexpected {{else}}")),
    }
}
