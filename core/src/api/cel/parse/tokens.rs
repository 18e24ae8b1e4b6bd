//! The tokens of an expression one after the other, and how the parser goes on where one is wrong.
//! Models the default strategy of ANTLR, which cel-go's parser is made with.

use super::LEVELS;
use crate::api::cel::lex::{Lexed, Token};
use crate::api::cel::tree::{Complaint, Expr, Kind};
use crate::api::cel::value::Val;

/// What begins a value, in the order in which errors name it.
const OPERAND: [&str; 15] = [
    "'['",
    "'{'",
    "'('",
    "'.'",
    "'-'",
    "'!'",
    "'true'",
    "'false'",
    "'null'",
    "NUM_FLOAT",
    "NUM_INT",
    "NUM_UINT",
    "STRING",
    "BYTES",
    "IDENTIFIER",
];

/// Reads on after an error as ANTLR's default strategy does: a token too many is passed over, a missing one is taken as there,
/// and otherwise all is passed over until something comes that may follow. Nothing is told twice on the way.
pub(super) struct Parser {
    pub chars: Vec<char>,
    pub tokens: Vec<Lexed>,
    pub next: usize,
    pub depth: usize,
    pub errors: Vec<Complaint>,
    pub recovering: bool,
    /// What ends a value in each of the constructs that are open.
    pub open: Vec<&'static [&'static str]>,
    pub deep: bool,
}

pub(super) fn begins_operand(token: &Token) -> bool {
    match token {
        Token::Op(op) => matches!(*op, "[" | "{" | "(" | "." | "-" | "!"),
        Token::Ident(_) | Token::Number(_) | Token::Text(_) | Token::Bytes(_) => true,
        Token::Quoted(_) | Token::End => false,
    }
}

/// The names of what is expected, some of them besides what begins a value, in the order of the grammar's tokens.
pub(super) fn expected(besides: &[&str], without: &str) -> String {
    const ORDER: [&str; 9] = ["'['", "']'", "'{'", "'}'", "'('", "')'", "'.'", "','", "'-'"];
    let place = |t: &&str| ORDER.iter().position(|o| o == t).unwrap_or(if *t == "'?'" { 11 } else { 10 });
    let mut all: Vec<&str> = OPERAND.into_iter().filter(|t| *t != without).chain(besides.iter().copied()).collect();
    let rest = |t: &&str| if *t == "'!'" || *t == "'?'" { 0 } else { OPERAND.iter().position(|o| o == t).unwrap_or(0) };
    all.sort_by_key(|t| match place(t) {
        10 if *t != "'!'" => (12, rest(t)),
        n => (n, 0),
    });
    format!("{{{}}}", all.join(", "))
}

impl Parser {
    pub fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |t| &t.token)
    }

    /// What comes after that: a word too many is told from a wrong one by it.
    pub fn after(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::End, |t| &t.token)
    }

    pub fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |t| t.at)
    }

    /// What comes next as it is written.
    pub fn shown(&self) -> String {
        let written = self.tokens.get(self.next).and_then(|t| self.chars.get(t.at..t.end)).unwrap_or_default();
        if written.is_empty() { "<EOF>".to_owned() } else { written.iter().collect() }
    }

    pub fn advance(&mut self) -> (usize, Token) {
        let found = self.tokens.get(self.next).map(|t| (t.at, t.token.clone()));
        self.next += 1;
        self.recovering = false;
        found.unwrap_or((0, Token::End))
    }

    pub fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(o) if *o == op)
    }

    pub fn is_after(&self, op: &str) -> bool {
        matches!(self.after(), Token::Op(o) if *o == op)
    }

    /// Passes over an operator if it comes next; where it stands.
    pub fn accept(&mut self, op: &str) -> Option<usize> {
        self.is(op).then(|| self.advance().0)
    }

    pub fn report(&mut self, message: String) {
        if !self.recovering {
            self.errors.push(Complaint { at: self.at(), message: format!("Syntax error: {message}") });
        }
        self.recovering = true;
    }

    pub fn complain(&mut self, complaint: Complaint) {
        self.errors.push(complaint);
    }

    /// What stands for what couldn't be read.
    pub fn nothing(&self) -> Expr {
        Expr { at: self.at(), kind: Kind::Literal(Val::Null) }
    }

    /// Passes over everything until something comes that may follow; `within` a member it isn't another one.
    pub fn skip(&mut self, within: bool) {
        let stops = |p: &Self| match p.peek() {
            Token::End => true,
            Token::Op(op) => {
                LEVELS.iter().any(|l| l.contains(op))
                    || *op == "?"
                    || (!within && matches!(*op, "." | "["))
                    || p.open.iter().any(|o| o.contains(op))
            }
            _ => false,
        };
        while !stops(self) {
            self.next += 1;
        }
    }

    /// Where a value, or something else that is named, should begin: a token too many is passed over if one begins after it.
    pub fn begin(&mut self, besides: &[&str], within: bool) -> bool {
        let other = |t: &Token| matches!(t, Token::Op(op) if besides.iter().any(|b| b.trim_matches('\'') == *op));
        let fits = |t: &Token| begins_operand(t) || other(t);
        if fits(self.peek()) {
            return true;
        }
        let wanted = expected(besides, "");
        if fits(self.after()) && *self.peek() != Token::End && !self.recovering {
            self.report(format!("extraneous input '{}' expecting {wanted}", self.shown()));
            self.next += 1;
            self.recovering = false;
            return true;
        }
        self.report(format!("mismatched input '{}' expecting {wanted}", self.shown()));
        self.skip(within);
        false
    }

    /// A token that must come; `value`: whether a value follows it, or else what follows one.
    pub fn expect(&mut self, op: &str, value: bool) -> usize {
        self.expect_within(op, value, false)
    }

    pub fn expect_within(&mut self, op: &str, value: bool, within: bool) -> usize {
        let at = self.at();
        if self.accept(op).is_some() {
            return at;
        }
        let shown = self.shown();
        if self.is_after(op) {
            self.report(format!("extraneous input '{shown}' expecting '{op}'"));
            self.next += 1;
            return self.advance().0;
        }
        let follows = match self.peek() {
            token if value => begins_operand(token),
            Token::End => self.open.is_empty(),
            Token::Op(o) => {
                LEVELS.iter().any(|l| l.contains(o))
                    || matches!(*o, "?" | "." | "[")
                    || self.open.last().is_some_and(|open| open.contains(o))
            }
            _ => false,
        };
        if follows {
            self.report(format!("missing '{op}' at '{shown}'"));
        } else {
            self.report(format!("mismatched input '{shown}' expecting '{op}'"));
            self.skip(within);
        }
        at
    }

    /// A value within a construct that something of these ends.
    pub fn inside(&mut self, ends: &'static [&'static str], read: impl FnOnce(&mut Self) -> Expr) -> Expr {
        self.open.push(ends);
        let e = read(self);
        self.open.pop();
        e
    }
}
