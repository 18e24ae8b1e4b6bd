//! From text to a tree: the Common Expression Language's grammar, its macros included.
//! Models cel-go `parser/{parser,macro}.go`.

use super::lex::{Lexed, Lexer, Token};
use super::value::Val;

/// How deep expressions nest at most, as cel-go's default has it.
const DEPTH_MAX: usize = 250;

/// What a macro over the items of a list or map asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// `map(x, result)` or `map(x, condition, result)`; the other transformations may have a condition too.
    Map,
    List,
    /// To a map with the same keys.
    Values,
    /// To a map of whatever entries come out.
    Entries,
    SortBy,
}

/// A node of the tree.
#[derive(Debug)]
pub(super) struct Expr {
    /// Where it stands, in characters from the beginning.
    pub at: usize,
    pub kind: Kind,
}

impl Expr {
    /// A name with dots, which may be a variable's or a function's namespace: `a.b` of `a.b.c()`.
    pub fn dotted(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.clone()),
            Kind::Select { of, field, test: false, optional: false } => Some(format!("{}.{field}", of.dotted()?)),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    Literal(Val),
    Ident(String),
    /// `a.b`; `test` for `has(a.b)`, `optional` for `a.?b`.
    Select {
        of: Box<Expr>,
        field: String,
        test: bool,
        optional: bool,
    },
    /// A call or an operator, which has a function's name.
    Call {
        name: String,
        target: Option<Box<Expr>>,
        args: Vec<Expr>,
    },
    /// Items, and whether each is there only if it has a value.
    List(Vec<(Expr, bool)>),
    Map(Vec<(Expr, Expr, bool)>),
    /// An object of a type by its name: `Object.spec{replicas: 1}`; the fields with where their colons are.
    Make {
        name: String,
        fields: Vec<Field>,
    },
    /// `all`, `exists` and the like; the second name is the value of a key or an index.
    Fold {
        op: Fold,
        over: Box<Expr>,
        names: (String, Option<String>),
        steps: Vec<Expr>,
    },
    /// A name for a value: an optional value's `optMap` and `optFlatMap`.
    Bind {
        name: String,
        value: Box<Expr>,
        body: Box<Expr>,
        optional: Option<bool>,
    },
}

/// A field of an object that is made.
#[derive(Debug)]
pub(super) struct Field {
    pub at: usize,
    pub name: String,
    pub value: Expr,
    /// Whether it is there only if it has a value.
    pub optional: bool,
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Complaint {
    pub at: usize,
    pub message: String,
}

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

/// The place of what is wrong nowhere in particular.
pub(super) const NOWHERE: usize = usize::MAX;

/// Reads on after an error as ANTLR's default strategy does: a token too many is passed over, a missing one is taken as there,
/// and otherwise all is passed over until something comes that may follow. Nothing is told twice on the way.
struct Parser {
    chars: Vec<char>,
    tokens: Vec<Lexed>,
    next: usize,
    depth: usize,
    errors: Vec<Complaint>,
    recovering: bool,
    /// What ends a value in each of the constructs that are open.
    open: Vec<&'static [&'static str]>,
    deep: bool,
}

fn call(at: usize, name: &str, args: Vec<Expr>) -> Expr {
    Expr { at, kind: Kind::Call { name: name.to_owned(), target: None, args } }
}

fn begins_operand(token: &Token) -> bool {
    match token {
        Token::Op(op) => matches!(*op, "[" | "{" | "(" | "." | "-" | "!"),
        Token::Ident(_) | Token::Number(_) | Token::Text(_) | Token::Bytes(_) => true,
        Token::Quoted(_) | Token::End => false,
    }
}

/// The names of what is expected, some of them besides what begins a value, in the order of the grammar's tokens.
fn expected(besides: &[&str], without: &str) -> String {
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
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |t| &t.token)
    }

    /// What comes after that: a word too many is told from a wrong one by it.
    fn after(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::End, |t| &t.token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |t| t.at)
    }

    /// What comes next as it is written.
    fn shown(&self) -> String {
        let written = self.tokens.get(self.next).and_then(|t| self.chars.get(t.at..t.end)).unwrap_or_default();
        if written.is_empty() { "<EOF>".to_owned() } else { written.iter().collect() }
    }

    fn advance(&mut self) -> (usize, Token) {
        let found = self.tokens.get(self.next).map(|t| (t.at, t.token.clone()));
        self.next += 1;
        self.recovering = false;
        found.unwrap_or((0, Token::End))
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(o) if *o == op)
    }

    fn is_after(&self, op: &str) -> bool {
        matches!(self.after(), Token::Op(o) if *o == op)
    }

    /// Passes over an operator if it comes next; where it stands.
    fn accept(&mut self, op: &str) -> Option<usize> {
        self.is(op).then(|| self.advance().0)
    }

    fn report(&mut self, message: String) {
        if !self.recovering {
            self.errors.push(Complaint { at: self.at(), message: format!("Syntax error: {message}") });
        }
        self.recovering = true;
    }

    fn complain(&mut self, complaint: Complaint) {
        self.errors.push(complaint);
    }

    /// What stands for what couldn't be read.
    fn nothing(&self) -> Expr {
        Expr { at: self.at(), kind: Kind::Literal(Val::Null) }
    }

    /// Passes over everything until something comes that may follow; `within` a member it isn't another one.
    fn skip(&mut self, within: bool) {
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
    fn begin(&mut self, besides: &[&str], within: bool) -> bool {
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
    fn expect(&mut self, op: &str, value: bool) -> usize {
        self.expect_within(op, value, false)
    }

    fn expect_within(&mut self, op: &str, value: bool, within: bool) -> usize {
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
    fn inside(&mut self, ends: &'static [&'static str], read: impl FnOnce(&mut Self) -> Expr) -> Expr {
        self.open.push(ends);
        let e = read(self);
        self.open.pop();
        e
    }

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
                let name_at = self.at();
                let Some(field) = self.field_name() else { return of };
                of = match self.is("(") && !optional {
                    true => {
                        let open = self.advance().0;
                        let Some(args) = self.args(true) else { return of };
                        let found = member_call(open, name_at, of, field, args);
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

/// `has` is looked into, everything else is called.
fn global_call(open: usize, name: String, mut args: Vec<Expr>) -> Result<Expr, Complaint> {
    if name == "has" && args.len() == 1 {
        return match args.pop() {
            Some(Expr { kind: Kind::Select { of, field, test: false, optional: false }, .. }) => {
                Ok(Expr { at: open, kind: Kind::Select { of, field, test: true, optional: false } })
            }
            other => {
                let at = other.map_or(open, |a| a.at);
                Err(Complaint { at, message: "invalid argument to has() macro".to_owned() })
            }
        };
    }
    Ok(Expr { at: open, kind: Kind::Call { name, target: None, args } })
}

fn variable(e: &Expr, otherwise: &str) -> Result<String, Complaint> {
    let bad = |message: &str| Err(Complaint { at: e.at, message: message.to_owned() });
    match &e.kind {
        Kind::Ident(name) if name == "__result__" => bad("iteration variable overwrites accumulator variable"),
        Kind::Ident(name) => Ok(name.clone()),
        _ => bad(otherwise),
    }
}

const SIMPLE: &str = "argument must be a simple name";

/// A call of a target's function, where it isn't a macro.
fn member_call(open: usize, at: usize, of: Expr, name: String, args: Vec<Expr>) -> Result<Expr, Complaint> {
    let _ = at;
    let fold = match (name.as_str(), args.len()) {
        ("all", 2 | 3) => Some(Fold::All),
        ("exists", 2 | 3) => Some(Fold::Exists),
        ("exists_one", 2 | 3) | ("existsOne", 3) => Some(Fold::ExistsOne),
        ("filter", 2) => Some(Fold::Filter),
        ("map", 2 | 3) => Some(Fold::Map),
        ("transformList", 3 | 4) => Some(Fold::List),
        ("transformMap", 3 | 4) => Some(Fold::Values),
        ("transformMapEntry", 3 | 4) => Some(Fold::Entries),
        ("sortBy", 2) => Some(Fold::SortBy),
        _ => None,
    };
    let mut args = args;
    if let Some(op) = fold {
        if op == Fold::SortBy && matches!(of.kind, Kind::Literal(_) | Kind::Map(_) | Kind::Make { .. }) {
            let why = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
            return Err(Complaint { at: of.at, message: why.to_owned() });
        }
        // Three arguments of `map` are a condition and a result, those of the others are two names.
        let two = args.len() > 2 && op != Fold::Map;
        let steps = args.split_off(if two { 2 } else { 1 });
        let why = if op == Fold::Map || op == Fold::Filter { "argument is not an identifier" } else { SIMPLE };
        let mut names = args.iter().map(|a| variable(a, why));
        let first = names.next().transpose()?.unwrap_or_default();
        let names = (first, names.next().transpose()?);
        if names.1.as_ref() == Some(&names.0) {
            let at = args.get(1).map_or(open, |a| a.at);
            return Err(Complaint { at, message: format!("duplicate variable name: {}", names.0) });
        }
        return Ok(Expr { at: open, kind: Kind::Fold { op, over: Box::new(of), names, steps } });
    }
    if matches!(name.as_str(), "optMap" | "optFlatMap")
        && args.len() == 2
        && let Some(body) = args.pop()
        && let Some(first) = args.pop()
    {
        let optional = Some(name == "optFlatMap");
        let why = format!("{name}() variable name must be a simple identifier");
        let kind = Kind::Bind { name: variable(&first, &why)?, value: Box::new(of), body: Box::new(body), optional };
        return Ok(Expr { at: open, kind });
    }
    Ok(Expr { at: open, kind: Kind::Call { name, target: Some(Box::new(of)), args } })
}

/// Goes over the tree, what is within before what it is in.
pub(super) fn each(e: &Expr, visit: &mut dyn FnMut(&Expr)) {
    match &e.kind {
        Kind::Literal(_) | Kind::Ident(_) => {}
        Kind::Select { of, .. } => each(of, visit),
        Kind::Call { target, args, .. } => {
            target.iter().for_each(|t| each(t, visit));
            args.iter().for_each(|a| each(a, visit));
        }
        Kind::List(items) => items.iter().for_each(|(e, _)| each(e, visit)),
        Kind::Map(entries) => entries.iter().for_each(|(k, v, _)| {
            each(k, visit);
            each(v, visit);
        }),
        Kind::Make { fields, .. } => fields.iter().for_each(|f| each(&f.value, visit)),
        Kind::Fold { over, steps, .. } => {
            each(over, visit);
            steps.iter().for_each(|s| each(s, visit));
        }
        Kind::Bind { value, body, .. } => {
            each(value, visit);
            each(body, visit);
        }
    }
    visit(e);
}

/// Whether a name stands anywhere in the tree.
pub(super) fn names(e: &Expr, name: &str) -> bool {
    let mut found = false;
    each(e, &mut |e| found |= matches!(&e.kind, Kind::Ident(n) if n == name));
    found
}
