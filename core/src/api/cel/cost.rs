//! What an expression may cost at most, from the sizes that a schema allows.
//! Models cel-go `checker/cost.go`, and the costs of functions in apiserver `pkg/cel/library/cost.go`.

use super::check::{Checker, entries_of};
use super::size::{Range, Shape, UNKNOWN, fixed};
use super::tree::{Expr, Fold, Kind};
use super::types::{BYTES, STRING, Type, overloads};
use super::value::Val;

const TRAVERSAL: f64 = 0.1;
const REGEX: f64 = 0.25;
const LIST_BASE: u64 = 10;
const MAP_BASE: u64 = 30;
const MESSAGE_BASE: u64 = 40;
const CHECK_COST: u64 = 350_000;
const NAMED_FORMAT_REGEX_MAX: f64 = 128.0;

/// The sizes of what is in a list or a map.
#[derive(Clone, Debug)]
struct Entry {
    key: Range,
    value: Range,
}

impl Entry {
    fn union(a: &Option<Entry>, b: &Option<Entry>) -> Option<Entry> {
        let (a, b) = (a.as_ref()?, b.as_ref()?);
        Some(Entry { key: a.key.union(b.key), value: a.value.union(b.value) })
    }
}

/// What is known of a part of an expression.
#[derive(Clone, Debug, Default)]
struct Known {
    cost: Range,
    /// Where in a variable it is.
    path: Vec<String>,
    size: Option<Range>,
    entry: Option<Entry>,
    ty: Option<Type>,
    /// The number that it is, if it is one as it stands there.
    int: Option<i64>,
}

impl Known {
    fn size(&self) -> Range {
        self.size.unwrap_or(UNKNOWN)
    }

    fn is(&self, ty: &Type) -> bool {
        self.ty.as_ref() == Some(ty)
    }

    fn is_dyn(&self) -> bool {
        matches!(self.ty, None | Some(Type::Dyn | Type::Param(_)))
    }
}

/// A name of an expression's own.
struct Local {
    name: String,
    path: Vec<String>,
    size: Option<Range>,
    entry: Option<Entry>,
}

/// Sums up costs.
pub(super) struct Coster<'a> {
    checker: Checker<'a>,
    shape: &'a Shape,
    locals: Vec<Local>,
}

fn is_scalar(t: &Type) -> bool {
    match t {
        Type::Named(n) => matches!(*n, "bool" | "int" | "uint" | "double" | "duration" | "timestamp"),
        Type::Optional(of) => is_scalar(of),
        _ => false,
    }
}

impl<'a> Coster<'a> {
    pub fn new(variables: &'a [(&'a str, Type)], shape: &'a Shape) -> Self {
        Coster { checker: Checker::new(variables), shape, locals: Vec::new() }
    }

    /// The most that an expression costs.
    pub fn most(&mut self, e: &Expr) -> u64 {
        self.estimate(e).cost.max
    }

    /// The size of what is at a path, or else what the type tells.
    fn sized(&self, path: &[String], ty: &Type) -> Option<Range> {
        self.shape.at(path).or_else(|| is_scalar(ty).then(|| fixed(1)))
    }

    fn estimate(&mut self, e: &Expr) -> Known {
        let ty = self.checker.check(e);
        let mut known = match &e.kind {
            Kind::Literal(v) => {
                let int = if let Val::Int(i) = v { Some(*i) } else { None };
                Known { size: Some(fixed(literal_size(v))), int, ..Known::default() }
            }
            Kind::Ident(name) => self.ident(name, &ty),
            Kind::Select { of, field, test, optional } => self.select(of, field, (*test, *optional), &ty),
            Kind::Call { name, target, args } => self.call(name, target.as_deref(), args, &ty),
            Kind::List(items) => {
                let of: Vec<Known> = items.iter().map(|(item, _)| self.estimate(item)).collect();
                let value = of.iter().map(Known::size).reduce(Range::union).unwrap_or(fixed(0));
                let size = Some(fixed(items.len() as u64));
                let entry = Some(Entry { key: fixed(1), value });
                Known { cost: sum(&of).add(fixed(LIST_BASE)), size, entry, ..Known::default() }
            }
            Kind::Map(entries) => {
                let keys: Vec<Known> = entries.iter().map(|(k, _, _)| self.estimate(k)).collect();
                let values: Vec<Known> = entries.iter().map(|(_, v, _)| self.estimate(v)).collect();
                let all = |of: &[Known]| of.iter().map(Known::size).reduce(Range::union).unwrap_or(fixed(0));
                let entry = Some(Entry { key: all(&keys), value: all(&values) });
                let cost = sum(&keys).add(sum(&values)).add(fixed(MAP_BASE));
                Known { cost, size: Some(fixed(entries.len() as u64)), entry, ..Known::default() }
            }
            Kind::Make { fields, .. } => {
                let of: Vec<Known> = fields.iter().map(|f| self.estimate(&f.value)).collect();
                Known { cost: sum(&of).add(fixed(MESSAGE_BASE)), ..Known::default() }
            }
            Kind::Fold { op, over, names, steps } => self.fold(*op, over, names, steps),
            Kind::Bind { name, value, body, optional } => self.bind(name, value, body, *optional),
        };
        known.ty = Some(ty);
        known
    }

    fn ident(&self, name: &str, ty: &Type) -> Known {
        let local = self.locals.iter().rev().find(|l| l.name == name);
        let path = local.map_or_else(|| vec![name.to_owned()], |l| l.path.clone());
        let size = self.sized(&path, ty).or_else(|| local.and_then(|l| l.size));
        Known { cost: fixed(1), size, path, entry: local.and_then(|l| l.entry.clone()), ..Known::default() }
    }

    fn select(&mut self, of: &Expr, field: &str, (test, optional): (bool, bool), ty: &Type) -> Known {
        let of = self.estimate(of);
        if test {
            return Known { cost: of.cost, size: Some(fixed(1)), ..Known::default() };
        }
        if optional {
            let size = is_scalar(ty).then(|| fixed(1));
            return Known { cost: of.cost.add(fixed(1)), size, ..Known::default() };
        }
        let step = matches!(of.ty, Some(Type::Map(..) | Type::Object(_) | Type::Param(_)));
        let cost = if step { of.cost.add(fixed(1)) } else { of.cost };
        let mut path = of.path;
        path.push(field.to_owned());
        Known { cost, size: self.sized(&path, ty), path, ..Known::default() }
    }

    fn call(&mut self, name: &str, target: Option<&Expr>, args: &[Expr], ty: &Type) -> Known {
        // What looks like a member call may be of a namespace's function.
        let spaced = target.and_then(Expr::dotted).filter(|space| !self.checker.knows(space));
        let spaced = spaced.map(|space| format!("{space}.{name}")).filter(|full| overloads(full).is_some());
        let (name, target) = match &spaced {
            Some(full) => (full.as_str(), None),
            None => (name, target),
        };
        let args: Vec<Known> = args.iter().map(|a| self.estimate(a)).collect();
        let target = target.map(|t| self.estimate(t));
        let of_target = target.as_ref().map_or(fixed(0), |t| t.cost);
        if let ("dyn", [one]) = (name, args.as_slice()) {
            return Known {
                cost: fixed(1).add(one.cost),
                size: one.size,
                entry: one.entry.clone(),
                ..Known::default()
            };
        }
        let of = Called { name, target: target.as_ref(), args: &args, shape: self.shape };
        let (own, mut size) = of.of_kubernetes().unwrap_or_else(|| of.of_standard());
        let cost = match name {
            "_&&_" | "_||_" | "_?_:_" => own,
            _ => own.add(sum(&args)),
        };
        let (mut path, mut entry) = (Vec::new(), None);
        match (name, args.as_slice()) {
            ("_[_]", [over, _]) => {
                let below = match over.ty {
                    Some(Type::List(_)) => "@items",
                    Some(Type::Map(..)) => "@values",
                    _ => "",
                };
                if !below.is_empty() {
                    size = over.entry.as_ref().map(|e| e.value);
                    path.clone_from(&over.path);
                    path.push(below.to_owned());
                }
            }
            ("_?_:_", [_, yes, no]) => entry = Entry::union(&yes.entry, &no.entry),
            ("_+_", [a, b]) => entry = Entry::union(&a.entry, &b.entry),
            _ => {}
        }
        let size = size.or_else(|| self.sized(&path, ty));
        Known { cost: of_target.add(cost), path, size, entry, ..Known::default() }
    }

    fn bind(&mut self, name: &str, value: &Expr, body: &Expr, optional: Option<bool>) -> Known {
        let value = self.estimate(value);
        let (init, inner) = match (&optional, &value.ty) {
            (None, ty) => (value.cost, ty.clone().unwrap_or(Type::Dyn)),
            (Some(_), Some(Type::Optional(of))) => (value.cost.add(fixed(1)), (**of).clone()),
            (Some(_), _) => (value.cost.add(fixed(1)), Type::Dyn),
        };
        let bound = if optional.is_some() { Known::default() } else { value.clone() };
        self.locals.push(Local { name: name.to_owned(), path: bound.path, size: bound.size, entry: bound.entry });
        self.checker.enter(name, inner);
        let body = self.estimate(body);
        self.checker.leave(1);
        self.locals.pop();
        // The loop over nothing that a binding is.
        let cost = fixed(LIST_BASE).add(init).add(body.cost);
        match optional {
            None => Known { cost, size: body.size, entry: body.entry, ..Known::default() },
            Some(flat) => {
                let some = if flat { cost } else { cost.add(fixed(1)) };
                let asked = value.cost.add(fixed(1));
                Known { cost: asked.add(some.union(fixed(1))), ..Known::default() }
            }
        }
    }

    /// Macros over lists and maps, as the loops that they stand for.
    fn fold(&mut self, op: Fold, over: &Expr, names: &(String, Option<String>), steps: &[Expr]) -> Known {
        let range = self.estimate(over);
        let ty = range.ty.clone().unwrap_or(Type::Dyn);
        let is_list = matches!(ty, Type::List(_));
        let (first, second) = entries_of(&ty, names.1.is_some()).unwrap_or((Type::Dyn, Type::Dyn));
        let local = |name: &String, below: &str, size: Option<Range>| {
            let mut path = range.path.clone();
            path.push(below.to_owned());
            Local { name: name.clone(), path, size, entry: None }
        };
        let (key, value) = (range.entry.as_ref().map(|e| e.key), range.entry.as_ref().map(|e| e.value));
        match &names.1 {
            Some(second_name) => {
                self.locals.push(local(&names.0, if is_list { "@indices" } else { "@keys" }, key));
                self.locals.push(local(second_name, if is_list { "@items" } else { "@values" }, value));
            }
            None if is_list => self.locals.push(local(&names.0, "@items", value)),
            None => self.locals.push(local(&names.0, "@keys", key)),
        }
        let item = self.ident(&names.0, &first);
        self.checker.enter(&names.0, first);
        if let Some(second_name) = &names.1 {
            self.checker.enter(second_name, second);
        }
        let of: Vec<Known> = steps.iter().map(|s| self.estimate(s)).collect();
        let count = 1 + usize::from(names.1.is_some());
        self.checker.leave(count);
        self.locals.truncate(self.locals.len().saturating_sub(count));
        let last = of.last().cloned().unwrap_or_default();
        let condition = of.first().filter(|_| of.len() > 1).map(|c| c.cost);
        // A step that is taken or leaves what there is.
        let taken = |step: Range| condition.map_or(step, |c| c.add(step.union(fixed(1))));
        let appended = |t: &Known| t.cost.add(fixed(LIST_BASE + 2));
        let (init, looked, step, result) = match op {
            Fold::All => (0, 2, Range { min: 1, max: last.cost.add(fixed(1)).max }, 1),
            Fold::Exists => (0, 3, Range { min: 1, max: last.cost.add(fixed(1)).max }, 1),
            Fold::ExistsOne => (0, 0, last.cost.add(Range { min: 1, max: 2 }), 2),
            Fold::Filter => (LIST_BASE, 0, last.cost.add(appended(&item).union(fixed(1))), 1),
            Fold::Map | Fold::List => (LIST_BASE, 0, taken(appended(&last)), 1),
            Fold::Values => (MAP_BASE, 0, taken(last.cost.add(fixed(3))), 1),
            Fold::Entries => (MAP_BASE, 0, taken(last.cost.add(fixed(2))), 1),
            // The keys first, and then the items by them.
            Fold::SortBy => (2 * LIST_BASE + 2, 0, appended(&last), 1),
        };
        let each = step.add(fixed(looked));
        let mut cost = range.cost.add(fixed(init)).add(fixed(result)).add(range.size().mul(each));
        if op == Fold::SortBy {
            // The keys are compared with each other.
            let factor = if last.is(&STRING) || last.is(&BYTES) { 2.0 + TRAVERSAL } else { 2.0 };
            let compared = range.size().mul(range.size()).factor(factor);
            cost = cost.add(compared).add(fixed(1 + LIST_BASE));
        }
        let (size, entry) = match op {
            Fold::All | Fold::Exists | Fold::ExistsOne => (Some(fixed(1)), None),
            Fold::Filter => (Some(range.size()), Some(from_nothing(item.size()))),
            Fold::Map | Fold::List => (Some(range.size()), Some(from_nothing(last.size()))),
            _ => (Some(range.size()), None),
        };
        Known { cost, size, entry, ..Known::default() }
    }
}

/// The items of a list that begins empty.
fn from_nothing(size: Range) -> Entry {
    Entry { key: fixed(1), value: size.union(fixed(0)) }
}

fn sum(of: &[Known]) -> Range {
    of.iter().fold(fixed(0), |all, k| all.add(k.cost))
}

fn literal_size(v: &Val) -> u64 {
    match v {
        Val::Text(s) => s.chars().count() as u64,
        Val::Bytes(b) => b.len() as u64,
        _ => 1,
    }
}

/// A call, what it is called with, and what is known of that.
struct Called<'c> {
    name: &'c str,
    target: Option<&'c Known>,
    args: &'c [Known],
    shape: &'c Shape,
}

type Estimate = (Range, Option<Range>);

impl Called<'_> {
    /// What a list that is called on holds: its type and its size.
    fn items(&self) -> Option<(Type, Range)> {
        let target = self.target?;
        let Some(Type::List(of)) = &target.ty else { return None };
        let mut path = target.path.clone();
        let size = (!path.is_empty()).then(|| {
            path.push("@items".to_owned());
            self.shape.at(&path)
        });
        Some(((**of).clone(), size.flatten().unwrap_or(UNKNOWN)))
    }

    /// Functions that Kubernetes brings or counts itself.
    fn of_kubernetes(&self) -> Option<Estimate> {
        let (first, target) = (self.args.first().map(Known::size), self.target.map(Known::size));
        let one = Some((fixed(1), None));
        match self.name {
            "check" => Some((fixed(CHECK_COST), None)),
            "serviceAccount" | "path" | "group" | "resource" | "subresource" | "namespace" | "name" | "allowed"
            | "reason" | "error" | "errored" => one,
            "fieldSelector" | "labelSelector" => first.map(|s| (s.factor(TRAVERSAL), None)),
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
                let target = target?;
                let Some((ty, size)) = self.items() else { return Some((target.factor(TRAVERSAL), None)) };
                let text = ty == STRING || ty == BYTES;
                let each = if text { fixed(1).add(size.factor(TRAVERSAL)) } else { fixed(1) };
                Some((target.mul(each), None))
            }
            "slice" | "lists.range" | "reverse" | "flatten" | "distinct" | "sort" => self.of_lists(target),
            "url" | "jsonpatch.escapeKey" => first.map(|s| (s.factor(TRAVERSAL), Some(s))),
            "lowerAscii" | "upperAscii" | "substring" | "trim" => target.map(|s| (s.factor(TRAVERSAL), Some(s))),
            "replace" => {
                let (Some(s), [from, to, ..]) = (target, self.args) else { return None };
                Some((s.factor(2.0 * TRAVERSAL), Some(replaced(s, from.size(), to.size()))))
            }
            "split" => target.map(|s| (s.factor(2.0 * TRAVERSAL), Some(Range { min: 0, max: s.max }))),
            "join" => {
                let list = target?;
                let items = self.items().map_or(fixed(0), |(_, size)| list.mul(size));
                let gaps = Range { min: list.min.saturating_sub(1), max: list.max.saturating_sub(1) };
                let size = first.map_or(items, |s| items.add(s.mul(gaps)));
                Some((size.factor(TRAVERSAL), Some(size)))
            }
            "find" | "findAll" => {
                let (s, regex) = (target?, first?);
                let cost = s.add(fixed(1)).factor(TRAVERSAL).mul(regex.factor(REGEX));
                Some((cost, Some(Range { min: 0, max: s.max })))
            }
            "ip" if self.target.is_some() => one,
            "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver" => {
                first.map(|s| (s.factor(TRAVERSAL), None))
            }
            "ip.isCanonical" => first.map(|s| (s.factor(2.0 * TRAVERSAL), None)),
            "masked"
            | "prefixLength"
            | "family"
            | "isUnspecified"
            | "isLoopback"
            | "isLinkLocalMulticast"
            | "isLinkLocalUnicast"
            | "isGlobalUnicast"
            | "sign"
            | "asInteger"
            | "isInteger"
            | "asApproximateFloat"
            | "isGreaterThan"
            | "isLessThan"
            | "compareTo"
            | "add"
            | "sub"
            | "major"
            | "minor"
            | "patch"
            | "getScheme"
            | "getHostname"
            | "getHost"
            | "getPort"
            | "getEscapedPath"
            | "getQuery" => one,
            "containsIP" | "containsCIDR" => {
                let bytes = Range { min: 4, max: 16 };
                let mut cost = bytes.add(bytes).factor(TRAVERSAL);
                if self.name == "containsCIDR" {
                    cost = cost.add(bytes.factor(TRAVERSAL)).add(fixed(1));
                }
                if self.args.first().is_some_and(|a| a.is(&STRING)) {
                    cost = cost.add(first?.factor(TRAVERSAL));
                }
                Some((cost, None))
            }
            "validate" => first.map(|s| (s.factor(TRAVERSAL).factor(NAMED_FORMAT_REGEX_MAX * REGEX), None)),
            "sets.contains" | "sets.intersects" | "sets.equivalent" => {
                let [a, b] = self.args else { return None };
                let factor = if self.name == "sets.equivalent" { 2.0 } else { 1.0 };
                Some((a.size().mul(b.size()).factor(factor).add(fixed(1)), None))
            }
            "_==_" => match self.args {
                [Known { ty: Some(Type::Named(a)), .. }, Known { ty: Some(Type::Named(b)), .. }]
                    if a == b && (a.starts_with("kubernetes.") || a.starts_with("net.")) =>
                {
                    one
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Functions that make lists anew.
    fn of_lists(&self, target: Option<Range>) -> Option<Estimate> {
        let number = |i: usize, otherwise: u64| match self.args.get(i).map(|a| a.int) {
            Some(Some(n)) => u64::try_from(n).unwrap_or(0),
            _ => otherwise,
        };
        let (factor, size) = match (self.name, target) {
            ("lists.range", _) => (1.0, fixed(number(0, u64::MAX))),
            ("slice", Some(of)) => (1.0, fixed(number(1, of.max).wrapping_sub(number(0, 0)))),
            ("flatten", Some(of)) => (if self.args.is_empty() { 1.0 } else { number(0, u64::MAX) as f64 }, of),
            ("distinct", Some(of)) => (2.0, of.mul(of)),
            ("sort", Some(of)) => {
                let texts = self.items().is_some_and(|(ty, _)| ty == STRING || ty == BYTES);
                (if texts { 2.0 + TRAVERSAL } else { 2.0 }, of.mul(of))
            }
            (_, of) => (1.0, of?),
        };
        Some((size.factor(factor).add(fixed(1 + LIST_BASE)), Some(size)))
    }

    /// The language's own functions.
    fn of_standard(&self) -> Estimate {
        let one = (fixed(1), None);
        let texts = |k: &Known| k.is(&STRING) || k.is(&BYTES);
        match (self.name, self.target, self.args) {
            ("format", Some(target), _) => (target.size().factor(TRAVERSAL), None),
            ("bytes", None, [a]) if a.is(&STRING) => {
                let size = a.size();
                (size.factor(TRAVERSAL), Some(Range { min: size.min, max: size.max.saturating_mul(4) }))
            }
            ("string", None, [a]) if a.is(&BYTES) => {
                let size = a.size();
                (size.factor(TRAVERSAL), Some(Range { min: size.min / 4, max: size.max }))
            }
            ("strings.quote", None, [a]) => {
                let size = a.size();
                let max = size.max.saturating_mul(2).saturating_add(2);
                (size.factor(TRAVERSAL), Some(Range { min: size.min.saturating_add(2), max }))
            }
            ("startsWith" | "endsWith", Some(_), [a]) => (a.size().factor(TRAVERSAL), None),
            ("@in", None, [_, over]) => match over.ty {
                Some(Type::List(_)) => (over.size(), None),
                Some(Type::Map(..)) => one,
                _ => (over.size().union(fixed(1)), None),
            },
            ("matches", Some(target), [a]) => {
                (target.size().add(fixed(1)).factor(TRAVERSAL).mul(a.size().factor(REGEX)), None)
            }
            ("contains", Some(target), [a]) => (target.size().factor(TRAVERSAL).mul(a.size().factor(TRAVERSAL)), None),
            ("_&&_" | "_||_", None, [a, b]) => (Range { min: a.cost.min, max: a.cost.add(b.cost).max }, None),
            ("_?_:_", None, [condition, yes, no]) => {
                (condition.cost.add(yes.cost.union(no.cost)), Some(yes.size().union(no.size())))
            }
            ("_+_", None, [a, b]) => {
                let size = a.size().add(b.size());
                match (&a.ty, a.is_dyn() && b.is_dyn()) {
                    (Some(Type::List(_)), _) => (fixed(1), Some(size)),
                    _ if texts(a) || texts(b) => (size.factor(TRAVERSAL), Some(size)),
                    (_, true) => (size.factor(TRAVERSAL).union(fixed(1)), Some(size)),
                    _ => one,
                }
            }
            ("_<_" | "_<=_" | "_>_" | "_>=_", None, [a, b]) if a.is_dyn() && b.is_dyn() => {
                (compared(a, b).union(fixed(1)), None)
            }
            ("_<_" | "_<=_" | "_>_" | "_>=_", None, [a, b]) if texts(a) || texts(b) => (compared(a, b), None),
            ("_==_" | "_!=_", None, [a, b]) => (compared(a, b), None),
            _ => one,
        }
    }
}

/// Two values compared: the smaller settles it.
fn compared(a: &Known, b: &Known) -> Range {
    let max = a.size().max.min(b.size().max);
    Range { min: u64::from(max > 0), max }.factor(TRAVERSAL)
}

/// The size of a text in which every occurrence is replaced.
fn replaced(size: Range, from: Range, to: Range) -> Range {
    let parts = |all: u64, part: u64| all.div_ceil(part);
    let (longest, kept) = match from.min {
        0 => (size.max.saturating_add(1), size.max),
        _ if to.max <= from.min => (0, size.max),
        part => (parts(size.max, part), 0),
    };
    let (shortest, kept_least) = match from.max {
        0 => (size.min.saturating_add(1), size.min),
        part if part <= to.min => (0, size.min),
        part => (parts(size.min, part), 0),
    };
    Range { min: shortest, max: longest }.mul(to).add(Range { min: kept_least, max: kept })
}

#[cfg(test)]
mod tests;
