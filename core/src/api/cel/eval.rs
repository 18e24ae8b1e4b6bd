//! Evaluates expressions. Models cel-go `interpreter`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Authorize;
use super::functions;
use super::parse::{Expr, Fold, Kind};
use super::types::{NAMES, overloads};
use super::value::{Key, Val};

/// How many steps an evaluation may take.
const STEPS_MAX: usize = 1_000_000;

/// An error in cel-go's words.
pub type Outcome = Result<Val, String>;

/// What is known while an expression is evaluated.
pub(super) struct Evaluator<'a> {
    pub variables: &'a dyn Fn(&str) -> Option<Outcome>,
    pub authorize: Option<&'a Authorize<'a>>,
    pub scopes: Vec<(String, Val)>,
    pub steps: usize,
}

impl Evaluator<'_> {
    fn variable(&self, name: &str) -> Option<Outcome> {
        let inner = self.scopes.iter().rev().find(|(n, _)| n == name).map(|(_, v)| Ok(v.clone()));
        inner.or_else(|| (self.variables)(name))
    }

    pub fn eval(&mut self, e: &Expr) -> Outcome {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err("operation cancelled: actual cost limit exceeded".to_owned());
        }
        match &e.kind {
            Kind::Literal(v) => Ok(v.clone()),
            Kind::Ident(name) => {
                self.variable(name).unwrap_or_else(|| type_of(name).ok_or(format!("no such attribute(s): {name}")))
            }
            Kind::Select { of, field, test, optional } => self.select(e, of, field, *test, *optional),
            Kind::Call { name, target, args } => self.call(name, target.as_deref(), args),
            Kind::List(items) => {
                let mut all = Vec::with_capacity(items.len());
                for (item, optional) in items {
                    let v = self.eval(item)?;
                    match (optional, v) {
                        (true, Val::Optional(inner)) => all.extend(inner.map(|v| (*v).clone())),
                        (_, v) => all.push(v),
                    }
                }
                Ok(Val::list(all))
            }
            Kind::Map(entries) => {
                let mut all = BTreeMap::new();
                for (key, value, optional) in entries {
                    let key = self.eval(key)?;
                    let key = key.to_key().ok_or_else(|| "unsupported key type".to_owned())?;
                    match (optional, self.eval(value)?) {
                        (true, Val::Optional(None)) => {}
                        (true, Val::Optional(Some(v))) => {
                            all.insert(key, (*v).clone());
                        }
                        (_, v) => {
                            all.insert(key, v);
                        }
                    }
                }
                Ok(Val::Map(Rc::new(all)))
            }
            Kind::Make { name, fields } => {
                let mut all = BTreeMap::new();
                for f in fields {
                    match (f.optional, self.eval(&f.value)?) {
                        (true, Val::Optional(None)) => {}
                        (true, Val::Optional(Some(v))) => {
                            all.insert(f.name.clone(), (*v).clone());
                        }
                        (_, v) => {
                            all.insert(f.name.clone(), v);
                        }
                    }
                }
                Ok(Val::Made(Rc::new((name.clone(), all))))
            }
            Kind::Fold { op, over, names, steps } => self.fold(*op, over, names, steps),
            Kind::Bind { name, value, body, optional } => {
                let value = self.eval(value)?;
                let value = match (optional, value) {
                    (None, v) => v,
                    (Some(_), Val::Optional(Some(v))) => (*v).clone(),
                    (Some(_), _) => return Ok(Val::Optional(None)),
                };
                self.scopes.push((name.clone(), value));
                let result = self.eval(body);
                self.scopes.pop();
                match optional {
                    Some(false) => result.map(Val::some),
                    _ => result,
                }
            }
        }
    }

    fn select(&mut self, e: &Expr, of: &Expr, field: &str, test: bool, optional: bool) -> Outcome {
        if !test
            && let Some(name) = e.dotted()
            && let Some(found) = self.variable(&name).or_else(|| type_of(&name).map(Ok))
        {
            return found;
        }
        let of = self.eval(of)?;
        let (of, optional) = match of {
            Val::Optional(None) => return Ok(if test { Val::Bool(false) } else { Val::Optional(None) }),
            Val::Optional(Some(v)) => ((*v).clone(), true),
            v => (v, optional),
        };
        let found = match &of {
            Val::Map(m) => m.get(&Key::Text(field.into())).cloned(),
            Val::Object(o) => o.get(field).cloned(),
            Val::Made(made) => made.1.get(field).cloned(),
            _ => return Err("no such overload".to_owned()),
        };
        match (test, optional, found) {
            (true, _, found) => Ok(Val::Bool(found.is_some())),
            (false, true, found) => Ok(Val::Optional(found.map(Rc::new))),
            (false, false, Some(v)) => Ok(v),
            (false, false, None) => Err(format!("no such key: {field}")),
        }
    }

    fn truth(&mut self, e: &Expr) -> Result<bool, String> {
        match self.eval(e)? {
            Val::Bool(b) => Ok(b),
            _ => Err("no such overload".to_owned()),
        }
    }

    /// One side decides whatever becomes of the other.
    fn either(&mut self, args: &[Expr], decides: bool) -> Outcome {
        let mut failed = None;
        for a in args {
            match self.truth(a) {
                Ok(b) if b == decides => return Ok(Val::Bool(decides)),
                Ok(_) => {}
                Err(e) => {
                    failed.get_or_insert(e);
                }
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn call(&mut self, name: &str, target: Option<&Expr>, args: &[Expr]) -> Outcome {
        match (name, args) {
            ("_||_", _) => return self.either(args, true),
            ("_&&_", _) => return self.either(args, false),
            ("_?_:_", [condition, yes, no]) => {
                return if self.truth(condition)? { self.eval(yes) } else { self.eval(no) };
            }
            _ => {}
        }
        let spaced = target.and_then(Expr::dotted).filter(|space| self.variable(space).is_none());
        let spaced = spaced.map(|space| format!("{space}.{name}")).filter(|full| overloads(full).is_some());
        let (name, target) = match &spaced {
            Some(full) => (full.as_str(), None),
            None => (name, target),
        };
        let mut given = Vec::with_capacity(args.len() + 1);
        if let Some(target) = target {
            let of = self.eval(target)?;
            // An alternative isn't looked at where a value is there.
            if let (Val::Optional(Some(v)), "or" | "orValue") = (&of, name) {
                return Ok(if name == "or" { of.clone() } else { (**v).clone() });
            }
            given.push(of);
        }
        for a in args {
            given.push(self.eval(a)?);
        }
        functions::call(name, target.is_some(), &given, self.authorize)
    }

    fn fold(&mut self, op: Fold, over: &Expr, names: &(String, Option<String>), steps: &[Expr]) -> Outcome {
        let range = self.eval(over)?;
        let items: Vec<(Val, Val)> = match &range {
            Val::List(l) if names.1.is_some() => {
                l.iter().enumerate().map(|(i, v)| (Val::Int(i as i64), v.clone())).collect()
            }
            Val::List(l) => l.iter().map(|v| (v.clone(), Val::Null)).collect(),
            Val::Map(m) => m.iter().map(|(k, v)| (k.to_val(), v.clone())).collect(),
            Val::Object(o) => o.iter().map(|(k, v)| (Val::text(k), v.clone())).collect(),
            _ => return Err("no such overload".to_owned()),
        };
        let (mut kept, mut count, mut failed) = (Vec::new(), 0, None);
        let (mut entries, mut keys) = (BTreeMap::new(), Vec::new());
        for (first, second) in items {
            self.scopes.push((names.0.clone(), first.clone()));
            if let Some(name) = &names.1 {
                self.scopes.push((name.clone(), second));
            }
            let outcome = self.fold_step(op, steps);
            self.scopes.truncate(self.scopes.len() - 1 - usize::from(names.1.is_some()));
            match (op, outcome) {
                (Fold::All, Ok(Some(Val::Bool(false)))) => return Ok(Val::Bool(false)),
                (Fold::Exists, Ok(Some(Val::Bool(true)))) => return Ok(Val::Bool(true)),
                (Fold::All | Fold::Exists, Err(e)) => {
                    failed.get_or_insert(e);
                }
                (_, Err(e)) => return Err(e),
                (Fold::ExistsOne, Ok(Some(Val::Bool(true)))) => count += 1,
                (Fold::Filter, Ok(Some(Val::Bool(true)))) => kept.push(first),
                (Fold::Map | Fold::List, Ok(Some(v))) => kept.push(v),
                (Fold::Values, Ok(Some(v))) => {
                    let key = first.to_key().ok_or_else(|| "unsupported key type".to_owned())?;
                    entries.insert(key, v);
                }
                (Fold::Entries, Ok(Some(Val::Map(more)))) => {
                    for (key, v) in more.iter() {
                        if entries.insert(key.clone(), v.clone()).is_some() {
                            return Err(format!("insert failed: key {} already exists", key.shown()));
                        }
                    }
                }
                (Fold::SortBy, Ok(Some(key))) => keys.push((key, first)),
                _ => {}
            }
        }
        match (failed, op) {
            (Some(e), _) => Err(e),
            (None, Fold::All) => Ok(Val::Bool(true)),
            (None, Fold::Exists) => Ok(Val::Bool(false)),
            (None, Fold::ExistsOne) => Ok(Val::Bool(count == 1)),
            (None, Fold::Filter | Fold::Map | Fold::List) => Ok(Val::list(kept)),
            (None, Fold::Values | Fold::Entries) => Ok(Val::Map(Rc::new(entries))),
            (None, Fold::SortBy) => sorted(keys),
        }
    }

    /// What one item makes; nothing where a condition of `map` leaves it out.
    fn fold_step(&mut self, op: Fold, steps: &[Expr]) -> Result<Option<Val>, String> {
        match (op, steps) {
            (Fold::Map | Fold::List | Fold::Values | Fold::Entries, [condition, result]) => {
                if self.truth(condition)? {
                    self.eval(result).map(Some)
                } else {
                    Ok(None)
                }
            }
            (Fold::Map | Fold::List | Fold::Values | Fold::Entries | Fold::SortBy, [result]) => {
                self.eval(result).map(Some)
            }
            (_, [condition]) => self.truth(condition).map(|b| Some(Val::Bool(b))),
            _ => Err("no such overload".to_owned()),
        }
    }
}

/// The items in the order of their keys.
fn sorted(mut items: Vec<(Val, Val)>) -> Outcome {
    if items.iter().any(|(key, _)| items.first().is_some_and(|(first, _)| first.compare(key).is_none())) {
        return Err("list elements must have the same type".to_owned());
    }
    items.sort_by(|(a, _), (b, _)| a.compare(b).unwrap_or(Ordering::Equal));
    Ok(Val::list(items.into_iter().map(|(_, item)| item).collect()))
}

/// A type's name as a value.
fn type_of(name: &str) -> Option<Val> {
    NAMES.into_iter().find(|k| *k == name).map(Val::Type)
}
