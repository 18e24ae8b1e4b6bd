//! The shell's grammar: text to a tree.

/// A piece of a word.
#[derive(Clone, Debug)]
pub enum Part {
    /// Characters as they are; quoted ones aren't patterns.
    Text { text: String, quoted: bool },
    /// `$name`, `${name}`, `${name:-word}`; the operator and its word.
    Variable { name: String, operator: Option<(String, Word)>, quoted: bool },
    /// `$(..)` or backquotes.
    Command { body: Vec<Command>, quoted: bool },
    /// `$((..))`.
    Arithmetic(Word),
}

pub type Word = Vec<Part>;

/// `2>&1`, `> file`.
#[derive(Clone, Debug)]
pub struct Redirect {
    pub fd: u32,
    pub operator: String,
    pub target: Word,
}

/// A command.
#[derive(Clone, Debug)]
pub enum Command {
    Simple { assignments: Vec<(String, Word)>, words: Vec<Word> },
    Pipeline { negated: bool, commands: Vec<Command> },
    And(Box<Command>, Box<Command>),
    Or(Box<Command>, Box<Command>),
    Background(Box<Command>),
    If { branches: Vec<(Vec<Command>, Vec<Command>)>, otherwise: Vec<Command> },
    Loop { condition: Vec<Command>, until: bool, body: Vec<Command> },
    For { name: String, words: Option<Vec<Word>>, body: Vec<Command> },
    Case { word: Word, arms: Vec<(Vec<Word>, Vec<Command>)> },
    Group(Vec<Command>),
    Subshell(Vec<Command>),
    Function { name: String, body: Box<Command> },
    Redirected(Box<Command>, Vec<Redirect>),
}

/// How deep a script may nest.
const DEPTH_MAX: usize = 60;

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, String>;

const RESERVED: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}", ";;", ")"];

/// Reads a script.
pub fn parse(text: &str) -> Parsed<Vec<Command>> {
    let mut parser = Parser { chars: text.chars().collect(), at: 0, depth: 0 };
    let list = parser.list()?;
    match parser.peek() {
        None => Ok(list),
        Some(c) => {
            let word = parser.bare_word();
            Err(format!("syntax error: unexpected \"{}\"", if word.is_empty() { c.to_string() } else { word }))
        }
    }
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn starts(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.peek_at(i) == Some(c))
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// Spaces and comments, but not lines' ends.
    fn blank(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' => self.at += 1,
                '\\' if self.peek_at(1) == Some('\n') => self.at += 2,
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn blank_lines(&mut self) {
        loop {
            self.blank();
            if !self.eat("\n") {
                return;
            }
        }
    }

    /// The word that comes, if it is plain, without taking it.
    fn bare_word(&self) -> String {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        if rest.first() == Some(&';') && rest.get(1) == Some(&';') {
            return ";;".to_owned();
        }
        if let Some(c) = rest.first()
            && "(){}".contains(*c)
        {
            return c.to_string();
        }
        rest.iter().take_while(|c| !c.is_whitespace() && !";&|<>()\"'`$#\\".contains(**c)).collect()
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.blank();
        if self.bare_word() == word {
            self.at += word.chars().count();
            return true;
        }
        false
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        self.blank_lines();
        if self.keyword(word) {
            return Ok(());
        }
        let found = self.bare_word();
        let found = if self.peek().is_none() { "end of file".to_owned() } else { format!("\"{found}\"") };
        Err(format!("syntax error: unexpected {found} (expecting \"{word}\")"))
    }

    fn list(&mut self) -> Parsed<Vec<Command>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("syntax error: nested too deep".to_owned());
        }
        let mut commands = Vec::new();
        loop {
            self.blank_lines();
            if self.peek().is_none() || RESERVED.contains(&self.bare_word().as_str()) {
                break;
            }
            let command = self.and_or()?;
            self.blank();
            if self.starts("&") && !self.starts("&&") {
                self.at += 1;
                commands.push(Command::Background(Box::new(command)));
                continue;
            }
            commands.push(command);
            if self.starts(";;") {
                break;
            }
            if !self.eat(";") && !self.eat("\n") {
                break;
            }
        }
        self.depth -= 1;
        Ok(commands)
    }

    fn and_or(&mut self) -> Parsed<Command> {
        let mut left = self.pipeline()?;
        loop {
            self.blank();
            let and = self.eat("&&");
            if !and && !self.eat("||") {
                return Ok(left);
            }
            self.blank_lines();
            let right = Box::new(self.pipeline()?);
            left = if and { Command::And(Box::new(left), right) } else { Command::Or(Box::new(left), right) };
        }
    }

    fn pipeline(&mut self) -> Parsed<Command> {
        let mut negated = false;
        while self.keyword("!") {
            negated = !negated;
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blank();
            if self.starts("||") || !self.eat("|") {
                break;
            }
            self.blank_lines();
            commands.push(self.command()?);
        }
        match commands.pop() {
            Some(only) if commands.is_empty() && !negated => Ok(only),
            Some(last) => {
                commands.push(last);
                Ok(Command::Pipeline { negated, commands })
            }
            None => Err("syntax error".to_owned()),
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.blank();
        let word = self.bare_word();
        let command = match word.as_str() {
            "if" => self.if_command()?,
            "while" | "until" => {
                self.at += word.len();
                let condition = self.list()?;
                Command::Loop { condition, until: word == "until", body: self.body()? }
            }
            "for" => self.for_command()?,
            "case" => self.case_command()?,
            "{" => {
                self.at += 1;
                let body = self.list()?;
                self.expect("}")?;
                Command::Group(body)
            }
            "(" => {
                self.at += 1;
                let body = self.list()?;
                self.expect(")")?;
                Command::Subshell(body)
            }
            _ => return self.simple(),
        };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        Ok(if redirects.is_empty() { command } else { Command::Redirected(Box::new(command), redirects) })
    }

    fn body(&mut self) -> Parsed<Vec<Command>> {
        self.expect("do")?;
        let body = self.list()?;
        self.expect("done")?;
        Ok(body)
    }

    fn if_command(&mut self) -> Parsed<Command> {
        self.at += 2;
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        let condition = self.list()?;
        self.expect("then")?;
        branches.push((condition, self.list()?));
        loop {
            if self.keyword("elif") {
                let condition = self.list()?;
                self.expect("then")?;
                branches.push((condition, self.list()?));
            } else if self.keyword("else") {
                otherwise = self.list()?;
            } else {
                self.expect("fi")?;
                return Ok(Command::If { branches, otherwise });
            }
        }
    }

    fn for_command(&mut self) -> Parsed<Command> {
        self.at += 3;
        self.blank();
        let name = self.bare_word();
        self.at += name.chars().count();
        self.blank_lines();
        let mut words = None;
        if self.keyword("in") {
            let mut list = Vec::new();
            while let Some(word) = self.word()? {
                list.push(word);
            }
            words = Some(list);
        }
        self.blank();
        self.eat(";");
        Ok(Command::For { name, words, body: self.body()? })
    }

    fn case_command(&mut self) -> Parsed<Command> {
        self.at += 4;
        let word = self.word()?.ok_or("syntax error: case without a word")?;
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.blank_lines();
            if self.keyword("esac") {
                return Ok(Command::Case { word, arms });
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                patterns.push(self.word()?.ok_or("syntax error: unexpected pattern")?);
                self.blank();
                if !self.eat("|") {
                    break;
                }
            }
            self.expect(")")?;
            arms.push((patterns, self.list()?));
            self.blank_lines();
            self.eat(";;");
        }
    }

    fn simple(&mut self) -> Parsed<Command> {
        let mut assignments = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut redirects = Vec::new();
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if words.is_empty()
                && let Some((name, length)) = self.assignment()
            {
                self.at += length;
                assignments.push((name, self.word_here()?));
                continue;
            }
            let Some(word) = self.word()? else { break };
            words.push(word);
            if let [word] = words.as_slice()
                && self.starts("()")
                && let [Part::Text { text, .. }] = word.as_slice()
            {
                let name = text.clone();
                self.at += 2;
                self.blank_lines();
                return Ok(Command::Function { name, body: Box::new(self.command()?) });
            }
        }
        if words.is_empty() && assignments.is_empty() && redirects.is_empty() {
            let found = self.bare_word();
            let found = match self.peek() {
                None => "end of file".to_owned(),
                Some(c) if found.is_empty() => format!("\"{c}\""),
                Some(_) => format!("\"{found}\""),
            };
            return Err(format!("syntax error: unexpected {found}"));
        }
        let command = Command::Simple { assignments, words };
        Ok(if redirects.is_empty() { command } else { Command::Redirected(Box::new(command), redirects) })
    }

    /// `name=` at this place: the name, and how much to skip.
    fn assignment(&mut self) -> Option<(String, usize)> {
        self.blank();
        let name: String =
            self.chars.get(self.at..)?.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
        let valid = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
        (valid && self.peek_at(name.len()) == Some('=')).then(|| {
            let length = name.len() + 1;
            (name, length)
        })
    }

    fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        self.blank();
        let digits = self.peek().filter(char::is_ascii_digit).is_some() && matches!(self.peek_at(1), Some('<' | '>'));
        let start = usize::from(digits);
        let operator = match (self.peek_at(start), self.peek_at(start + 1)) {
            (Some('>'), Some('>')) => ">>",
            (Some('>'), Some('&')) => ">&",
            (Some('>'), Some('|')) => ">|",
            (Some('<'), Some('&')) => "<&",
            (Some('<'), Some('<')) => "<<",
            (Some('>'), _) => ">",
            (Some('<'), _) => "<",
            (Some('&'), Some('>')) => "&>",
            _ => return Ok(None),
        };
        let default = u32::from(!operator.starts_with('<'));
        let fd = if digits { self.peek().and_then(|c| c.to_digit(10)).unwrap_or(default) } else { default };
        self.at += start + operator.len();
        self.blank();
        if operator == "<<" {
            return self.here_document().map(Some);
        }
        let target = self.word()?.ok_or("syntax error: unexpected redirection")?;
        Ok(Some(Redirect { fd, operator: operator.to_owned(), target }))
    }

    /// The lines after this one up to the delimiter; they are cut out of the script.
    fn here_document(&mut self) -> Parsed<Redirect> {
        let strip = self.eat("-");
        self.blank();
        let quoted = matches!(self.peek(), Some('\'' | '"'));
        let delimiter: String = match self.word()?.ok_or("syntax error: unexpected \"<<\"")?.first() {
            Some(Part::Text { text, .. }) => text.clone(),
            _ => return Err("syntax error: unexpected \"<<\"".to_owned()),
        };
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let Some(line_end) = rest.iter().position(|c| *c == '\n').map(|i| self.at + i + 1) else {
            return Err("syntax error: here-document without lines".to_owned());
        };
        let mut body = String::new();
        let mut at = line_end;
        while at < self.chars.len() {
            let line: String = self.chars[at..].iter().take_while(|c| **c != '\n').collect();
            at += line.chars().count() + 1;
            let shown = if strip { line.trim_start_matches('\t') } else { line.as_str() };
            if shown == delimiter {
                break;
            }
            body.push_str(shown);
            body.push('\n');
        }
        self.chars.drain(line_end..at.min(self.chars.len()));
        let target = if quoted {
            vec![Part::Text { text: body, quoted: true }]
        } else {
            let mut inner = Parser { chars: body.chars().collect(), at: 0, depth: self.depth };
            inner.quoted_until(None)?
        };
        Ok(Redirect { fd: 0, operator: "<<".to_owned(), target })
    }

    fn word(&mut self) -> Parsed<Option<Word>> {
        self.blank();
        match self.peek() {
            None | Some('\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => Ok(None),
            Some(_) => self.word_here().map(Some),
        }
    }

    /// A word that begins right here, perhaps empty.
    fn word_here(&mut self) -> Parsed<Word> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let flush = |text: &mut String, parts: &mut Word| {
            if !text.is_empty() {
                parts.push(Part::Text { text: std::mem::take(text), quoted: false });
            }
        };
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    flush(&mut text, &mut parts);
                    self.at += 1;
                    let mut quoted = String::new();
                    loop {
                        match self.peek() {
                            None => return Err("syntax error: unterminated quoted string".to_owned()),
                            Some('\'') => break,
                            Some(c) => quoted.push(c),
                        }
                        self.at += 1;
                    }
                    self.at += 1;
                    parts.push(Part::Text { text: quoted, quoted: true });
                }
                '"' => {
                    flush(&mut text, &mut parts);
                    self.at += 1;
                    let inner = self.quoted_until(Some('"'))?;
                    if inner.is_empty() {
                        parts.push(Part::Text { text: String::new(), quoted: true });
                    }
                    parts.extend(inner);
                }
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(c) => {
                            flush(&mut text, &mut parts);
                            parts.push(Part::Text { text: c.to_string(), quoted: true });
                            self.at += 1;
                        }
                        None => text.push('\\'),
                    }
                }
                '$' | '`' => {
                    flush(&mut text, &mut parts);
                    parts.push(self.expansion(false)?);
                }
                c => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
        flush(&mut text, &mut parts);
        Ok(parts)
    }

    /// What stands between double quotes, or the rest of a here-document.
    fn quoted_until(&mut self, end: Option<char>) -> Parsed<Word> {
        let mut parts = Vec::new();
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                if end.is_some() {
                    return Err("syntax error: unterminated quoted string".to_owned());
                }
                break;
            };
            match c {
                c if Some(c) == end => {
                    self.at += 1;
                    break;
                }
                '\\' if self.peek_at(1).is_some_and(|c| "$`\"\\\n".contains(c)) => {
                    if let Some(c) = self.peek_at(1).filter(|c| *c != '\n') {
                        text.push(c);
                    }
                    self.at += 2;
                }
                '$' | '`' => {
                    if !text.is_empty() {
                        parts.push(Part::Text { text: std::mem::take(&mut text), quoted: true });
                    }
                    parts.push(self.expansion(true)?);
                }
                c => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text { text, quoted: true });
        }
        Ok(parts)
    }

    fn expansion(&mut self, quoted: bool) -> Parsed<Part> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("syntax error: nested too deep".to_owned());
        }
        let part = self.expansion_inner(quoted);
        self.depth -= 1;
        part
    }

    fn expansion_inner(&mut self, quoted: bool) -> Parsed<Part> {
        if self.eat("`") {
            let body: String =
                self.chars.get(self.at..).unwrap_or_default().iter().take_while(|c| **c != '`').collect();
            self.at += body.chars().count() + 1;
            return Ok(Part::Command { body: parse(&body)?, quoted });
        }
        self.at += 1;
        if self.eat("((") {
            let mut depth = 0;
            let mut inner = String::new();
            while let Some(c) = self.peek() {
                if depth == 0 && self.starts("))") {
                    break;
                }
                depth += i32::from(c == '(') - i32::from(c == ')');
                inner.push(c);
                self.at += 1;
            }
            if !self.eat("))") {
                return Err("syntax error: missing '))'".to_owned());
            }
            let mut parser = Parser { chars: inner.chars().collect(), at: 0, depth: self.depth };
            return Ok(Part::Arithmetic(parser.quoted_until(None)?));
        }
        if self.eat("(") {
            let body = self.list()?;
            self.expect(")")?;
            return Ok(Part::Command { body, quoted });
        }
        if self.eat("{") {
            let length = self.eat("#") && self.peek() != Some('}');
            let name = self.name();
            if length {
                self.eat("}");
                return Ok(Part::Variable { name, operator: Some(("#len".to_owned(), Vec::new())), quoted });
            }
            for operator in [":-", ":=", ":+", ":?", "-", "=", "+", "?", "##", "#", "%%", "%"] {
                if self.eat(operator) {
                    let word = self.quoted_until(Some('}'))?;
                    return Ok(Part::Variable { name, operator: Some((operator.to_owned(), word)), quoted });
                }
            }
            if !self.eat("}") {
                return Err("syntax error: bad substitution".to_owned());
            }
            return Ok(Part::Variable { name, operator: None, quoted });
        }
        let name = self.name();
        if name.is_empty() {
            return Ok(Part::Text { text: "$".to_owned(), quoted });
        }
        Ok(Part::Variable { name, operator: None, quoted })
    }

    fn name(&mut self) -> String {
        if let Some(c) = self.peek()
            && ("?$!#@*-".contains(c) || c.is_ascii_digit())
        {
            self.at += 1;
            return c.to_string();
        }
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let name: String = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
        self.at += name.len();
        name
    }
}
