//! The person's own doings: commands, visits to pods, raw requests.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::person::Output;
use super::{Cluster, Machines};
use crate::api::object::typed;
use crate::apiserver::User;
use crate::cli::{Door, Shell, Terminal};
use crate::network::{HttpError, HttpRequest};
use crate::session::Input;
use crate::sim::{MachineId, ProcessState, TraceEvent};

/// How long a browser waits for an answer.
const VISIT_TIMEOUT: Duration = Duration::from_secs(30);

impl Cluster {
    pub(super) fn apply_person(&mut self, input: Input) {
        match input {
            Input::Visit { id, namespace, pod, port, path } => self.visit(id, &namespace, &pod, port, path),
            Input::Command { id, line, files } => self.command(id, &line, files),
            Input::Interrupt { id } => self.interrupt(id),
            Input::Type { id, text } => {
                if let Some((_, terminal)) = self.commands.get(&id) {
                    terminal.type_in(text);
                }
            }
            Input::Request { id, method, path, headers, body } => self.raw_request(id, method, path, headers, body),
            _ => {}
        }
    }

    /// The pod's address, and the port to knock at.
    fn door(&self, namespace: &str, pod: &str, port: u16) -> Option<(IpAddr, u16, String)> {
        let kv = self.etcd().borrow().get(&format!("/registry/pods/{namespace}/{pod}"))?;
        let o = kv.object()?;
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
        HttpError::NotTls(why) => format!("The server does not speak TLS: {why}"),
        HttpError::Malformed(why) => format!("The server's answer is no HTTP: {why}"),
    }
}

impl Cluster {
    fn shell(&self, id: u64, files: Vec<(String, String)>) -> Shell {
        let stdin = files.iter().find(|(name, _)| name == "-").map(|(_, text)| text.as_str().into());
        for (name, text) in files.into_iter().filter(|(name, _)| name != "-") {
            self.home.write(&name, text, false);
        }
        let user = User {
            name: "kubernetes-admin".into(),
            groups: vec!["kubeadm:cluster-admins".into(), "system:masters".into(), "system:authenticated".into()],
            ..User::default()
        };
        let (sim, endpoints) = (self.sim.clone(), self.endpoints.clone());
        let kubelets = Some(self.kubelets.clone());
        let process = self.person;
        Shell {
            id,
            outputs: self.outputs.clone(),
            door: Door { sim, endpoints, process, user, kubelets },
            home: self.home.clone(),
            machines: Some(self.machines()),
            on: None,
            stdin,
            terminal: Terminal::new(&self.sim, id, self.outputs.clone()),
        }
    }

    fn machines(&self) -> Machines {
        Machines {
            sim: self.sim.clone(),
            hosts: self.hosts_by_name.clone(),
            programs: self.programs.clone(),
            hardware: self.hardware,
        }
    }

    /// Each command is a process of its own on the person's computer, so that Ctrl-C ends it.
    fn command(&mut self, id: u64, line: &str, files: Vec<(String, String)>) {
        let process = self.sim.start_process("person", MachineId::OUTSIDE);
        let mut shell = self.shell(id, files);
        shell.door.process = process;
        self.commands.insert(id, (process, shell.terminal.clone()));
        let (line, sim) = (line.to_owned(), self.sim.clone());
        self.sim.spawn(process, async move {
            let code = crate::cli::run(&shell, &line).await;
            shell.outputs.push(Output::Exit { id, code });
            sim.kill_process(process);
        });
    }

    fn interrupt(&mut self, id: u64) {
        let Some((process, terminal)) = self.commands.get(&id) else { return };
        let process = *process;
        if self.sim.process_state(process) == ProcessState::Dead || terminal.takes_interrupt() {
            return;
        }
        self.commands.remove(&id);
        self.sim.kill_process(process);
        self.outputs.push(Output::Text { id, stderr: true, text: "^C\n".into() });
        self.outputs.push(Output::Exit { id, code: 130 });
    }

    fn raw_request(&mut self, id: u64, method: String, path: String, headers: Vec<(String, String)>, body: String) {
        let shell = self.shell(id, Vec::new());
        self.sim.spawn(self.person, async move {
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let (status, body) = match shell.door.send(&method, path, query, &headers, body.into_bytes()).await {
                Ok(reply) => (reply.code, String::from_utf8_lossy(&reply.body).into_owned()),
                Err(why) => (0, why),
            };
            shell.outputs.push(Output::Response { id, status, headers: Vec::new(), body });
        });
    }
}
