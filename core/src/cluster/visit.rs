//! The person's own doings: commands, visits to pods, raw requests.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::Cluster;
use super::person::Output;
use crate::api::object::typed;
use crate::etcd::Value;
use crate::network::{HttpError, HttpRequest};
use crate::session::Input;
use crate::sim::{MachineId, TraceEvent};

/// How long a browser waits for an answer.
const VISIT_TIMEOUT: Duration = Duration::from_secs(30);

impl Cluster {
    pub(super) fn apply_person(&mut self, input: Input) {
        match input {
            Input::Visit { id, namespace, pod, port, path } => self.visit(id, &namespace, &pod, port, path),
            Input::Command { id, line, files } => self.command(id, &line, files),
            Input::Interrupt { id } => self.interrupt(id),
            Input::Request { id, method, path, headers, body } => self.raw_request(id, method, path, headers, body),
            _ => {}
        }
    }

    /// The pod's address, and the port to knock at.
    fn door(&self, namespace: &str, pod: &str, port: u16) -> Option<(IpAddr, u16, String)> {
        let kv = self.etcd().borrow().get(&format!("/registry/pods/{namespace}/{pod}"))?;
        let Value::Object(o) = kv.value else { return None };
        let p = typed::<Pod>(&*o)?;
        let named = p.spec.as_ref()?.containers.iter().flat_map(|c| c.ports.iter().flatten()).next();
        let port = match (port, named) {
            (0, Some(n)) => u16::try_from(n.container_port).unwrap_or(80),
            (0, None) => 80,
            (p, _) => p,
        };
        let ip = p.status.as_ref()?.pod_ip.as_deref()?.parse().ok()?;
        Some((ip, port, p.metadata.uid.clone().unwrap_or_default()))
    }

    fn visit(&mut self, id: u64, namespace: &str, pod: &str, port: u16, path: String) {
        let outputs = self.outputs.clone();
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let Some((ip, port, uid)) = self.door(namespace, pod, port) else {
            let body = format!("pod {namespace}/{pod} has no address to open");
            outputs.push(Output::Visited { id, url: String::new(), status: 0, headers: Vec::new(), body, took_ns: 0 });
            return;
        };
        let (sim, network) = (self.sim.clone(), self.network.clone());
        let url = format!("http://{ip}{}{path}", if port == 80 { String::new() } else { format!(":{port}") });
        self.sim.spawn(self.person, async move {
            let began = sim.now();
            let headers = vec![
                ("User-Agent".to_owned(), "Mozilla/5.0 (Podarium)".to_owned()),
                ("Accept".to_owned(), "text/html".to_owned()),
            ];
            let request = HttpRequest { path: path.clone(), host: ip.to_string(), headers, ..HttpRequest::default() };
            let answer = network.http(MachineId::OUTSIDE, (ip, port), &request, VISIT_TIMEOUT).await;
            let took_ns = sim.now().since(began).as_nanos() as u64;
            let (status, headers, body) = match answer {
                Ok(r) => (r.status, r.headers, String::from_utf8_lossy(&r.body).into_owned()),
                Err(e) => (0, Vec::new(), describe(&e)),
            };
            let what = format!("GET {path} {}", if status == 0 { "failed".to_owned() } else { status.to_string() });
            sim.remark(TraceEvent::Traffic { from: "person".into(), to: uid.into(), what: what.into() });
            outputs.push(Output::Visited { id, url, status, headers, body, took_ns });
        });
    }
}

/// What a browser says when there is no answer.
fn describe(e: &HttpError) -> String {
    match e {
        HttpError::Connect(e) => format!("This page can't be reached: {e:?}"),
        HttpError::TimedOut { connected: false } => "This page can't be reached: the connection timed out".into(),
        HttpError::TimedOut { connected: true } => "The server took the connection and did not answer in time".into(),
        HttpError::Closed => "The server closed the connection without an answer".into(),
        HttpError::Reset => "The connection was reset".into(),
        HttpError::Malformed(why) => format!("The server's answer is no HTTP: {why}"),
    }
}
impl Cluster {
    fn command(&mut self, _: u64, _: &str, _: Vec<(String, String)>) {}
    fn interrupt(&mut self, _: u64) {}
    fn raw_request(&mut self, _: u64, _: String, _: String, _: Vec<(String, String)>, _: String) {}
}
