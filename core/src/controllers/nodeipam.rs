//! The node IPAM controller: gives each node a range of pod addresses. Models `pkg/controller/nodeipam/ipam/range_allocator.go`
//! and `cidrset`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Node, ObjectReference};

use super::ControllerContext;
use super::util::worker::{SyncError, run_workers};
use super::util::{name, uid};
use crate::client::{Client, EventRecorder, EventType, Informer, InformerEvent, RateLimits, WorkQueue};

/// `--cluster-cidr` where the command line doesn't say: a kubeadm cluster's with flannel.
const CLUSTER_CIDR: &str = "10.244.0.0/16";
/// `--node-cidr-mask-size-ipv4`: the cluster's addresses are cut into /24s.
const NODE_MASK_SIZE: u32 = 24;
const WORKERS: usize = 30;
/// A patch is tried so often.
const PATCH_RETRIES: usize = 3;

/// The cluster's ranges, and which are given away.
struct CidrSet {
    /// The first address.
    base: u32,
    /// How many ranges there are.
    ranges: u32,
    used: BTreeSet<u32>,
    next: u32,
}

impl CidrSet {
    /// The ranges of a cluster CIDR; `None` if it is none, or smaller than one range.
    fn of(cluster: &str) -> Option<Self> {
        let (address, bits) = cluster.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|b| (1..=NODE_MASK_SIZE).contains(b))?;
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let base = address & (u32::MAX << (u32::BITS - bits));
        Some(CidrSet { base, ranges: 1 << (NODE_MASK_SIZE - bits), used: BTreeSet::new(), next: 0 })
    }

    fn allocate(&mut self) -> Option<u32> {
        let free = (0..self.ranges).map(|i| (self.next + i) % self.ranges).find(|i| !self.used.contains(i))?;
        self.used.insert(free);
        self.next = (free + 1) % self.ranges;
        Some(free)
    }

    fn cidr(&self, range: u32) -> String {
        format!("{}/{NODE_MASK_SIZE}", Ipv4Addr::from(self.base + (range << (u32::BITS - NODE_MASK_SIZE))))
    }

    fn range_of(&self, cidr: &str) -> Option<u32> {
        let (address, _) = cidr.split_once('/')?;
        let offset = u32::from(address.parse::<Ipv4Addr>().ok()?).checked_sub(self.base)?;
        Some(offset >> (u32::BITS - NODE_MASK_SIZE)).filter(|r| *r < self.ranges)
    }
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
    // Upstream's refuses to start with a CIDR that can't be read; so does this controller.
    let Some(set) = CidrSet::of(ctx.flag("--cluster-cidr").unwrap_or(CLUSTER_CIDR)) else { return };
    let client = ctx.client("node-controller");
    let a = Allocator {
        recorder: ctx.recorder(&client, "cidrAllocator"),
        nodes: ctx.informer(),
        set: Rc::new(RefCell::new(set)),
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
                let mut set = watcher.set.borrow_mut();
                if let Some(range) = pod_cidr(n).and_then(|c| set.range_of(c)) {
                    set.used.remove(&range);
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
        let mut set = self.set.borrow_mut();
        if let Some(range) = pod_cidr(node).and_then(|c| set.range_of(c)) {
            set.used.insert(range);
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
        let cidr = self.set.borrow().cidr(range);
        let mut failure = None;
        for _ in 0..PATCH_RETRIES {
            let patched = self
                .client
                .patch::<Node>("", key, "", |n| {
                    let spec = n.spec.get_or_insert_default();
                    spec.pod_cidr = Some(cidr.clone());
                    spec.pod_cidrs = Some(vec![cidr.clone()]);
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
        let mut set = CidrSet::of(CLUSTER_CIDR).expect("a CIDR");
        assert_eq!((set.allocate(), set.allocate()), (Some(0), Some(1)));
        set.used.remove(&0);
        assert_eq!(set.allocate(), Some(2), "a range that came back waits its turn");
        for _ in 3..256 {
            set.allocate();
        }
        assert_eq!((set.allocate(), set.allocate()), (Some(0), None));
        assert_eq!((set.cidr(7).as_str(), set.range_of("10.244.7.0/24")), ("10.244.7.0/24", Some(7)));
        assert_eq!((set.range_of("10.245.0.0/24"), set.range_of("10.96.0.0/24")), (None, None));
    }

    #[test]
    fn a_wider_network_has_room_for_more_nodes() {
        let mut set = CidrSet::of("10.128.0.0/9").expect("a CIDR");
        for _ in 0..5_000 {
            set.allocate().expect("a range");
        }
        assert_eq!((set.cidr(4_999).as_str(), set.range_of("10.147.135.0/24")), ("10.147.135.0/24", Some(4_999)));
        for bad in ["", "10.0.0.0", "10.0.0.0/25", "10.0.0.0/0", "x/16"] {
            assert!(CidrSet::of(bad).is_none(), "{bad}");
        }
    }
}
