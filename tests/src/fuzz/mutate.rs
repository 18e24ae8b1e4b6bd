//! Mutations: of bytes, of words, of a document's structure; and inputs made to be too much.

use serde_json::{Map, Value};

use crate::dice::Dice;

/// Pieces that parsers take for something else than it looks.
const WORDS: [&str; 64] = [
    "&a ",
    "*a",
    "<<: *a\n",
    "!!binary ",
    "!!int ",
    "!!float ",
    "!!set ",
    "!!omap ",
    "!foo ",
    "? ",
    "- ",
    "- - - ",
    ": ",
    "|\n",
    ">\n",
    "|2-\n",
    "\t",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\\u0000",
    "\\ud800",
    "\\x00",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\0",
    "1e999",
    "-1e999",
    "0x7fffffffffffffff",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0o17",
    "017",
    "0b11",
    "1_000",
    ".inf",
    "-.inf",
    ".nan",
    "~",
    "null",
    "yes",
    "No",
    "on",
    "---\n",
    "...\n",
    "%YAML 1.1\n---\n",
    "%TAG ! tag:x,2000:\n",
    "# c\n",
    ",",
    "\n",
    "\r\n",
    "2001-12-14t21:59:43.10-05:00",
    "1:30:00",
    "=",
    "%",
    "1Ei",
    "1e-400",
    "\u{1f600}",
    "é",
];

/// Changes some bytes. What comes out need not be UTF-8.
pub fn bytes(dice: &mut Dice, text: &[u8]) -> Vec<u8> {
    let mut b = text.to_vec();
    for _ in 0..dice.between(1, 6) {
        let at = dice.below(b.len() + 1);
        match dice.below(7) {
            0 => b.truncate(at),
            1 => {
                let word = WORDS[dice.below(WORDS.len())];
                b.splice(at..at, word.bytes());
            }
            2 => {
                let end = (at + dice.below(20)).min(b.len());
                b.drain(at..end);
            }
            3 => {
                let end = (at + dice.below(40)).min(b.len());
                let piece = b[at..end].to_vec();
                let to = dice.below(b.len() + 1);
                b.splice(to..to, piece);
            }
            4 => b.insert(at, dice.below(256) as u8),
            5 if at < b.len() => b[at] ^= 1 << dice.below(8),
            _ => {
                let word = WORDS[dice.below(WORDS.len())];
                let end = (at + word.len()).min(b.len());
                b.splice(at..end, word.bytes());
            }
        }
    }
    b
}

/// Changes some words of a text that stays text.
pub fn text(dice: &mut Dice, text: &str) -> String {
    String::from_utf8_lossy(&bytes(dice, text.as_bytes())).into_owned()
}

/// A value that hardly any field expects.
pub fn odd(dice: &mut Dice) -> Value {
    match dice.below(20) {
        0 => Value::Null,
        1 => Value::from(true),
        2 => Value::from(0),
        3 => Value::from(-1),
        4 => Value::from(i64::MIN),
        5 => Value::from(i64::MAX),
        6 => Value::from(u64::MAX),
        7 => Value::from(i64::from(i32::MAX)),
        8 => Value::from(i64::from(i32::MIN)),
        9 => Value::from(1.5),
        10 => Value::from(1e300),
        11 => Value::from(""),
        12 => Value::from("x".repeat(dice.between(1, 300))),
        13 => Value::from("a/b/c"),
        14 => Value::from("\u{0}\u{7f}\u{e9}\u{1f600}"),
        15 => Value::Array(Vec::new()),
        16 => Value::Object(Map::new()),
        17 => Value::Array(vec![Value::Null, Value::from("a"), Value::Object(Map::new())]),
        18 => Value::from(
            ["1Ei", "-1", "1e-400", "9223372036854775807", "0.0000000001", "1e30", "100%", "-5%"][dice.below(8)],
        ),
        _ => Value::from(
            [
                "2001-12-14T21:59:43Z",
                "0000-00-00T00:00:00Z",
                "9999-12-31T23:59:59.999999999Z",
                "10.0.0.0/33",
                "::1",
                "None",
                "*",
            ][dice.below(7)],
        ),
    }
}

fn count(v: &Value) -> usize {
    1 + match v {
        Value::Array(a) => a.iter().map(count).sum(),
        Value::Object(o) => o.values().map(count).sum(),
        _ => 0,
    }
}

/// The `n`th value of a document, in order.
fn nth(v: &mut Value, n: usize) -> Option<&mut Value> {
    if n == 0 {
        return Some(v);
    }
    let mut left = n - 1;
    let children: Vec<&mut Value> = match v {
        Value::Array(a) => a.iter_mut().collect(),
        Value::Object(o) => o.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        let size = count(child);
        if left < size {
            return nth(child, left);
        }
        left -= size;
    }
    None
}

/// Changes a document's structure: values replaced, removed, doubled, moved elsewhere, wrapped.
pub fn document(dice: &mut Dice, doc: &mut Value) {
    for _ in 0..dice.between(1, 4) {
        let size = count(doc);
        let from = nth(doc, dice.below(size)).map(|v| v.clone()).unwrap_or_default();
        let new = odd(dice);
        let Some(at) = nth(doc, dice.below(size)) else { continue };
        match dice.below(8) {
            0..3 => *at = new,
            3 => *at = from,
            4 => *at = Value::Array(vec![at.take(), from]),
            5 => match at {
                Value::Object(o) if !o.is_empty() => {
                    let key = o.keys().nth(dice.below(o.len())).cloned().unwrap_or_default();
                    o.remove(&key);
                }
                Value::Array(a) if !a.is_empty() => {
                    a.remove(dice.below(a.len()));
                }
                _ => *at = new,
            },
            6 => match at {
                Value::Object(o) => {
                    let names =
                        ["", "x", "metadata", "spec", "$patch", "$retainKeys", "$deleteFromPrimitiveList/x", "name"];
                    o.insert(names[dice.below(names.len())].to_owned(), new);
                }
                Value::Array(a) => {
                    let again = a.get(dice.below(a.len())).cloned().unwrap_or(new);
                    a.push(again);
                }
                _ => *at = new,
            },
            _ => match at {
                Value::Number(n) => *at = n.as_i64().map_or(new, |n| Value::from(n.wrapping_mul(1 << dice.below(60)))),
                Value::String(s) => *at = Value::from(text(dice, s)),
                _ => *at = new,
            },
        }
    }
}

/// Text that is made to be too much for whoever reads it.
pub fn too_much(dice: &mut Dice) -> String {
    let n = [10, 1_000, 100_000][dice.below(3)];
    match dice.below(16) {
        0 => "[".repeat(n),
        1 => format!("{}{}", "[".repeat(n), "]".repeat(n)),
        2 => "{\"a\":".repeat(n),
        3 => format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n)),
        4 => "- ".repeat(n),
        5 => (0..n.min(2_000)).map(|i| format!("{}a:\n", " ".repeat(i))).collect(),
        6 => {
            let mut y = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
            for i in 1..12 {
                y.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", ")));
            }
            y
        }
        7 => {
            let mut y = "a0: &a0 {x: 1}\n".to_owned();
            for i in 1..12 {
                y.push_str(&format!("a{i}: &a{i} {{<<: *a{p}, b: *a{p}, c: *a{p}, d: *a{p}}}\n", p = i - 1));
            }
            y
        }
        8 => "a: &a [*a]\n".into(),
        9 => format!("a: {}", "9".repeat(n)),
        10 => format!("a: 1e{}", "9".repeat(n.min(1_000))),
        11 => format!("\"{}\": 1", "k".repeat(n)),
        12 => "? ".repeat(n),
        13 => "a: |\n".repeat(n.min(10_000)),
        14 => format!("a: \"{}\"", "\\u00e9".repeat(n)),
        _ => (0..n.min(20_000)).map(|i| format!("k{i}: {i}\n")).collect(),
    }
}

/// A body: good, a little wrong, wholly wrong, or too much.
pub fn body(dice: &mut Dice, good: &str) -> Vec<u8> {
    match dice.below(12) {
        0 => good.as_bytes().to_vec(),
        1..6 => match serde_json::from_str::<Value>(good).or_else(|_| serde_yaml_value(good)) {
            Ok(mut doc) => {
                document(dice, &mut doc);
                doc.to_string().into_bytes()
            }
            Err(()) => bytes(dice, good.as_bytes()),
        },
        6..10 => bytes(dice, good.as_bytes()),
        10 => too_much(dice).into_bytes(),
        _ => {
            let n = dice.below(200);
            (0..n).map(|_| dice.below(256) as u8).collect()
        }
    }
}

fn serde_yaml_value(text: &str) -> Result<Value, ()> {
    podarium_core::api::decode::parse_yaml(text.as_bytes()).map_err(drop)
}
