//! The node IPAM controller: gives each node a range of pod addresses. Models `pkg/controller/nodeipam/ipam/range_allocator.go`
//! and `cidrset`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, ObjectReference};

use super::ControllerContext;
use super::util::worker::{SyncError, run_workers};
use super::util::{name, uid};
use crate::client::{Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue};

/// `--cluster-cidr` of a kubeadm cluster with flannel's default: 10.244.0.0/16, cut into /24s.
const CLUSTER: [u8; 2] = [10, 244];
const RANGES: u16 = 256;
const WORKERS: usize = 30;
/// A patch is tried so often.
const PATCH_RETRIES: usize = 3;

/// Which ranges are given away.
#[derive(Default)]
struct CidrSet {
    used: BTreeSet<u16>,
    next: u16,
}

impl CidrSet {
    fn allocate(&mut self) -> Option<u16> {
        let free = (0..RANGES).map(|i| (self.next + i) % RANGES).find(|i| !self.used.contains(i))?;
        self.used.insert(free);
        self.next = (free + 1) % RANGES;
        Some(free)
    }
}

fn cidr(range: u16) -> String {
    format!("{}.{}.{range}.0/24", CLUSTER[0], CLUSTER[1])
}

fn range_of(cidr: &str) -> Option<u16> {
    let (address, _) = cidr.split_once('/')?;
    let octets: std::net::Ipv4Addr = address.parse().ok()?;
    let [a, b, c, _] = octets.octets();
    ([a, b] == CLUSTER).then_some(c.into())
}

fn pod_cidr(node: &Node) -> Option<&str> {
    node.spec.as_ref()?.pod_cidr.as_deref().filter(|c| !c.is_empty())
}

#[derive(Clone)]
struct Allocator {
    client: Client,
    recorder: EventRecorder,
    nodes: Informer<Node>,
    set: Rc<RefCell<CidrSet>>,
}

/// Starts the controller.
pub fn start(ctx: &ControllerContext) {
    let client = ctx.client("node-controller");
    let a = Allocator {
        recorder: ctx.recorder(&client, "cidrAllocator"),
        nodes: ctx.informer(),
        set: Rc::default(),
        client,
    };
    let queue: WorkQueue<Rc<str>> = WorkQueue::new(ctx.sim(), a.client.process(), RateLimits::default());
    let ctx = ctx.clone();
    ctx.clone().spawn(async move {
        a.nodes.wait_synced().await;
        // What nodes have already is taken before any is given out.
        for node in a.nodes.list() {
            a.occupy(&node);
        }
        let (q, watcher) = (queue.clone(), a.clone());
        a.nodes.on_event(move |e| match e {
            InformerEvent::Added(n) | InformerEvent::Updated { new: n, .. } => {
                if pod_cidr(n).is_none() {
                    q.add(name(&n.metadata).into());
                } else {
                    watcher.occupy(n);
                }
            }
            InformerEvent::Deleted(n) => {
                if let Some(range) = pod_cidr(n).and_then(range_of) {
                    watcher.set.borrow_mut().used.remove(&range);
                }
            }
        });
        run_workers(&ctx, &queue, WORKERS, move |key| {
            let a = a.clone();
            async move { a.allocate(&key).await }
        });
    });
}

impl Allocator {
    fn occupy(&self, node: &Node) {
        if let Some(range) = pod_cidr(node).and_then(range_of) {
            self.set.borrow_mut().used.insert(range);
        }
    }

    fn status_event(&self, node: &Node, status: &str) {
        let n = name(&node.metadata);
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Node".into()),
            name: Some(n.into()),
            uid: Some(uid(&node.metadata).into()),
            ..ObjectReference::default()
        };
        let message = format!("Node {n} status is now: {status}");
        self.recorder.event_about(about, EventType::Normal, status, &message);
    }

    async fn allocate(&self, key: &str) -> Result<(), SyncError> {
        let Some(node) = self.nodes.get(key) else { return Ok(()) };
        if pod_cidr(&node).is_some() {
            self.occupy(&node);
            return Ok(());
        }
        let allocated = self.set.borrow_mut().allocate();
        let Some(range) = allocated else {
            self.status_event(&node, "CIDRNotAvailable");
            let why = "CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range";
            return Err(SyncError::message(format!("failed to allocate cidr from cluster cidr at idx:0: {why}")));
        };
        let mut failure = None;
        for _ in 0..PATCH_RETRIES {
            let patched = self
                .client
                .patch::<Node>("", key, "", |n| {
                    let spec = n.spec.get_or_insert_default();
                    spec.pod_cidr = Some(cidr(range));
                    spec.pod_cidrs = Some(vec![cidr(range)]);
                })
                .await;
            match patched {
                Ok(_) => return Ok(()),
                Err(e) => failure = Some(e),
            }
        }
        self.status_event(&node, "CIDRAssignmentFailed");
        // A request that timed out may have been done: its range isn't given to another.
        if failure.as_ref().is_some_and(|e| e.status().is_some()) {
            self.set.borrow_mut().used.remove(&range);
        }
        failure.map_or(Ok(()), |e| Err(e.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_round_only_when_all_were_given() {
        let mut set = CidrSet::default();
        assert_eq!((set.allocate(), set.allocate()), (Some(0), Some(1)));
        set.used.remove(&0);
        assert_eq!(set.allocate(), Some(2), "a range that came back waits its turn");
        for _ in 3..256 {
            set.allocate();
        }
        assert_eq!((set.allocate(), set.allocate()), (Some(0), None));
        assert_eq!(range_of(&cidr(7)), Some(7));
    }
}
