//! A line as a shell reads it: words, quotes, pipes, `;`, `&&`, `||`, redirections, here-documents, `#` and `$NAME`. Models bash.

use std::collections::BTreeMap;

/// One program's words, with where its streams go.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Simple {
    /// The words; the first names the program.
    pub words: Vec<String>,
    /// `< file`.
    pub input: Option<String>,
    /// A here-document's or here-string's text.
    pub here: Option<String>,
    /// `> file`, and whether at its end (`>>`).
    pub output: Option<(String, bool)>,
    /// `2> file`, and whether at its end.
    pub errors: Option<(String, bool)>,
    /// `2>&1`.
    pub errors_too: bool,
}

/// When a pipeline runs, seen from the one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    Always,
    /// After `&&`.
    Succeeded,
    /// After `||`.
    Failed,
}

/// Programs that feed each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipeline {
    pub when: When,
    pub programs: Vec<Simple>,
}

#[derive(Debug, PartialEq)]
enum Token {
    /// A word, and whether any of it was quoted.
    Word(String, bool),
    Operator(&'static str),
}

const OPERATORS: &[&str] = &["2>&1", "2>>", "2>", "&>", "<<<", "<<-", "<<", "<", ">>", ">", "&&", "||", "|", ";", "&"];

struct Reader<'a> {
    text: &'a str,
    at: usize,
    variables: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// `$NAME` and `${NAME}`; a dollar before anything else stands for itself.
    fn variable(&mut self, into: &mut String) {
        let braced = self.rest().starts_with('{');
        let from = usize::from(braced);
        let name: String = match self.rest().get(from..).unwrap_or_default() {
            r if r.starts_with('?') => "?".into(),
            r => r.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect(),
        };
        let closed = !braced || self.rest()[from + name.len()..].starts_with('}');
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !closed {
            into.push('$');
            return;
        }
        self.at += name.len() + 2 * from;
        into.push_str(self.variables.get(&name).map(String::as_str).unwrap_or_default());
    }

    /// A word as far as it goes.
    fn word(&mut self) -> Result<(String, bool), String> {
        let (mut word, mut quoted) = (String::new(), false);
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, '|' | ';' | '&' | '<' | '>') {
                break;
            }
            self.next();
            match c {
                '\'' => {
                    quoted = true;
                    loop {
                        match self.next() {
                            Some('\'') => break,
                            Some(c) => word.push(c),
                            None => return Err("unexpected EOF while looking for matching `''".into()),
                        }
                    }
                }
                '"' => {
                    quoted = true;
                    self.double(&mut word)?;
                }
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c) => {
                        quoted = true;
                        word.push(c);
                    }
                },
                '$' => self.variable(&mut word),
                c => word.push(c),
            }
        }
        Ok((word, quoted))
    }

    fn double(&mut self, word: &mut String) -> Result<(), String> {
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.next() {
                    Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                    Some('\n') => {}
                    Some(c) => word.extend(['\\', c]),
                    None => return Err("unexpected EOF while looking for matching `\"'".into()),
                },
                Some('$') => self.variable(word),
                Some(c) => word.push(c),
                None => return Err("unexpected EOF while looking for matching `\"'".into()),
            }
        }
    }

    fn tokens(&mut self) -> Result<Vec<Token>, String> {
        let mut out: Vec<Token> = Vec::new();
        let mut documents: Vec<usize> = Vec::new();
        loop {
            match self.peek() {
                None => break,
                Some('\n') => {
                    self.next();
                    for at in documents.drain(..) {
                        self.document(&mut out, at);
                    }
                    out.push(Token::Operator(";"));
                }
                Some(c) if c.is_whitespace() => {
                    self.next();
                }
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                Some(_) => match OPERATORS.iter().find(|o| self.rest().starts_with(**o)) {
                    Some(o) => {
                        self.at += o.len();
                        if matches!(*o, "<<" | "<<-") {
                            documents.push(out.len());
                        }
                        out.push(Token::Operator(o));
                    }
                    None => {
                        let (word, quoted) = self.word()?;
                        // What comes to nothing without quotes is no word.
                        if quoted || !word.is_empty() {
                            out.push(Token::Word(word, quoted));
                        }
                    }
                },
            }
        }
        Ok(out)
    }

    /// Reads a here-document up to its end mark, in whose place its text comes.
    fn document(&mut self, out: &mut [Token], at: usize) {
        let strip = out.get(at) == Some(&Token::Operator("<<-"));
        let Some(Token::Word(mark, quoted)) = out.get_mut(at + 1) else { return };
        let mut text = String::new();
        while let Some(line) = self.rest().split_inclusive('\n').next().map(str::to_owned) {
            self.at += line.len();
            let line = if strip { line.trim_start_matches('\t') } else { &line };
            if line.trim_end_matches('\n') == mark {
                break;
            }
            text.push_str(line);
        }
        // The new line after the mark ends the command.
        if text.contains('$') && !*quoted {
            let mut inner = Reader { text: &text, at: 0, variables: self.variables };
            let mut expanded = String::new();
            while let Some(c) = inner.next() {
                match c {
                    '$' => inner.variable(&mut expanded),
                    c => expanded.push(c),
                }
            }
            text = expanded;
        }
        *mark = text;
    }
}

/// Reads a line; bash's words for what is wrong with it.
pub(super) fn parse(text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<Pipeline>, String> {
    let tokens = Reader { text, at: 0, variables }.tokens()?;
    let unexpected = |t: &str| format!("syntax error near unexpected token `{t}'");
    let mut out: Vec<Pipeline> = Vec::new();
    let mut when = When::Always;
    let mut programs: Vec<Simple> = Vec::new();
    let mut now = Simple::default();
    let mut it = tokens.into_iter().peekable();
    while let Some(t) = it.next() {
        let o = match t {
            Token::Word(w, _) => {
                now.words.push(w);
                continue;
            }
            Token::Operator(o) => o,
        };
        match o {
            "2>&1" => now.errors_too = true,
            "2>" | "2>>" | "&>" | ">" | ">>" | "<" | "<<" | "<<-" | "<<<" => {
                let Some(Token::Word(w, _)) = it.next() else { return Err(unexpected("newline")) };
                match o {
                    "2>" | "2>>" => now.errors = Some((w, o == "2>>")),
                    "<" => now.input = Some(w),
                    "<<" | "<<-" => now.here = Some(w),
                    "<<<" => now.here = Some(format!("{w}\n")),
                    _ => {
                        now.errors_too |= o == "&>";
                        now.output = Some((w, o == ">>"));
                    }
                }
            }
            "|" => {
                if now.words.is_empty() {
                    return Err(unexpected(o));
                }
                programs.push(std::mem::take(&mut now));
            }
            _ => {
                if now.words.is_empty() && (!programs.is_empty() || !matches!(o, ";" | "&")) {
                    return Err(unexpected(o));
                }
                if !now.words.is_empty() {
                    programs.push(std::mem::take(&mut now));
                    out.push(Pipeline { when, programs: std::mem::take(&mut programs) });
                }
                when = match o {
                    "&&" => When::Succeeded,
                    "||" => When::Failed,
                    _ => When::Always,
                };
            }
        }
    }
    if !now.words.is_empty() {
        programs.push(now);
        out.push(Pipeline { when, programs });
    } else if !programs.is_empty() {
        return Err("syntax error: unexpected end of file".into());
    }
    Ok(out)
}

/// The command inside of `$(..)` or back quotes at the beginning of a text, and what comes after it.
pub(super) fn inside(text: &str) -> Option<(&str, &str)> {
    if let Some(t) = text.strip_prefix('`') {
        return t.split_once('`');
    }
    let t = text.strip_prefix("$(")?;
    let (mut depth, mut quote) = (1usize, None);
    for (i, c) in t.char_indices() {
        match (quote, c) {
            (Some(q), c) => quote = (q != c).then_some(q),
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some((&t[..i], &t[i + 1..]));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<Vec<String>>> {
        let variables = [("NS".to_owned(), "web".to_owned())].into();
        let parsed = parse(line, &variables).expect("a line");
        parsed.into_iter().map(|p| p.programs.into_iter().map(|s| s.words).collect()).collect()
    }

    #[test]
    fn lines_are_read_as_bash_does() {
        for (line, want) in [
            (
                r#"kubectl get pods -l "app in (a, b)" # all"#,
                vec![vec![vec!["kubectl", "get", "pods", "-l", "app in (a, b)"]]],
            ),
            ("a | b 'c d' ; e && f", vec![vec![vec!["a"], vec!["b", "c d"]], vec![vec!["e"]], vec![vec!["f"]]]),
            ("a -o jsonpath={.x}{'\\n'}", vec![vec![vec!["a", "-o", "jsonpath={.x}{\\n}"]]]),
            ("a -n $NS \"$NS-1\" '$NS' ${NS}x $", vec![vec![vec!["a", "-n", "web", "web-1", "$NS", "webx", "$"]]]),
            ("a \\\n b\nc", vec![vec![vec!["a", "b"]], vec![vec!["c"]]]),
        ] {
            assert_eq!(words(line), want, "{line}");
        }
    }

    #[test]
    fn streams_go_to_files_and_come_from_documents() {
        let none = BTreeMap::new();
        let p = parse("cat <<EOF | kubectl apply -f -\na: 1\nEOF\nls >> x 2>&1", &none).expect("a line");
        assert_eq!(p[0].programs[0].here.as_deref(), Some("a: 1\n"));
        assert_eq!(p[0].programs[1].words, ["kubectl", "apply", "-f", "-"]);
        assert_eq!(p[1].programs[0].output, Some(("x".into(), true)));
        assert!(p[1].programs[0].errors_too);
        for line in ["a |", "| a", "a 'b", "a >", "&& b"] {
            assert!(parse(line, &none).is_err(), "{line}");
        }
        assert_eq!(parse("a && b || c", &none).expect("a line")[2].when, When::Failed);
    }
}
