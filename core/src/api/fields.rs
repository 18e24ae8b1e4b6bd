//! Field selectors: parsing, matching and printing.
//! Models apimachinery `pkg/fields/selector.go`.

use std::fmt;

/// One term: the field equals the value, or doesn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub field: String,
    pub value: String,
    pub equal: bool,
}

/// A conjunction of terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<Term>,
}

/// Pieces between unescaped commas.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut rest = text;
    let mut escaped = false;
    let mut start = 0;
    for (i, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == ',' {
            terms.push(text.get(start..i).unwrap_or(""));
            start = i + 1;
            rest = text.get(start..).unwrap_or("");
        }
    }
    terms.push(rest);
    terms
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    for (i, _) in term.char_indices() {
        let rest = term.get(i..)?;
        for (op, equal) in [("!=", false), ("==", true), ("=", true)] {
            if let Some(value) = rest.strip_prefix(op) {
                return Some((term.get(..i)?, equal, value));
            }
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut escaped = false;
    for c in value.chars() {
        if escaped {
            if !matches!(c, '\\' | ',' | '=') {
                return Err(format!("invalid field selector: invalid escape sequence: \\{c}"));
            }
            out.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if matches!(c, ',' | '=') {
            // Upstream prints the rune's number.
            return Err(format!("invalid field selector: unescaped character in value: {}", c as u32));
        } else {
            out.push(c);
        }
    }
    if escaped {
        return Err("invalid field selector: invalid escape sequence: \\".to_owned());
    }
    Ok(out)
}

/// `fields.EscapeValue`.
pub fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl Selector {
    /// Matches all.
    pub fn everything() -> Self {
        Selector::default()
    }

    /// `fields.OneTermEqualSelector`.
    pub fn equal(field: &str, value: &str) -> Self {
        Selector { terms: vec![Term { field: field.to_owned(), value: value.to_owned(), equal: true }] }
    }

    /// `fields.ParseSelector`: the text of a `fieldSelector` query.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let mut terms = Vec::new();
        for part in parts.into_iter().filter(|p| !p.is_empty()) {
            let Some((field, equal, value)) = split_term(part) else {
                return Err(format!("invalid selector: '{text}'; can't understand '{part}'"));
            };
            terms.push(Term { field: field.to_owned(), value: unescape(value)?, equal });
        }
        Ok(Selector { terms })
    }

    /// `Transform`: renames or refuses each term; one that becomes `("", "")` is dropped.
    pub fn transform<E>(self, mut convert: impl FnMut(&str, &str) -> Result<(String, String), E>) -> Result<Self, E> {
        let mut terms = Vec::with_capacity(self.terms.len());
        for t in self.terms {
            let (field, value) = convert(&t.field, &t.value)?;
            if !(field.is_empty() && value.is_empty()) {
                terms.push(Term { field, value, equal: t.equal });
            }
        }
        Ok(Selector { terms })
    }

    /// Its terms.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether it restricts nothing.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object, whose fields `get` knows, meets all terms. A field that isn't there is empty.
    pub fn matches<'a>(&self, mut get: impl FnMut(&str) -> &'a str) -> bool {
        self.terms.iter().all(|t| (get(&t.field) == t.value) == t.equal)
    }

    /// The value that this field must have, if there is one.
    pub fn requires_exact_match(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && t.field == field).map(|t| t.value.as_str())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, t) in self.terms.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{}{}{}", t.field, if t.equal { "=" } else { "!=" }, escape(&t.value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for (text, want) in [
            ("", Ok("")),
            ("b=1,a!=2", Ok("a!=2,b=1")),
            ("a==x", Ok("a=x")),
            ("a=,", Ok("a=")),
            (r"a=b\,c\=d\\", Ok(r"a=b\,c\=d\\")),
            ("a", Err("invalid selector: 'a'; can't understand 'a'")),
            (r"a=\x", Err(r"invalid field selector: invalid escape sequence: \x")),
            ("a=b=c", Err("invalid field selector: unescaped character in value: 61")),
            (r"a=b\", Err(r"invalid field selector: invalid escape sequence: \")),
            ("ä=ö", Ok("ä=ö")),
        ] {
            let got = Selector::parse(text).map(|s| s.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
        }
    }

    #[test]
    fn matches() {
        let s = Selector::parse("spec.nodeName=a,status.phase!=Failed").unwrap();
        let object = |node: &'static str, phase: &'static str| {
            move |f: &str| match f {
                "spec.nodeName" => node,
                "status.phase" => phase,
                _ => "",
            }
        };
        assert!(s.matches(object("a", "Running")));
        assert!(!s.matches(object("a", "Failed")) && !s.matches(object("b", "")));
        assert_eq!(s.requires_exact_match("spec.nodeName"), Some("a"));
    }
}
