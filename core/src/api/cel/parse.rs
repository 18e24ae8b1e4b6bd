//! From text to a tree: the Common Expression Language's grammar. Models cel-go `parser/parser.go`.

mod macros;
mod tokens;

use super::lex::{Lexer, Token};
use super::tree::{Complaint, Expr, Field, Kind, NOWHERE};
use super::value::Val;
use macros::{global_call, member_call};
use tokens::{Parser, begins_operand, expected};

/// How deep expressions nest at most, as cel-go's default has it.
const DEPTH_MAX: usize = 250;

const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Whether a name is a word of the language: a literal, an operator, or reserved.
pub(super) fn is_word(name: &str) -> bool {
    matches!(name, "true" | "false" | "null" | "in") || RESERVED.contains(&name)
}

/// Whether a variable may be called so.
pub fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
        && !is_word(name)
}

/// The operators by how strongly they bind, the weakest first.
const LEVELS: [&[&str]; 5] =
    [&["||"], &["&&"], &["<", "<=", ">=", ">", "==", "!=", "in"], &["+", "-"], &["*", "/", "%"]];

/// The tree, or all that is wrong.
pub(super) fn parse(text: &str) -> Result<Expr, Vec<Complaint>> {
    let (tokens, errors) = Lexer::new(text).tokens();
    let chars = text.chars().collect();
    let mut p = Parser { chars, tokens, next: 0, depth: 0, errors, recovering: false, open: Vec::new(), deep: false };
    let e = p.expr();
    if p.deep {
        let message = format!("expression recursion limit exceeded: {DEPTH_MAX}");
        return Err(vec![Complaint { at: NOWHERE, message }]);
    }
    if *p.peek() != Token::End {
        let how = if p.after() == &Token::End { "extraneous" } else { "mismatched" };
        p.report(format!("{how} input '{}' expecting <EOF>", p.shown()));
    }
    if p.errors.is_empty() { Ok(e) } else { Err(p.errors) }
}

fn call(at: usize, name: &str, args: Vec<Expr>) -> Expr {
    Expr { at, kind: Kind::Call { name: name.to_owned(), target: None, args } }
}

impl Parser {
    fn expr(&mut self) -> Expr {
        self.depth += 1;
        self.deep = self.deep || self.depth > DEPTH_MAX;
        if self.deep {
            self.next = self.tokens.len();
            return self.nothing();
        }
        let condition = self.binary(0);
        let e = if let Some(at) = self.accept("?") {
            let yes = self.inside(&[":"], |p| p.binary(0));
            self.expect(":", true);
            let no = self.expr();
            call(at, "_?_:_", vec![condition, yes, no])
        } else {
            condition
        };
        self.depth -= 1;
        e
    }

    /// Values between operators that bind as strongly as this level's at least.
    fn binary(&mut self, level: usize) -> Expr {
        let mut left = self.unary();
        while let Token::Op(op) = *self.peek()
            && let Some(found) = LEVELS.iter().position(|ops| ops.contains(&op)).filter(|found| *found >= level)
        {
            let (at, _) = self.advance();
            let right = self.binary(found + 1);
            let name = if op == "in" { "@in".to_owned() } else { format!("_{op}_") };
            left = call(at, &name, vec![left, right]);
        }
        left
    }

    fn unary(&mut self) -> Expr {
        if !self.begin(&[], false) {
            return self.nothing();
        }
        for (op, name) in [("!", "!_"), ("-", "-_")] {
            if !self.is(op) {
                continue;
            }
            let negative = op == "-";
            // The smallest integer has no positive counterpart.
            if negative
                && let Token::Number(text) = self.after().clone()
                && !text.ends_with(['u', 'U'])
            {
                let (at, _) = self.advance();
                self.advance();
                let literal = self.number(&format!("-{text}"), at);
                return self.members(literal);
            }
            if negative && (!begins_operand(self.after()) || self.is_after("!")) {
                self.next += 1;
                let shown = if *self.peek() == Token::End { String::new() } else { self.shown() };
                self.report(format!("no viable alternative at input '-{shown}'"));
                self.next -= 1;
                return self.nothing();
            }
            let (at, _) = self.advance();
            let mut times = 1;
            while self.accept(op).is_some() {
                times += 1;
            }
            if !begins_operand(self.peek()) {
                let without = if negative { "'!'" } else { "" };
                self.report(format!("extraneous input '{}' expecting {}", self.shown(), expected(&[], without)));
                self.skip(false);
            }
            let of = self.unary();
            return if times % 2 == 1 { call(at, name, vec![of]) } else { of };
        }
        let primary = self.primary();
        self.members(primary)
    }

    fn members(&mut self, mut of: Expr) -> Expr {
        loop {
            if let Some(at) = self.accept(".") {
                let optional = self.accept("?").is_some();
                let Some(field) = self.field_name() else { return of };
                of = match self.is("(") && !optional {
                    true => {
                        let open = self.advance().0;
                        let Some(args) = self.args(true) else { return of };
                        let found = member_call(open, of, field, args);
                        self.made(found)
                    }
                    false => Expr { at, kind: Kind::Select { of: Box::new(of), field, test: false, optional } },
                };
            } else if let Some(at) = self.accept("[") {
                if !self.begin(&["'?'"], true) {
                    return of;
                }
                let optional = self.accept("?").is_some();
                let index = self.inside(&["]"], Self::expr);
                self.expect_within("]", false, true);
                of = call(at, if optional { "_[?_]" } else { "_[_]" }, vec![of, index]);
            } else if self.is("{")
                && let Some(name) = of.dotted()
            {
                let (at, _) = self.advance();
                of = Expr { at, kind: Kind::Make { name, fields: self.fields() } };
            } else {
                return of;
            }
        }
    }

    /// What a macro makes, or what it complains of.
    fn made(&mut self, found: Result<Expr, Complaint>) -> Expr {
        match found {
            Ok(e) => e,
            Err(complaint) => {
                self.complain(complaint);
                self.nothing()
            }
        }
    }

    fn field_name(&mut self) -> Option<String> {
        match self.peek().clone() {
            Token::Ident(name) if !matches!(&*name, "true" | "false" | "null") => {
                self.advance();
                return Some(name);
            }
            Token::Quoted(name) => {
                self.complain(Complaint { at: self.at(), message: "unsupported syntax: '`'".to_owned() });
                self.advance();
                return Some(name);
            }
            Token::Ident(word) => self.report(format!("mismatched input '{word}' expecting IDENTIFIER")),
            Token::End => self.report("no viable alternative at input '.'".to_owned()),
            _ => self.report(format!("no viable alternative at input '.{}'", self.shown())),
        }
        self.skip(true);
        None
    }

    fn fields(&mut self) -> Vec<Field> {
        let mut all = Vec::new();
        while !self.is("}") {
            let optional = self.accept("?").is_some();
            let Some(name) = self.field_name() else { break };
            let at = self.expect(":", true);
            let value = self.inside(&["}", ","], Self::expr);
            all.push(Field { at, name, value, optional });
            if self.accept(",").is_none() {
                break;
            }
        }
        self.expect("}", false);
        all
    }

    /// What a function is called with, up to the parenthesis; nothing where they can't be read. `member`: of what.
    fn args(&mut self, member: bool) -> Option<Vec<Expr>> {
        let mut all = Vec::new();
        self.open.push(&[")", ","]);
        if !self.is(")") {
            self.open.pop();
            if !self.begin(&["')'"], member) {
                return None;
            }
            self.open.push(&[")", ","]);
        }
        if !self.is(")") {
            all.push(self.expr());
            while self.accept(",").is_some() {
                all.push(self.expr());
            }
        }
        self.open.pop();
        self.expect_within(")", false, member);
        Some(all)
    }

    fn number(&mut self, text: &str, at: usize) -> Expr {
        let value = number(text, at).unwrap_or_else(|complaint| {
            self.complain(complaint);
            Val::Null
        });
        Expr { at, kind: Kind::Literal(value) }
    }

    fn primary(&mut self) -> Expr {
        let at = self.at();
        let literal = |v: Val| Expr { at, kind: Kind::Literal(v) };
        match self.advance().1 {
            Token::Number(text) => self.number(&text, at),
            Token::Text(s) => literal(Val::text(&s)),
            Token::Bytes(b) => literal(Val::Bytes(b.into())),
            Token::Ident(name) => match name.as_str() {
                "true" => literal(Val::Bool(true)),
                "false" => literal(Val::Bool(false)),
                "null" => literal(Val::Null),
                _ => self.named(name, at),
            },
            // A name of the outermost scope.
            Token::Op(".") => {
                let at = self.at();
                match self.field_name() {
                    Some(name) => self.named(format!(".{name}"), at),
                    None => self.nothing(),
                }
            }
            Token::Op("(") => {
                let inner = self.inside(&[")"], Self::expr);
                self.expect(")", false);
                inner
            }
            Token::Op("[") => self.list(at),
            Token::Op("{") => self.map(at),
            _ => literal(Val::Null),
        }
    }

    fn named(&mut self, name: String, at: usize) -> Expr {
        if RESERVED.contains(&name.as_str()) {
            self.complain(Complaint { at, message: format!("reserved identifier: {name}") });
            return Expr { at, kind: Kind::Literal(Val::Null) };
        }
        let Some(open) = self.accept("(") else { return Expr { at, kind: Kind::Ident(name) } };
        let Some(args) = self.args(false) else { return self.nothing() };
        let found = global_call(open, name.trim_start_matches('.').to_owned(), args);
        self.made(found)
    }

    /// Whether more items or entries come, after one of them; `ends` is what ends them.
    fn more(&mut self, ends: &str) -> bool {
        if self.accept(",").is_some() {
            let more = begins_operand(self.peek()) || self.is("?");
            if !more {
                self.expect(ends, false);
            }
            return more;
        }
        if self.accept(ends).is_none() {
            let (shown, wanted) = (self.shown(), format!("{{'{ends}', ','}}"));
            if self.is_after(ends) || self.is_after(",") {
                self.report(format!("extraneous input '{shown}' expecting {wanted}"));
                self.next += 1;
                self.recovering = false;
                return self.more(ends);
            }
            self.report(format!("mismatched input '{shown}' expecting {wanted}"));
            self.skip(false);
        }
        false
    }

    /// Whether items or entries come at all.
    fn any(&mut self, ends: &str) -> bool {
        if self.accept(ends).is_some() {
            return false;
        }
        if self.accept(",").is_some() {
            self.expect(ends, false);
            return false;
        }
        let quoted = format!("'{ends}'");
        self.begin(&[&quoted, "','", "'?'"], false) && self.accept(ends).is_none()
    }

    fn list(&mut self, at: usize) -> Expr {
        let mut items = Vec::new();
        let mut more = self.any("]");
        while more {
            let optional = self.accept("?").is_some();
            items.push((self.inside(&["]", ","], Self::expr), optional));
            more = self.more("]");
        }
        Expr { at, kind: Kind::List(items) }
    }

    fn map(&mut self, at: usize) -> Expr {
        let mut entries = Vec::new();
        let mut more = self.any("}");
        while more {
            let optional = self.accept("?").is_some();
            let key = self.inside(&[":", "}", ","], Self::expr);
            self.open.push(&["}", ","]);
            self.expect(":", true);
            let value = self.expr();
            self.open.pop();
            entries.push((key, value, optional));
            more = self.more("}");
        }
        Expr { at, kind: Kind::Map(entries) }
    }
}

fn number(text: &str, at: usize) -> Result<Val, Complaint> {
    let bad = |what: &str| Complaint { at, message: format!("invalid {what} literal") };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    if let Some(unsigned) = digits.strip_suffix(['u', 'U']) {
        let hex = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
        let parsed = hex.map_or_else(|| unsigned.parse(), |h| u64::from_str_radix(h, 16));
        return parsed.map(Val::Uint).map_err(|_| bad("uint"));
    }
    if hex.is_none() && digits.contains(['.', 'e', 'E']) {
        let value = text.parse::<f64>().ok().filter(|d| d.is_finite());
        return value.map(Val::Double).ok_or_else(|| bad("double"));
    }
    let magnitude = hex.map_or_else(|| digits.parse::<i128>(), |h| i128::from_str_radix(h, 16));
    let value = magnitude.map(|m| if negative { -m } else { m }).ok().and_then(|m| i64::try_from(m).ok());
    value.map(Val::Int).ok_or_else(|| bad("int"))
}
