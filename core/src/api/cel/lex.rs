//! From text to tokens. Models cel-go `parser/gen/CEL.g4` and `parser/unescape.go`.

use super::tree::Complaint;

/// A word, a number, a text or an operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Ident(String),
    /// A field's name between back quotes.
    Quoted(String),
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
    Op(&'static str),
    End,
}

/// A token, and where it begins and ends.
pub(super) struct Lexed {
    pub at: usize,
    pub end: usize,
    pub token: Token,
}

const OPS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", "-", "!", "?", ":", "+", "*",
    "/", "%",
];

pub(super) struct Lexer {
    chars: Vec<char>,
    at: usize,
}

impl Lexer {
    pub fn new(text: &str) -> Self {
        Lexer { chars: text.chars().collect(), at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.peek(i) == Some(c))
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let from = self.at;
        while self.peek(0).is_some_and(&keep) {
            self.at += 1;
        }
        self.chars.get(from..self.at).unwrap_or_default().iter().collect()
    }

    /// All tokens, an end at last, and what is none.
    pub fn tokens(mut self) -> (Vec<Lexed>, Vec<Complaint>) {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        loop {
            self.take_while(char::is_whitespace);
            if self.starts_with("//") {
                self.take_while(|c| c != '\n');
                continue;
            }
            let at = self.at;
            let Some(c) = self.peek(0) else {
                all.push(Lexed { at, end: at, token: Token::End });
                return (all, errors);
            };
            match self.token(c) {
                Ok(token) => all.push(Lexed { at, end: self.at, token }),
                Err(upto) => {
                    // What was read goes, with the character at which nothing fits any more.
                    self.at = (upto + 1).min(self.chars.len());
                    let read: String = self.chars.get(at..self.at).unwrap_or_default().iter().collect();
                    errors
                        .push(Complaint { at, message: format!("Syntax error: token recognition error at: '{read}'") });
                }
            }
        }
    }

    /// The token that comes next; or where nothing fits any more.
    fn token(&mut self, c: char) -> Result<Token, usize> {
        if c.is_ascii_digit() || (c == '.' && self.peek(1).is_some_and(|d| d.is_ascii_digit())) {
            return Ok(Token::Number(self.number()));
        }
        let begin = self.at;
        match self.text() {
            Ok(Some(token)) => return Ok(token),
            Ok(None) => {}
            Err(upto) => {
                self.at = begin;
                // Quotes that hold nothing, or a letter before them, are tokens of their own.
                let quote = self.peek(0).filter(|c| matches!(c, '"' | '\''));
                if quote.is_some() && self.peek(1) == quote {
                    self.at += 2;
                    return Ok(Token::Text(String::new()));
                }
                if quote.is_some() {
                    return Err(upto);
                }
            }
        }
        if c.is_ascii_alphabetic() || c == '_' {
            let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            return Ok(if word == "in" { Token::Op("in") } else { Token::Ident(word) });
        }
        if c == '`' {
            self.at += 1;
            let word = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' '));
            if self.peek(0) == Some('`') {
                self.at += 1;
                return Ok(Token::Quoted(word));
            }
        }
        if let Some(op) = OPS.iter().find(|o| self.starts_with(o)) {
            self.at += op.len();
            return Ok(Token::Op(op));
        }
        // One of these is the beginning of two.
        Err(if matches!(c, '=' | '&' | '|') { begin + 1 } else { begin })
    }

    fn number(&mut self) -> String {
        let hex = self.starts_with("0x") || self.starts_with("0X");
        let hex = hex && self.peek(2).is_some_and(|c| c.is_ascii_hexdigit());
        let mut text = if hex {
            self.at += 2;
            format!("0x{}", self.take_while(|c| c.is_ascii_hexdigit()))
        } else {
            let mut text = self.take_while(|c| c.is_ascii_digit());
            if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
                text = format!("{text}.{}", self.take_while(|c| c.is_ascii_digit()));
            }
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if matches!(self.peek(0), Some('e' | 'E')) && self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                let from = self.at;
                self.at += 1 + sign;
                self.take_while(|c| c.is_ascii_digit());
                text.extend(self.chars.get(from..self.at).unwrap_or_default());
            }
            text
        };
        if let Some(c @ ('u' | 'U')) = self.peek(0) {
            self.at += 1;
            text.push(c);
        }
        text
    }

    /// A text or bytes, if one begins here: raw or not, with one or three quotes of a kind.
    fn text(&mut self) -> Result<Option<Token>, usize> {
        let (mut raw, mut bytes, mut skip) = (false, false, 0);
        while let Some(c) = self.peek(skip) {
            match c {
                'r' | 'R' if !raw => raw = true,
                'b' | 'B' if !bytes => bytes = true,
                _ => break,
            }
            skip += 1;
        }
        let Some(quote @ ('"' | '\'')) = self.peek(skip) else { return Ok(None) };
        self.at += skip;
        let close = match self.starts_with(&quote.to_string().repeat(3)) {
            true => quote.to_string().repeat(3),
            false => quote.to_string(),
        };
        self.at += close.len();
        let mut out = Vec::new();
        loop {
            if self.starts_with(&close) {
                self.at += close.len();
                break;
            }
            let c = self.peek(0).filter(|c| close.len() == 3 || *c != '\n').ok_or(self.at)?;
            self.at += 1;
            if c != '\\' || raw {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            let escape = self.peek(0).ok_or(self.at)?;
            let escaped = self.at;
            self.at += 1;
            let code = |l: &mut Lexer, digits: usize, base: u32, first: &str| {
                let from = l.at;
                while l.at < from + digits && l.peek(0).is_some_and(|c| c.is_digit(base)) {
                    l.at += 1;
                }
                let rest: String = l.chars.get(from..l.at).unwrap_or_default().iter().collect();
                let whole = l.at == from + digits;
                let code = u32::from_str_radix(&format!("{first}{rest}"), base).ok().filter(|_| whole);
                code.map(|code| char::from_u32(code).unwrap_or('\u{fffd}')).ok_or(l.at)
            };
            let found = match escape {
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                '\\' | '\'' | '"' | '`' | '?' => escape,
                'x' | 'X' => code(self, 2, 16, "")?,
                'u' => code(self, 4, 16, "")?,
                'U' => code(self, 8, 16, "")?,
                '0'..='3' => code(self, 2, 8, &escape.to_string())?,
                _ => return Err(escaped),
            };
            // Codes of bytes are bytes.
            if bytes && matches!(escape, 'x' | 'X' | '0'..='3') {
                out.push(found as u32 as u8);
            } else {
                out.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(Some(match bytes {
            true => Token::Bytes(out),
            false => Token::Text(String::from_utf8_lossy(&out).into_owned()),
        }))
    }
}
