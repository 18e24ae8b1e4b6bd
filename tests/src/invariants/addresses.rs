//! No two live pods share an address, and no two nodes a range of them.

use k8s_openapi::api::core::v1::{Node, Pod};

use super::world::{By, is_terminal, node_name, on_host_network};
use super::{Change, Invariant, World};

pub(super) struct Addresses;

/// Whether an address is its pod's for certain: the node is there and still has the range that it came from. A node
/// that was deleted gives its range back, and upstream gives it away again while ghosts still carry addresses of it.
fn holds_address(world: &World, p: &Pod) -> bool {
    let ip = p.status.as_ref().and_then(|s| s.pod_ip.as_deref()).unwrap_or_default();
    let node = world.node(node_name(p));
    let range = node.and_then(|n| n.spec.as_ref()).and_then(|s| s.pod_cidr.as_deref()).unwrap_or_default();
    let prefix = range.rsplit_once('.').map(|(p, _)| p).unwrap_or_default();
    !on_host_network(p)
        && !is_terminal(p)
        && !prefix.is_empty()
        && ip.rsplit_once('.').is_some_and(|(p, _)| p == prefix)
}

impl Invariant for Addresses {
    fn change(&mut self, world: &World, c: &Change<'_>) -> Result<(), String> {
        if let Some(node) = c.after::<Node>() {
            let range = |n: &Node| n.spec.as_ref().and_then(|s| s.pod_cidr.clone()).filter(|r| !r.is_empty());
            let Some(mine) = range(node) else { return Ok(()) };
            if c.before::<Node>().and_then(range).is_some() {
                return Ok(());
            }
            let others = world.all::<Node>().filter(|n| n.metadata.name != node.metadata.name);
            return match others.filter_map(|n| range(n).map(|r| (n, r))).find(|(_, r)| *r == mine) {
                Some((n, r)) => Err(format!("{:?} and {:?} both have {r}", n.metadata.name, node.metadata.name)),
                None => Ok(()),
            };
        }
        let Some(p) = c.after::<Pod>() else { return Ok(()) };
        let ip = |p: &Pod| p.status.as_ref().and_then(|s| s.pod_ip.clone()).unwrap_or_default();
        if ip(p).is_empty() || c.before::<Pod>().is_some_and(|b| ip(b) == ip(p)) || !holds_address(world, p) {
            return Ok(());
        }
        let twin = world
            .pods_by(By::Address, &ip(p))
            .find(|o| o.metadata.uid != p.metadata.uid && !on_host_network(o) && holds_address(world, o));
        match twin {
            Some(t) => Err(format!("{:?} and {:?} both have {}", p.metadata.name, t.metadata.name, ip(p))),
            None => Ok(()),
        }
    }
}
