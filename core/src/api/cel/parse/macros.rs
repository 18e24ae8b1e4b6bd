//! Macros: calls that are something else than calls. Models cel-go `parser/macro.go`.

use crate::api::cel::tree::{Complaint, Expr, Fold, Kind};

/// `has` is looked into, everything else is called.
pub(super) fn global_call(open: usize, name: String, mut args: Vec<Expr>) -> Result<Expr, Complaint> {
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
pub(super) fn member_call(open: usize, of: Expr, name: String, args: Vec<Expr>) -> Result<Expr, Complaint> {
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
