//! Lists of a Job's completion indexes, such as `1,3-5,7`.
//! Models `validateIndexesFormat` and kin.

use crate::api::field::quote;

/// The number of indexes in a well-formed list.
pub(super) fn count(indexes: &str, completions: i32) -> Result<i32, String> {
    if indexes.is_empty() {
        return Ok(0);
    }
    let mut last: Option<i32> = None;
    let mut total = 0i32;
    for interval in indexes.split(',') {
        let (x, y) = parse_interval(interval, completions)?;
        if let Some(last) = last.filter(|last| *last >= x) {
            return Err(format!("non-increasing order, previous: {last}, current: {x}"));
        }
        total = total.wrapping_add(y.wrapping_sub(x)).wrapping_add(1);
        last = Some(y);
    }
    Ok(total)
}

fn parse_index(text: &str, completions: i32) -> Result<i32, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(format!("cannot convert string to integer for index: {}", quote(text)));
    }
    let Ok(n) = text.parse::<i64>() else {
        return Err(format!("cannot convert string to integer for index: {}", quote(text)));
    };
    if n >= i64::from(completions) {
        return Err(format!("too large index: {}", quote(text)));
    }
    Ok(n as i32)
}

fn parse_interval(interval: &str, completions: i32) -> Result<(i32, i32), String> {
    let mut parts = interval.split('-');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(format!(
            "the fragment {} violates the requirement that an index interval can have at most two parts separated by '-'",
            quote(interval)
        ));
    }
    let x = parse_index(first, completions)?;
    let Some(second) = second else { return Ok((x, x)) };
    let y = parse_index(second, completions)?;
    if x >= y {
        return Err(format!("non-increasing order, previous: {x}, current: {y}"));
    }
    Ok((x, y))
}

/// The first index that is in both lists; malformed intervals are passed over.
pub(super) fn overlap(completed: &str, failed: &str, completions: i32) -> Result<(), String> {
    if completed.is_empty() || failed.is_empty() {
        return Ok(());
    }
    let sound = |list: &str| -> Vec<(i32, i32)> {
        list.split(',').filter_map(|i| parse_interval(i, completions).ok()).collect()
    };
    let (completed, failed) = (sound(completed), sound(failed));
    let (mut c, mut f) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some((cx, cy)), Some((fx, fy))) = (c.peek(), f.peek()) {
        if cx <= fy && fx <= cy {
            return Err(format!("failedIndexes and completedIndexes overlap at index: {}", cx.max(fx)));
        }
        if cx <= fx {
            c.next();
        } else {
            f.next();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_counted_or_refused() {
        for (list, want) in [
            ("", Ok(0)),
            ("0", Ok(1)),
            ("0,2-4", Ok(4)),
            ("3,1", Err("non-increasing order, previous: 3, current: 1")),
            ("4-2", Err("non-increasing order, previous: 4, current: 2")),
            ("10", Err("too large index: \"10\"")),
            ("1-10", Err("too large index: \"10\"")),
            ("a", Err("cannot convert string to integer for index: \"a\"")),
            ("1,", Err("cannot convert string to integer for index: \"\"")),
            (
                "1-2-3",
                Err(
                    "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
                ),
            ),
        ] {
            assert_eq!(count(list, 10), want.map_err(str::to_owned), "{list}");
        }
    }

    #[test]
    fn an_index_is_done_or_failed() {
        assert_eq!(overlap("0-2,5", "3-4", 10), Ok(()));
        assert_eq!(overlap("0-2,x,5", "4-6", 10), Err("failedIndexes and completedIndexes overlap at index: 5".into()));
    }
}
