//! JSON patch, RFC 6902, with the liberties that evanphx/json-patch v4 takes.
//! Models evanphx/json-patch `patch.go`.

use serde_json::Value;

use super::raw::Touched;

/// Copies may not add up to more than this.
const COPY_SIZE_MAX_BYTES: usize = 3 * 1024 * 1024;

/// The patch doesn't apply; a client is never told why.
#[derive(Debug)]
pub(super) struct DoesNotApply;

type Outcome<T = ()> = Result<T, DoesNotApply>;

fn unescape(token: &str) -> String {
    // One pass, so that what an escape makes is never taken for the start of another.
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = match (c, chars.peek()) {
            ('~', Some('1')) => '/',
            ('~', Some('0')) => '~',
            _ => {
                out.push(c);
                continue;
            }
        };
        chars.next();
        out.push(escaped);
    }
    out
}

/// An index into a list; negative ones count from the end.
fn index(token: &str, len: usize) -> Outcome<usize> {
    let i: i64 = token.parse().map_err(|_| DoesNotApply)?;
    let i = if i < 0 { i + len as i64 } else { i };
    usize::try_from(i).map_err(|_| DoesNotApply)
}

/// The container that a path's last token is in, and that token.
fn find<'a>(doc: &'a mut Value, path: &str, touched: &mut Touched) -> Outcome<(&'a mut Value, String)> {
    let mut tokens: Vec<&str> = path.split('/').collect();
    if tokens.len() < 2 {
        return Err(DoesNotApply);
    }
    let key = unescape(tokens.pop().unwrap_or(""));
    let mut at = doc;
    let mut touched = touched;
    for t in tokens.iter().skip(1) {
        let t = unescape(t);
        touched = touched.child(&t);
        at = match at {
            Value::Object(o) => o.get_mut(&t),
            Value::Array(a) => {
                let i = index(&t, a.len())?;
                a.get_mut(i)
            }
            _ => None,
        }
        .filter(|v| !v.is_null())
        .ok_or(DoesNotApply)?;
    }
    if at.is_object() || at.is_array() { Ok((at, key)) } else { Err(DoesNotApply) }
}

/// What is there; nothing if an object lacks it, an error if a list does.
fn get(container: &Value, key: &str) -> Outcome<Option<Value>> {
    match container {
        Value::Object(o) => Ok(o.get(key).cloned()),
        Value::Array(a) => a.get(index(key, a.len())?).cloned().map(Some).ok_or(DoesNotApply),
        _ => Err(DoesNotApply),
    }
}

fn add(container: &mut Value, key: &str, value: Value) -> Outcome {
    match container {
        Value::Object(o) => {
            o.insert(key.to_owned(), value);
        }
        Value::Array(a) if key == "-" => a.push(value),
        Value::Array(a) => {
            let i = index(key, a.len() + 1)?;
            if i > a.len() {
                return Err(DoesNotApply);
            }
            a.insert(i, value);
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}

fn remove(container: &mut Value, key: &str) -> Outcome<Value> {
    match container {
        Value::Object(o) => o.remove(key).ok_or(DoesNotApply),
        Value::Array(a) => {
            let i = index(key, a.len())?;
            if i < a.len() { Ok(a.remove(i)) } else { Err(DoesNotApply) }
        }
        _ => Err(DoesNotApply),
    }
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// Applies all operations, or fails at the first that doesn't apply.
pub(super) fn apply(doc: &mut Value, operations: &[Value], touched: &mut Touched) -> Outcome {
    let mut copied = 0;
    for op in operations {
        let text = |name: &str| op.get(name).and_then(Value::as_str).ok_or(DoesNotApply);
        let value = || op.get("value").cloned().unwrap_or(Value::Null);
        let path = text("path")?;
        match op.get("op").and_then(Value::as_str).unwrap_or("unknown") {
            "add" => {
                let (container, key) = find(doc, path, touched)?;
                add(container, &key, value())?;
            }
            "remove" => {
                let (container, key) = find(doc, path, touched)?;
                remove(container, &key)?;
            }
            "replace" if path.is_empty() => {
                let value = value();
                if !(value.is_object() || value.is_array()) {
                    return Err(DoesNotApply);
                }
                *doc = value;
            }
            "replace" => {
                let (container, key) = find(doc, path, touched)?;
                // A key that an object lacks is set all the same.
                get(container, &key)?;
                match container {
                    Value::Array(a) => {
                        let i = index(&key, a.len())?;
                        *a.get_mut(i).ok_or(DoesNotApply)? = value();
                    }
                    other => add(other, &key, value())?,
                }
            }
            "move" => {
                let (container, key) = find(doc, text("from")?, touched)?;
                let value = get(container, &key)?.unwrap_or(Value::Null);
                remove(container, &key)?;
                let (container, key) = find(doc, path, touched)?;
                add(container, &key, value)?;
            }
            "copy" => {
                let (container, key) = find(doc, text("from")?, touched)?;
                let value = get(container, &key)?.unwrap_or(Value::Null);
                copied += size(&value);
                if copied > COPY_SIZE_MAX_BYTES {
                    return Err(DoesNotApply);
                }
                let (container, key) = find(doc, path, touched)?;
                add(container, &key, value)?;
            }
            "test" if path.is_empty() => {
                if *doc != value() {
                    return Err(DoesNotApply);
                }
            }
            "test" => {
                let (container, key) = find(doc, path, touched)?;
                if get(container, &key)?.unwrap_or(Value::Null) != value() {
                    return Err(DoesNotApply);
                }
            }
            _ => return Err(DoesNotApply),
        }
    }
    Ok(())
}
