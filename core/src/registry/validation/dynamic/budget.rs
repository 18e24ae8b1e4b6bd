//! What the rules of a definition may cost: each, and all together.
//! Models apiextensions `pkg/apis/apiextensions/validation/{validation,cel_validation}.go`.

use serde_json::Value;

use crate::registry::validation::json::*;
use crate::registry::validation::prelude::*;

const RULE_COST_MAX: u64 = 10_000_000;
const TOTAL_COST_MAX: u64 = 100_000_000;
const EXPENSIVE_TOLD_MAX: usize = 4;

/// What was spent already.
pub(super) struct Budget {
    total: u64,
    /// The rules that cost most, the most expensive first.
    expensive: Vec<(String, u64)>,
    /// Whether a rule by itself is looked at: not in a schema that is as it was.
    each: bool,
}

/// How often there may be what is within a schema, given how often there may be that.
pub(super) fn times_below(s: &Value, times: Option<u64>) -> Option<u64> {
    let limit = |key: &str| int_of(s, key).map(|n| u64::try_from(n).unwrap_or(0));
    let own = match str_of(s, "type") {
        "object" if is_set(s, "additionalProperties") => limit("maxProperties")?,
        "array" => limit("maxItems")?,
        _ => 1,
    };
    times.map(|t| t.saturating_mul(own))
}

fn exceeded(what: &str, cost: u64, limit: u64) -> String {
    let by = cost as f64 / limit as f64;
    let by = match by {
        _ if by > 100.0 => "more than 100x".to_owned(),
        _ if by < 1.5 => format!("{by:.6}x"),
        _ => format!("{by:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {by} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength \
         where arrays, maps, and strings are declared)"
    )
}

impl Budget {
    pub fn new(each: bool) -> Self {
        Budget { total: 0, expensive: Vec::new(), each }
    }

    pub fn spend(&mut self, what: &str, cost: u64, path: &str, errs: &mut ErrorList) {
        if self.each && cost > RULE_COST_MAX {
            let why = exceeded(&format!("estimated {what} cost"), cost, RULE_COST_MAX);
            errs.push(Error::forbidden(&Path::new(path), why));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= TOTAL_COST_MAX / 100 {
            self.expensive.push((path.to_owned(), cost));
            self.expensive.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            self.expensive.truncate(EXPENSIVE_TOLD_MAX);
        }
    }

    /// What the schema at a path costs altogether.
    pub fn close(self, path: &str, errs: &mut ErrorList) {
        if self.total <= TOTAL_COST_MAX {
            return;
        }
        for (path, _) in &self.expensive {
            let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            errs.push(Error::forbidden(&Path::new(path), why));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errs.push(Error::forbidden(&Path::new(path), exceeded(what, self.total, TOTAL_COST_MAX)));
    }
}
