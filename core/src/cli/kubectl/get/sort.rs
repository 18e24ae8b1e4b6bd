//! `--sort-by`. Models `pkg/cmd/get/sorter.go`.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::Failure;
use super::super::show::text;
use crate::api::jsonpath;
use crate::api::quantity::Quantity;

fn braced(path: &str) -> String {
    let bare = path.trim_start_matches('{').trim_end_matches('}');
    format!("{{.{}}}", bare.trim_start_matches('.'))
}

/// Sorts things by what a path finds in the object of each.
fn by_path<T>(list: &mut [T], path: &str, object: impl Fn(&T) -> &Value) -> Result<(), Failure> {
    let t = jsonpath::relaxed(path).map_err(Failure::error)?;
    if list.iter().all(|v| t.find(object(v)).is_empty()) {
        return Err(Failure::error(format!(
            "couldn't find any field with path {} in the list of objects",
            crate::api::field::quote(&braced(path))
        )));
    }
    list.sort_by(|a, b| compare(t.find(object(a)).first().copied(), t.find(object(b)).first().copied()));
    Ok(())
}

/// Sorts objects.
pub(super) fn objects(found: &mut [Value], path: &str) -> Result<(), Failure> {
    by_path(found, path, |v| v)
}

/// Sorts rows of a table that have their objects.
pub(super) fn rows(rows: &mut [Value], path: &str) -> Result<(), Failure> {
    by_path(rows, path, |r| &r["object"])
}

/// Numbers by size, quantities by amount, texts naturally: `pod-2` before `pod-10`.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(x)), Some(Value::Number(y))) => {
            x.as_f64().partial_cmp(&y.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Some(Value::Bool(x)), Some(Value::Bool(y))) => x.cmp(y),
        (Some(x), Some(y)) => {
            let (x, y) = (text(x), text(y));
            let amount =
                |s: &str| s.starts_with(|c: char| c.is_ascii_digit()).then(|| Quantity::parse(s).ok()).flatten();
            match (amount(&x), amount(&y)) {
                (Some(p), Some(q)) => p.sub(q).sign().cmp(&0),
                _ => natural(&x, &y),
            }
        }
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Models fvbommel/sortorder.NaturalLess: runs of digits count as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
    let (mut a, mut b) = (a, b);
    while let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (i, j) = (digits(a), digits(b));
            let (n, m) = (a[..i].trim_start_matches('0'), b[..j].trim_start_matches('0'));
            let order = n.len().cmp(&m.len()).then_with(|| n.cmp(m)).then_with(|| i.cmp(&j));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[i..], &b[j..]);
        } else if x != y {
            return x.cmp(&y);
        } else {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_ordered() {
        for (a, b, want) in [
            (json!("pod-2"), json!("pod-10"), Ordering::Less),
            (json!(3), json!(12), Ordering::Less),
            (json!("500m"), json!("1"), Ordering::Less),
            (json!("2026-11-22T08:00:00Z"), json!("2026-11-22T08:00:01Z"), Ordering::Less),
        ] {
            assert_eq!(compare(Some(&a), Some(&b)), want, "{a} {b}");
        }
        let mut list = [json!({"n": 2}), json!({}), json!({"n": 1})];
        objects(&mut list, ".n").expect("sorted");
        assert_eq!(list, [json!({}), json!({"n": 1}), json!({"n": 2})]);
        let e = objects(&mut list, "{.nope}").expect_err("an error");
        assert_eq!(e.text, "error: couldn't find any field with path \"{.nope}\" in the list of objects\n");
    }
}
