//! The kubelet: registers its node, runs the pods bound to it and its static pods, and says how they fare.
//!
//! Sees the cluster through its client alone and the machine through containerd alone: what a kubelet that starts anew knows
//! of its pods' past is what containerd tells it. Models `pkg/kubelet/kubelet.go`.

mod admit;
mod api;
mod backoff;
mod conditions;
mod config;
mod container_status;
mod env;
mod gc;
mod handlers;
mod image;
mod kill;
mod lease;
mod logs;
mod node;
mod node_conditions;
mod objects;
mod pleg;
mod pod;
mod pod_manager;
mod prober;
mod sources;
mod start_container;
mod status;
mod status_manager;
mod sync_pod;
mod volumes;
mod workers;

#[cfg(test)]
pub(crate) mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod, Service};

pub use api::{ExecError, LogError, LogOptions, exec_config};
pub use config::KubeletConfig;
pub use logs::LogReader;

use crate::client::{Client, EventRecorder, EventType, Informer, ListWatch};
use crate::cluster::ComponentContext;
use crate::runtime::Containerd;
use crate::sim::{Notify, Sim, SimTime};

use backoff::Backoff;
use objects::ObjectCache;
use pod::Entry;
use status_manager::Statuses;

/// So many words are known again.
const WORDS_MAX: usize = 256;

/// One kubelet's process. Clones are the same kubelet; all it does ends with its process.
#[derive(Clone)]
pub struct Kubelet(Rc<Inner>);

struct Inner {
    sim: Sim,
    cx: ComponentContext,
    config: KubeletConfig,
    runtime: Rc<Containerd>,
    /// For pods: 50 requests a second, 100 at once.
    client: Client,
    /// For the node and its lease: no limit.
    heartbeat: Client,
    recorder: EventRecorder,
    services: Informer<Service>,
    node: Informer<Node>,
    pods: RefCell<BTreeMap<Rc<str>, Box<Entry>>>,
    /// What the pods ask for together.
    load: RefCell<admit::Load>,
    /// Mirror pods by `namespace/name`.
    mirrors: RefCell<BTreeMap<Rc<str>, Rc<Pod>>>,
    /// Static pods' manifests as last read.
    manifests: RefCell<BTreeMap<String, Rc<str>>>,
    statuses: RefCell<Statuses>,
    status_changed: Notify,
    container_backoff: RefCell<Backoff>,
    image_backoff: RefCell<Backoff>,
    /// What the last pull of an image said, for the pod's status while it backs off.
    pull_errors: RefCell<BTreeMap<String, String>>,
    /// Pulls go one after another (serializeImagePulls).
    pulling: Cell<bool>,
    pull_done: Notify,
    objects: ObjectCache,
    /// By namespace, for pods that ask for nothing else.
    resolv: RefCell<BTreeMap<String, volumes::ResolvConf>>,
    /// By namespace and whether all its services are meant, with the revision that it is of.
    service_env: RefCell<BTreeMap<(String, bool), (u64, env::ServiceEnv)>>,
    /// What many pods have in common: names of images, of containers, of namespaces.
    words: RefCell<BTreeSet<Rc<str>>>,
    started_at: SimTime,
    node_state: RefCell<node::NodeState>,
    node_changed: Notify,
    collecting: Cell<bool>,
    /// Whether the api-server has told which pods are this node's: from then on a pod that is not known is gone.
    sources_ready: Cell<bool>,
}

impl Kubelet {
    /// A kubelet that runs as `cx.process`.
    pub fn start(cx: ComponentContext, config: KubeletConfig, runtime: Rc<Containerd>) -> Self {
        let sim = cx.sim.clone();
        let user = format!("system:node:{}", config.node_name);
        let groups = ["system:nodes"];
        let client = cx.client(&user, &groups, "kubelet", 50.0, 100);
        let heartbeat = client.with_own_limit(0.0, 0);
        let recorder = EventRecorder::start(&client.with_own_limit(50.0, 100), "kubelet", &config.node_name);
        // Reflectors aren't bound by the pods' requests.
        let lists = client.with_own_limit(0.0, 0);
        let services = Informer::start(&lists, ListWatch::default());
        let own = ListWatch { field_selector: format!("metadata.name={}", config.node_name), ..ListWatch::default() };
        let node = Informer::start(&lists, own);
        let kubelet = Kubelet(Rc::new(Inner {
            started_at: sim.now(),
            objects: ObjectCache::default(),
            resolv: RefCell::default(),
            service_env: RefCell::default(),
            words: RefCell::default(),
            status_changed: Notify::new(&sim),
            pull_done: Notify::new(&sim),
            node_changed: Notify::new(&sim),
            client,
            heartbeat,
            recorder,
            services,
            node,
            pods: RefCell::default(),
            load: RefCell::default(),
            mirrors: RefCell::default(),
            manifests: RefCell::default(),
            statuses: RefCell::default(),
            container_backoff: RefCell::new(Backoff::new(Duration::from_secs(10), Duration::from_secs(300))),
            image_backoff: RefCell::new(Backoff::new(Duration::from_secs(10), Duration::from_secs(300))),
            pull_errors: RefCell::default(),
            pulling: Cell::new(false),
            node_state: RefCell::default(),
            collecting: Cell::new(false),
            sources_ready: Cell::new(false),
            runtime,
            config,
            cx,
            sim,
        }));
        kubelet.node_event(EventType::Normal, "Starting", "Starting kubelet.");
        kubelet.run_sources(&lists);
        kubelet.run_pleg();
        kubelet.run_status_manager();
        kubelet.run_node_status();
        kubelet.run_lease();
        kubelet
    }

    /// Its configuration.
    pub fn config(&self) -> &KubeletConfig {
        &self.0.config
    }

    /// Its machine's containerd.
    pub fn runtime(&self) -> &Rc<Containerd> {
        &self.0.runtime
    }

    /// The one copy of a text that many pods have in common.
    fn word(&self, text: &str) -> Rc<str> {
        let mut words = self.0.words.borrow_mut();
        if let Some(word) = words.get(text) {
            return word.clone();
        }
        if words.len() >= WORDS_MAX {
            words.clear();
        }
        let word: Rc<str> = text.into();
        words.insert(word.clone());
        word
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.sim.spawn(self.0.cx.process, task);
    }

    fn now(&self) -> SimTime {
        self.0.sim.now()
    }

    /// The wall clock, to the second as the API has it.
    fn time(&self) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
        to_time(self.0.sim.timestamp())
    }

    fn node_event(&self, kind: EventType, reason: &str, message: &str) {
        let name = self.0.config.node_name.to_string();
        let about = ObjectReference {
            kind: Some("Node".into()),
            name: Some(name.clone()),
            uid: Some(name),
            ..ObjectReference::default()
        };
        self.0.recorder.event_about(about, kind, reason, message);
    }
}

/// A time to the second.
fn to_time(t: jiff::Timestamp) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
    let whole = jiff::Timestamp::from_second(t.as_second()).unwrap_or(t);
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(whole)
}
