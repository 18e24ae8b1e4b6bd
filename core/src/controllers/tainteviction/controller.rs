//! Follows nodes' NoExecute taints and pods' tolerations. Models `taint_eviction.go`.
//!
//! Upstream hands changes to workers by queues sharded by node, so that a node's and its pods' changes keep their order; here
//! the informer's handlers do the same work in that order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, ObjectReference, Pod, PodCondition, Taint, Toleration};

use super::timed_workers::TimedWorkers;
use crate::apiserver::DeleteOptions;
use crate::client::{Client, ClientError, EventRecorder, EventType, Informer, InformerEvent, object_key, split_key};
use crate::controllers::ControllerContext;
use crate::controllers::util::worker::SyncResult;
use crate::controllers::util::{name, pods, taints, time};

/// A deletion is tried so often, so far apart.
const RETRIES: usize = 5;
const RETRY_SLEEP: Duration = Duration::from_millis(10);

#[derive(Clone)]
struct Controller {
    client: Client,
    recorder: EventRecorder,
    pods: Informer<Pod>,
    tainted: Rc<RefCell<BTreeMap<String, Vec<Taint>>>>,
    evictions: TimedWorkers,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("node-controller");
    let c = Controller {
        recorder: ctx.recorder(&client, "taint-eviction-controller"),
        pods: ctx.informer(),
        tainted: Rc::default(),
        evictions: TimedWorkers::new(&client),
        client,
    };
    pods::add_node_index(&c.pods);
    let nodes = ctx.informer::<Node>();
    ctx.spawn(async move {
        c.pods.wait_synced().await;
        nodes.wait_synced().await;
        let watcher = c.clone();
        nodes.on_event(move |e| match e {
            InformerEvent::Added(n) => watcher.node_updated(n),
            InformerEvent::Updated { old, new } if no_execute(old) != no_execute(new) => watcher.node_updated(new),
            InformerEvent::Updated { .. } => {}
            InformerEvent::Deleted(n) => {
                watcher.tainted.borrow_mut().remove(name(&n.metadata));
            }
        });
        let watcher = c.clone();
        c.pods.on_event(move |e| match e {
            InformerEvent::Added(p) => watcher.pod_updated(p),
            InformerEvent::Updated { old, new } => {
                let tolerations = |p: &Pod| p.spec.as_ref().and_then(|s| s.tolerations.clone());
                if pods::node_name(old) != pods::node_name(new)
                    || (watcher.concerns(new) && tolerations(old) != tolerations(new))
                {
                    watcher.pod_updated(new);
                }
            }
            InformerEvent::Deleted(p) => watcher.cancel_with_event(&object_key(&p.metadata)),
        });
    });
}

fn no_execute(node: &Node) -> Vec<&Taint> {
    taints::of(node).iter().filter(|t| t.effect == "NoExecute").collect()
}

impl Controller {
    /// Whether a pod's node has NoExecute taints.
    fn concerns(&self, pod: &Pod) -> bool {
        self.tainted.borrow().contains_key(pods::node_name(pod))
    }

    fn node_updated(&self, node: &Node) {
        let n = name(&node.metadata);
        let taints: Vec<Taint> = no_execute(node).into_iter().cloned().collect();
        {
            let mut tainted = self.tainted.borrow_mut();
            if taints.is_empty() {
                tainted.remove(n);
            } else {
                tainted.insert(n.to_owned(), taints.clone());
            }
        }
        for pod in self.pods.by_index(pods::NODE_INDEX, n) {
            let key = object_key(&pod.metadata);
            if taints.is_empty() {
                self.cancel_with_event(&key);
            } else {
                self.process_pod_on_node(&pod, &key, &taints);
            }
        }
    }

    fn pod_updated(&self, pod: &Pod) {
        let Some(taints) = self.tainted.borrow().get(pods::node_name(pod)).cloned() else { return };
        self.process_pod_on_node(pod, &object_key(&pod.metadata), &taints);
    }

    fn process_pod_on_node(&self, pod: &Pod, key: &Rc<str>, taints: &[Taint]) {
        let now = self.client.sim().now();
        let none = Vec::new();
        let tolerations = pod.spec.as_ref().and_then(|s| s.tolerations.as_ref()).unwrap_or(&none);
        let Some(used) = matching_tolerations(taints, tolerations) else {
            // Deleted right away, whatever was planned.
            self.cancel_with_event(key);
            self.evictions.add(key, now, Duration::ZERO, self.clone().delete_pod(key.clone()));
            return;
        };
        let Some(tolerated) = min_toleration_time(&used) else {
            self.cancel_with_event(key);
            return;
        };
        let mut start = now;
        if let Some(created) = self.evictions.created(key) {
            start = created;
            if start + tolerated < now + tolerated {
                return;
            }
            self.cancel_with_event(key);
        }
        let delay = (now + tolerated).since(now);
        self.evictions.add(key, start, delay, self.clone().delete_pod(key.clone()));
    }

    fn cancel_with_event(&self, key: &str) {
        if self.evictions.cancel(key) {
            self.event(key, &format!("Cancelling deletion of Pod {key}"));
        }
    }

    fn event(&self, key: &str, message: &str) {
        let (namespace, name) = split_key(key);
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        };
        self.recorder.event_about(about, EventType::Normal, "TaintManagerEviction", message);
    }

    async fn delete_pod(self, key: Rc<str>) -> SyncResult {
        self.event(&key, &format!("Marking for deletion Pod {key}"));
        let mut attempt = 1;
        loop {
            match self.add_condition_and_delete(&key).await {
                Ok(()) => return Ok(()),
                Err(e) if attempt >= RETRIES => return Err(e.into()),
                Err(_) => self.client.sim().sleep(RETRY_SLEEP).await,
            }
            attempt += 1;
        }
    }

    async fn add_condition_and_delete(&self, key: &str) -> Result<(), ClientError> {
        let (ns, n) = split_key(key);
        let pod = self.client.get::<Pod>(ns, n).await?;
        pods::patch_condition(
            &self.client,
            &pod,
            PodCondition {
                type_: "DisruptionTarget".into(),
                status: "True".into(),
                reason: Some("DeletionByTaintManager".into()),
                message: Some("Taint manager: deleting due to NoExecute taint".into()),
                ..PodCondition::default()
            },
            time::now(self.client.sim()),
        )
        .await?;
        self.client.delete::<Pod>(ns, n, &DeleteOptions::default()).await
    }
}

/// Whether a toleration is of a taint. Models Toleration.ToleratesTaint.
pub fn tolerates(t: &Toleration, taint: &Taint) -> bool {
    let text = |s: &Option<String>| s.clone().unwrap_or_default();
    let (effect, key, operator) = (text(&t.effect), text(&t.key), text(&t.operator));
    if !effect.is_empty() && effect != taint.effect {
        return false;
    }
    if !key.is_empty() && key != taint.key {
        return false;
    }
    match operator.as_str() {
        "" | "Equal" => text(&t.value) == text(&taint.value),
        "Exists" => true,
        _ => false,
    }
}

/// The tolerations by which all taints are tolerated; `None` if one isn't.
fn matching_tolerations(taints: &[Taint], tolerations: &[Toleration]) -> Option<Vec<Toleration>> {
    taints.iter().map(|taint| tolerations.iter().find(|t| tolerates(t, taint)).cloned()).collect()
}

/// How long the shortest toleration lasts; `None` for ever.
fn min_toleration_time(used: &[Toleration]) -> Option<Duration> {
    if used.is_empty() {
        return Some(Duration::ZERO);
    }
    let seconds = used.iter().filter_map(|t| t.toleration_seconds).min()?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toleration_times() {
        let toleration = |key: &str, seconds: Option<i64>| Toleration {
            key: Some(key.into()),
            operator: Some("Exists".into()),
            toleration_seconds: seconds,
            ..Toleration::default()
        };
        let taints = [taints::taint("a", "NoExecute"), taints::taint("b", "NoExecute")];
        let time = |t: &[Toleration]| matching_tolerations(&taints, t).map(|u| min_toleration_time(&u));
        assert_eq!(time(&[toleration("a", None)]), None, "b isn't tolerated");
        assert_eq!(time(&[toleration("", None)]), Some(None), "for ever");
        let both = [toleration("a", Some(300)), toleration("b", Some(20))];
        assert_eq!(time(&both), Some(Some(Duration::from_secs(20))));
        assert_eq!(time(&[toleration("", Some(-1))]), Some(Some(Duration::ZERO)));
    }
}
