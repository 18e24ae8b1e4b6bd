//! From text to a tree: the Common Expression Language's grammar, its macros included.
//! Models cel-go `parser/{parser,macro}.go`.

use super::lex::{Lexer, Token};
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

const EXPECTED: &str =
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

pub(super) fn parse(text: &str) -> Result<Expr, Complaint> {
    let tokens = Lexer::new(text).tokens()?;
    let mut p = Parser { tokens, next: 0, depth: 0 };
    let e = p.expr()?;
    match p.peek() {
        Token::End => Ok(e),
        other => {
            let how = if p.after() == &Token::End { "extraneous" } else { "mismatched" };
            let message = format!("Syntax error: {how} input '{}' expecting <EOF>", other.shown());
            Err(Complaint { at: p.at(), message })
        }
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

fn call(at: usize, name: &str, args: Vec<Expr>) -> Expr {
    Expr { at, kind: Kind::Call { name: name.to_owned(), target: None, args } }
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, t)| t)
    }

    /// What comes after that: a word too many is told from a wrong one by it.
    fn after(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::End, |(_, t)| t)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |(at, _)| *at)
    }

    fn advance(&mut self) -> (usize, Token) {
        let found = self.tokens.get(self.next).cloned().unwrap_or((0, Token::End));
        self.next += 1;
        found
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(o) if *o == op)
    }

    /// Passes over an operator if it comes next; where it stands.
    fn accept(&mut self, op: &str) -> Option<usize> {
        self.is(op).then(|| self.advance().0)
    }

    fn expect(&mut self, op: &str) -> Result<usize, Complaint> {
        match self.accept(op) {
            Some(at) => Ok(at),
            None => Err(self.unexpected(&format!("'{op}'"))),
        }
    }

    fn unexpected(&self, wanted: &str) -> Complaint {
        let shown = self.peek().shown();
        Complaint { at: self.at(), message: format!("Syntax error: mismatched input '{shown}' expecting {wanted}") }
    }

    /// Something else stands where a value should; is there one after it, it is but too much.
    fn no_operand(&self) -> Complaint {
        let begins = match self.after() {
            Token::Op(op) => matches!(&**op, "[" | "{" | "(" | "." | "-" | "!"),
            Token::Ident(word) => word != "in",
            Token::Number(_) | Token::Text(_) | Token::Bytes(_) => true,
            Token::Quoted(_) | Token::End => false,
        };
        let mut complaint = self.unexpected(EXPECTED);
        if begins && *self.peek() != Token::End {
            complaint.message = complaint.message.replacen("mismatched", "extraneous", 1);
        }
        complaint
    }

    fn expr(&mut self) -> Result<Expr, Complaint> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("expression recursion limit exceeded: {DEPTH_MAX}");
            return Err(Complaint { at: self.at(), message });
        }
        let condition = self.binary(0)?;
        let e = if let Some(at) = self.accept("?") {
            let yes = self.binary(0)?;
            self.expect(":")?;
            let no = self.expr()?;
            call(at, "_?_:_", vec![condition, yes, no])
        } else {
            condition
        };
        self.depth -= 1;
        Ok(e)
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Complaint> {
        const LEVELS: [&[&str]; 5] =
            [&["||"], &["&&"], &["<", "<=", ">=", ">", "==", "!=", "in"], &["+", "-"], &["*", "/", "%"]];
        let Some(ops) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Token::Op(op) = *self.peek()
            && ops.contains(&op)
        {
            let (at, _) = self.advance();
            let right = self.binary(level + 1)?;
            let name = if op == "in" { "@in".to_owned() } else { format!("_{op}_") };
            left = call(at, &name, vec![left, right]);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Complaint> {
        for (op, name) in [("!", "!_"), ("-", "-_")] {
            let Some(at) = self.accept(op) else { continue };
            // The smallest integer has no positive counterpart.
            if op == "-"
                && let Token::Number(text) = self.peek().clone()
                && !text.ends_with(['u', 'U'])
            {
                self.advance();
                let literal = Expr { at, kind: Kind::Literal(number(&format!("-{text}"), at)?) };
                return self.members(literal);
            }
            let mut times = 1;
            while self.accept(op).is_some() {
                times += 1;
            }
            let of = self.unary()?;
            return Ok(if times % 2 == 1 { call(at, name, vec![of]) } else { of });
        }
        let primary = self.primary()?;
        self.members(primary)
    }

    fn members(&mut self, mut of: Expr) -> Result<Expr, Complaint> {
        loop {
            if let Some(at) = self.accept(".") {
                let optional = self.accept("?").is_some();
                let (name_at, field) = self.field_name()?;
                of = match self.is("(") && !optional {
                    true => {
                        let open = self.expect("(")?;
                        let args = self.args(")")?;
                        member_call(open, name_at, of, field, args)?
                    }
                    false => Expr { at, kind: Kind::Select { of: Box::new(of), field, test: false, optional } },
                };
            } else if let Some(at) = self.accept("[") {
                let optional = self.accept("?").is_some();
                let index = self.expr()?;
                self.expect("]")?;
                of = call(at, if optional { "_[?_]" } else { "_[_]" }, vec![of, index]);
            } else if self.is("{")
                && let Some(name) = of.dotted()
            {
                let (at, _) = self.advance();
                of = Expr { at, kind: Kind::Make { name, fields: self.fields()? } };
            } else {
                return Ok(of);
            }
        }
    }

    fn field_name(&mut self) -> Result<(usize, String), Complaint> {
        match self.peek().clone() {
            Token::Ident(name) if !matches!(&*name, "true" | "false" | "null") => Ok((self.advance().0, name)),
            Token::Quoted(_) => Err(Complaint { at: self.at(), message: "unsupported syntax: '`'".to_owned() }),
            Token::Ident(_) => Err(self.unexpected("IDENTIFIER")),
            Token::End => {
                let message = "Syntax error: no viable alternative at input '.'".to_owned();
                Err(Complaint { at: self.at(), message })
            }
            _ => {
                let shown = self.peek().shown();
                let message = format!("Syntax error: no viable alternative at input '.{shown}'");
                Err(Complaint { at: self.at(), message })
            }
        }
    }

    fn fields(&mut self) -> Result<Vec<Field>, Complaint> {
        let mut all = Vec::new();
        while !self.is("}") {
            let optional = self.accept("?").is_some();
            let (_, name) = self.field_name()?;
            let at = self.expect(":")?;
            all.push(Field { at, name, value: self.expr()?, optional });
            if self.accept(",").is_none() {
                break;
            }
        }
        self.expect("}")?;
        Ok(all)
    }

    fn args(&mut self, close: &str) -> Result<Vec<Expr>, Complaint> {
        let mut all = Vec::new();
        if !self.is(close) {
            all.push(self.expr()?);
            while self.accept(",").is_some() {
                all.push(self.expr()?);
            }
        }
        self.expect(close)?;
        Ok(all)
    }

    fn primary(&mut self) -> Result<Expr, Complaint> {
        let at = self.at();
        let literal = |v: Val| Ok(Expr { at, kind: Kind::Literal(v) });
        match self.peek().clone() {
            Token::Number(text) => {
                self.advance();
                literal(number(&text, at)?)
            }
            Token::Text(s) => {
                self.advance();
                literal(Val::text(&s))
            }
            Token::Bytes(b) => {
                self.advance();
                literal(Val::Bytes(b.into()))
            }
            Token::Ident(name) => {
                self.advance();
                match name.as_str() {
                    "true" => return literal(Val::Bool(true)),
                    "false" => return literal(Val::Bool(false)),
                    "null" => return literal(Val::Null),
                    reserved if RESERVED.contains(&reserved) => {
                        return Err(Complaint { at, message: format!("reserved identifier: {reserved}") });
                    }
                    _ => {}
                }
                let Some(open) = self.accept("(") else { return Ok(Expr { at, kind: Kind::Ident(name) }) };
                let args = self.args(")")?;
                global_call(open, at, name, args)
            }
            Token::Op(".") => {
                self.advance();
                let (at, name) = self.field_name()?;
                Ok(Expr { at, kind: Kind::Ident(name) })
            }
            Token::Op("(") => {
                self.advance();
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Op("[") => {
                self.advance();
                self.list(at)
            }
            Token::Op("{") => {
                self.advance();
                self.map(at)
            }
            _ => Err(self.no_operand()),
        }
    }

    fn list(&mut self, at: usize) -> Result<Expr, Complaint> {
        let mut items = Vec::new();
        while !self.is("]") {
            let optional = self.accept("?").is_some();
            items.push((self.expr()?, optional));
            if self.accept(",").is_none() {
                break;
            }
        }
        self.expect("]")?;
        Ok(Expr { at, kind: Kind::List(items) })
    }

    fn map(&mut self, at: usize) -> Result<Expr, Complaint> {
        let mut entries = Vec::new();
        while !self.is("}") {
            let optional = self.accept("?").is_some();
            let key = self.expr()?;
            self.expect(":")?;
            entries.push((key, self.expr()?, optional));
            if self.accept(",").is_none() {
                break;
            }
        }
        self.expect("}")?;
        Ok(Expr { at, kind: Kind::Map(entries) })
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
fn global_call(open: usize, at: usize, name: String, mut args: Vec<Expr>) -> Result<Expr, Complaint> {
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
    let _ = at;
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
