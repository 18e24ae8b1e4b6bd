//! The terminal in which a command of the person's runs: what is typed while it runs goes to whoever reads it.

use std::cell::Cell;
use std::rc::Rc;

use crate::cluster::{Output, Outputs};
use crate::sim::{Channel, Sim};

/// How much may be typed ahead, in bytes.
const TYPED_BYTES_MAX: usize = 64 << 10;
/// What Ctrl-C is in a terminal whose reader wants to have it as any other key.
const INTERRUPT: &str = "\u{3}";

/// A terminal. Clones are the same.
#[derive(Clone)]
pub struct Terminal {
    id: u64,
    outputs: Outputs,
    typed: Channel<String>,
    waiting_bytes: Rc<Cell<usize>>,
    raw: Rc<Cell<bool>>,
}

impl Terminal {
    /// The terminal of the command with this number.
    pub fn new(sim: &Sim, id: u64, outputs: Outputs) -> Self {
        Terminal { id, outputs, typed: Channel::new(sim), waiting_bytes: Rc::default(), raw: Rc::default() }
    }

    /// The person typed. What nobody reads waits; what is more than a terminal holds is lost, as on any.
    pub fn type_in(&self, text: String) {
        let waiting = self.waiting_bytes.get() + text.len();
        if waiting <= TYPED_BYTES_MAX {
            self.waiting_bytes.set(waiting);
            self.typed.send(text);
        }
    }

    /// Passes Ctrl-C on to a reader that wants to have it; whether there is one.
    pub fn takes_interrupt(&self) -> bool {
        if self.raw.get() {
            self.type_in(INTERRUPT.to_owned());
        }
        self.raw.get()
    }

    /// Reads what is typed from now on, until the reader is dropped. `raw`: Ctrl-C too.
    pub fn read(&self, raw: bool) -> Typed {
        self.raw.set(raw);
        self.outputs.push(Output::Reads { id: self.id, reads: true });
        Typed(self.clone())
    }
}

/// Reads a terminal.
pub struct Typed(Terminal);

impl Typed {
    /// Waits for what is typed next.
    pub async fn next(&self) -> String {
        let text = self.0.typed.recv().await.unwrap_or_default();
        self.0.waiting_bytes.set(self.0.waiting_bytes.get().saturating_sub(text.len()));
        text
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        self.0.raw.set(false);
        self.0.outputs.push(Output::Reads { id: self.0.id, reads: false });
    }
}
