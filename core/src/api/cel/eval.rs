//! Evaluates expressions. Models cel-go `interpreter`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Authorize;
use super::actual::{self, LIST, MAP, MESSAGE, is_attribute, is_choice, is_constant};
use super::functions;
use super::tree::{Expr, Fold, Kind};
use super::types::{NAMES, overloads};
use super::value::{Key, Val};

/// What is said where an evaluation costs more than it may.
const EXCEEDED: &str = "operation cancelled: actual cost limit exceeded";

/// An error in cel-go's words.
pub type Outcome = Result<Val, String>;

/// What is known while an expression is evaluated.
pub(super) struct Evaluator<'a> {
    pub variables: &'a dyn Fn(&str) -> Option<Outcome>,
    pub authorize: Option<&'a Authorize<'a>>,
    pub scopes: Vec<(String, Val)>,
    /// What it cost by now, and what it may cost.
    pub cost: u64,
    pub limit: u64,
}

impl Evaluator<'_> {
    fn variable(&self, name: &str) -> Option<Outcome> {
        let name = name.strip_prefix('.').unwrap_or(name);
        let inner = self.scopes.iter().rev().find(|(n, _)| n == name).map(|(_, v)| Ok(v.clone()));
        inner.or_else(|| (self.variables)(name))
    }

    /// What it evaluates to, within what it may cost.
    pub fn run(&mut self, e: &Expr) -> Outcome {
        let outcome = self.eval(e);
        if self.cost > self.limit { Err(EXCEEDED.to_owned()) } else { outcome }
    }

    fn spend(&mut self, cost: u64) {
        self.cost = self.cost.saturating_add(cost);
    }

    fn eval(&mut self, e: &Expr) -> Outcome {
        if self.cost > self.limit {
            return Err(EXCEEDED.to_owned());
        }
        if !matches!(e.kind, Kind::Literal(_)) && is_constant(e) {
            // It was known before anything was evaluated.
            let before = self.cost;
            let outcome = self.eval_step(e);
            self.cost = before;
            return outcome;
        }
        self.eval_step(e)
    }

    fn eval_step(&mut self, e: &Expr) -> Outcome {
        match &e.kind {
            Kind::Literal(v) => Ok(v.clone()),
            Kind::Ident(name) => {
                self.spend(1);
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
                self.spend(LIST);
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
                self.spend(MAP);
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
                self.spend(MESSAGE);
                Ok(Val::Made(Rc::new((name.clone(), all))))
            }
            Kind::Fold { op, over, names, steps } => self.fold(*op, over, names, steps),
            Kind::Bind { name, value, body, optional } => self.bind(name, value, body, *optional),
        }
    }

    fn bind(&mut self, name: &str, value: &Expr, body: &Expr, optional: Option<bool>) -> Outcome {
        let before = self.cost;
        let value = self.eval(value)?;
        let value = match (optional, value) {
            (None, v) => v,
            (Some(_), Val::Optional(Some(v))) => {
                // It is asked whether there is a value, and then for the value.
                self.spend(self.cost - before + 2);
                (*v).clone()
            }
            (Some(_), _) => {
                self.spend(2);
                return Ok(Val::Optional(None));
            }
        };
        self.scopes.push((name.to_owned(), value));
        let result = self.eval(body);
        self.scopes.pop();
        match optional {
            Some(false) => {
                self.spend(1);
                result.map(Val::some)
            }
            _ => result,
        }
    }

    fn select(&mut self, e: &Expr, of: &Expr, field: &str, test: bool, optional: bool) -> Outcome {
        if !test
            && let Some(name) = e.dotted()
            && let Some(found) = self.variable(&name).or_else(|| type_of(&name).map(Ok))
        {
            self.spend(1);
            return found;
        }
        // What is selected of something that isn't a variable is an attribute of its own; a test has no first step.
        let attribute = is_attribute(of);
        let of = if test && attribute { self.part(of)? } else { self.eval(of)? };
        if !test && !attribute {
            self.spend(1);
        }
        let (of, optional) = match of {
            Val::Optional(None) => return Ok(if test { Val::Bool(false) } else { Val::Optional(None) }),
            Val::Optional(Some(v)) => ((*v).clone(), true),
            v => (v, optional),
        };
        let found = match &of {
            Val::Map(m) => m.get(&Key::Text(field.into())).cloned(),
            Val::Object(o) => o.get(field).cloned(),
            Val::Made(made) => made.1.get(field).cloned(),
            // Nothing is selected of anything else, nor is it there.
            Val::List(_) if !test => return Err("unsupported index type 'string' in list".to_owned()),
            _ => None,
        };
        if !optional || found.is_some() {
            self.spend(1);
        }
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
                let chosen = if self.truth(condition)? { yes } else { no };
                return self.part(chosen);
            }
            ("_[_]" | "_[?_]", [of, at]) => return self.index(name, of, at),
            ("@in", [value, set]) if actual::is_set(set) => {
                let given = [self.eval(value)?, self.eval(set)?];
                return functions::call(name, false, &given, self.authorize);
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
        let result = functions::call(name, target.is_some(), &given, self.authorize);
        self.spend(actual::call(name, target.is_some(), &given, &result));
        result
    }

    /// A part of something else: as an attribute it has no first step of its own.
    fn part(&mut self, e: &Expr) -> Outcome {
        let outcome = self.eval(e);
        if is_attribute(e) && !is_choice(e) {
            self.cost = self.cost.saturating_sub(1);
        }
        outcome
    }

    fn index(&mut self, name: &str, of: &Expr, at: &Expr) -> Outcome {
        if !is_attribute(of) {
            self.spend(1);
        }
        let given = [self.eval(of)?, self.part(at)?];
        let result = functions::call(name, false, &given, self.authorize);
        if !matches!(result, Ok(Val::Optional(None))) {
            self.spend(1);
        }
        result
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
            other => return Err(format!("got '{}', expected iterable type", other.go_name())),
        };
        let (mut kept, mut count, mut failed) = (Vec::new(), 0, None);
        let (mut entries, mut keys) = (BTreeMap::new(), Vec::new());
        // What the loop costs besides: whether it goes on, and what there was by now.
        let (asked, taken) = match op {
            Fold::All => (2, 1),
            Fold::Exists => (3, 1),
            _ => (0, 0),
        };
        let count_of_items = items.len();
        for (i, (first, second)) in items.into_iter().enumerate() {
            self.spend(asked + taken);
            self.scopes.push((names.0.clone(), first.clone()));
            if let Some(name) = &names.1 {
                self.scopes.push((name.clone(), second));
            }
            let outcome = self.fold_step(op, steps);
            self.scopes.truncate(self.scopes.len() - 1 - usize::from(names.1.is_some()));
            match (op, outcome) {
                (Fold::All, Ok(Some(Val::Bool(false)))) | (Fold::Exists, Ok(Some(Val::Bool(true)))) => {
                    let last = i + 1 == count_of_items;
                    self.spend(if last { 1 } else { 1 + asked });
                    return Ok(Val::Bool(op == Fold::Exists));
                }
                (Fold::All | Fold::Exists, Err(e)) => {
                    failed.get_or_insert(e);
                }
                (_, Err(e)) => return Err(e),
                (Fold::ExistsOne, Ok(Some(Val::Bool(true)))) => {
                    self.spend(2);
                    count += 1;
                }
                (Fold::Filter, Ok(Some(Val::Bool(true)))) => {
                    self.spend(LIST + 3);
                    kept.push(first);
                }
                (Fold::Map | Fold::List, Ok(Some(v))) => {
                    self.spend(LIST + 2);
                    kept.push(v);
                }
                (Fold::Values, Ok(Some(v))) => {
                    self.spend(3);
                    let key = first.to_key().ok_or_else(|| "unsupported key type".to_owned())?;
                    entries.insert(key, v);
                }
                (Fold::Entries, Ok(Some(Val::Map(more)))) => {
                    self.spend(2);
                    for (key, v) in more.iter() {
                        if entries.insert(key.clone(), v.clone()).is_some() {
                            return Err(format!("insert failed: key {} already exists", key.shown()));
                        }
                    }
                }
                (Fold::SortBy, Ok(Some(key))) => {
                    self.spend(LIST + 2);
                    keys.push((key, first));
                }
                _ => {}
            }
        }
        self.spend(match op {
            Fold::ExistsOne => 2,
            Fold::SortBy => 3 + actual::sorted_by(keys.iter().map(|(key, _)| key.clone()).collect()),
            _ => 1,
        });
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
