//! Who said what to whom since the last frame, out of the trace.

use std::collections::BTreeMap;

use super::observer::World;
use super::view::{Frame, MessageKind, MessageView};
use crate::sim::{MachineId, ProcessId, TraceEvent, TraceSeq};

/// How many messages a frame carries at most; more are sampled evenly.
const MESSAGES_MAX: usize = 160;

/// Follows the trace from frame to frame.
#[derive(Default)]
pub(super) struct Messages {
    trace: TraceSeq,
    total: u64,
    names: BTreeMap<ProcessId, String>,
}

impl Messages {
    fn process_name(&mut self, w: &World<'_>, id: ProcessId) -> String {
        if let Some(n) = self.names.get(&id) {
            return n.clone();
        }
        let name = match w.sim.process(id) {
            Some(p) if p.machine == MachineId::OUTSIDE => "person".to_owned(),
            Some(p) => format!("{}@{}", p.name, p.machine.0),
            // Who calls an api-server that is not there meant the api-server all the same.
            None => match w.parts.iter().find(|p| p.name == "kube-apiserver") {
                Some(p) => return format!("{}@{}", p.name, p.machine),
                None => return "person".to_owned(),
            },
        };
        self.names.insert(id, name.clone());
        name
    }

    /// Puts into a frame what was said since the last one.
    pub(super) fn emit(&mut self, w: &World<'_>, frame: &mut Frame) {
        let trace = w.sim.trace();
        let from = self.trace.max(trace.next_seq().saturating_sub(32_768));
        let count = trace.next_seq().saturating_sub(from);
        self.trace = trace.next_seq();
        self.total += count;
        frame.messages_total = self.total;
        let stride = (count as usize).div_ceil(MESSAGES_MAX).max(1);
        for e in trace.since(from).step_by(stride) {
            let (kind, from, to, what) = match &e.event {
                TraceEvent::Request { from, to, verb, resource, namespace, name, code, .. } => {
                    // Somebody who looks whether a thing is there has not failed when it isn't.
                    let refused = *code >= 400 && !(*code == 404 && &**verb == "get");
                    let kind = if refused {
                        MessageKind::Error
                    } else if &**resource == "leases" {
                        MessageKind::Heartbeat
                    } else {
                        MessageKind::Request
                    };
                    let between = if namespace.is_empty() || name.is_empty() { "" } else { "/" };
                    let code = code.to_string();
                    let what = [*verb, " ", &**resource, " ", &**namespace, between, &**name, " ", &code].concat();
                    (kind, self.process_name(w, *from), self.process_name(w, *to), what)
                }
                TraceEvent::RequestFailed { from, to, verb, resource, why } => {
                    let what = format!("{verb} {resource}: {why}");
                    (MessageKind::Error, self.process_name(w, *from), self.process_name(w, *to), what)
                }
                TraceEvent::Watch { from, to, resource, namespace, name } => {
                    let what = [&**resource, " ", &**namespace, "/", &**name].concat();
                    (MessageKind::Watch, self.process_name(w, *from), self.process_name(w, *to), what)
                }
                TraceEvent::Traffic { from, to, what } => {
                    (MessageKind::Traffic, from.to_string(), to.to_string(), what.to_string())
                }
                _ => continue,
            };
            frame.messages.push(MessageView { seq: e.seq, at_ns: e.at.as_nanos(), kind, from, to, what });
        }
    }
}
