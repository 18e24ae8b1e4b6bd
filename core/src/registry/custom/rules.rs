//! The rules of a custom kind's schema: what its objects must be like, and how they may change.
//! Models apiextensions `pkg/apiserver/schema/cel/{compilation,validation}.go`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::correlated::{Correlated, CorrelatedItems, OldItems};
use crate::api::cel::{self, Program, Type, Val};
use crate::api::field::{Error, ErrorList, ErrorType, Path, quote};
use crate::registry::validation::dynamic::extensions::field_path;
use crate::registry::validation::json::{flag_of, list_of, opt_str, str_of};

const MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// What all rules of an object may cost together.
const BUDGET: u64 = 10_000_000;

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// No further rules are asked.
struct Spent;

/// A rule, ready to be asked.
#[derive(Debug)]
struct Rule {
    program: Result<Program, String>,
    message_program: Option<Program>,
    message_text: String,
    uses_old: bool,
    /// Whether it is asked without an old value too.
    optional_old: bool,
    /// The field that it speaks of, below where it stands.
    field: Option<String>,
    text: String,
    message: String,
    reason: Option<String>,
}

/// A part of a schema where rules stand, here or below.
#[derive(Debug)]
pub(super) struct Node {
    schema: Value,
    root: bool,
    rules: Vec<Rule>,
    items: Option<Box<Node>>,
    additional: Option<Box<Node>>,
    properties: BTreeMap<String, Node>,
}

/// What rules find: errors, and what was so before and is only warned of.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub errors: ErrorList,
    pub warnings: Vec<String>,
}

/// The variables of a rule at a place of a schema.
fn variables(of: &Type, optional_old: bool) -> [(&'static str, Type); 2] {
    let old = if optional_old { Type::Optional(std::rc::Rc::new(of.clone())) } else { of.clone() };
    [("self", of.clone()), ("oldSelf", old)]
}

/// What is wrong with an expression of a rule that is to be of a type, in upstream's words.
pub(crate) fn compile(text: &str, of: &Type, rule: &Value, message: bool) -> Result<Program, String> {
    let known = variables(of, flag_of(rule, "optionalOldSelf"));
    let what = if message { "messageExpression " } else { "" };
    let program = Program::compile(text, &known).map_err(|e| format!("{what}compilation failed: {e}"))?;
    match (message, &program.output) {
        (false, Type::Named("bool")) | (true, Type::Named("string")) => match program.fault() {
            Some(why) => Err(format!("{}instantiation failed: {why}", if message { what } else { "program " })),
            None => Ok(program),
        },
        (false, _) => Err("cel expression must evaluate to a bool".to_owned()),
        (true, _) => Err("messageExpression must evaluate to a string".to_owned()),
    }
}

impl Rule {
    fn of(rule: &Value, schema: &Value, ty: &Type) -> Self {
        let text = str_of(rule, "rule");
        let program = compile(text, ty, rule, false);
        let expression = opt_str(rule, "messageExpression").filter(|e| !e.is_empty());
        Rule {
            uses_old: program.as_ref().is_ok_and(|p| p.uses("oldSelf")),
            program,
            message_text: expression.unwrap_or_default().to_owned(),
            message_program: expression.and_then(|e| compile(e, ty, rule, true).ok()),
            optional_old: flag_of(rule, "optionalOldSelf"),
            field: opt_str(rule, "fieldPath").and_then(|p| field_path(schema, p).ok()),
            text: text.trim().to_owned(),
            message: str_of(rule, "message").trim().to_owned(),
            reason: opt_str(rule, "reason").map(str::to_owned),
        }
    }

    /// What names it in errors.
    fn shown(&self) -> &str {
        if self.message.is_empty() { &self.text } else { &self.message }
    }
}

/// The old and the new value of a place.
#[derive(Clone, Copy)]
struct Pair<'a> {
    new: &'a Value,
    old: Option<&'a Value>,
    was: Was<'a>,
}

/// By what it is told whether a place is as it was: it itself, or else what it is in.
#[derive(Clone, Copy, Default)]
struct Was<'a> {
    own: Option<Correlated<'a>>,
    around: Option<Correlated<'a>>,
}

impl<'a> Was<'a> {
    fn is_same(self) -> bool {
        self.own.or(self.around).is_some_and(Correlated::is_same)
    }

    fn key(self, name: &str) -> Was<'a> {
        match self.own {
            None => self,
            // The type of a whole object isn't compared: both are of the same by now.
            Some(_) if self.around.is_none() && matches!(name, "apiVersion" | "kind") => Was::default(),
            Some(own) => Was { own: own.key(name), around: self.own },
        }
    }

    fn items(self) -> WasItems<'a> {
        WasItems { list: self, own: self.own.and_then(Correlated::items) }
    }
}

/// The items of a list with what they were.
struct WasItems<'a> {
    list: Was<'a>,
    own: Option<CorrelatedItems<'a>>,
}

impl<'a> WasItems<'a> {
    fn item(&self, new: &'a Value) -> Was<'a> {
        let own = || self.own.as_ref().and_then(|items| items.item(new));
        self.list.own.map_or(self.list, |list| Was { own: own(), around: Some(list) })
    }
}

impl Node {
    /// The rules of a schema; nothing if there are none.
    pub fn of(schema: &Value, root: bool) -> Option<Node> {
        let ty = cel::declared(schema, root);
        let all = list_of(schema, "x-kubernetes-validations");
        let rules = ty.iter().flat_map(|ty| all.iter().map(|r| Rule::of(r, schema, ty))).collect::<Vec<_>>();
        let below = |s: &Value| s.is_object().then(|| Node::of(s, false)).flatten();
        let node = Node {
            root,
            rules,
            items: below(&schema["items"]).map(Box::new),
            additional: below(&schema["additionalProperties"]).map(Box::new),
            properties: schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(name, s)| Some((name.clone(), below(s)?)))
                .collect(),
            schema: schema.clone(),
        };
        let some =
            !node.rules.is_empty() || node.items.is_some() || node.additional.is_some() || !node.properties.is_empty();
        some.then_some(node)
    }

    /// Asks all rules about an object; `before` are the errors that it has already, some of which leave nothing to ask.
    pub fn judge(&self, new: &Value, old: Option<&Value>, before: &ErrorList) -> Findings {
        let mut found = Findings::default();
        let blocking = |e: &Error| {
            matches!(
                e.kind,
                ErrorType::NotSupported
                    | ErrorType::Required
                    | ErrorType::TooLong
                    | ErrorType::TooMany
                    | ErrorType::TypeInvalid
            )
        };
        if before.iter().any(blocking) {
            let why = "some validation rules were not checked because the object was invalid; correct the existing \
                       errors to complete validation";
            found.errors.push(Error::invalid(&Path::root(), &Value::Null, why));
            return found;
        }
        let own = old.map(|old| Correlated::new(new, old, &self.schema));
        let mut budget = BUDGET;
        let _ = self.visit(Pair { new, old, was: Was { own, around: None } }, &Path::root(), (&mut found, &mut budget));
        found
    }

    fn visit(&self, pair: Pair<'_>, path: &Path, (found, budget): (&mut Findings, &mut u64)) -> Result<(), Spent> {
        if pair.new.is_null() {
            return Ok(());
        }
        if !self.rules.is_empty() {
            self.ask(pair, path, found, budget)?;
        }
        match pair.new {
            Value::Array(items) => {
                let Some(node) = &self.items else { return Ok(()) };
                let (old, was) = (pair.old.and_then(|old| OldItems::of(old, &self.schema)), pair.was.items());
                for (i, new) in items.iter().enumerate() {
                    let old = old.as_ref().and_then(|old| old.item(new));
                    let pair = Pair { new, old, was: was.item(new) };
                    node.visit(pair, &path.index(i), (&mut *found, &mut *budget))?;
                }
            }
            Value::Object(fields) => {
                let comparable =
                    matches!(opt_str(&self.schema, "x-kubernetes-map-type"), None | Some("granular" | "atomic"));
                for (name, new) in fields {
                    let old = pair.old.filter(|_| comparable).and_then(|o| o.get(name));
                    let pair = Pair { new, old, was: pair.was.key(name) };
                    if let Some(node) = &self.additional {
                        node.visit(pair, &path.key(name), (&mut *found, &mut *budget))?;
                    }
                    if let Some(node) = self.properties.get(name) {
                        node.visit(pair, &path.child(name), (&mut *found, &mut *budget))?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn ask(&self, pair: Pair<'_>, path: &Path, found: &mut Findings, budget: &mut u64) -> Result<(), Spent> {
        let ty = str_of(&self.schema, "type");
        let value = |v: &Value| cel::to_val(v, &self.schema, self.root);
        let (new, old) = (value(pair.new), pair.old.filter(|o| !o.is_null()).map(value));
        let told = |why: String| Error::invalid_str(path, ty, why);
        if *budget == 0 {
            found.errors.push(told(OUT_OF_BUDGET.to_owned()));
            return Err(Spent);
        }
        for rule in &self.rules {
            let program = match &rule.program {
                Ok(program) => program,
                Err(e) => {
                    found.errors.push(told(format!("rule compile error: {e}")));
                    continue;
                }
            };
            if rule.uses_old && old.is_none() && !rule.optional_old {
                continue;
            }
            let known = |name: &str| match (name, &old) {
                ("self", _) => Some(Ok(new.clone())),
                ("oldSelf", old) if rule.optional_old => Some(Ok(Val::Optional(old.clone().map(std::rc::Rc::new)))),
                ("oldSelf", Some(old)) => Some(Ok(old.clone())),
                _ => None,
            };
            let (outcome, cost) = program.eval(&known, None);
            let Some(rest) = budget.checked_sub(cost) else {
                found.errors.push(told(OUT_OF_BUDGET.to_owned()));
                return Err(Spent);
            };
            *budget = rest;
            match outcome {
                Ok(Val::Bool(true)) => {}
                Ok(_) => self.fail(rule, &known, pair, path, (&mut *found, &mut *budget))?,
                Err(e) if e.starts_with("no such overload") => found.errors.push(told(format!(
                    "'{e}': call arguments did not match a supported operator, function or macro signature for rule: {}",
                    rule.shown()
                ))),
                Err(e) if e.starts_with("operation cancelled") => {
                    let why = "no further validation rules will be run due to call cost exceeds limit for rule";
                    found.errors.push(told(format!("'{e}': {why}: {}", rule.shown())));
                    return Err(Spent);
                }
                Err(e) => found.errors.push(told(format!("{e} evaluating rule: {}", rule.shown()))),
            }
        }
        Ok(())
    }

    /// What a rule says that is not met: in its own words if it computes them, and has enough left to do so.
    fn fail(
        &self,
        rule: &Rule,
        known: &dyn Fn(&str) -> Option<cel::Outcome>,
        pair: Pair<'_>,
        path: &Path,
        (found, budget): (&mut Findings, &mut u64),
    ) -> Result<(), Spent> {
        let below = rule.field.as_deref().map(|f| path.child(f));
        let path = below.as_ref().unwrap_or(path);
        let ty = str_of(&self.schema, "type");
        let mut tell = |error: Error| {
            // What was so before and stays is no reason to refuse.
            match !rule.uses_old && pair.was.is_same() {
                true => found.warnings.push(error.to_string()),
                false => found.errors.push(error),
            }
        };
        let mut said = None;
        if let Some(program) = &rule.message_program {
            let (outcome, cost) = program.eval(known, None);
            let Some(rest) = budget.checked_sub(cost) else {
                let why = "messageExpression evaluation failed due to running out of cost budget, no further \
                           validation rules will be run";
                tell(Error::invalid_str(path, ty, why));
                return Err(Spent);
            };
            *budget = rest;
            if outcome.as_ref().is_err_and(|e| e.starts_with("operation cancelled")) {
                let why =
                    "no further validation rules will be run due to call cost exceeds limit for messageExpression";
                tell(Error::invalid_str(path, ty, format!("{why}: {}", quote(&rule.message_text))));
                return Err(Spent);
            }
            said = message(outcome);
        }
        let detail = said.unwrap_or_else(|| match rule.message.is_empty() {
            true => format!("failed rule: {}", rule.text),
            false => rule.message.clone(),
        });
        let whole = matches!(ty, "object" | "array");
        tell(match rule.reason.as_deref() {
            Some("FieldValueForbidden") => Error::forbidden(path, detail),
            Some("FieldValueRequired") => Error::required(path, detail),
            Some("FieldValueDuplicate") if whole => Error { bad_value: None, ..Error::duplicate(path, &Value::Null) },
            Some("FieldValueDuplicate") => Error::duplicate(path, pair.new),
            _ if whole => Error::invalid_omitted(path, detail),
            _ => Error::invalid(path, pair.new, detail),
        });
        Ok(())
    }
}

/// A message of one line that is not too long.
fn message(outcome: cel::Outcome) -> Option<String> {
    let Ok(Val::Text(text)) = outcome else { return None };
    let text = text.trim();
    (!text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n')).then(|| text.to_owned())
}

/// What each rule of a schema costs at most where it stands, and its message if that is computed; and how often there may be
/// such a value where nothing else limits that.
pub(crate) fn costs(schema: &Value, root: bool) -> (Vec<(u64, Option<u64>)>, u64) {
    let (Some(ty), Some(shape)) = (cel::declared(schema, root), cel::Shape::of(schema, root)) else {
        return (Vec::new(), 0);
    };
    let one = |rule: &Value| {
        let known = variables(&ty, flag_of(rule, "optionalOldSelf"));
        let cost = |text: &str, message: bool| Some(compile(text, &ty, rule, message).ok()?.cost(&known, &shape));
        let message = opt_str(rule, "messageExpression").filter(|e| !e.is_empty());
        (cost(str_of(rule, "rule"), false).unwrap_or(0), message.and_then(|e| cost(e, true)))
    };
    (list_of(schema, "x-kubernetes-validations").iter().map(one).collect(), shape.times())
}

/// What is wrong with the rules at one place of a schema: the field of the rule, whether its value is the rule, and why.
pub(crate) fn complaints(schema: &Value, root: bool) -> Vec<(usize, &'static str, String)> {
    let mut all = Vec::new();
    let Some(ty) = cel::declared(schema, root) else { return all };
    for (i, rule) in list_of(schema, "x-kubernetes-validations").iter().enumerate() {
        match compile(str_of(rule, "rule"), &ty, rule, false) {
            Err(e) => all.push((i, "rule", e)),
            Ok(program) => {
                let expression = opt_str(rule, "messageExpression").filter(|e| !e.is_empty());
                if let Some(e) = expression.and_then(|e| compile(e, &ty, rule, true).err()) {
                    all.push((i, "messageExpression", e));
                }
                if program.uses("oldSelf") {
                    all.push((i, "oldSelf", String::new()));
                } else if rule["optionalOldSelf"].is_boolean() {
                    all.push((i, "optionalOldSelf", "may not be set if oldSelf is not used in rule".to_owned()));
                }
            }
        }
    }
    all
}
