//! The program kube-scheduler: informers feed the queue, a loop empties it, tasks tell the api-server what was decided.
//! Models `cmd/kube-scheduler/app/server.go` and kube-scheduler `scheduler.go` (Run, scheduleOne's goroutines).
//!
//! What it costs in virtual time: a cycle takes [`CYCLE`], during which no other pod is tried; binding and telling are API
//! calls at the client's limit of 50 a second, beside further cycles.

mod events;
mod tell;
mod volumes;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{
    Namespace, Node, ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController, Service,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rustc_hash::FxBuildHasher;

use self::events::Recorder;
use super::Scheduler;
use super::decision::Decision;
use super::framework::events::{ActionType, EventResource};
use super::listers::Listers;
use super::schedule_one::Outcome;
use crate::api::object::{Kind, Object};
use crate::client::{
    Client, EventRecorder, EventType, Informer, InformerEvent, LeaderElection, LeaderEvent, ListWatch,
};
use crate::cluster::ComponentContext;
use crate::sim::{Notify, ProcessId, SimTime, TraceEvent, TraceSeq, select};

/// The program's name, and its user agent's first part.
pub const NAME: &str = "kube-scheduler";
const USER: &str = "system:kube-scheduler";
/// `clientConnection` of the default configuration.
const QPS: f64 = 50.0;
const BURST: u32 = 100;
/// How long a scheduling cycle takes: about what a real one does in a small cluster.
const CYCLE: Duration = Duration::from_micros(500);

/// A running kube-scheduler. Clones share it.
#[derive(Clone)]
pub struct SchedulerProcess(Rc<Inner>);

struct Inner {
    scheduler: RefCell<Scheduler>,
    client: Client,
    recorder: Recorder,
    /// There may be a pod to try.
    work: Notify,
    /// What put each waiting pod into the queue.
    causes: RefCell<IndexMap<Rc<str>, TraceSeq, FxBuildHasher>>,
}

impl SchedulerProcess {
    /// Starts the program in `cx.process`: it lists and watches at once, and schedules as soon as it leads.
    pub fn start(cx: &ComponentContext) -> Self {
        let client = cx.client(USER, &[], NAME, QPS, BURST);
        // Events have a client of their own, so that they don't hold up bindings.
        let recorder = Recorder::start(&client.with_own_limit(QPS, BURST), "default-scheduler", &cx.node);
        let this = SchedulerProcess(Rc::new(Inner {
            scheduler: RefCell::new(Scheduler::new(cx.sim.random_u64())),
            work: Notify::new(&cx.sim),
            causes: RefCell::default(),
            recorder,
            client,
        }));
        let (p, cx) = (this.clone(), cx.clone());
        cx.sim.clone().spawn(cx.process, async move { p.run(&cx).await });
        this
    }
    /// Why a pod is where it is, or nowhere: its latest cycle, if still remembered.
    pub fn decision(&self, pod_uid: &str) -> Option<Decision> {
        self.0.scheduler.borrow().decision(pod_uid).cloned()
    }
    /// The process that it runs as.
    pub fn process(&self) -> ProcessId {
        self.0.client.process()
    }
    /// Looks at the scheduler.
    pub fn inspect<T>(&self, look: impl FnOnce(&Scheduler) -> T) -> T {
        look(&self.0.scheduler.borrow())
    }

    fn now(&self) -> u64 {
        self.0.client.sim().now().as_nanos()
    }
    /// Changes the scheduler, and wakes the loop if there is something to try now.
    fn change<T>(&self, change: impl FnOnce(&mut Scheduler, u64) -> T) -> T {
        let now = self.now();
        let mut scheduler = self.0.scheduler.borrow_mut();
        let result = change(&mut scheduler, now);
        if scheduler.queue().has_next() {
            self.0.work.notify();
        }
        result
    }

    async fn run(&self, cx: &ComponentContext) {
        let synced = self.watch();
        let (client, sim) = (&self.0.client, &cx.sim);
        let identity = format!("{}_{}", cx.node, sim.random_uuid());
        // Elections have a client of their own too, lest a busy scheduler lose its lease.
        let elector = client.with_own_limit(QPS, BURST);
        let recorder = EventRecorder::start(&elector, "default-scheduler", "");
        let leader = identity.clone();
        let (p, process, kernel) = (self.clone(), cx.process, sim.clone());
        let lead = move |event| match event {
            LeaderEvent::Started => {
                let lease = ObjectReference {
                    api_version: Some("coordination.k8s.io/v1".into()),
                    kind: Some("Lease".into()),
                    namespace: Some("kube-system".into()),
                    name: Some(NAME.into()),
                    ..ObjectReference::default()
                };
                let message = format!("{leader} became leader");
                recorder.event_about(lease, EventType::Normal, "LeaderElection", &message);
                let (p, sim) = (p.clone(), kernel.clone());
                let synced = synced.clone();
                sim.clone().spawn(process, async move {
                    for ready in synced.iter() {
                        while !ready() {
                            sim.sleep(Duration::from_millis(100)).await;
                        }
                    }
                    p.schedule().await;
                });
            }
            // Upstream exits, and is started again by its kubelet or systemd.
            LeaderEvent::Lost => kernel.exit_process(process, 1),
        };
        LeaderElection::component(NAME, &identity).run(&elector, lead).await;
    }

    /// Takes pods from the queue, one after another.
    async fn schedule(&self) {
        let sim = self.0.client.sim().clone();
        loop {
            let now = self.now();
            let (outcome, next) = {
                let mut scheduler = self.0.scheduler.borrow_mut();
                scheduler.flush(now);
                let outcome = scheduler.schedule_one(now);
                (outcome, scheduler.queue().next_flush())
            };
            if let Some(outcome) = outcome {
                self.act(outcome);
                sim.sleep(CYCLE).await;
                continue;
            }
            match next {
                Some(at) => {
                    select(self.0.work.notified(), sim.sleep_until(SimTime::from_nanos(at))).await;
                }
                None => self.0.work.notified().await,
            }
        }
    }

    fn act(&self, outcome: Outcome) {
        let sim = self.0.client.sim();
        match outcome {
            Outcome::Assumed(assignment) => {
                self.decided(&assignment.pod.info, &assignment.node);
                let p = self.clone();
                sim.spawn(self.0.client.process(), async move { p.bind(*assignment).await });
            }
            Outcome::Failed(failure) => {
                self.decided(&failure.pod, &failure.message);
                self.tell_failure(failure);
            }
            Outcome::Skipped { pod, message } => {
                if !message.is_empty() {
                    self.0.recorder.warning(&pod.pod, "FailedScheduling", "Scheduling", &message);
                }
            }
        }
    }
    /// Puts the decision into the trace, caused by what put the pod into the queue.
    fn decided(&self, pod: &super::framework::pod_info::PodInfo, what: &str) {
        let sim = self.0.client.sim();
        let cause = self.0.causes.borrow().get(&*pod.uid).copied().unwrap_or_default();
        sim.set_cause(cause);
        let about = format!("pod {}/{}", pod.namespace(), pod.name());
        sim.record(TraceEvent::Decision { by: self.0.client.process(), about: about.into(), what: what.into() });
    }

    /// Starts the informers. What is returned says whether each has its first list.
    fn watch(&self) -> Rc<[Box<dyn Fn() -> bool>]> {
        let live = ListWatch {
            field_selector: "status.phase!=Succeeded,status.phase!=Failed".to_owned(),
            ..ListWatch::default()
        };
        let p = self.clone();
        let pods = self.informer::<Pod>(live, move |event| match event {
            InformerEvent::Added(pod) | InformerEvent::Updated { new: pod, .. } => {
                p.note_cause(pod);
                p.change(|s, now| s.pod_seen(Rc::clone(pod), now));
            }
            InformerEvent::Deleted(pod) => {
                let uid = pod.metadata.uid.as_deref().unwrap_or_default();
                p.0.causes.borrow_mut().swap_remove(uid);
                p.change(|s, now| s.pod_gone(uid, now));
            }
        });
        let p = self.clone();
        let nodes = self.informer::<Node>(ListWatch::default(), move |event| match event {
            InformerEvent::Added(node) | InformerEvent::Updated { new: node, .. } => {
                p.change(|s, now| s.node_seen(Rc::clone(node), now));
            }
            InformerEvent::Deleted(node) => {
                p.change(|s, now| s.node_gone(node.metadata.name.as_deref().unwrap_or_default(), now));
            }
        });
        let services = self.lister::<Service>(|s, object, new| s.listers.set_service(object.meta(), new));
        let rcs = self.lister::<ReplicationController>(|s, o, new| s.listers.set_replication_controller(o.meta(), new));
        let rss = self.lister::<ReplicaSet>(|s, object, new| s.listers.set_replica_set(object.meta(), new));
        let sss = self.lister::<StatefulSet>(|s, object, new| s.listers.set_stateful_set(object.meta(), new));
        let budgets = self.lister::<PodDisruptionBudget>(|s, object, new| s.listers.set_budget(object.meta(), new));
        let namespaces = self.lister::<Namespace>(|s, object, new| {
            s.listers.set_namespace(object.meta().name.as_deref().unwrap_or_default(), new);
        });
        let claims = self.storage::<PersistentVolumeClaim>(EventResource::PersistentVolumeClaim, Listers::set_claim);
        let volumes = self.storage::<PersistentVolume>(EventResource::PersistentVolume, Listers::set_volume);
        let classes = self.storage::<StorageClass>(EventResource::StorageClass, Listers::set_storage_class);
        [pods, nodes, services, rcs, rss, sss, budgets, namespaces, claims, volumes, classes].into()
    }
    fn informer<K: Kind>(
        &self,
        what: ListWatch,
        handler: impl Fn(&InformerEvent<'_, K>) + 'static,
    ) -> Box<dyn Fn() -> bool> {
        let informer = Informer::<K>::start(&self.0.client, what);
        informer.on_event(handler);
        let known = self.0.client.registry().id_of::<K>().is_some();
        Box::new(move || !known || informer.has_synced())
    }
    /// Keeps the plugins' copies of a kind. These changes try no pod again.
    fn lister<K: Kind>(&self, set: impl Fn(&mut Scheduler, &K, Option<Rc<K>>) + 'static) -> Box<dyn Fn() -> bool> {
        let p = self.clone();
        self.informer::<K>(ListWatch::default(), move |event| {
            let mut scheduler = p.0.scheduler.borrow_mut();
            match event {
                InformerEvent::Added(object) | InformerEvent::Updated { new: object, .. } => {
                    set(&mut scheduler, object, Some(Rc::clone(object)));
                }
                InformerEvent::Deleted(object) => set(&mut scheduler, object, None),
            }
        })
    }
    /// Keeps the plugins' copies of a kind whose changes may let pods run.
    fn storage<K: Kind>(
        &self,
        resource: EventResource,
        set: fn(&mut Listers, &ObjectMeta, Option<Rc<K>>),
    ) -> Box<dyn Fn() -> bool> {
        let p = self.clone();
        self.informer::<K>(ListWatch::default(), move |event| {
            let (object, new, action) = match event {
                InformerEvent::Added(o) => (o, Some(Rc::clone(o)), ActionType::ADD),
                InformerEvent::Updated { new, .. } => (new, Some(Rc::clone(new)), ActionType::UPDATE),
                InformerEvent::Deleted(o) => (o, None, ActionType::DELETE),
            };
            p.change(|s, now| {
                set(&mut s.listers, object.meta(), new);
                s.storage_changed(resource, action, now);
            });
        })
    }
    fn note_cause(&self, pod: &Pod) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let waits = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).is_none_or(str::is_empty);
        let mut causes = self.0.causes.borrow_mut();
        if waits {
            causes.entry(uid.into()).or_insert(self.0.client.sim().cause());
        } else {
            causes.swap_remove(uid);
        }
    }
}
