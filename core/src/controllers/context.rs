//! How kube-controller-manager starts: leader election, shared informers, then every controller.
//! Models `cmd/kube-controller-manager/app/controllermanager.go`.

use std::rc::Rc;

use crate::client::{Client, EventRecorder, EventType, Informer, LeaderElection, LeaderEvent, SharedInformers};
use crate::cluster::ComponentContext;
use crate::sim::Sim;

/// The program's name: its User-Agent and field manager.
pub const AGENT: &str = "kube-controller-manager";

/// `--kube-api-qps` and `--kube-api-burst`.
pub const QPS: f64 = 20.0;
/// See [`QPS`].
pub const BURST: u32 = 30;

/// What a controller is started with.
#[derive(Clone)]
pub struct ControllerContext {
    component: ComponentContext,
    informers: SharedInformers,
    flags: Rc<[String]>,
}

impl ControllerContext {
    /// The kernel.
    pub fn sim(&self) -> &Sim {
        &self.component.sim
    }

    /// A client of the service account `name`, as `--use-service-account-credentials` has it.
    pub fn client(&self, name: &str) -> Client {
        self.client_scaled(name, 1, 1)
    }

    /// A client whose limits are multiples of the default, as few controllers have.
    pub fn client_scaled(&self, name: &str, qps: u32, burst: u32) -> Client {
        let user = format!("system:serviceaccount:kube-system:{name}");
        let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
        self.component.client(&user, &groups, AGENT, QPS * f64::from(qps), BURST * burst)
    }

    /// A recorder that shares `client`'s limit.
    pub fn recorder(&self, client: &Client, component: &str) -> EventRecorder {
        EventRecorder::start(client, component, "")
    }

    /// The process's informer of a kind.
    pub fn informer<K: crate::api::object::Kind>(&self) -> Informer<K> {
        self.informers.of::<K>()
    }

    /// All of the process's informers.
    pub fn informers(&self) -> &SharedInformers {
        &self.informers
    }

    /// The node that the process runs on.
    pub fn component(&self) -> &ComponentContext {
        &self.component
    }

    /// The value of a flag of the command line, such as `--cluster-cidr`.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find_map(|f| f.strip_prefix(name)?.strip_prefix('='))
    }

    /// Starts a task of the process.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.component.sim.spawn(self.component.process, task);
    }
}

/// Takes part in the election of kube-controller-manager, and runs every controller while it leads. An instance that loses its
/// lease ends its process, as upstream's does. `flags` is its command line.
pub fn start(component: &ComponentContext, flags: &[String]) {
    let (component, flags): (_, Rc<[String]>) = (component.clone(), flags.into());
    let sim = component.sim.clone();
    sim.clone().spawn(component.process, async move {
        let root = component.client("system:kube-controller-manager", &[], AGENT, QPS, BURST);
        let identity = format!("{}_{}", component.node, sim.random_uuid());
        let recorder = EventRecorder::start(&root, AGENT, "");
        LeaderElection::component(AGENT, &identity)
            .run(&root, |event| match event {
                LeaderEvent::Started => {
                    let lease = k8s_openapi::api::core::v1::ObjectReference {
                        api_version: Some("coordination.k8s.io/v1".into()),
                        kind: Some("Lease".into()),
                        namespace: Some("kube-system".into()),
                        name: Some(AGENT.into()),
                        ..Default::default()
                    };
                    let message = format!("{identity} became leader");
                    recorder.event_about(lease, EventType::Normal, "LeaderElection", &message);
                    let (component, flags) = (component.clone(), flags.clone());
                    sim.spawn(component.process, async move { start_controllers(component, flags) });
                }
                LeaderEvent::Lost => sim.exit_process(component.process, 1),
            })
            .await;
    });
}

/// Starts every controller. Each waits for its informers by itself.
fn start_controllers(component: ComponentContext, flags: Rc<[String]>) {
    let informers = component.client("system:kube-controller-manager", &[], AGENT, QPS, BURST);
    let ctx = ControllerContext { informers: SharedInformers::new(&informers), component, flags };
    super::nodelifecycle::start(&ctx);
    super::resourcequota::start(&ctx);
    super::disruption::start(&ctx);
    super::podautoscaler::start(&ctx);
    super::tainteviction::start(&ctx);
    super::daemon::start(&ctx);
    super::deployment::start(&ctx);
    super::job::start(&ctx);
    super::cronjob::start(&ctx);
    super::endpoints::start(&ctx);
    super::endpointslice::start(&ctx);
    super::endpointslicemirroring::start(&ctx);
    super::statefulset::start(&ctx);
    super::replicaset::start(&ctx);
    super::replication::start(&ctx);
    super::podgc::start(&ctx);
    super::namespace::start(&ctx);
    super::nodeipam::start(&ctx);
    super::serviceaccount::start(&ctx);
    super::rootcacertpublisher::start(&ctx);
    super::ttl::start(&ctx);
    super::garbagecollector::start(&ctx);
    super::persistentvolume::start(&ctx);
    super::ttlafterfinished::start(&ctx);
    super::clusterroleaggregation::start(&ctx);
    super::ephemeralvolume::start(&ctx);
    super::persistentvolume::start_protection(&ctx);
    super::validatingadmissionpolicystatus::start(&ctx);
}
