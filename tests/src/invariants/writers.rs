//! Nothing reaches etcd but the api-server: every revision is some request's, as the trace has it. Leases that run out
//! are etcd's own doing.

use podarium_core::etcd::EventType;
use podarium_core::sim::TraceEvent;

use super::{Change, Invariant, World};

pub(super) struct Writers;

impl Invariant for Writers {
    fn change(&mut self, _: &World, c: &Change<'_>) -> Result<(), String> {
        let e = c.event;
        if e.cause == 0 {
            let expired = e.kind == EventType::Delete && e.prev.as_ref().is_some_and(|p| p.lease != 0);
            return if expired { Ok(()) } else { Err(format!("{} at {} was written by nobody", e.key, e.revision)) };
        }
        let trace = c.sim.trace();
        let Some(entry) = trace.get(e.cause) else {
            return Err(format!("{} at {}: its cause {} is not in the trace", e.key, e.revision, e.cause));
        };
        match &entry.event {
            // A request that writes twice is told with its last revision.
            TraceEvent::Request { to, revision, code, .. } if *revision >= e.revision && *code < 300 => {
                let server = c.sim.process(*to);
                match server {
                    Some(p) if &*p.name == "kube-apiserver" => Ok(()),
                    other => Err(format!("{} at {} was written by {other:?}", e.key, e.revision)),
                }
            }
            other => Err(format!("{} at {}: its cause is {other:?}", e.key, e.revision)),
        }
    }
}
