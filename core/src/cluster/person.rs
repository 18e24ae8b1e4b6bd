//! The person outside: their commands as tasks on their own computer, and what those print.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

/// Something that comes back to the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// A command printed.
    Text {
        /// The command's number.
        id: u64,
        /// Whether to standard error.
        stderr: bool,
        /// What.
        text: String,
    },
    /// A command ended.
    Exit {
        /// The command's number.
        id: u64,
        /// Its exit code.
        code: i32,
    },
    /// A command begins or ceases to read what the person types.
    Reads {
        /// The command's number.
        id: u64,
        /// Whether it reads from now on.
        reads: bool,
    },
    /// The answer to a visit.
    Visited {
        /// The visit's number.
        id: u64,
        /// The whole address that was opened.
        url: String,
        /// HTTP status; 0 when there was no answer.
        status: u16,
        /// Headers in order.
        headers: Vec<(String, String)>,
        /// The body, or why there was no answer.
        body: String,
        /// How long it took, in nanoseconds of virtual time.
        took_ns: u64,
    },
    /// The answer to a raw request.
    Response {
        /// The request's number.
        id: u64,
        /// HTTP status.
        status: u16,
        /// Headers in order.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
}

/// How much may wait for the owner to fetch it before the oldest is dropped.
const OUTPUTS_MAX: usize = 10_000;

/// Where commands print to. Clones share it.
#[derive(Clone, Default)]
pub struct Outputs(Rc<RefCell<VecDeque<Output>>>);

impl Outputs {
    /// Adds an output.
    pub fn push(&self, o: Output) {
        let mut all = self.0.borrow_mut();
        if all.len() == OUTPUTS_MAX {
            all.pop_front();
        }
        all.push_back(o);
    }

    /// Takes all that has come since the last time.
    pub fn take(&self) -> Vec<Output> {
        self.0.borrow_mut().drain(..).collect()
    }
}
