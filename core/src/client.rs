//! What components hold of the api-server: a typed client with its QPS limit, informers, work queues, an event recorder.
//!
//! Components see the world through this module alone. Models client-go.

mod informer;
mod leader;
mod lru;
mod queue;
mod recorder;
mod rest;
mod shared;

pub use informer::{Informer, InformerEvent, ListWatch, ObjectInformer};
pub use leader::{LeaderElection, LeaderEvent};
pub use queue::{RateLimits, WorkQueue};
pub use recorder::{EventRecorder, EventType, reference};
pub use rest::{ApiEndpoint, ApiEndpoints, Client, ClientConfig, ClientError, Listed};
pub use shared::SharedInformers;

/// `namespace/name`, or the name alone for cluster-scoped objects: client-go's MetaNamespaceKeyFunc.
pub fn object_key(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> std::rc::Rc<str> {
    let mut key = String::new();
    write_key(meta, &mut key);
    key.into()
}

/// Writes an object's key over what a text held.
fn write_key(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, key: &mut String) {
    key.clear();
    let name = meta.name.as_deref().unwrap_or_default();
    if let Some(ns) = meta.namespace.as_deref().filter(|ns| !ns.is_empty()) {
        key.reserve(ns.len() + 1 + name.len());
        key.push_str(ns);
        key.push('/');
    }
    key.push_str(name);
}

/// A key's namespace (empty for cluster-scoped objects) and name.
pub fn split_key(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}
