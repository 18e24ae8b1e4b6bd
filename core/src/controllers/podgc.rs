//! The pod garbage collector: pods of nodes that are gone, pods that ended too many, pods that wait for a kubelet that isn't there.
//! Models `pkg/controller/podgc/gc_controller.go`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};

use super::ControllerContext;
use super::util::pod_control::in_parallel;
use super::util::{name, namespace, pods, time};
use crate::apiserver::DeleteOptions;
use crate::client::{Client, ClientError, Informer};
use crate::sim::SimTime;

const CHECK_PERIOD: Duration = Duration::from_secs(20);
/// How long a node must be gone before its pods go.
const QUARANTINE: Duration = Duration::from_secs(40);
/// `--terminated-pod-gc-threshold`.
const TERMINATED_THRESHOLD: usize = 12_500;
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Index of what this controller looks for, so that it needn't look at all pods each time.
const INDEX: &str = "podgc";
const TERMINATED: &str = "terminated";
const TERMINATING: &str = "terminating";

#[derive(Clone)]
struct PodGc {
    client: Client,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    /// Nodes that pods name and nobody knows, and when they are to be looked for.
    quarantine: Rc<RefCell<BTreeMap<Rc<str>, SimTime>>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("pod-garbage-collector");
    let gc = PodGc { pods: ctx.informer(), nodes: ctx.informer(), quarantine: Rc::default(), client };
    pods::add_node_index(&gc.pods);
    gc.pods.tell_index(INDEX, |p, tell| {
        if pods::is_terminal(p) {
            tell(TERMINATED);
        }
        if p.metadata.deletion_timestamp.is_some() {
            tell(TERMINATING);
        }
    });
    ctx.spawn(async move {
        gc.pods.wait_synced().await;
        gc.nodes.wait_synced().await;
        loop {
            gc.collect().await;
            gc.client.sim().sleep(CHECK_PERIOD).await;
        }
    });
}

fn is_ready(node: &Node) -> bool {
    super::nodelifecycle::condition(node, "Ready").is_some_and(|c| c.status == "True")
}

fn by_creation(pods: &mut [Rc<Pod>]) {
    let age = |p: &Pod| p.metadata.creation_timestamp.as_ref().map(|t| t.0.as_second());
    pods.sort_by(|a, b| age(a).cmp(&age(b)).then_with(|| name(&a.metadata).cmp(name(&b.metadata))));
}

impl PodGc {
    async fn collect(&self) {
        self.collect_terminated().await;
        self.collect_out_of_service().await;
        self.collect_orphaned().await;
        self.collect_unscheduled_terminating().await;
    }

    async fn collect_terminated(&self) {
        let mut ended = self.pods.by_index(INDEX, TERMINATED);
        let surplus = ended.len().saturating_sub(TERMINATED_THRESHOLD);
        if surplus == 0 {
            return;
        }
        by_creation(&mut ended);
        // Evicted pods go first.
        ended.sort_by_key(|p| p.status.as_ref().and_then(|s| s.reason.as_deref()) != Some("Evicted"));
        ended.truncate(surplus);
        self.delete_all(ended, None).await;
    }

    async fn collect_out_of_service(&self) {
        let out = |p: &Rc<Pod>| {
            self.nodes
                .get(pods::node_name(p))
                .is_some_and(|n| !is_ready(&n) && super::util::taints::of(&n).iter().any(|t| t.key == OUT_OF_SERVICE))
        };
        let mut doomed: Vec<_> = self.pods.by_index(INDEX, TERMINATING).into_iter().filter(out).collect();
        by_creation(&mut doomed);
        self.delete_all(doomed, None).await;
    }

    async fn collect_orphaned(&self) {
        let now = self.client.sim().now();
        let due: Vec<Rc<str>> = {
            let mut quarantine = self.quarantine.borrow_mut();
            for node in self.pods.index_values(pods::NODE_INDEX) {
                if self.nodes.get(&node).is_none() {
                    quarantine.entry(node).or_insert(now + QUARANTINE);
                }
            }
            quarantine.extract_if(.., |_, at| *at <= now).map(|(node, _)| node).collect()
        };
        for node in due {
            if self.nodes.get(&node).is_some() {
                continue;
            }
            // The informer may be behind: the api-server is asked before pods are lost.
            if self.client.get::<Node>("", &node).await.is_err_and(|e| e.is_not_found()) {
                let orphans = self.pods.by_index(pods::NODE_INDEX, &node);
                let condition = PodCondition {
                    type_: "DisruptionTarget".into(),
                    status: "True".into(),
                    reason: Some("DeletionByPodGC".into()),
                    message: Some("PodGC: node no longer exists".into()),
                    ..PodCondition::default()
                };
                for pod in orphans {
                    // A failure is tried again in the next round.
                    let _ = mark_failed_and_delete(&self.client, &pod, Some(condition.clone())).await;
                }
            }
        }
    }

    async fn collect_unscheduled_terminating(&self) {
        let unscheduled = |p: &Rc<Pod>| pods::node_name(p).is_empty();
        let mut doomed: Vec<_> = self.pods.by_index(INDEX, TERMINATING).into_iter().filter(unscheduled).collect();
        by_creation(&mut doomed);
        for pod in doomed {
            let _ = mark_failed_and_delete(&self.client, &pod, None).await;
        }
    }

    async fn delete_all(&self, doomed: Vec<Rc<Pod>>, condition: Option<PodCondition>) {
        in_parallel(&self.client, doomed.len(), |i| {
            let (client, pod, condition) = (self.client.clone(), doomed[i].clone(), condition.clone());
            async move { Ok(mark_failed_and_delete(&client, &pod, condition).await?) }
        })
        .await;
    }
}

async fn mark_failed_and_delete(
    client: &Client,
    pod: &Pod,
    condition: Option<PodCondition>,
) -> Result<(), ClientError> {
    if !pods::is_terminal(pod) {
        let now = time::now(client.sim());
        pods::patch_status(client, pod, |s| {
            s.phase = Some("Failed".into());
            if let Some(c) = &condition {
                pods::update_condition(s, c.clone(), now.clone());
            }
        })
        .await?;
    }
    let o = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
    client.delete::<Pod>(namespace(&pod.metadata), name(&pod.metadata), &o).await
}
