//! The way to the api-server over HTTP, as programs on the person's computer have it.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::api::status::Status;
use crate::apiserver::User;
use crate::apiserver::handle::{Body, KubeletCall, Request, WatchBody};
use crate::client::ApiEndpoints;
use crate::sim::{ProcessId, ProcessState, Sim, TraceEvent};

/// Who answers what the api-server passes on to kubelets: log, exec.
pub type KubeletDoor = Rc<dyn Fn(&KubeletCall) -> Result<Vec<u8>, Status>>;

/// Where the person's kubeconfig says that the api-server is.
pub(super) const SERVER: &str = "172.30.0.2:6443";
/// What the api-server needs to work on one request.
const SERVER_LATENCY: Duration = Duration::from_millis(1);
/// How long kubectl waits for a connection before it gives up.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// The way to the api-server.
#[derive(Clone)]
pub struct Door {
    /// The kernel.
    pub sim: Sim,
    /// Where the api-servers are.
    pub endpoints: ApiEndpoints,
    /// The process that asks.
    pub process: ProcessId,
    /// Who it is, by its certificate.
    pub user: User,
    /// Who answers for kubelets.
    pub kubelets: KubeletDoor,
}

/// An answer.
pub struct Reply {
    /// The status code.
    pub code: u16,
    /// The body, empty for a watch.
    pub body: Vec<u8>,
    /// `Warning` headers' texts.
    pub warnings: Vec<String>,
    /// A watch's events.
    pub watch: Option<Box<WatchBody>>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Whether it is no failure.
    pub fn is_ok(&self) -> bool {
        self.code < 400
    }
}

impl Door {
    /// Asks the api-server; an error is what a program prints when there is no answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        let us = self.sim.machine_of(self.process);
        let Some(e) = self.endpoints.first() else {
            self.sim.sleep(Duration::from_millis(1)).await;
            return Err(refused());
        };
        // The links are let go before the wait: a cable may be pulled meanwhile.
        let latency = self.sim.links().latency(us, e.machine);
        self.sim.sleep(latency + SERVER_LATENCY).await;
        let state = self.sim.process_state(e.process);
        if self.sim.links().connected(us, e.machine) && state == ProcessState::Dead {
            return Err(refused());
        }
        if !self.sim.links().connected(us, e.machine) || state == ProcessState::Stopped {
            self.sim.sleep(DIAL_TIMEOUT).await;
            return Err("Unable to connect to the server: dial tcp 172.30.0.2:6443: i/o timeout".into());
        }
        let mut all: Vec<(String, String)> = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        all.push(("User-Agent".into(), "kubectl/v1.36.2 (linux/amd64) kubernetes/podarium".into()));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: all,
            body,
            process: self.process,
            certificate: Some(self.user.clone()),
            real_time: false,
        };
        let response = e.server.borrow_mut().handle(&request);
        let warnings = response
            .headers
            .iter()
            .filter(|(k, _)| k.eq_ignore_ascii_case("warning"))
            .filter_map(|(_, v)| v.split_once('"').map(|(_, t)| t.trim_end_matches('"').replace("\\\"", "\"")))
            .collect();
        let mut reply = Reply { code: response.code, body: Vec::new(), warnings, watch: None };
        match response.body {
            Body::Full(b) => reply.body = b,
            Body::Watch(w) => reply.watch = Some(w),
            Body::Kubelet(call) => match (self.kubelets)(&call) {
                Ok(b) => reply.body = b,
                Err(status) => {
                    reply.code = status.code;
                    reply.body = status.to_value().to_string().into_bytes();
                }
            },
        }
        Ok(reply)
    }

    /// Says in the trace what the person's program did.
    pub fn remark(&self, what: &str) {
        self.sim.remark(TraceEvent::Input { what: what.into() });
    }
}

fn refused() -> String {
    "The connection to the server 172.30.0.2:6443 was refused - did you specify the right host or port?".into()
}
