//! What the control plane's parts answer the probes of their kubelet with, each at the port of its manifest ([`super::manifests`]).
//! Models apiserver's `pkg/server/healthz` as the parts use it, and etcd's `server/etcdserver/api/etcdhttp`.

use std::cell::RefCell;
use std::rc::Rc;

use super::manifests::{APISERVER_PORT, CONTROLLER_MANAGER_PORT, ETCD_METRICS_PORT, SCHEDULER_PORT};
use crate::apiserver::ApiServer;
use crate::network::{NetnsId, Network, Page, Scope, Site};
use crate::sim::ProcessId;

/// Serves what `program` answers for as long as its process is there.
pub(super) fn serve(program: &str, network: &Network, netns: NetnsId, process: ProcessId) {
    let (port, tls, page): (_, _, fn(&str) -> (u16, String)) = match program {
        "etcd" => (ETCD_METRICS_PORT, false, etcd),
        "kube-controller-manager" => (CONTROLLER_MANAGER_PORT, true, component),
        "kube-scheduler" => (SCHEDULER_PORT, true, component),
        _ => return,
    };
    listen(network, netns, Site { port, scope: Scope::Loopback, tls }, process, Rc::new(page));
}

/// Serves the health of an api-server; the rest of it is reached through its clients ([`crate::client`]).
pub(super) fn serve_apiserver(server: &Rc<RefCell<ApiServer>>, network: &Network, netns: NetnsId, process: ProcessId) {
    // Its connections end with it: whoever listens here must not keep it.
    let server = Rc::downgrade(server);
    let page = move |path: &str| {
        let health = server.upgrade().and_then(|server| server.borrow().health_of(path));
        health.unwrap_or_else(|| forbidden(path))
    };
    listen(network, netns, Site { port: APISERVER_PORT, scope: Scope::Any, tls: true }, process, Rc::new(page));
}

fn listen(network: &Network, netns: NetnsId, site: Site, process: ProcessId, page: Page) {
    // Somebody else has the port already: upstream's parts end then, these go on without being probed.
    let _ = network.serve_http(netns, site, process, page);
}

/// A part built of apiserver's library: its health is open to everybody.
fn component(path: &str) -> (u16, String) {
    match path {
        "/healthz" | "/livez" | "/readyz" => (200, "ok".to_owned()),
        _ => forbidden(path),
    }
}

fn forbidden(path: &str) -> (u16, String) {
    (403, format!("Forbidden: User \"system:anonymous\" cannot get path {path:?}\n"))
}

fn etcd(path: &str) -> (u16, String) {
    match path {
        "/health" => (200, r#"{"health":"true","reason":""}"#.to_owned()),
        "/livez" | "/readyz" => (200, "ok\n".to_owned()),
        _ => (404, "404 page not found\n".to_owned()),
    }
}
