//! The causal trace: what happened, when, and because of what, in a bounded ring.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::rc::Rc;

use super::{MachineId, ProcessId, SimTime};

/// An entry's number, counted from 1; 0 means no cause.
pub type TraceSeq = u64;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceEvent {
    /// The person did something: the root of causes.
    Input {
        /// In words.
        what: Rc<str>,
    },
    /// A request reached an api-server and was answered.
    Request {
        /// Who asked.
        from: ProcessId,
        /// Which api-server.
        to: ProcessId,
        /// `create`, `update`, `patch`, `delete`, `get`, `list`, `watch`, ..
        verb: &'static str,
        /// Plural resource, with `/subresource` where there is one.
        resource: Rc<str>,
        /// Namespace, or empty.
        namespace: Rc<str>,
        /// Object's name, or empty.
        name: Rc<str>,
        /// HTTP status code.
        code: u16,
        /// The revision that the request made, or 0.
        revision: u64,
    },
    /// A request got no answer: refused, cut off, timed out.
    RequestFailed {
        /// Who asked.
        from: ProcessId,
        /// Whom.
        to: ProcessId,
        /// The verb.
        verb: &'static str,
        /// Plural resource.
        resource: Rc<str>,
        /// Why, in words.
        why: Rc<str>,
    },
    /// A watch brought a change to somebody.
    Watch {
        /// Which api-server.
        from: ProcessId,
        /// Who watches.
        to: ProcessId,
        /// Plural resource.
        resource: Rc<str>,
        /// Namespace, or empty.
        namespace: Rc<str>,
        /// Object's name.
        name: Rc<str>,
    },
    /// A process began or ended.
    Process {
        /// Which.
        process: ProcessId,
        /// `started`, `killed`, `stopped`, `continued`, `exited`.
        what: &'static str,
    },
    /// A machine was switched on or off, plugged or unplugged.
    Machine {
        /// Which.
        machine: MachineId,
        /// In words.
        what: &'static str,
    },
    /// A part decided something: the scheduler chose a node, the node controller called a node NotReady.
    Decision {
        /// Who decided.
        by: ProcessId,
        /// About what, as `kind namespace/name`.
        about: Rc<str>,
        /// In words.
        what: Rc<str>,
    },
    /// A container runtime did something.
    Runtime {
        /// Where.
        machine: MachineId,
        /// The CRI verb: `RunPodSandbox`, `PullImage`, `StartContainer`, ..
        verb: &'static str,
        /// Pod as `namespace/name`, or an image.
        about: Rc<str>,
        /// In words, may be empty.
        what: Rc<str>,
    },
    /// One container or person talked to another over the pod network.
    Traffic {
        /// From, an address.
        from: Rc<str>,
        /// To, an address.
        to: Rc<str>,
        /// In words, such as `GET / 200`.
        what: Rc<str>,
    },
}

/// One line of the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceEntry {
    /// Its number.
    pub seq: TraceSeq,
    /// When.
    pub at: SimTime,
    /// Because of which entry; 0 for none.
    pub cause: TraceSeq,
    /// What.
    pub event: TraceEvent,
}

/// The ring.
pub struct Trace {
    entries: VecDeque<TraceEntry>,
    capacity: usize,
    next: TraceSeq,
}

impl Default for Trace {
    fn default() -> Self {
        Trace { entries: VecDeque::new(), capacity: 32_768, next: 1 }
    }
}

impl Trace {
    pub(super) fn push(&mut self, at: SimTime, cause: TraceSeq, event: TraceEvent) -> TraceSeq {
        let seq = self.next;
        self.next += 1;
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(TraceEntry { seq, at, cause, event });
        seq
    }

    /// The number that the next entry will have.
    pub fn next_seq(&self) -> TraceSeq {
        self.next
    }

    /// An entry that is still there.
    pub fn get(&self, seq: TraceSeq) -> Option<&TraceEntry> {
        let first = self.next - self.entries.len() as u64;
        self.entries.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// The entries from `seq` on, as far as they are still there.
    pub fn since(&self, seq: TraceSeq) -> impl Iterator<Item = &TraceEntry> {
        let first = self.next - self.entries.len() as u64;
        let skip = seq.saturating_sub(first).min(self.entries.len() as u64) as usize;
        self.entries.range(skip..)
    }

    /// The entries that are still there, a line each, oldest first: the same text wherever the same session ran.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for TraceEntry { seq, at, cause, event } in &self.entries {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{seq} {at} {cause} {event:?}");
        }
        text
    }

    /// The newest entry that `is` says yes to.
    pub fn newest(&self, mut is: impl FnMut(&TraceEntry) -> bool) -> Option<TraceSeq> {
        self.entries.iter().rev().find(|e| is(e)).map(|e| e.seq)
    }

    /// The chain of causes from `seq` back to its root, `seq` first.
    pub fn why(&self, seq: TraceSeq) -> Vec<&TraceEntry> {
        let mut chain = Vec::new();
        let mut at = seq;
        while let Some(e) = self.get(at) {
            chain.push(e);
            // A cause always comes before its effect, so this ends.
            if e.cause >= at {
                break;
            }
            at = e.cause;
        }
        chain
    }
}
