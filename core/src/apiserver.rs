//! kube-apiserver: the only part that talks to etcd.
//!
//! Owns the chain that every request runs (authentication, authorization, admission, validation, storage) and the watch cache.
//! Knows nothing of controllers, kubelets or the page. Models `staging/src/k8s.io/apiserver`.

pub mod admission;
mod api_services;
mod auth;
pub(crate) mod binding;
mod bootstrap;
mod cacher;
mod custom;
mod delete;
mod device_claims;
mod eviction;
mod flow_control;
pub mod handle;
mod list;
mod options;
mod owners;
mod paging;
mod selection;
mod services;
mod store;
pub mod tables;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

pub use cacher::{WatchEvent, WatchEventType, WatchStream};
pub use delete::Deleted;
pub use handle::{Body, KubeletCall, Request, RequestInfo, Response, WatchBody};
pub use options::{
    Caller, CreateOptions, DeleteOptions, ListOptions, ObjectList, Preconditions, Propagation, UpdateOptions, User,
};
pub use selection::Selection;
pub use store::Updater;

use crate::api::decode::Numbers;
use crate::api::schema::Descriptions;
use crate::api::status::Status;
use crate::etcd::Etcd;
use crate::registry::{Registry, ResourceId};
use crate::sim::{Notify, ProcessId, Sim, SimTime, TraceEvent};

use cacher::Cacher;

/// etcd as an api-server reaches it: the store, the process that serves it, and who is told of changes.
#[derive(Clone)]
pub struct EtcdEndpoint {
    /// The store.
    pub store: Rc<RefCell<Etcd>>,
    /// The process that serves it at the time.
    pub process: Rc<Cell<ProcessId>>,
    /// Told after every change.
    pub changed: Notify,
    /// Who owns the fields of the objects in the store: whichever api-server is asked, before or after it restarts.
    owners: Rc<RefCell<owners::Owners>>,
}

impl EtcdEndpoint {
    /// An empty store that a process serves.
    pub fn new(sim: &Sim, process: ProcessId) -> Self {
        EtcdEndpoint {
            store: Rc::new(RefCell::new(Etcd::default())),
            process: Rc::new(Cell::new(process)),
            changed: Notify::new(sim),
            owners: Rc::default(),
        }
    }
}

/// Data that only clients outside the page need, and that are too large for the page.
#[derive(Default)]
pub struct Extras {
    /// What types and fields are for, as OpenAPI documents tell it.
    pub descriptions: Option<Descriptions>,
    /// How bodies in protobuf are read.
    pub protobuf: Option<Numbers>,
    /// How the OpenAPI document of version 2 is written in protobuf: `api::openapi::protobuf::encode`.
    pub openapi_protobuf: Option<fn(&serde_json::Value) -> Vec<u8>>,
}

/// One kube-apiserver.
pub struct ApiServer {
    sim: Sim,
    process: ProcessId,
    registry: Rc<Registry>,
    etcd: EtcdEndpoint,
    cachers: Vec<Cacher>,
    /// The revision up to which etcd's changes were put into the watch caches.
    seen_revision: u64,
    /// The same, for the bookmarks of watches that end.
    bookmark_revision: Rc<std::cell::Cell<u64>>,
    /// Warnings of the request that is being served, if its client reads them.
    warnings: Warnings,
    auth: auth::Auth,
    disabled_plugins: Vec<&'static str>,
    metrics: RefCell<handle::metrics::Metrics>,
    trace_words: RefCell<TraceWords>,
    encoded: Rc<handle::encoded::Encoded>,
    started_at: SimTime,
    extras: Rc<Extras>,
    policies: Rc<admission::policies::Policies>,
    /// Whether flow control changed since it was looked at.
    flow_control_changed: std::cell::Cell<bool>,
    /// Itself, for what it does later.
    me: Weak<RefCell<ApiServer>>,
}

/// Words that entries of the trace share.
#[derive(Default)]
struct TraceWords {
    /// By kind, its name, the few subresources that were asked for, and how the trace names them.
    resources: Vec<Vec<(&'static str, Rc<str>, Rc<str>)>>,
    /// The namespace of the last request.
    namespace: Option<Rc<str>>,
}

impl TraceWords {
    fn resource(&mut self, id: ResourceId, resource: &'static str, subresource: &str) -> Rc<str> {
        let at = usize::from(id.0);
        if self.resources.len() <= at {
            self.resources.resize_with(at + 1, Vec::new);
        }
        let known = &mut self.resources[at];
        // A kind may be gone and another have its place.
        let is = |(r, s, _): &&(&'static str, Rc<str>, Rc<str>)| std::ptr::eq(*r, resource) && **s == *subresource;
        if let Some((_, _, whole)) = known.iter().find(is) {
            return whole.clone();
        }
        let whole: Rc<str> =
            if subresource.is_empty() { resource.into() } else { [resource, "/", subresource].concat().into() };
        known.push((resource, subresource.into(), whole.clone()));
        whole
    }

    fn namespace(&mut self, namespace: &str) -> Rc<str> {
        match &self.namespace {
            Some(last) if **last == *namespace => last.clone(),
            _ => self.namespace.insert(namespace.into()).clone(),
        }
    }
}

/// Collects warnings for the client while a request is served; typed clients read none, so nothing is computed for them.
#[derive(Default)]
struct Warnings(std::cell::RefCell<Option<Vec<String>>>);

impl Warnings {
    /// From now on warnings are wanted.
    fn begin(&self) {
        *self.0.borrow_mut() = Some(Vec::new());
    }

    /// Whether anybody reads warnings.
    fn wanted(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Ends the collection.
    fn take(&self) -> Vec<String> {
        self.0.borrow_mut().take().unwrap_or_default()
    }

    /// Adds one if they are wanted.
    fn add(&self, warning: impl FnOnce() -> String) {
        if let Some(all) = &mut *self.0.borrow_mut() {
            let warning = warning();
            if !all.contains(&warning) {
                all.push(warning);
            }
        }
    }

    /// Adds several if they are wanted, each once.
    fn extend(&self, warnings: impl FnOnce() -> Vec<String>) {
        if self.wanted() {
            warnings().into_iter().for_each(|warning| self.add(|| warning));
        }
    }
}

/// How long objects can be watched back: etcd is compacted this often.
const COMPACTION_INTERVAL: Duration = Duration::from_secs(300);

impl ApiServer {
    /// An api-server that runs as `process`, and its background tasks.
    pub fn start(sim: &Sim, process: ProcessId, registry: Rc<Registry>, etcd: EtcdEndpoint) -> Rc<RefCell<Self>> {
        let cachers = registry.ids().map(|id| Cacher::new(registry.strategy(id))).collect();
        let seen_revision = etcd.store.borrow().revision();
        let server = ApiServer {
            sim: sim.clone(),
            process,
            registry,
            etcd: etcd.clone(),
            cachers,
            seen_revision,
            bookmark_revision: Rc::new(std::cell::Cell::new(seen_revision)),
            warnings: Warnings::default(),
            auth: auth::Auth::default(),
            disabled_plugins: Vec::new(),
            metrics: RefCell::default(),
            trace_words: RefCell::default(),
            encoded: Rc::new(handle::encoded::Encoded::new(etcd.owners.clone())),
            started_at: sim.now(),
            extras: Rc::default(),
            policies: Rc::default(),
            flow_control_changed: std::cell::Cell::default(),
            me: Weak::new(),
        };
        let server = Rc::new(RefCell::new(server));
        server.borrow_mut().me = Rc::downgrade(&server);
        if server.borrow_mut().bootstrap().is_err() {
            // etcd can't be reached: tried again until it can.
            sim.spawn(process, {
                let (sim, server) = (sim.clone(), Rc::downgrade(&server));
                async move {
                    while let Some(server) = server.upgrade() {
                        if server.borrow_mut().bootstrap().is_ok() {
                            break;
                        }
                        drop(server);
                        sim.sleep(Duration::from_secs(1)).await;
                    }
                }
            });
        }
        server.borrow_mut().learn_definitions();
        server.borrow_mut().learn_policies();
        server.borrow_mut().begin_caches();
        // Changes made through another api-server reach this one's watch caches as etcd tells it.
        sim.spawn(process, {
            let (server, changed) = (Rc::downgrade(&server), etcd.changed.clone());
            async move {
                loop {
                    changed.notified().await;
                    let Some(server) = server.upgrade() else { break };
                    server.borrow_mut().pump();
                }
            }
        });
        sim.spawn(process, {
            let (sim, server) = (sim.clone(), Rc::downgrade(&server));
            async move {
                // Compacts to where the store stood one interval ago, as apiserver's etcd3 compactor does.
                let mut at = 0;
                loop {
                    sim.sleep(COMPACTION_INTERVAL).await;
                    let Some(server) = server.upgrade() else { break };
                    let server = server.borrow();
                    let mut store = server.etcd.store.borrow_mut();
                    if at > store.compacted() {
                        // `at` lies between compacted and current, so this can't fail.
                        let _ = store.compact(at);
                    }
                    server.etcd.owners.borrow_mut().forget_until(store.compacted());
                    at = store.revision();
                }
            }
        });
        sim.spawn(process, {
            let (sim, server) = (sim.clone(), Rc::downgrade(&server));
            async move {
                loop {
                    sim.sleep(Duration::from_secs(60)).await;
                    let Some(server) = server.upgrade() else { break };
                    server.borrow_mut().send_bookmarks();
                }
            }
        });
        server
    }

    /// The watch caches hold no change from before they were filled.
    fn begin_caches(&mut self) {
        let revision = self.seen_revision;
        for c in &mut self.cachers {
            c.forget(revision);
        }
    }

    /// The kinds that it serves.
    pub fn registry(&self) -> &Rc<Registry> {
        &self.registry
    }

    /// Gives it what only some of its clients need.
    pub fn set_extras(&mut self, extras: Rc<Extras>) {
        self.extras = extras;
    }

    /// The process that it runs as.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// The kernel.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Fails as upstream does when etcd can't be reached.
    fn check_etcd(&self) -> Result<(), Status> {
        let (us, etcd) = (self.sim.machine_of(self.process), self.sim.machine_of(self.etcd.process.get()));
        if self.sim.process_runs(self.etcd.process.get()) && self.sim.links().connected(us, etcd) {
            Ok(())
        } else {
            Err(Status::internal(
                "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp 127.0.0.1:2379: connect: connection refused\"",
            ))
        }
    }

    /// Brings the watch caches up to etcd and passes the changes to the watchers concerned.
    fn pump(&mut self) {
        let store = self.etcd.store.clone();
        let store = store.borrow();
        if store.revision() == self.seen_revision {
            return;
        }
        // Nothing newer than the last compaction but one can be missing: pump runs at every change.
        let Ok(events) = store.events_since(self.seen_revision) else {
            self.seen_revision = store.revision();
            self.bookmark_revision.set(self.seen_revision);
            return;
        };
        for e in events {
            let Some(obj) = cacher::object_of(e) else { continue };
            let Some(id) = self.registry.find_object(&*obj) else { continue };
            if e.kind == crate::etcd::EventType::Delete {
                self.etcd.owners.borrow_mut().forget(&*obj, e.revision);
            }
            let strategy = self.registry.strategy(id);
            self.cachers[id.0 as usize].dispatch(&self.sim, strategy, e);
            let group = strategy.info().group;
            if group == custom::GROUP {
                self.learn_definitions();
            } else if group == admission::policies::GROUP {
                self.learn_policies();
            } else if group == crate::registry::flow_control::GROUP {
                self.see_to_flow_control();
            }
        }
        self.seen_revision = store.revision();
        self.bookmark_revision.set(self.seen_revision);
    }

    fn send_bookmarks(&mut self) {
        let revision = self.seen_revision;
        for c in &mut self.cachers {
            c.send_bookmarks(&self.sim, revision);
        }
    }

    /// Puts a request and its outcome into the trace.
    pub(crate) fn trace_request(
        &self,
        caller: &Caller,
        verb: &'static str,
        id: ResourceId,
        names: (&str, &str, &str),
        outcome: Result<u64, u16>,
    ) {
        let (namespace, name, subresource) = names;
        let mut words = self.trace_words.borrow_mut();
        let resource = words.resource(id, self.registry.info(id).resource, subresource);
        let (code, revision) = match outcome {
            Ok(revision) => (if verb == "create" { 201 } else { 200 }, revision),
            Err(code) => (code, 0),
        };
        let scope = match (namespace.is_empty(), name.is_empty()) {
            (_, false) => "resource",
            (false, true) => "namespace",
            (true, true) => "cluster",
        };
        self.metrics.borrow_mut().count(verb, id, subresource, scope, code);
        let event = TraceEvent::Request {
            from: caller.process,
            to: self.process,
            verb,
            resource,
            namespace: words.namespace(namespace),
            name: name.into(),
            code,
            revision,
        };
        drop(words);
        if revision > 0 {
            self.sim.record(event)
        } else {
            self.sim.remark(event)
        };
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        for c in &mut self.cachers {
            c.close_all(&self.sim);
        }
    }
}
