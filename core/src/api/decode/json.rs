//! A JSON reader with Go's complaints, which needs no recursion.
//! Models encoding/json's `scanner.go`.

use super::tree::{Node, Tree};

const DEPTH_MAX: usize = 10_000;

/// A container that is being read.
enum Open {
    Array(Vec<u32>),
    Object(Vec<(String, u32)>, String),
}

struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
}

/// `invalid character 'x' CONTEXT`.
fn unexpected(c: u8, context: &str) -> String {
    let shown = match c {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let quoted = super::super::field::quote(&char::from(c).to_string());
            // Go escapes what isn't printable in Latin-1, where quote() lets all but ASCII controls through.
            let inner = if (0x80..=0xa0).contains(&c) || c == 0xad {
                format!("\\u{:04x}", u32::from(c))
            } else {
                quoted.trim_matches('"').to_owned()
            };
            format!("'{inner}'")
        }
    };
    format!("invalid character {shown} {context}")
}

fn end() -> String {
    "unexpected end of JSON input".to_owned()
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.pos += 1;
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), String> {
        for (i, want) in word.bytes().enumerate() {
            match self.peek() {
                Some(c) if c == want => self.pos += 1,
                Some(c) => {
                    let expecting = char::from(word.as_bytes().get(i).copied().unwrap_or(b' '));
                    return Err(unexpected(c, &format!("in literal {word} (expecting '{expecting}')")));
                }
                None => return Err(end()),
            }
        }
        Ok(())
    }

    fn digits(&mut self, context: &str) -> Result<(), String> {
        match self.peek() {
            Some(c) if c.is_ascii_digit() => {}
            Some(c) => return Err(unexpected(c, context)),
            None => return Err(end()),
        }
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.pos += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<String, String> {
        let start = self.pos;
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        if self.peek() == Some(b'0') {
            self.pos += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.pos += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.pos += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.pos += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = self.bytes.get(start..self.pos).unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let mut n = 0;
        for _ in 0..4 {
            match self.peek() {
                None => return Err(end()),
                Some(c) => match char::from(c).to_digit(16) {
                    Some(d) => n = n * 16 + d,
                    None => return Err(unexpected(c, "in \\u hexadecimal character escape")),
                },
            }
            self.pos += 1;
        }
        Ok(n)
    }

    /// A string, from after its opening quote.
    fn string(&mut self) -> Result<String, String> {
        let mut out: Vec<u8> = Vec::new();
        loop {
            let start = self.pos;
            while self.peek().is_some_and(|c| c >= 0x20 && c != b'"' && c != b'\\') {
                self.pos += 1;
            }
            out.extend_from_slice(self.bytes.get(start..self.pos).unwrap_or_default());
            match self.peek() {
                None => return Err(end()),
                Some(b'"') => {
                    self.pos += 1;
                    // What isn't UTF-8 becomes U+FFFD.
                    return Ok(
                        String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
                    );
                }
                Some(b'\\') => {
                    self.pos += 1;
                    let c = self.peek().ok_or_else(end)?;
                    let plain = match c {
                        b'"' | b'\\' | b'/' => c,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'u' => {
                            self.pos += 1;
                            let c = self.escaped_rune()?;
                            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                            continue;
                        }
                        _ => return Err(unexpected(c, "in string escape code")),
                    };
                    out.push(plain);
                    self.pos += 1;
                }
                Some(c) => return Err(unexpected(c, "in string literal")),
            }
        }
    }

    /// The rune of a `\u` escape, from after the `u`; half a surrogate pair is U+FFFD.
    fn escaped_rune(&mut self) -> Result<char, String> {
        let n = self.hex4()?;
        if (0xd800..0xdc00).contains(&n) && self.bytes.get(self.pos..self.pos + 2) == Some(b"\\u") {
            let back = self.pos;
            self.pos += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                let c = 0x10000 + ((n - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(c).unwrap_or('\u{fffd}'));
            }
            self.pos = back;
        }
        Ok(char::from_u32(n).unwrap_or('\u{fffd}'))
    }

    /// An object's key and its colon.
    fn key(&mut self) -> Result<String, String> {
        self.skip_space();
        match self.peek() {
            None => return Err(end()),
            Some(b'"') => self.pos += 1,
            Some(c) => return Err(unexpected(c, "looking for beginning of object key string")),
        }
        let key = self.string()?;
        self.skip_space();
        match self.peek() {
            None => Err(end()),
            Some(b':') => {
                self.pos += 1;
                Ok(key)
            }
            Some(c) => Err(unexpected(c, "after object key")),
        }
    }
}

/// The document in `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<Tree, String> {
    let mut r = Reader { bytes, pos: 0 };
    let mut tree = Tree::default();
    let mut open: Vec<Open> = Vec::new();
    loop {
        r.skip_space();
        let c = r.peek().ok_or_else(end)?;
        let node = match c {
            b'{' | b'[' => {
                r.pos += 1;
                if open.len() >= DEPTH_MAX {
                    return Err("exceeded max depth".to_owned());
                }
                r.skip_space();
                if c == b'{' {
                    if r.peek() == Some(b'}') {
                        r.pos += 1;
                        Node::Object(Vec::new())
                    } else {
                        let key = r.key()?;
                        open.push(Open::Object(Vec::new(), key));
                        continue;
                    }
                } else if r.peek() == Some(b']') {
                    r.pos += 1;
                    Node::Array(Vec::new())
                } else {
                    open.push(Open::Array(Vec::new()));
                    continue;
                }
            }
            b'"' => {
                r.pos += 1;
                Node::String(r.string()?)
            }
            b't' => {
                r.literal("true")?;
                Node::Bool(true)
            }
            b'f' => {
                r.literal("false")?;
                Node::Bool(false)
            }
            b'n' => {
                r.literal("null")?;
                Node::Null
            }
            b'-' | b'0'..=b'9' => Node::Number(r.number()?),
            _ => return Err(unexpected(c, "looking for beginning of value")),
        };
        let mut id = tree.push(node);
        // A value is done: it belongs to the innermost container, which may be done with it.
        loop {
            r.skip_space();
            match open.pop() {
                None => {
                    return match r.peek() {
                        None => {
                            tree.set_root(id);
                            Ok(tree)
                        }
                        Some(c) => Err(unexpected(c, "after top-level value")),
                    };
                }
                Some(Open::Array(mut items)) => {
                    items.push(id);
                    match r.peek() {
                        None => return Err(end()),
                        Some(b',') => {
                            r.pos += 1;
                            open.push(Open::Array(items));
                            break;
                        }
                        Some(b']') => {
                            r.pos += 1;
                            id = tree.push(Node::Array(items));
                        }
                        Some(c) => return Err(unexpected(c, "after array element")),
                    }
                }
                Some(Open::Object(mut entries, key)) => {
                    entries.push((key, id));
                    match r.peek() {
                        None => return Err(end()),
                        Some(b',') => {
                            r.pos += 1;
                            let key = r.key()?;
                            open.push(Open::Object(entries, key));
                            break;
                        }
                        Some(b'}') => {
                            r.pos += 1;
                            id = tree.push(Node::Object(entries));
                        }
                        Some(c) => return Err(unexpected(c, "after object key:value pair")),
                    }
                }
            }
        }
    }
}
