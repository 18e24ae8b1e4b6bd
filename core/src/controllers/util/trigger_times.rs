//! What brought a change of a Service's endpoints about, and when. Models `trigger_time_tracker.go` of
//! `staging/src/k8s.io/endpointslice/util`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Pod, Service};

use super::{name, pods};

#[derive(Default)]
struct Triggers {
    service: Option<jiff::Timestamp>,
    pods: BTreeMap<String, jiff::Timestamp>,
}

/// When what is known of each Service last changed.
#[derive(Default)]
pub struct TriggerTracker {
    services: BTreeMap<Rc<str>, Triggers>,
}

impl TriggerTracker {
    /// The earliest of the changes since the last call; `None` when none has a time, as deletions haven't.
    pub fn compute(&mut self, key: &str, service: &Service, matching: &[Rc<Pod>]) -> Option<jiff::Timestamp> {
        let state = self.services.entry(key.into()).or_default();
        let mut earliest: Option<jiff::Timestamp> = None;
        let mut note = |t: jiff::Timestamp| earliest = Some(earliest.map_or(t, |e| e.min(t)));
        let mut now = BTreeMap::new();
        for pod in matching {
            let ready = pods::ready_condition(pod).and_then(|c| c.last_transition_time.as_ref());
            let Some(t) = ready.map(|t| t.0) else { continue };
            let n = name(&pod.metadata);
            if state.pods.get(n).is_none_or(|before| t > *before) {
                note(t);
            }
            now.insert(n.to_owned(), t);
        }
        state.pods = now;
        let created = service.metadata.creation_timestamp.as_ref().map(|t| t.0);
        if let Some(t) = created
            && state.service.is_none_or(|before| t > before)
        {
            note(t);
        }
        state.service = created.or(state.service);
        earliest
    }

    /// The Service is gone.
    pub fn delete_service(&mut self, key: &str) {
        self.services.remove(key);
    }
}
