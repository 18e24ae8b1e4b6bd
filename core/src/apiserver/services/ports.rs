//! Node ports of a Service, and the port for its health checks.
//! Models `pkg/registry/core/service/storage/alloc.go` (initNodePorts, updateNodePorts, allocHealthCheckNodePort).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use serde_json::json;

use super::pool::Pool;
use super::{kind, list};
use crate::api::field::{Error, Path};
use crate::api::status::Status;

fn allocates(spec: &ServiceSpec) -> bool {
    kind(spec) == "NodePort" || spec.allocate_load_balancer_node_ports == Some(true)
}

fn node_port(p: &ServicePort) -> i32 {
    p.node_port.unwrap_or(0)
}

/// Takes the port that the Service's port `index` asks for.
fn take(port: i32, index: usize, name: &str, pool: &mut Pool<'_>) -> Result<(), Status> {
    pool.port(port).map_err(|why| {
        let ports = Path::new("spec.ports");
        let at = ports.index(index);
        let error = Error::invalid(&at.child("nodePort"), &json!(port), why);
        Status::invalid("", "Service", name, &vec![error])
    })
}

fn any(pool: &mut Pool<'_>) -> Result<i32, Status> {
    pool.next_port().ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))
}

/// The node ports of a new Service. One port for two protocols has one node port.
pub(super) fn init(spec: &mut ServiceSpec, name: &str, pool: &mut Pool<'_>) -> Result<(), Status> {
    let allocates = allocates(spec);
    let mut asked: BTreeMap<i32, i32> = BTreeMap::new();
    for p in list(&spec.ports).iter().filter(|p| node_port(p) != 0) {
        asked.entry(p.port).or_insert(node_port(p));
    }
    let mut given: BTreeMap<i32, i32> = BTreeMap::new();
    for (i, p) in spec.ports.iter_mut().flatten().enumerate() {
        if node_port(p) == 0 && !allocates {
            continue;
        }
        match (given.get(&p.port), asked.get(&p.port)) {
            (None, Some(port)) => {
                take(*port, i, name, pool)?;
                p.node_port = Some(*port);
                given.insert(p.port, *port);
            }
            (None, None) => {
                let port = any(pool)?;
                p.node_port = Some(port);
                given.insert(p.port, port);
            }
            (Some(port), _) if node_port(p) == 0 => p.node_port = Some(*port),
            (Some(port), _) if node_port(p) != *port => take(node_port(p), i, name, pool)?,
            _ => {}
        }
    }
    Ok(())
}

/// The node ports of a Service that changed.
pub(super) fn update(spec: &mut ServiceSpec, was: &ServiceSpec, name: &str, pool: &mut Pool<'_>) -> Result<(), Status> {
    let allocates = allocates(spec);
    let had: BTreeSet<i32> = list(&was.ports).iter().map(node_port).filter(|p| *p != 0).collect();
    let mut taken = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (i, p) in spec.ports.iter_mut().flatten().enumerate() {
        match node_port(p) {
            0 if !allocates => continue,
            0 => p.node_port = Some(any(pool)?),
            port if had.contains(&port) || taken.contains(&port) => {}
            port => {
                take(port, i, name, pool)?;
                taken.insert(port);
            }
        }
        let protocol = p.protocol.clone().unwrap_or_default();
        if !seen.insert((protocol.clone(), node_port(p))) {
            let message = format!("duplicate nodePort: {{{protocol} {}}}", node_port(p));
            return Err(Status::other(500, "", message));
        }
    }
    Ok(())
}

/// The port at which a load balancer asks whether a node has a pod of the Service.
pub(super) fn health_check(spec: &mut ServiceSpec, pool: &mut Pool<'_>) -> Result<(), Status> {
    match spec.health_check_node_port.unwrap_or(0) {
        0 => {
            let port = pool.next_port();
            let full = || Status::internal("failed to allocate a HealthCheck NodePort 0: range is full");
            spec.health_check_node_port = Some(port.ok_or_else(full)?);
            Ok(())
        }
        port => pool.port(port).map_err(|why| {
            Status::internal(format!("failed to allocate requested HealthCheck NodePort {port}: {why}"))
        }),
    }
}
