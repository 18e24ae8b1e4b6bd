//! What the controller wrote and its informer has not shown yet. Models `endpointslice_tracker.go`.

use std::collections::BTreeMap;
use std::rc::Rc;

use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::controllers::util::uid;

/// A slice that was deleted and whose deletion was not seen yet.
const DELETION_EXPECTED: i64 = -1;

/// Generations of slices as last written, by Service and uid.
#[derive(Default)]
pub struct SliceTracker {
    services: BTreeMap<Rc<str>, BTreeMap<String, i64>>,
}

impl SliceTracker {
    /// Whether the informer shows anything older than what was written.
    pub fn is_stale(&self, service: &str, slices: &[Rc<EndpointSlice>]) -> bool {
        let Some(written) = self.services.get(service) else { return false };
        let mut shown = BTreeMap::new();
        for s in slices {
            let generation = s.metadata.generation.unwrap_or(0);
            if written.get(uid(&s.metadata)).is_some_and(|g| *g > generation) {
                return true;
            }
            shown.insert(uid(&s.metadata), generation);
        }
        written.iter().any(|(u, g)| (*g == DELETION_EXPECTED) == shown.contains_key(u.as_str()))
    }

    /// Whether a slice that was seen differs from what this controller wrote.
    pub fn should_sync(&self, service: &str, slice: &EndpointSlice) -> bool {
        let written = self.services.get(service).and_then(|s| s.get(uid(&slice.metadata)));
        written.is_none_or(|g| slice.metadata.generation.unwrap_or(0) > *g)
    }

    /// A slice was written, or seen.
    pub fn update(&mut self, service: &str, slice: &EndpointSlice) {
        let generations = self.services.entry(service.into()).or_default();
        generations.insert(uid(&slice.metadata).to_owned(), slice.metadata.generation.unwrap_or(0));
    }

    /// A slice was deleted.
    pub fn expect_deletion(&mut self, service: &str, slice: &EndpointSlice) {
        self.services.entry(service.into()).or_default().insert(uid(&slice.metadata).to_owned(), DELETION_EXPECTED);
    }

    /// A deletion was seen; whether it was expected.
    pub fn deletion_seen(&mut self, service: &str, slice: &EndpointSlice) -> bool {
        let Some(generations) = self.services.get_mut(service) else { return false };
        generations.remove(uid(&slice.metadata)) == Some(DELETION_EXPECTED)
    }

    /// The Service is gone.
    pub fn delete_service(&mut self, service: &str) {
        self.services.remove(service);
    }
}
