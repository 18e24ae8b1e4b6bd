//! What is promised to a node's pods never exceeds what the node has.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::world::{By, is_terminal, node_name};
use super::{Change, Invariant, World};

pub(super) struct Capacity;

/// CPU in millis, memory in bytes, and pods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    pub cpu_m: i64,
    pub memory: i64,
    pub pods: i64,
}

fn number(q: &Quantity) -> f64 {
    let text = q.0.as_str();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => 1048576.0,
        "Gi" => 1073741824.0,
        other => panic!("a quantity in {other}"),
    };
    digits.parse::<f64>().unwrap_or_else(|e| panic!("{text}: {e}")) * unit
}

fn amount(list: Option<&BTreeMap<String, Quantity>>) -> Amount {
    let get = |name: &str| list.and_then(|l| l.get(name)).map_or(0.0, number);
    Amount {
        cpu_m: (get("cpu") * 1e3).round() as i64,
        memory: get("memory").round() as i64,
        pods: get("pods").round() as i64,
    }
}

/// What a pod asks for.
pub fn requests(p: &Pod) -> Amount {
    let mut sum = Amount { pods: 1, ..Amount::default() };
    for c in p.spec.iter().flat_map(|s| &s.containers) {
        let a = amount(c.resources.as_ref().and_then(|r| r.requests.as_ref()));
        sum.cpu_m += a.cpu_m;
        sum.memory += a.memory;
    }
    sum
}

/// What a node gives.
pub fn allocatable(n: &Node) -> Amount {
    amount(n.status.as_ref().and_then(|s| s.allocatable.as_ref()))
}

/// What is promised on a node.
pub fn promised(world: &World, node: &str) -> Amount {
    let mut sum = Amount::default();
    for p in world.pods_by(By::Node, node).filter(|p| !is_terminal(p)) {
        let a = requests(p);
        sum.cpu_m += a.cpu_m;
        sum.memory += a.memory;
        sum.pods += a.pods;
    }
    sum
}

impl Invariant for Capacity {
    fn change(&mut self, world: &World, c: &Change<'_>) -> Result<(), String> {
        let Some(p) = c.after::<Pod>() else { return Ok(()) };
        let bound = c.before::<Pod>().is_none_or(|b| node_name(b) != node_name(p));
        let Some(node) = world.node(node_name(p)).filter(|_| bound) else { return Ok(()) };
        let (has, sum) = (allocatable(node), promised(world, node_name(p)));
        // A kubelet's own static pods are there whether they fit or not, and a new node has not told yet what it has.
        if has.pods == 0 || (sum.cpu_m <= has.cpu_m && sum.memory <= has.memory && sum.pods <= has.pods) {
            return Ok(());
        }
        Err(format!("{} is bound to {}, which has {has:?} and now gives {sum:?}", c.event.key, node_name(p)))
    }
}
