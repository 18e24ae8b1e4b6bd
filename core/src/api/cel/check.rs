//! Checks an expression's names and types. Models cel-go `checker/checker.go`.

use std::rc::Rc;

use super::tree::{Complaint, Expr, Field, Fold, Kind};
use super::types::{self, BOOL, Bound, INT, STRING, Type, fits, overloads, resolve};
use super::value::Val;
use super::{format, functions};
use crate::api::go_regex;

/// The variables that are known, the innermost last.
pub(super) struct Checker<'a> {
    variables: &'a [(&'a str, Type)],
    scopes: Vec<(String, Type)>,
    pub complaints: Vec<Complaint>,
    /// What is said only of an expression that is right otherwise. Models cel-go `cel/validator.go` and `ext/formatting.go`.
    pub doubts: Vec<Complaint>,
    /// How many calls of `format` it is within, where lists and maps may hold anything.
    formats: usize,
}

impl<'a> Checker<'a> {
    pub fn new(variables: &'a [(&'a str, Type)]) -> Self {
        Checker { variables, scopes: Vec::new(), complaints: Vec::new(), doubts: Vec::new(), formats: 0 }
    }

    fn complain(&mut self, at: usize, message: String) -> Type {
        self.complaints.push(Complaint { at, message });
        Type::Dyn
    }

    fn doubt(&mut self, at: usize, message: String) {
        self.doubts.push(Complaint { at, message });
    }

    /// Lists and maps hold what is of one type.
    fn alike(&mut self, at: usize, first: Option<&Type>, t: &Type) -> bool {
        let same = first.is_none_or(|first| first == t) || self.formats > 0;
        if let Some(first) = first.filter(|_| !same) {
            self.doubt(at, format!("expected type '{}' but found '{}'", first.shown(), t.shown()));
        }
        same
    }

    /// An entry that may not be there has an optional value.
    fn entry(&mut self, e: &Expr, optional: bool) -> Type {
        let t = self.check(e);
        match &t {
            Type::Optional(of) if optional => (**of).clone(),
            Type::Dyn if optional => Type::Dyn,
            _ if optional => {
                let message = format!("expected type 'optional_type({0})' but found '{0}'", t.shown());
                self.complain(e.at, message)
            }
            _ => t,
        }
    }

    fn variable(&self, name: &str) -> Option<Type> {
        // A dot before a name says that it is of the outermost scope.
        let name = name.strip_prefix('.').unwrap_or(name);
        let inner = self.scopes.iter().rev().find(|(n, _)| n == name).map(|(_, t)| t);
        inner.or_else(|| self.variables.iter().find(|(n, _)| *n == name).map(|(_, t)| t)).cloned()
    }

    /// Whether a variable is called so.
    pub fn knows(&self, name: &str) -> bool {
        self.variable(name).is_some()
    }

    /// Knows a variable from here on, until it is left.
    pub fn enter(&mut self, name: &str, ty: Type) {
        self.scopes.push((name.to_owned(), ty));
    }

    /// Forgets the variables that were entered last.
    pub fn leave(&mut self, count: usize) {
        self.scopes.truncate(self.scopes.len().saturating_sub(count));
    }

    pub fn check(&mut self, e: &Expr) -> Type {
        match &e.kind {
            Kind::Literal(v) => match v {
                Val::Null => Type::Null,
                other => Type::Named(other.type_name()),
            },
            Kind::Ident(name) => self.ident(e.at, name),
            Kind::Select { of, field, test, optional } => self.select(e, of, field, *test, *optional),
            Kind::Call { name, target, args } => self.call(e.at, name, target.as_deref(), args),
            Kind::List(items) => {
                let (mut of, mut first, mut even) = (None, None, true);
                for (item, optional) in items {
                    let t = self.entry(item, *optional);
                    // What is none may be of anything.
                    if !(*optional && t == Type::Dyn) {
                        even = even && self.alike(item.at, first.as_ref(), &t);
                        first.get_or_insert_with(|| t.clone());
                    }
                    of = Some(join(of, t));
                }
                Type::list(of.unwrap_or(Type::Param('_')))
            }
            Kind::Map(entries) => {
                let (mut key, mut value, mut first) = (None, None, None);
                for (k, v, optional) in entries {
                    let kt = self.check(k);
                    let vt = self.entry(v, *optional);
                    let (fk, fv) = first.get_or_insert_with(|| (kt.clone(), vt.clone()));
                    let (fk, fv) = (fk.clone(), fv.clone());
                    let _ = self.alike(k.at, Some(&fk), &kt) && self.alike(v.at, Some(&fv), &vt);
                    key = Some(join(key, kt));
                    value = Some(join(value, vt));
                }
                Type::map(key.unwrap_or(Type::Dyn), value.unwrap_or(Type::Dyn))
            }
            Kind::Make { name, fields } => self.make(e.at, name, fields),
            Kind::Fold { op, over, names, steps } => self.fold(e.at, *op, over, names, steps),
            Kind::Bind { name, value, body, optional } => {
                let value = self.check(value);
                let inner = if optional.is_some() { inner_of(&value).or_dyn() } else { value };
                self.scopes.push((name.clone(), inner));
                let result = self.check(body);
                self.scopes.pop();
                match optional {
                    Some(false) => Type::Optional(Rc::new(result)),
                    _ => result,
                }
            }
        }
    }

    fn ident(&mut self, at: usize, name: &str) -> Type {
        match self.variable(name) {
            Some(t) => t,
            None if types::NAMES.contains(&name) => Type::TypeOf,
            None => self.complain(at, format!("undeclared reference to '{name}' (in container '')")),
        }
    }

    fn select(&mut self, e: &Expr, of: &Expr, field: &str, test: bool, optional: bool) -> Type {
        // A variable's name may have dots, such as authorizer.requestResource.
        if let Some(name) = e.dotted().filter(|_| !test) {
            let of_type = types::NAMES.contains(&name.as_str()).then_some(Type::TypeOf);
            if let Some(t) = self.variable(&name).or(of_type) {
                return t;
            }
        }
        let of = self.check(of);
        let (plain, of_optional) = match &of {
            Type::Optional(t) => ((**t).clone(), true),
            other => (other.clone(), false),
        };
        let found = match &plain {
            Type::Map(_, value) => (**value).clone(),
            Type::Dyn | Type::Param(_) => Type::Dyn,
            Type::Object(o) if is_made(&o.name) => Type::Dyn,
            Type::Object(o) => match o.fields.get(field) {
                Some(t) => t.clone(),
                None => self.complain(e.at, format!("undefined field '{field}'")),
            },
            other => {
                let message = format!("type '{}' does not support field selection", other.shown());
                self.complain(e.at, message)
            }
        };
        match (test, optional || of_optional) {
            (true, _) => BOOL,
            (false, true) => Type::Optional(Rc::new(found)),
            (false, false) => found,
        }
    }

    fn call(&mut self, at: usize, name: &str, target: Option<&Expr>, args: &[Expr]) -> Type {
        // What looks like a member call may be of a namespace's function.
        let spaced = target.and_then(Expr::dotted).filter(|space| self.variable(space).is_none());
        let spaced = spaced.map(|space| format!("{space}.{name}")).filter(|full| overloads(full).is_some());
        let (name, target) = match &spaced {
            Some(full) => (full.as_str(), None),
            None => (name, target),
        };
        self.formats += usize::from(name == "format");
        let receiver = target.map(|t| self.check(t));
        let given: Vec<Type> = args.iter().map(|a| self.check(a)).collect();
        self.formats -= usize::from(name == "format");
        self.literals(at, name, target, args);
        if matches!(name, "_&&_" | "_||_") {
            for (a, t) in args.iter().zip(&given) {
                self.truth(a.at, t);
            }
            return BOOL;
        }
        let Some(ways) = overloads(name) else {
            return self.complain(at, format!("undeclared reference to '{name}' (in container '')"));
        };
        let all: Vec<Type> = receiver.iter().cloned().chain(given.iter().cloned()).collect();
        let mut result: Option<Type> = None;
        for way in ways.iter().filter(|w| w.member == receiver.is_some() && w.params.len() == all.len()) {
            let mut bound = Bound::new();
            if way.params.iter().zip(&all).all(|(wanted, given)| fits(wanted, given, &mut bound)) {
                let r = resolve(&way.result, &bound);
                // What is not known yet becomes what is wanted first.
                if all.iter().any(Type::is_open) {
                    return r.or_dyn();
                }
                result = Some(match result {
                    // Several ways fit what isn't known: so does any result.
                    Some(have) if have != r => Type::Dyn,
                    _ => r,
                });
            }
        }
        if name == "_[?_]" && matches!(all.first(), Some(Type::Dyn)) {
            return Type::Dyn;
        }
        result.unwrap_or_else(|| {
            let shown: Vec<String> = given.iter().map(Type::shown).collect();
            let args = format!("({})", shown.join(", "));
            let of = receiver.map_or(args.clone(), |r| format!("{}.{args}", r.shown()));
            self.complain(at, format!("found no matching overload for '{name}' applied to '{of}'"))
        })
    }

    /// A condition is true or false.
    fn truth(&mut self, at: usize, t: &Type) {
        if !matches!(t, Type::Dyn | Type::Param(_)) && *t != BOOL {
            self.complain(at, format!("expected type 'bool' but found '{}'", t.shown()));
        }
    }

    /// Literals that a function can't take.
    fn literals(&mut self, at: usize, name: &str, target: Option<&Expr>, args: &[Expr]) {
        let literal = |e: &Expr| if let Kind::Literal(v) = &e.kind { Some(v.clone()) } else { None };
        match (name, target, args) {
            ("duration" | "timestamp", None, [one]) => {
                let bad = literal(one).is_some_and(|v| functions::call(name, false, &[v], None).is_err());
                if bad {
                    self.doubt(one.at, format!("invalid {name} argument"));
                }
            }
            ("matches", Some(_), [pattern]) | ("matches", None, [_, pattern]) => {
                if let Some(Val::Text(p)) = literal(pattern)
                    && go_regex::check(&p).is_err()
                {
                    self.doubt(pattern.at, "invalid matches argument".to_owned());
                }
            }
            ("format", Some(text), [Expr { kind: Kind::List(items), .. }]) => {
                let Some(Val::Text(text)) = literal(text) else { return };
                let mut quiet = Checker { variables: self.variables, scopes: self.scopes.clone(), ..Checker::new(&[]) };
                let types: Vec<Type> = items.iter().map(|(item, _)| quiet.check(item)).collect();
                if let Err((which, why)) = format::check(&text, &types) {
                    let at = which.and_then(|i| items.get(i)).map_or(at, |(item, _)| item.at);
                    self.doubt(at, why);
                }
            }
            _ => {}
        }
    }

    /// Patches make objects of two types: one for JSON patches, and one of any fields for all that is in an object.
    fn make(&mut self, at: usize, name: &str, fields: &[Field]) -> Type {
        let root = name.split('.').next().unwrap_or_default();
        let known = matches!(root, "Object" | "JSONPatch") && self.variable(root) == Some(Type::TypeOf);
        if !known || root == "JSONPatch" && name != root {
            return self.complain(at, format!("undeclared reference to '{name}' (in container '')"));
        }
        for f in fields {
            let given = self.check(&f.value);
            let given = if f.optional { inner_of(&given) } else { given };
            let wanted = match (root, f.name.as_str()) {
                ("Object", _) | (_, "value") => Type::Dyn,
                (_, "op" | "path" | "from") => STRING,
                (_, other) => self.complain(f.at, format!("undefined field '{other}'")),
            };
            if !fits(&wanted, &given, &mut Bound::new()) {
                let (name, wanted, given) = (&f.name, wanted.shown(), given.shown());
                self.complain(
                    f.at,
                    format!("expected type of field '{name}' is '{wanted}' but provided type is '{given}'"),
                );
            }
        }
        Type::object(name, [])
    }

    fn fold(&mut self, whole: usize, op: Fold, over: &Expr, names: &(String, Option<String>), steps: &[Expr]) -> Type {
        let range = self.check(over);
        let (first, second) = entries_of(&range, names.1.is_some()).unwrap_or_else(|| {
            let message = format!(
                "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                range.shown()
            );
            let at = if op == Fold::SortBy { whole } else { over.at };
            (self.complain(at, message), Type::Dyn)
        });
        let item = first.clone();
        self.scopes.push((names.0.clone(), first));
        if let Some(second_name) = &names.1 {
            self.scopes.push((second_name.clone(), second));
        }
        let found: Vec<(usize, Type)> = steps.iter().map(|s| (s.at, self.check(s))).collect();
        self.scopes.truncate(self.scopes.len() - 1 - usize::from(names.1.is_some()));
        let conditions = match op {
            Fold::Map | Fold::List | Fold::Values | Fold::Entries | Fold::SortBy => found.len().saturating_sub(1),
            _ => found.len(),
        };
        for (at, t) in found.iter().take(conditions) {
            let kept = match op {
                Fold::All | Fold::Exists => {
                    self.truth(*at, t);
                    continue;
                }
                Fold::ExistsOne => INT,
                _ => Type::list(item.clone()),
            };
            if !matches!(t, Type::Dyn | Type::Param(_)) && *t != BOOL {
                let applied = format!("({}, {kept}, {kept})", t.shown(), kept = kept.shown());
                self.complain(whole, format!("found no matching overload for '_?_:_' applied to '{applied}'"));
            }
        }
        if let (Fold::SortBy, Some((_, key))) = (op, found.last()) {
            let given = [range.clone(), Type::list(key.clone())];
            let ways = overloads("@sortByAssociatedKeys").unwrap_or_default();
            let fit = |w: &types::Overload| w.params.iter().zip(&given).all(|(w, g)| fits(w, g, &mut Bound::new()));
            if !ways.iter().any(fit) {
                let [list, keys] = given.map(|t| t.shown());
                let why = format!("'@sortByAssociatedKeys' applied to '{list}.({keys})'");
                self.complain(whole, format!("found no matching overload for {why}"));
            }
        }
        if let (Fold::Entries, Some((_, entry @ (Type::Named(_) | Type::List(_))))) = (op, found.last()) {
            let why = format!("'cel.@mapInsert' applied to '(map(dyn, dyn), {})'", entry.shown());
            self.complain(whole, format!("found no matching overload for {why}"));
        }
        let last = found.last().map_or(Type::Dyn, |(_, t)| t.clone());
        match op {
            Fold::All | Fold::Exists | Fold::ExistsOne => BOOL,
            Fold::Filter | Fold::SortBy => Type::list(item),
            Fold::Map | Fold::List => Type::list(last),
            Fold::Values => Type::map(item, last),
            Fold::Entries => last,
        }
    }
}

/// The types of what a macro names of a list or a map; nothing where it can't go over that.
pub(super) fn entries_of(range: &Type, both: bool) -> Option<(Type, Type)> {
    match range {
        Type::List(item) if both => Some((INT, (**item).clone())),
        Type::List(item) => Some(((**item).clone(), Type::Dyn)),
        Type::Map(key, value) => Some(((**key).clone(), (**value).clone())),
        Type::Dyn | Type::Param(_) => Some((Type::Dyn, Type::Dyn)),
        _ => None,
    }
}

impl Type {
    fn or_dyn(self) -> Type {
        if matches!(self, Type::Param(_)) { Type::Dyn } else { self }
    }

    /// Whether it is the type of what is empty, which may be one of anything.
    fn is_open(&self) -> bool {
        match self {
            Type::Param(_) => true,
            Type::List(of) | Type::Optional(of) => of.is_open(),
            _ => false,
        }
    }
}

/// Whether it is a type of objects that patches make.
fn is_made(name: &str) -> bool {
    matches!(name.split('.').next(), Some("Object" | "JSONPatch"))
}

fn inner_of(t: &Type) -> Type {
    match t {
        Type::Optional(of) => (**of).clone(),
        _ => Type::Dyn,
    }
}

/// What holds both types.
fn join(have: Option<Type>, t: Type) -> Type {
    match have {
        None => t,
        Some(have) if have == t || fits(&have, &t, &mut types::Bound::new()) => have,
        Some(_) => Type::Dyn,
    }
}
