//! YAML as kubectl and the api-server write it: what Go's yaml.v2 makes of JSON. Models sigs.k8s.io/yaml `goyaml.v2` (encode.go, emitterc.go).

use serde_json::Value;

/// A line longer than this is folded at the next blank.
const WIDTH: usize = 80;
/// How deep a document may be.
const DEPTH_MAX: usize = 256;

/// A value as a YAML document.
pub(crate) fn to_yaml(v: &Value) -> String {
    let mut out = String::new();
    match v {
        Value::Object(m) if !m.is_empty() => mapping(&mut out, v, 0, false),
        Value::Array(a) if !a.is_empty() => sequence(&mut out, a, 0, false),
        v => {
            scalar(&mut out, v, 0);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, n: usize) {
    out.extend(std::iter::repeat_n(' ', n));
}

fn mapping(out: &mut String, v: &Value, at: usize, inline: bool) {
    if at > 2 * DEPTH_MAX {
        return;
    }
    let mut first = inline;
    for (k, v) in v.as_object().into_iter().flatten() {
        if !first {
            indent(out, at);
        }
        first = false;
        let style = style_of(k);
        write_string(out, k, if matches!(style, Style::Literal) { Style::Double } else { style }, None);
        out.push(':');
        match v {
            Value::Object(m) if !m.is_empty() => {
                out.push('\n');
                mapping(out, v, at + 2, false);
            }
            Value::Array(a) if !a.is_empty() => {
                out.push('\n');
                sequence(out, a, at, false);
            }
            v => {
                out.push(' ');
                scalar(out, v, at + 2);
                out.push('\n');
            }
        }
    }
}

fn sequence(out: &mut String, list: &[Value], at: usize, inline: bool) {
    if at > 2 * DEPTH_MAX {
        return;
    }
    let mut first = inline;
    for v in list {
        if !first {
            indent(out, at);
        }
        first = false;
        out.push_str("- ");
        match v {
            Value::Object(m) if !m.is_empty() => mapping(out, v, at + 2, true),
            Value::Array(a) if !a.is_empty() => sequence(out, a, at + 2, true),
            v => {
                scalar(out, v, at + 2);
                out.push('\n');
            }
        }
    }
}

fn scalar(out: &mut String, v: &Value, at: usize) {
    match v {
        Value::Null => out.push_str("null"),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::String(s) => write_string(out, s, style_of(s), Some(at)),
        other => out.push_str(&other.to_string()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// Whether a reader would take a plain scalar for something else than a string.
fn is_no_string(s: &str) -> bool {
    const WORDS: [&str; 31] = [
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "true", "True",
        "TRUE", "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF", "<<", ".nan", ".NaN", ".NAN",
    ];
    if WORDS.contains(&s) || [".inf", ".Inf", ".INF"].contains(&s.trim_start_matches(['+', '-'])) {
        return true;
    }
    let Some(first) = s.chars().next() else { return true };
    if !(first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return false;
    }
    if is_timestamp(s) || is_sexagesimal(s) {
        return true;
    }
    let plain: String = s.chars().filter(|c| *c != '_').collect();
    let unsigned = plain.trim_start_matches(['+', '-']);
    let radix = |prefixes: [&str; 2], r: u32| {
        prefixes
            .iter()
            .any(|p| unsigned.strip_prefix(p).is_some_and(|d| !d.is_empty() && d.chars().all(|c| c.is_digit(r))))
    };
    if radix(["0x", "0X"], 16) || radix(["0b", "0B"], 2) || radix(["0o", "0O"], 8) {
        return true;
    }
    is_float(&plain)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(s: &str) -> bool {
    let s = s.strip_prefix(['+', '-']).unwrap_or(s);
    let (mantissa, exponent) = match s.find(['e', 'E']) {
        Some(at) => (&s[..at], Some(&s[at + 1..])),
        None => (s, None),
    };
    let digits = |d: &str| d.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    mantissa_fits && exponent_fits
}

/// `2026-11-22`, with or without a time.
fn is_timestamp(s: &str) -> bool {
    let b = s.as_bytes();
    if b.len() < 8 || !b[..4].iter().all(u8::is_ascii_digit) || b[4] != b'-' {
        return false;
    }
    let date_end = s.find(['T', 't', ' ']).unwrap_or(s.len());
    let parts: Vec<&str> = s[..date_end].split('-').collect();
    let short = |p: &&str| (1..=2).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit());
    if parts.len() != 3 || !parts[1..].iter().all(short) {
        return false;
    }
    if date_end == s.len() {
        return true;
    }
    let time = s[date_end..].trim_start_matches(['T', 't', ' ']);
    let clock = time.find(['Z', '+', '-']).map_or(time, |at| &time[..at]);
    let zoned = clock.len() < time.len();
    // With a T a zone is needed, with a blank there must be none.
    clock.split(':').count() == 3
        && clock.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.')
        && zoned != s[date_end..].starts_with(' ')
}

/// `1:30`: a number to the base 60 in old YAML.
fn is_sexagesimal(s: &str) -> bool {
    let t = s.strip_prefix(['+', '-']).unwrap_or(s);
    if !t.starts_with(|c: char| c.is_ascii_digit()) || !t.contains(':') {
        return false;
    }
    let (t, fraction) = t.split_once('.').map_or((t, ""), |(t, f)| (t, f));
    let mut parts = t.split(':');
    let first = parts.next().unwrap_or_default();
    first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && parts.all(|p| match p.as_bytes() {
            [d] => d.is_ascii_digit(),
            [a, b] => (b'0'..=b'5').contains(a) && b.is_ascii_digit(),
            _ => false,
        })
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

fn style_of(s: &str) -> Style {
    let special =
        s.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{feff}' || ('\u{fffe}'..='\u{ffff}').contains(&c)));
    let breaks = s.contains('\n');
    if special {
        return Style::Double;
    }
    if breaks {
        let trailing_blank = s.ends_with(' ') || s.contains(" \n");
        return if trailing_blank { Style::Double } else { Style::Literal };
    }
    if is_no_string(s) {
        return Style::Double;
    }
    let mut chars = s.chars();
    let first = chars.next().unwrap_or(' ');
    let second = chars.next();
    let indicator = match first {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => true,
        '?' | ':' | '-' => second.is_none_or(|c| c == ' '),
        _ => false,
    };
    let inner =
        s.contains(": ") || s.ends_with(':') || s.contains(" #") || s.starts_with("---") || s.starts_with("...");
    if indicator || inner || s.starts_with(' ') || s.ends_with(' ') {
        return Style::Single;
    }
    Style::Plain
}

/// Writes a string; `at` is the indent of folded lines, none where nothing may be folded.
fn write_string(out: &mut String, s: &str, style: Style, at: Option<usize>) {
    match style {
        Style::Literal => literal(out, s, at.unwrap_or(2)),
        Style::Plain => folded(out, s, at, false, |out, c| out.push(c)),
        Style::Single => {
            out.push('\'');
            folded(out, s, at, true, |out, c| {
                if c == '\'' {
                    out.push('\'');
                }
                out.push(c);
            });
            out.push('\'');
        }
        Style::Double => double(out, s, at),
    }
}

fn column(out: &str) -> usize {
    out.chars().rev().take_while(|c| *c != '\n').count()
}

fn folded(out: &mut String, s: &str, at: Option<usize>, quoted: bool, push: impl Fn(&mut String, char)) {
    let chars: Vec<char> = s.chars().collect();
    let mut spaces = false;
    let mut column = column(out);
    for (i, c) in chars.iter().enumerate() {
        if *c == ' ' {
            let next_is_blank = chars.get(i + 1).is_some_and(|c| *c == ' ');
            let inside = !quoted || (i > 0 && i + 1 < chars.len());
            match at {
                Some(n) if !spaces && column > WIDTH && inside && !next_is_blank => {
                    out.push('\n');
                    indent(out, n);
                    column = n;
                }
                _ => {
                    out.push(' ');
                    column += 1;
                }
            }
            spaces = true;
        } else {
            let before = out.len();
            push(out, *c);
            column += out[before..].chars().count();
            spaces = false;
        }
    }
}

fn double(out: &mut String, s: &str, at: Option<usize>) {
    out.push('"');
    let mut column = column(out);
    let chars: Vec<char> = s.chars().collect();
    let mut spaces = false;
    for (i, c) in chars.iter().enumerate() {
        let before = out.len();
        let blank = *c == ' ';
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            c if c.is_control() => out.push_str(&format!("\\x{:02X}", *c as u32)),
            '\u{feff}' => out.push_str("\\uFEFF"),
            ' ' => match at {
                Some(n) if !spaces && column > WIDTH && i > 0 && i + 1 < chars.len() => {
                    out.push('\n');
                    indent(out, n);
                    column = n;
                    if chars[i + 1] == ' ' {
                        out.push('\\');
                        column += 1;
                    }
                    spaces = true;
                    continue;
                }
                _ => out.push(' '),
            },
            c => out.push(*c),
        }
        column += out[before..].chars().count();
        spaces = blank;
    }
    out.push('"');
}

fn literal(out: &mut String, s: &str, at: usize) {
    out.push('|');
    if s.starts_with([' ', '\n']) {
        out.push('2');
    }
    if !s.ends_with('\n') {
        out.push('-');
    } else if s.ends_with("\n\n") || s == "\n" {
        out.push('+');
    }
    let body = s.strip_suffix('\n').unwrap_or(s);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, at);
            out.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_are_quoted_as_go_does() {
        for (s, want) in [
            ("plain text", "plain text"),
            ("3600", "\"3600\""),
            ("True", "\"True\""),
            ("", "\"\""),
            ("1:30", "\"1:30\""),
            ("2026-11-22T08:00:00Z", "\"2026-11-22T08:00:00Z\""),
            ("0x1f", "\"0x1f\""),
            ("10.96.0.1", "10.96.0.1"),
            ("100m", "100m"),
            ("1e3", "\"1e3\""),
            ("a: b", "'a: b'"),
            ("it's", "it's"),
            ("'quoted'", "'''quoted'''"),
            ("*", "'*'"),
            ("-", "'-'"),
            ("tab\there", "\"tab\\there\""),
            ("node.kubernetes.io/x", "node.kubernetes.io/x"),
        ] {
            let mut out = String::new();
            write_string(&mut out, s, style_of(s), Some(2));
            assert_eq!(out, want);
        }
    }

    #[test]
    fn documents() {
        let v =
            json!({"a": {"list": [{"x": 1, "y": ["b", ["c"]]}, []], "text": "one\ntwo\n"}, "empty": {}, "none": null});
        assert_eq!(
            to_yaml(&v),
            "a:\n  list:\n  - x: 1\n    \"y\":\n    - b\n    - - c\n  - []\n  text: |\n    one\n    two\nempty: {}\nnone: null\n"
        );
    }

    #[test]
    fn long_lines_are_folded() {
        let words = "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available: 1 No victims";
        assert_eq!(
            to_yaml(&json!({"message": words})),
            "message: '0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are\n  available: 1 No victims'\n"
        );
    }
}
