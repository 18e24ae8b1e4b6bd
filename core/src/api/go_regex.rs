//! What Go says of a pattern that it can't read. Models `regexp/syntax`'s parser with Perl's flags, as `regexp.Compile` calls it.

const REPEAT_MAX: u32 = 1000;

/// Whether Go reads a pattern as a regular expression, and if not, why.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    let mut reader = Reader { all: pattern, rest: pattern, depth: 0, repeatable: false };
    reader.run().map_err(|(why, what)| format!("error parsing regexp: {why}: `{what}`"))
}

type Wrong = (&'static str, String);

struct Reader<'a> {
    all: &'a str,
    rest: &'a str,
    depth: usize,
    /// Whether what was read last may be repeated.
    repeatable: bool,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<(), Wrong> {
        let mut repeated_from: Option<&'a str> = None;
        while let Some(c) = self.rest.chars().next() {
            let start = self.rest;
            let mut repetition = None;
            match c {
                '(' => self.open()?,
                ')' => {
                    if self.depth == 0 {
                        return Err(("unexpected )", self.all.to_owned()));
                    }
                    self.depth -= 1;
                    self.step(1, true);
                }
                '|' => self.step(1, false),
                '[' => self.class()?,
                '*' | '+' | '?' => repetition = Some(1),
                '{' => match self.count()? {
                    Some(length) => repetition = Some(length),
                    None => self.step(1, true),
                },
                '\\' => self.escape()?,
                c => self.step(c.len_utf8(), true),
            }
            if let Some(length) = repetition {
                self.repeat(start, length, repeated_from)?;
            }
            repeated_from = repetition.map(|_| start);
        }
        if self.depth > 0 {
            return Err(("missing closing )", self.all.to_owned()));
        }
        Ok(())
    }

    fn step(&mut self, bytes: usize, repeatable: bool) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        self.repeatable = repeatable;
    }

    /// `*`, `+`, `?` or `{n,m}`, and the `?` that makes it lazy.
    fn repeat(&mut self, start: &'a str, length: usize, before: Option<&'a str>) -> Result<(), Wrong> {
        if let Some(before) = before {
            let end = before.len().saturating_sub(start.len()) + length;
            return Err(("invalid nested repetition operator", before.get(..end).unwrap_or(before).to_owned()));
        }
        if !self.repeatable {
            let what = start.get(..length).unwrap_or(start).to_owned();
            return Err(("missing argument to repetition operator", what));
        }
        self.step(length, true);
        if self.rest.starts_with('?') {
            self.step(1, true);
        }
        Ok(())
    }

    /// The length of `{n}`, `{n,}` or `{n,m}`; nothing where the brace stands for itself.
    fn count(&self) -> Result<Option<usize>, Wrong> {
        let Some(end) = self.rest.find('}') else { return Ok(None) };
        let inside = self.rest.get(1..end).unwrap_or_default();
        let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(low) || !(digits(high) || high.is_empty()) {
            return Ok(None);
        }
        let number = |s: &str| s.parse::<u32>().unwrap_or(u32::MAX);
        let (low, high) = (number(low), if high.is_empty() { None } else { Some(number(high)) });
        if low > REPEAT_MAX || high.is_some_and(|h| h > REPEAT_MAX || h < low) {
            return Err(("invalid repeat count", self.rest.get(..=end).unwrap_or_default().to_owned()));
        }
        Ok(Some(end + 1))
    }

    fn open(&mut self) -> Result<(), Wrong> {
        let rest = self.rest;
        let Some(after) = rest.strip_prefix("(?") else {
            self.depth += 1;
            self.step(1, false);
            return Ok(());
        };
        if let Some(named) = after.strip_prefix("P<").or_else(|| after.strip_prefix('<')) {
            let Some(end) = named.find('>') else { return Err(("invalid named capture", rest.to_owned())) };
            let name = named.get(..end).unwrap_or_default();
            let length = rest.len() - named.len() + end + 1;
            if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
                return Err(("invalid named capture", rest.get(..length).unwrap_or(rest).to_owned()));
            }
            self.depth += 1;
            self.step(length, false);
            return Ok(());
        }
        // Flags, and what they hold for.
        let (mut negative, mut any) = (false, false);
        for (i, c) in after.char_indices() {
            let read = 2 + i + c.len_utf8();
            match c {
                'i' | 'm' | 's' | 'U' => any = true,
                '-' if !negative => (negative, any) = (true, false),
                ':' | ')' if !negative || any => {
                    self.depth += usize::from(c == ':');
                    self.step(read, false);
                    return Ok(());
                }
                _ => return Err(("invalid or unsupported Perl syntax", rest.get(..read).unwrap_or(rest).to_owned())),
            }
        }
        Err(("missing closing )", rest.to_owned()))
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        let rest = self.rest;
        if let Some(literal) = rest.strip_prefix("\\Q") {
            let length = literal.find("\\E").map_or(rest.len(), |end| end + 4);
            self.step(length, true);
            return Ok(());
        }
        let length = escape_length(rest)?;
        self.step(length, true);
        Ok(())
    }

    fn class(&mut self) -> Result<(), Wrong> {
        let whole = self.rest;
        let missing = || ("missing closing ]", whole.to_owned());
        let mut t = whole.get(1..).unwrap_or_default();
        t = t.strip_prefix('^').unwrap_or(t);
        let mut first = true;
        while first || !t.starts_with(']') {
            first = false;
            let start = t;
            if let Some(end) = t.strip_prefix("[:").and_then(|name| name.find(":]")) {
                t = t.get(end + 4..).unwrap_or_default();
                continue;
            }
            let low = class_char(&mut t).ok_or_else(missing)??;
            let mut ahead = t.chars();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
                t = t.get(1..).unwrap_or_default();
                let high = class_char(&mut t).ok_or_else(missing)??;
                if let (Some(low), Some(high)) = (low, high)
                    && high < low
                {
                    let read = start.len() - t.len();
                    return Err(("invalid character class range", start.get(..read).unwrap_or(start).to_owned()));
                }
            }
            if t.is_empty() {
                return Err(missing());
            }
        }
        self.step(whole.len() - t.len() + 1, true);
        Ok(())
    }
}

/// A character of a class, which an escape may stand for; none at the end.
fn class_char(t: &mut &str) -> Option<Result<Option<char>, Wrong>> {
    let c = t.chars().next()?;
    let length = match c {
        '\\' => match escape_length(t) {
            Ok(length) => length,
            Err(wrong) => return Some(Err(wrong)),
        },
        c => c.len_utf8(),
    };
    *t = t.get(length..).unwrap_or_default();
    Some(Ok((c != '\\').then_some(c)))
}

/// How long an escape is.
fn escape_length(rest: &str) -> Result<usize, Wrong> {
    let Some(c) = rest.chars().nth(1) else {
        return Err(("trailing backslash at end of expression", String::new()));
    };
    let wrong = |length: usize| ("invalid escape sequence", rest.get(..length).unwrap_or(rest).to_owned());
    match c {
        'p' | 'P' => match rest.get(2..).and_then(|r| r.strip_prefix('{')) {
            Some(name) => {
                name.find('}').map(|end| end + 4).ok_or_else(|| ("invalid character class range", rest.to_owned()))
            }
            None => Ok(2 + rest.chars().nth(2).map_or(0, char::len_utf8)),
        },
        'x' => match rest.get(2..).and_then(|r| r.strip_prefix('{')) {
            Some(hex) => hex.find('}').map(|end| end + 4).ok_or_else(|| wrong(rest.len())),
            None => {
                let two = rest.get(2..4).is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
                if two { Ok(4) } else { Err(wrong(4.min(rest.len()))) }
            }
        },
        '0' => Ok(2 + rest.bytes().skip(2).take(2).take_while(|b| (b'0'..=b'7').contains(b)).count()),
        'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'A' | 'z' | 'b' | 'B' | 'C' | 'd' | 'D' | 's' | 'S' | 'w' | 'W' => Ok(2),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(2),
        c => Err(wrong(1 + c.len_utf8())),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn patterns() {
        for good in [
            "",
            "^a+$",
            "a{2,3}?",
            "a{,3}",
            r"[\w.-]+",
            "[]a]",
            "[^]a]",
            "[a-]",
            "(?i)x",
            "(?:a|b)*",
            "(?P<n>x)",
            r"\Q[(\E",
            r"\p{Greek}\pN",
            r"\x41\x{10FFFF}",
            "[[:alpha:]_]",
            "a*?",
            r"\_",
        ] {
            assert_eq!(super::check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("x[a", "missing closing ]: `[a`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?<!a)", "invalid named capture: `(?<!a)`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(super::check(bad), Err(format!("error parsing regexp: {why}")), "{bad}");
        }
    }
}
