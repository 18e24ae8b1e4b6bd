//! What the kubelet serves on port 10250: logs, exec, attach, port-forward, statistics. Models `pkg/kubelet/server`.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Kubelet;
use super::logs::LogReader;
use super::pod::{self, ContainerView};
use crate::api::decode::parse_rfc3339;
use crate::apiserver::KubeletCall;
use crate::client::split_key;
use crate::network::{HttpError, HttpRequest, HttpResponse};
use crate::runtime::containerd::{ContainerState, ContainerStats, Id};
use crate::runtime::engine::ExecConfig;
use crate::runtime::shim::ExecHandle;

/// Which lines of a log: PodLogOptions.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Of the container that ran before.
    pub previous: bool,
    /// Only the last so many lines.
    pub tail_lines: Option<usize>,
    /// Only what was written since.
    pub since: Option<jiff::Timestamp>,
    /// With the time before each line.
    pub timestamps: bool,
    /// At most so many bytes.
    pub limit_bytes: Option<usize>,
    /// And what is written from now on, until the container ends.
    pub follow: bool,
}

impl LogOptions {
    /// As a request's query has them, which the api-server has checked.
    pub fn of(call: &KubeletCall, now: jiff::Timestamp) -> Self {
        let number = |name: &str| call.parameter(name).and_then(|n| n.parse::<usize>().ok());
        let seconds = call.parameter("sinceSeconds").and_then(|n| n.parse::<i64>().ok());
        let before = seconds.and_then(|s| now.checked_sub(jiff::SignedDuration::from_secs(s)).ok());
        LogOptions {
            previous: call.flag("previous"),
            tail_lines: number("tailLines"),
            since: before.or_else(|| call.parameter("sinceTime").and_then(|t| parse_rfc3339(t).ok())),
            timestamps: call.flag("timestamps"),
            limit_bytes: number("limitBytes"),
            follow: call.flag("follow"),
        }
    }
}

/// Why there is no log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// No such pod on this node.
    NotFound(String),
    /// Not in this state of the pod.
    BadRequest(String),
}

/// The process that a request to exec asks for.
pub fn exec_config(call: &KubeletCall) -> ExecConfig {
    let args = call.all("command").map(str::to_owned).collect();
    ExecConfig { args, env: Vec::new(), stdin: call.flag("stdin"), tty: call.flag("tty") }
}

/// Why a command can't be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecError {
    /// No such pod or container.
    NotFound(String),
    /// containerd said no.
    Failed(String),
}

impl Kubelet {
    fn uid_of(&self, namespace: &str, name: &str) -> Option<Rc<str>> {
        let pods = self.0.pods.borrow();
        let found = pods.iter().find(|(_, e)| pod::name(&e.pod) == name && pod::namespace(&e.pod) == namespace);
        found.map(|(u, _)| u.clone())
    }

    fn views(&self, namespace: &str, name: &str, container: &str) -> Option<Vec<ContainerView>> {
        let uid = self.uid_of(namespace, name)?;
        let rs = self.runtime_status(&uid).ok()?;
        Some(rs.containers.into_iter().filter(|c| *c.name == *container).collect())
    }

    /// Which container's log that is; for following it ([`crate::runtime::Containerd::with_log`]).
    pub fn log_container(
        &self,
        namespace: &str,
        name: &str,
        container: &str,
        previous: bool,
    ) -> Result<(Id, ContainerState), LogError> {
        let Some(views) = self.views(namespace, name, container) else {
            return Err(LogError::NotFound(format!("pod \"{name}\" not found")));
        };
        if previous {
            return views.get(1).map(|v| (v.id, v.state)).ok_or_else(|| {
                LogError::BadRequest(format!(
                    "previous terminated container \"{container}\" in pod \"{name}\" not found"
                ))
            });
        }
        let Some(v) = views.into_iter().find(|v| v.state != ContainerState::Created) else {
            let uid = self.uid_of(namespace, name).unwrap_or_default();
            let status = self.0.statuses.borrow().get(&uid).unwrap_or_default();
            let all = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
            let waiting = all.filter(|s| s.name == container).find_map(|s| s.state.as_ref()?.waiting.clone());
            let message = match waiting.and_then(|w| w.reason) {
                Some(reason) if reason.contains("Image") || reason.starts_with("ErrImage") => format!(
                    "container \"{container}\" in pod \"{name}\" is waiting to start: trying and failing to pull image"
                ),
                Some(reason) => {
                    format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}")
                }
                None => format!("container \"{container}\" in pod \"{name}\" is not available"),
            };
            return Err(LogError::BadRequest(message));
        };
        Ok((v.id, v.state))
    }

    /// Begins to read a container's log.
    pub fn logs(&self, namespace: &str, name: &str, container: &str, o: &LogOptions) -> Result<LogReader, LogError> {
        let (id, _) = self.log_container(namespace, name, container, o.previous)?;
        Ok(LogReader::new(self.0.runtime.clone(), id, o))
    }

    /// Runs a command in a container.
    pub async fn exec(
        &self,
        namespace: &str,
        name: &str,
        container: &str,
        command: ExecConfig,
    ) -> Result<ExecHandle, ExecError> {
        let views = self
            .views(namespace, name, container)
            .ok_or_else(|| ExecError::NotFound(format!("pods \"{name}\" not found")))?;
        let v = views.first().ok_or_else(|| ExecError::NotFound(format!("container not found (\"{container}\")")))?;
        self.0.runtime.exec(v.id, command).await.map_err(|e| ExecError::Failed(e.message()))
    }

    /// Attaches to a container's own process.
    pub async fn attach(&self, namespace: &str, name: &str, container: &str) -> Result<ExecHandle, ExecError> {
        let views = self
            .views(namespace, name, container)
            .ok_or_else(|| ExecError::NotFound(format!("pods \"{name}\" not found")))?;
        let v = views.first().ok_or_else(|| ExecError::NotFound(format!("container not found (\"{container}\")")))?;
        self.0.runtime.attach(v.id).await.map_err(|e| ExecError::Failed(e.message()))
    }

    /// Where a pod's servers listen, as this machine reaches them.
    pub fn pod_address(&self, namespace: &str, name: &str) -> Option<IpAddr> {
        let uid = self.uid_of(namespace, name)?;
        let rs = self.runtime_status(&uid).ok()?;
        rs.ready_sandbox().map(|s| s.ip.unwrap_or(self.0.config.node_ip))
    }

    /// Asks a server in a pod for something, as through port-forward.
    pub async fn forward(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Option<Result<HttpResponse, HttpError>> {
        let ip = self.pod_address(namespace, name)?;
        let runtime = &self.0.runtime;
        Some(runtime.shims().network().http(runtime.machine(), (ip, port), request, timeout).await)
    }

    /// What the containers of this node use: `namespace/name` of the pod, the container's name, and the figures.
    pub fn stats(&self) -> Vec<(Rc<str>, Rc<str>, ContainerStats)> {
        let mut ids = Vec::new();
        let listed = self.0.runtime.list_containers(|c, s| {
            if let (true, Some(s)) = (c.is_running(), s) {
                ids.push((s.about.clone(), c.spec.name.clone(), c.id));
            }
        });
        if listed.is_err() {
            return Vec::new();
        }
        let stats = |id| self.0.runtime.container_stats(id).unwrap_or_default();
        ids.into_iter().map(|(pod, name, id)| (pod, name, stats(id))).collect()
    }

    /// The pods on this node by `namespace/name`, with their uids.
    pub fn pods(&self) -> Vec<(Rc<str>, Rc<str>)> {
        let pods = self.0.pods.borrow();
        pods.iter().map(|(u, e)| (crate::client::object_key(&e.pod.metadata), u.clone())).collect()
    }

    /// The uid of a pod by its key.
    pub fn pod_uid(&self, key: &str) -> Option<Rc<str>> {
        let (namespace, name) = split_key(key);
        self.uid_of(namespace, name)
    }
}
