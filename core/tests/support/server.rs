//! An api-server to ask in process, without a cluster around it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use podarium_core::apiserver::{ApiServer, Body, EtcdEndpoint, Request, Response};
use podarium_core::registry::Registry;
use podarium_core::sim::{MachineId, ProcessId, Sim};
use serde_json::Value;

pub struct Server {
    pub sim: Sim,
    pub server: Rc<RefCell<ApiServer>>,
    pub etcd: EtcdEndpoint,
    pub process: ProcessId,
}

pub struct Answer {
    pub code: u16,
    pub text: String,
    pub body: Value,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> String {
        let all = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        all.map(|(_, v)| v.as_str()).collect::<Vec<_>>().join("; ")
    }
}

impl Server {
    pub fn new() -> Self {
        let sim = Sim::new(3, "2026-01-01T00:00:00Z".parse().expect("a time"));
        let process = sim.start_process("kube-apiserver", MachineId(0));
        let etcd_process = sim.start_process("etcd", MachineId(0));
        let etcd = EtcdEndpoint::new(&sim, etcd_process);
        Self::on(sim, etcd, process)
    }

    fn on(sim: Sim, etcd: EtcdEndpoint, process: ProcessId) -> Self {
        let server = ApiServer::start(&sim, process, Registry::standard(), etcd.clone());
        server.borrow_mut().add_tokens("admin-token,admin,admin,system:masters\n");
        Server { sim, server, etcd, process }
    }

    /// Another api-server on the same etcd, as after a restart.
    pub fn another(&self) -> Self {
        let process = self.sim.start_process("kube-apiserver", MachineId(0));
        Self::on(self.sim.clone(), self.etcd.clone(), process)
    }

    pub fn answer(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut all = Vec::new();
        if !headers.iter().any(|(n, _)| *n == "Authorization") {
            all.push(("Authorization".to_owned(), "Bearer admin-token".to_owned()));
        }
        all.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: all,
            body: body.to_vec(),
            process: self.process,
            ..Request::default()
        };
        self.server.borrow_mut().handle(&request)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let r = self.answer(method, path, headers, body);
        let text = match &r.body {
            Body::Full(b) => String::from_utf8_lossy(b).into_owned(),
            _ => "<stream>".to_owned(),
        };
        Answer {
            code: r.code,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            headers: r.headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("Content-Type", media)], body.as_bytes())
    }

    /// What a watch says by now.
    pub fn events(&self, path: &str) -> Vec<Value> {
        let Body::Watch(mut stream) = self.answer("GET", path, &[], b"").body else { return Vec::new() };
        self.sim.run_until(self.sim.now() + Duration::from_millis(100));
        let all = std::iter::from_fn(|| stream.try_next());
        all.map(|e| serde_json::from_slice(&e).expect("an event")).collect()
    }
}

/// A request for a certificate for somebody of an organization, in PEM; its signature is none.
pub fn certificate_request(organization: &str) -> String {
    use base64::Engine as _;
    let part = |tag: u8, parts: &[&[u8]]| {
        let content = parts.concat();
        [&[tag, content.len() as u8], &*content].concat()
    };
    let algorithm = part(0x30, &[&[0x06, 0x03, 0x2b, 0x65, 0x70]]);
    let name = part(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x0a], &part(0x0c, &[organization.as_bytes()])]);
    let subject = part(0x30, &[&part(0x31, &[&name])]);
    let key = part(0x30, &[&algorithm, &part(0x03, &[&[0; 33]])]);
    let asked = part(0x30, &[&[0x02, 0x01, 0x00], &subject, &key, &[0xa0, 0x00]]);
    let der = part(0x30, &[&asked, &algorithm, &[0x03, 0x02, 0x00, 0x01]]);
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}
