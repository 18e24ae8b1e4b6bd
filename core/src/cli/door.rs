//! The way to the api-server over HTTP, as programs on the person's computer have it.

use std::time::Duration;

use serde_json::Value;

use crate::api::status::Status;
use crate::apiserver::User;
use crate::apiserver::handle::{Body, KubeletCall, Request, WatchBody};
use crate::client::ApiEndpoints;
use crate::cluster::Kubelets;
use crate::kubelet::{ExecError, LogError, LogOptions, LogReader, exec_config};
use crate::runtime::shim::ExecHandle;
use crate::sim::{ProcessId, ProcessState, Sim, TraceEvent};

/// What the api-server passes on from a kubelet as it comes.
pub enum Stream {
    /// A container's log.
    Log(LogReader),
    /// A process in a container: what it prints, how it ends.
    Process(ExecHandle),
}

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
    /// The kubelets that the api-server passes requests on to; none where nothing runs containers.
    pub kubelets: Option<Kubelets>,
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
    /// What a kubelet sends.
    pub stream: Option<Stream>,
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
        let mut reply = Reply { code: response.code, body: Vec::new(), warnings, watch: None, stream: None };
        match response.body {
            Body::Full(b) => reply.body = b,
            Body::Watch(w) => reply.watch = Some(w),
            Body::Kubelet(call) => match self.kubelet(e.process, &call).await {
                Ok(s) => reply.stream = Some(s),
                Err(status) => {
                    reply.code = status.code;
                    reply.body = status.to_value().to_string().into_bytes();
                }
            },
        }
        Ok(reply)
    }

    /// What a node's kubelet answers to a request that an api-server passes on.
    async fn kubelet(&self, server: ProcessId, call: &KubeletCall) -> Result<Stream, Status> {
        let refused = || format!("dial tcp {}:10250: connect: connection refused", call.node);
        let kubelet = self.kubelets.as_ref().map_or_else(|| Err(refused()), |k| k.dial(server, &call.node));
        let (ns, pod, container) = (call.namespace.as_str(), call.pod.as_str(), call.container.as_str());
        match call.what {
            "log" => {
                let url = format!("https://{}:10250/containerLogs/{ns}/{pod}/{container}", call.node);
                let kubelet = kubelet.map_err(|why| Status::other(500, "", format!("Get \"{url}\": {why}")))?;
                let options = LogOptions::of(call, self.sim.timestamp());
                kubelet.logs(ns, pod, container, &options).map(Stream::Log).map_err(|e| match e {
                    LogError::NotFound(why) => Status::other(404, "NotFound", why),
                    LogError::BadRequest(why) => Status::bad_request(why),
                })
            }
            "exec" | "attach" => {
                let dialled = |why| Status::other(500, "", format!("error dialing backend: {why}"));
                let kubelet = kubelet.map_err(dialled)?;
                let exec = call.what == "exec";
                let started = match exec {
                    true => kubelet.exec(ns, pod, container, exec_config(call)).await,
                    false => kubelet.attach(ns, pod, container).await,
                };
                let what = if exec { "error executing command in container" } else { "error attaching to container" };
                started.map(Stream::Process).map_err(|e| match e {
                    ExecError::NotFound(why) => Status::internal(why),
                    ExecError::Failed(why) => Status::internal(format!("{what}: {why}")),
                })
            }
            other => Err(Status::other(501, "NotImplemented", format!("{other} is not there yet"))),
        }
    }

    /// Says in the trace what the person's program did.
    pub fn remark(&self, what: &str) {
        self.sim.remark(TraceEvent::Input { what: what.into() });
    }
}

fn refused() -> String {
    "The connection to the server 172.30.0.2:6443 was refused - did you specify the right host or port?".into()
}
