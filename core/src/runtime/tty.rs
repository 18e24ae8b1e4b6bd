//! A terminal's line discipline between a client in raw mode and a program that reads lines: echo, editing, signals.
//! Models Linux's `drivers/tty/n_tty.c` with the settings that a new terminal has.

/// What input comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TtyEvent {
    /// The program can read this.
    Input(Vec<u8>),
    /// The program reads end of file.
    Eof,
    /// The foreground program gets a signal.
    Signal(u8),
}

/// A terminal.
#[derive(Clone, Debug, Default)]
pub struct Tty {
    /// What was typed of a line.
    line: Vec<u8>,
}

const INTERRUPT: u8 = 0x03;
const EOF: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const KILL: u8 = 0x15;
const ERASE_WORD: u8 = 0x17;
const QUIT: u8 = 0x1c;
const DELETE: u8 = 0x7f;

/// N_TTY_BUF_SIZE: a line's further bytes are dropped.
const LINE_BYTES_MAX: usize = 4_095;

const SIGINT: u8 = 2;
const SIGQUIT: u8 = 3;

impl Tty {
    /// Takes what the client typed: what comes of it, and what is echoed.
    pub fn type_in(&mut self, bytes: &[u8]) -> (Vec<TtyEvent>, Vec<u8>) {
        let (mut events, mut echo) = (Vec::new(), Vec::new());
        for byte in bytes {
            match *byte {
                INTERRUPT | QUIT => {
                    let (signal, shown) = if *byte == INTERRUPT { (SIGINT, "^C") } else { (SIGQUIT, "^\\") };
                    self.line.clear();
                    echo.extend_from_slice(shown.as_bytes());
                    events.push(TtyEvent::Signal(signal));
                }
                EOF if self.line.is_empty() => events.push(TtyEvent::Eof),
                EOF => events.push(TtyEvent::Input(std::mem::take(&mut self.line))),
                BACKSPACE | DELETE => self.erase(&mut echo),
                KILL => {
                    while !self.line.is_empty() {
                        self.erase(&mut echo);
                    }
                }
                ERASE_WORD => {
                    while self.line.last() == Some(&b' ') {
                        self.erase(&mut echo);
                    }
                    while self.line.last().is_some_and(|b| *b != b' ') {
                        self.erase(&mut echo);
                    }
                }
                b'\r' | b'\n' => {
                    self.line.push(b'\n');
                    echo.extend_from_slice(b"\r\n");
                    events.push(TtyEvent::Input(std::mem::take(&mut self.line)));
                }
                other if self.line.len() < LINE_BYTES_MAX => {
                    self.line.push(other);
                    echo.extend(shown(other));
                }
                _ => {}
            }
        }
        (events, echo)
    }

    /// Takes away the last character.
    fn erase(&mut self, echo: &mut Vec<u8>) {
        // The bytes of one character in UTF-8 go together.
        while let Some(last) = self.line.pop() {
            if last & 0xc0 != 0x80 {
                for _ in 0..if is_shown_as_two(last) { 2 } else { 1 } {
                    echo.extend_from_slice(b"\x08 \x08");
                }
                break;
            }
        }
    }

    /// What the client gets of a program's output.
    pub fn print(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if *byte == b'\n' {
                out.push(b'\r');
            }
            out.push(*byte);
        }
        out
    }
}

fn is_shown_as_two(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t'
}

/// A character as it is echoed: control characters with a caret.
fn shown(byte: u8) -> impl Iterator<Item = u8> {
    let (caret, byte) = if is_shown_as_two(byte) { (Some(b'^'), byte + 0x40) } else { (None, byte) };
    caret.into_iter().chain([byte])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_typing_comes_to() {
        let check = |typed: &str, events: &[TtyEvent], echo: &str| {
            let got = Tty::default().type_in(typed.as_bytes());
            assert_eq!((got.0.as_slice(), String::from_utf8_lossy(&got.1).as_ref()), (events, echo), "{typed:?}");
        };
        let line = |text: &str| TtyEvent::Input(text.as_bytes().to_vec());
        check("ls\r", &[line("ls\n")], "ls\r\n");
        check("lx\x7fs\n", &[line("ls\n")], "lx\x08 \x08s\r\n");
        check("ü\x7fa\r", &[line("a\n")], "ü\x08 \x08a\r\n");
        check("\x7f\r", &[line("\n")], "\r\n");
        check("one two\x17x\r", &[line("one x\n")], "one two\x08 \x08\x08 \x08\x08 \x08x\r\n");
        check("abc\x15d\r", &[line("d\n")], "abc\x08 \x08\x08 \x08\x08 \x08d\r\n");
        check("ab\x03\r", &[TtyEvent::Signal(2), line("\n")], "ab^C\r\n");
        check("\x1c", &[TtyEvent::Signal(3)], "^\\");
        check("ab\x04\x04", &[line("ab"), TtyEvent::Eof], "ab");
        check("\x1b[A\x7f\x7f\x7f\r", &[line("\n")], "^[[A\x08 \x08\x08 \x08\x08 \x08\x08 \x08\r\n");
        assert_eq!(Tty::default().print(b"a\nb\r\n"), b"a\r\nb\r\r\n");
    }

    #[test]
    fn a_line_has_an_end() {
        let mut tty = Tty::default();
        let (events, echo) = tty.type_in(&vec![b'x'; 10_000]);
        assert_eq!((events.len(), echo.len()), (0, 4_095));
        let (events, _) = tty.type_in(b"\r");
        assert!(matches!(events.as_slice(), [TtyEvent::Input(line)] if line.len() == 4_096));
    }
}
