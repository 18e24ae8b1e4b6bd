//! The Common Expression Language, in which rules of custom kinds and admission policies are written: read, checked, evaluated.
//! Models cel-go and what apiserver `pkg/cel` adds to it. What an evaluation may cost is bounded.

mod actual;
mod check;
mod cost;
mod eval;
mod format;
mod functions;
mod ip;
mod items;
mod lex;
mod library;
mod parse;
mod schema;
mod size;
mod tree;
mod types;
mod url;
mod value;

pub use eval::Outcome;
pub use parse::is_identifier;
pub use schema::{built_in, declared, named, to_val};
pub use size::Shape;
pub use types::{BOOL, INT, STRING, TIMESTAMP, Type};
pub use value::{Question, Stage, Val, misnamed};

use check::Checker;
use eval::Evaluator;
use tree::{Complaint, Expr, Kind};

/// What one evaluation may cost.
const CALL_COST_MAX: u64 = 1_000_000;

/// Whether a text is a URL as requests have it: with a scheme, or an absolute path.
pub fn is_uri(text: &str) -> bool {
    url::parse(text).is_ok()
}

/// Answers whether somebody may do something: the question and the verb; whether, and why.
pub type Authorize<'a> = dyn Fn(&Question, &str) -> (bool, String) + 'a;

/// An expression that fits its variables.
#[derive(Debug)]
pub struct Program {
    tree: Expr,
    /// What it evaluates to.
    pub output: Type,
}

/// Errors as cel-go shows them, with the line and an arrow below the place.
fn show(text: &str, complaints: &[Complaint]) -> String {
    let mut all: Vec<&Complaint> = complaints.iter().collect();
    all.sort_by_key(|c| c.at);
    let shown: Vec<String> = all.iter().map(|c| show_one(text, c)).collect();
    shown.join("\n")
}

fn show_one(text: &str, c: &Complaint) -> String {
    if c.at == tree::NOWHERE {
        return format!("ERROR: <input>:-1:0: {}", c.message);
    }
    let before: String = text.chars().take(c.at).collect();
    let (line, column) = (before.matches('\n').count(), before.rsplit('\n').next().map_or(0, |l| l.chars().count()));
    if text.is_empty() {
        // There is nothing to show, and no column.
        return format!("ERROR: <input>:1:0: {}", c.message);
    }
    let snippet = text.split('\n').nth(line).unwrap_or_default().replace('\t', " ");
    let arrow: String = snippet
        .chars()
        .chain(std::iter::repeat(' '))
        .take(column + 1)
        .enumerate()
        .map(|(i, c)| match (i == column, c.len_utf8() > 1) {
            (false, false) => '.',
            (false, true) => '\u{ff0e}',
            (true, false) => '^',
            (true, true) => '\u{ff3e}',
        })
        .collect();
    format!("ERROR: <input>:{}:{}: {}\n | {snippet}\n | {arrow}", line + 1, column + 1, c.message)
}

fn fault_of(e: &Expr) -> Option<String> {
    let Kind::Call { name, target, args } = &e.kind else { return None };
    match (target.as_deref(), args.as_slice()) {
        (None, [one]) if actual::is_conversion(name) && actual::is_constant(one) => {
            let none = |_: &str| None;
            let mut evaluator =
                Evaluator { variables: &none, authorize: None, scopes: Vec::new(), cost: 0, limit: CALL_COST_MAX };
            evaluator.run(e).err()
        }
        (Some(_), [Expr { kind: Kind::Literal(Val::Text(pattern)), .. }, ..])
            if matches!(&**name, "find" | "findAll") =>
        {
            super::go_regex::check(pattern).err()
        }
        _ => None,
    }
}

impl Program {
    /// Reads and checks an expression; the error is cel-go's.
    pub fn compile(text: &str, variables: &[(&str, Type)]) -> Result<Self, String> {
        let tree = parse::parse(text).map_err(|all| show(text, &all))?;
        let mut checker = Checker::new(variables);
        let output = checker.check(&tree);
        if !checker.complaints.is_empty() {
            return Err(show(text, &checker.complaints));
        }
        if !checker.doubts.is_empty() {
            return Err(show(text, &checker.doubts));
        }
        Ok(Program { tree, output })
    }

    /// What it costs at most, with variables of these types and sizes.
    pub fn cost(&self, variables: &[(&str, Type)], shape: &Shape) -> u64 {
        cost::Coster::new(variables, shape).most(&self.tree)
    }

    /// Why it can't be made ready to be evaluated, though it is right: what is constant in it makes no sense.
    pub fn fault(&self) -> Option<String> {
        let mut found = None;
        tree::each(&self.tree, &mut |e| {
            if found.is_none() {
                found = fault_of(e);
            }
        });
        found
    }

    /// Whether it names a variable.
    pub fn uses(&self, name: &str) -> bool {
        tree::names(&self.tree, name)
    }

    /// Evaluates it; what that cost.
    pub fn eval(
        &self,
        variables: &dyn Fn(&str) -> Option<Outcome>,
        authorize: Option<&Authorize<'_>>,
    ) -> (Outcome, u64) {
        let mut evaluator = Evaluator { variables, authorize, scopes: Vec::new(), cost: 0, limit: CALL_COST_MAX };
        let outcome = evaluator.run(&self.tree);
        (outcome, evaluator.cost)
    }
}

#[cfg(test)]
mod tests;
