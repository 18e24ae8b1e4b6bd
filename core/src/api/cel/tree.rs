//! The tree of an expression, and what is wrong with one.

use super::value::Val;

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

/// The place of what is wrong nowhere in particular.
pub(super) const NOWHERE: usize = usize::MAX;

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
