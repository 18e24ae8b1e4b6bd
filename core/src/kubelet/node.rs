//! The node object: registered at the start, its status kept up to date. Models `pkg/kubelet/kubelet_node_status.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeDaemonEndpoints, NodeSpec, NodeStatus, NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Kubelet;
use super::config::VERSION;
use crate::client::{ClientError, EventType};
use crate::sim::SimTime;

/// nodeStatusUpdateFrequency.
const UPDATE: Duration = Duration::from_secs(10);
/// nodeStatusReportFrequency.
const REPORT: Duration = Duration::from_secs(300);
/// How often a node that isn't ready yet is looked at after a start, and for how long.
const FAST: Duration = Duration::from_millis(100);
const FAST_FOR: Duration = Duration::from_secs(120);
/// nodeStatusUpdateRetry.
const RETRIES: usize = 5;
/// nodeStatusMaxImages.
const IMAGES_MAX: usize = 50;
/// What the kubelet keeps back of the memory: evictionHard's memory.available.
const EVICTION_HARD: u64 = 100 << 20;

/// What the kubelet remembers of its node between two looks.
#[derive(Default)]
pub(super) struct NodeState {
    /// When the status was last written.
    reported: Option<SimTime>,
    /// Makes the reports of many nodes come apart.
    report_jitter: Duration,
    /// What the images were then.
    images_version: u64,
    /// Whether the node was ready then.
    ready: bool,
    /// Events that belong to a condition's first appearance have been sent.
    rebooted: bool,
    /// When containerd was last known to answer.
    pub(super) runtime_seen: Option<SimTime>,
    /// The range of its pods' addresses, as the watch has it: a node that is well is not read again at each look.
    pod_cidr: Option<String>,
    /// Whether somebody calls it unknown there.
    unknown: bool,
}

fn quantity(text: String) -> ApiQuantity {
    ApiQuantity(text)
}

/// Whether somebody else wrote into the conditions, as the node controller does to a node that was silent.
fn called_unknown(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.status == "Unknown")
}

impl Kubelet {
    /// Memory that pods may ask for.
    pub(super) fn allocatable_memory(&self) -> i64 {
        i64::try_from(self.0.config.memory_bytes.saturating_sub(EVICTION_HARD)).unwrap_or(i64::MAX)
    }

    pub(super) fn run_node_status(&self) {
        let kubelet = self.clone();
        self.spawn(async move {
            let sim = kubelet.0.sim.clone();
            kubelet.0.node_state.borrow_mut().report_jitter = sim.jitter(REPORT, 0.5) - REPORT;
            kubelet.register().await;
            kubelet.node_event(
                EventType::Normal,
                "NodeAllocatableEnforced",
                "Updated Node Allocatable limit across pods",
            );
            // Until the node is first ready it is looked at often, so that pods don't wait for the next round.
            let begin = sim.now();
            while sim.now().since(begin) < FAST_FOR {
                sim.set_cause(0);
                kubelet.update_pod_cidr();
                if kubelet.runtime_errors().is_none() {
                    break;
                }
                if kubelet.0.node_state.borrow().reported.is_none() {
                    kubelet.update_node_status().await;
                }
                sim.sleep(FAST).await;
            }
            loop {
                sim.set_cause(0);
                kubelet.update_node_status().await;
                sim.sleep(UPDATE).await;
            }
        });
    }

    /// The node's object as the watch has it.
    fn own_node(&self) -> Option<std::rc::Rc<Node>> {
        self.0.node.get(&self.0.config.node_name)
    }

    /// Takes notice of the node's object, as the watch has it now.
    pub(super) fn own_node_changed(&self, node: Option<&Node>) {
        let mut state = self.0.node_state.borrow_mut();
        let cidr = node.and_then(|n| n.spec.as_ref()).and_then(|s| s.pod_cidr.as_deref());
        if state.pod_cidr.as_deref() != cidr {
            state.pod_cidr = cidr.map(str::to_owned);
        }
        state.unknown = node.is_some_and(called_unknown);
    }

    fn update_pod_cidr(&self) {
        if let Some(cidr) = &self.0.node_state.borrow().pod_cidr {
            // A containerd that is down is told at the next look.
            let _ = self.0.runtime.update_runtime_config(cidr);
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.0.config.labels.clone();
        for (k, v) in [
            ("kubernetes.io/hostname", &*self.0.config.node_name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("beta.kubernetes.io/os", "linux"),
            ("beta.kubernetes.io/arch", "amd64"),
        ] {
            labels.entry(k.to_owned()).or_insert_with(|| v.to_owned());
        }
        labels
    }

    /// Registers the node, or takes over the one that is there.
    async fn register(&self) {
        let mut wait = FAST;
        loop {
            if self.try_register().await {
                return;
            }
            self.0.sim.sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(7));
        }
    }

    async fn try_register(&self) -> bool {
        let c = &self.0.config;
        let notes =
            BTreeMap::from([("volumes.kubernetes.io/controller-managed-attach-detach".to_owned(), "true".to_owned())]);
        let node = Node {
            metadata: ObjectMeta {
                name: Some(c.node_name.to_string()),
                labels: Some(self.labels()),
                annotations: Some(notes),
                ..ObjectMeta::default()
            },
            spec: Some(NodeSpec { taints: Some(c.taints.clone()).filter(|t| !t.is_empty()), ..NodeSpec::default() }),
            status: Some(self.node_status(None)),
        };
        match self.0.heartbeat.create(node).await {
            Ok(n) => {
                let mut first = n.status.clone().unwrap_or_default();
                // Readiness is news only once it changes.
                first.conditions.get_or_insert_default().retain(|c| c.type_ != "Ready");
                self.condition_events(None, &first);
                self.reported(&n);
                true
            }
            Err(e) if e.is_already_exists() => {
                let wanted = self.labels();
                let changed = self.0.heartbeat.get::<Node>("", &c.node_name).await.is_ok_and(|n| {
                    wanted.iter().any(|(k, v)| n.metadata.labels.as_ref().and_then(|l| l.get(k)) != Some(v))
                });
                if changed {
                    let patch = |n: &mut Node| n.metadata.labels.get_or_insert_default().extend(wanted.clone());
                    return self.0.heartbeat.patch::<Node>("", &c.node_name, "", patch).await.is_ok();
                }
                true
            }
            Err(_) => false,
        }
    }

    fn reported(&self, n: &Node) {
        let ready = |c: &k8s_openapi::api::core::v1::NodeCondition| c.type_ == "Ready" && c.status == "True";
        let mut s = self.0.node_state.borrow_mut();
        s.reported = Some(self.0.sim.now());
        s.images_version = self.0.runtime.images_version();
        s.ready = n.status.as_ref().is_some_and(|s| s.conditions.iter().flatten().any(ready));
    }

    /// Writes the status if it says something new or is due. Looking costs next to nothing when neither holds.
    async fn update_node_status(&self) {
        self.update_pod_cidr();
        let due = {
            let errors = self.runtime_errors();
            let s = self.0.node_state.borrow();
            s.reported.is_none_or(|at| self.now().since(at) >= REPORT + s.report_jitter)
                || s.images_version != self.0.runtime.images_version()
                || s.ready == errors.is_some()
                || errors.is_some()
                || s.unknown
        };
        if !due {
            return;
        }
        for attempt in 0..RETRIES {
            let Some(stored) = self.stored_node(attempt).await else { continue };
            self.report_reboot(&stored);
            let status = self.node_status(stored.status.as_ref());
            let same = stored.status.as_ref() == Some(&status);
            if same {
                return self.reported(&stored);
            }
            let heartbeat = status_due(&stored, &status);
            let at = self.0.node_state.borrow().reported;
            if !heartbeat && at.is_some_and(|at| self.now().since(at) < REPORT) {
                return;
            }
            let patched = self
                .0
                .heartbeat
                .patch::<Node>("", &self.0.config.node_name, "status", |n| n.status = Some(status.clone()))
                .await;
            match patched {
                Ok(n) => {
                    self.condition_events(stored.status.as_ref(), &status);
                    return self.reported(&n);
                }
                Err(ClientError::Status(s)) if s.is_not_found() => {
                    // Somebody deleted the node; a kubelet registers once in its life.
                    return;
                }
                Err(_) => {}
            }
        }
    }

    /// What the api-server has, from the watch at first and asked for when that didn't do.
    async fn stored_node(&self, attempt: usize) -> Option<std::rc::Rc<Node>> {
        if attempt == 0
            && let Some(n) = self.own_node()
        {
            return Some(n);
        }
        self.0.heartbeat.get::<Node>("", &self.0.config.node_name).await.ok()
    }

    fn report_reboot(&self, stored: &Node) {
        let c = &self.0.config;
        if std::mem::replace(&mut self.0.node_state.borrow_mut().rebooted, true) {
            return;
        }
        let before = stored.status.as_ref().and_then(|s| s.node_info.as_ref()).map(|i| i.boot_id.as_str());
        if let Some(before) = before.filter(|b| !b.is_empty() && **b != *c.boot_id) {
            let _ = before;
            let message = format!("Node {} has been rebooted, boot id: {}", c.node_name, c.boot_id);
            self.node_event(EventType::Warning, "Rebooted", &message);
        }
    }

    /// The whole status as it is now.
    fn node_status(&self, stored: Option<&NodeStatus>) -> NodeStatus {
        let c = &self.0.config;
        let storage = c.ephemeral_storage_bytes;
        let capacity = |memory: u64, storage: String| {
            BTreeMap::from([
                ("cpu".to_owned(), quantity(c.cpus.to_string())),
                ("memory".to_owned(), quantity(format!("{}Ki", memory >> 10))),
                ("pods".to_owned(), quantity(c.max_pods.to_string())),
                ("ephemeral-storage".to_owned(), quantity(storage)),
                ("hugepages-1Gi".to_owned(), quantity("0".into())),
                ("hugepages-2Mi".to_owned(), quantity("0".into())),
            ])
        };
        let address = |type_: &str, address: String| NodeAddress { type_: type_.to_owned(), address };
        let mut status = stored.cloned().unwrap_or_default();
        status.capacity = Some(capacity(c.memory_bytes, format!("{}Ki", storage >> 10)));
        // evictionHard's nodefs.available: a tenth of the disk.
        status.allocatable =
            Some(capacity(c.memory_bytes.saturating_sub(EVICTION_HARD), (storage - storage / 10).to_string()));
        status.addresses =
            Some(vec![address("InternalIP", c.node_ip.to_string()), address("Hostname", c.node_name.to_string())]);
        status.daemon_endpoints = Some(NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: 10250 }) });
        status.node_info = Some(NodeSystemInfo {
            architecture: "amd64".into(),
            boot_id: c.boot_id.to_string(),
            container_runtime_version: format!("containerd://{}", c.containerd_version),
            kernel_version: c.kernel_version.to_string(),
            kube_proxy_version: String::new(),
            kubelet_version: VERSION.into(),
            machine_id: c.machine_id.to_string(),
            operating_system: "linux".into(),
            os_image: c.os_image.to_string(),
            system_uuid: c.machine_id.to_string(),
            swap: None,
        });
        status.images = Some(self.images()).filter(|i| !i.is_empty());
        status.conditions = Some(self.node_conditions(stored));
        status
    }

    fn images(&self) -> Vec<ContainerImage> {
        let mut images: Vec<ContainerImage> = self
            .0
            .runtime
            .list_images()
            .iter()
            .map(|i| ContainerImage {
                names: Some(vec![i.image.reference(), i.image.name.to_string()]),
                size_bytes: i64::try_from(i.image.size()).ok(),
            })
            .collect();
        images.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.names.cmp(&b.names)));
        images.truncate(IMAGES_MAX);
        images
    }
}

/// Whether a status differs in more than the conditions' heartbeat.
fn status_due(stored: &Node, new: &NodeStatus) -> bool {
    let Some(old) = &stored.status else { return true };
    let without = |s: &NodeStatus| {
        let mut s = s.clone();
        for c in s.conditions.iter_mut().flatten() {
            c.last_heartbeat_time = None;
        }
        s
    };
    without(old) != without(new)
}
