//! Processes in containers as clients drive them: exec and attach. Models `pkg/kubelet/server`'s handlers and
//! `staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand`.

use bytes::Bytes;
use podarium_core::api::status::{Cause, Details, Status};
use podarium_core::apiserver::KubeletCall;
use podarium_core::cluster::Cluster;
use podarium_core::kubelet::{ExecError, Kubelet, exec_config};
use podarium_core::runtime::shim::ExecHandle;
use podarium_core::runtime::tty::{Tty, TtyEvent};
use podarium_core::sim::{Select, select};
use serde_json::{Value, json};

use crate::pipe::{Inlet, Intake, Item, Sink, Source, way_in, way_out};
use crate::tank::Tank;

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

impl Wanted {
    /// As the request's query says. Models `NewOptions`.
    pub fn of(call: &KubeletCall) -> Result<Self, Status> {
        let mut wanted = Wanted {
            stdin: call.flag("stdin"),
            stdout: call.flag("stdout"),
            stderr: call.flag("stderr"),
            tty: call.flag("tty"),
        };
        // With a terminal both come as one.
        wanted.stderr &= !wanted.tty;
        if !wanted.stdin && !wanted.stdout && !wanted.stderr {
            return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
        }
        Ok(wanted)
    }
}

/// What comes from a client.
pub enum FromClient {
    Stdin(Bytes),
    /// No more stdin.
    StdinClosed,
}

/// What goes to a client.
pub enum ToClient {
    Stdout(Bytes),
    Stderr(Bytes),
    /// How it ended.
    Status(Value),
}

impl Item for FromClient {
    fn weight(&self) -> usize {
        match self {
            FromClient::Stdin(bytes) => bytes.len(),
            FromClient::StdinClosed => 0,
        }
    }
}

impl Item for ToClient {
    fn weight(&self) -> usize {
        match self {
            ToClient::Stdout(bytes) | ToClient::Stderr(bytes) => bytes.len(),
            ToClient::Status(_) => 0,
        }
    }
}

/// Both ways to a process, for whoever speaks with the client.
pub struct Remote {
    pub wanted: Wanted,
    pub to_process: Inlet<FromClient>,
    pub from_process: Source<ToClient>,
}

/// Runs or attaches to what a call says, once a client has been found to speak a protocol.
pub fn start(cluster: &Cluster, tank: &Tank, call: KubeletCall) -> Result<Remote, Status> {
    let wanted = Wanted::of(&call)?;
    let kubelet = cluster
        .dial_kubelet(&call.node)
        .map_err(|why| Status::other(500, "", format!("error dialing backend: {why}")))?;
    let (to_process, intake) = way_in(cluster.sim(), tank);
    let (sink, from_process) = way_out(cluster.sim(), tank);
    cluster.spawn_outside(run(kubelet, call, wanted, intake, sink));
    Ok(Remote { wanted, to_process, from_process })
}

async fn run(kubelet: Kubelet, call: KubeletCall, wanted: Wanted, intake: Intake<FromClient>, sink: Sink<ToClient>) {
    let command: Vec<String> = call.all("command").map(str::to_owned).collect();
    let exec = call.what == "exec";
    let started = if exec {
        kubelet.exec(&call.namespace, &call.pod, &call.container, exec_config(&call)).await
    } else {
        kubelet.attach(&call.namespace, &call.pod, &call.container).await
    };
    let status = match started {
        Ok(process) => {
            let session = Session { process, wanted, exec, tty: Tty::default(), typed: true };
            match session.run(intake, &sink).await {
                // Attaching succeeds however the process ends.
                Some(0) => success(),
                Some(_) if !exec => success(),
                Some(code) => exited(&command, code),
                None => return,
            }
        }
        Err(ExecError::NotFound(why)) => Status::internal(why).to_value(),
        Err(ExecError::Failed(why)) => {
            let what = if exec { "error executing command in container" } else { "error attaching to container" };
            Status::internal(format!("{what}: {why}")).to_value()
        }
    };
    if sink.room().await {
        sink.push(ToClient::Status(status));
    }
}

fn success() -> Value {
    json!({"metadata": {}, "status": "Success"})
}

/// What a client is told of an exit code that is not zero.
fn exited(command: &[String], code: i32) -> Value {
    let cause = Cause { reason: "ExitCode".into(), message: code.to_string(), ..Cause::default() };
    let message = format!(
        "command terminated with non-zero exit code: error executing command [{}], exit code {code}",
        command.join(" ")
    );
    let details = Details { causes: vec![cause], ..Details::default() };
    let mut status = Status::other(0, "NonZeroExitCode", message).with_details(details).to_value();
    if let Some(fields) = status.as_object_mut() {
        // It is written without kind, version and code.
        fields.retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion" | "code"));
    }
    status
}

struct Session {
    process: ExecHandle,
    wanted: Wanted,
    exec: bool,
    tty: Tty,
    /// Whether more may come from the client.
    typed: bool,
}

impl Session {
    /// Carries streams both ways until the process ends: its exit code. `None` if the client left before.
    async fn run(mut self, mut intake: Intake<FromClient>, sink: &Sink<ToClient>) -> Option<i32> {
        loop {
            let output = self.process.take();
            for (stderr, bytes) in output.chunks {
                if !sink.room().await {
                    return self.left();
                }
                self.print(stderr, &bytes, sink);
            }
            if let Some(code) = output.exit_code {
                return Some(code);
            }
            let from_client = async {
                if !self.typed {
                    std::future::pending::<()>().await;
                }
                intake.next().await
            };
            match select(self.process.changed(), select(from_client, sink.abandoned())).await {
                Select::First(()) => {}
                Select::Second(Select::First(Some(FromClient::Stdin(bytes)))) => self.take_in(&bytes, sink),
                Select::Second(Select::First(Some(FromClient::StdinClosed))) => self.close(),
                Select::Second(Select::First(None)) => {
                    self.typed = false;
                    self.close();
                }
                Select::Second(Select::Second(())) => return self.left(),
            }
        }
    }

    /// The client left: what it ran ends, as containerd does it; what it was attached to goes on.
    fn left(&self) -> Option<i32> {
        if self.exec {
            self.process.signal(9);
        }
        None
    }

    fn close(&self) {
        if self.wanted.stdin && self.exec {
            self.process.close_stdin();
        }
    }

    fn take_in(&mut self, bytes: &[u8], sink: &Sink<ToClient>) {
        if !self.wanted.stdin {
            return;
        }
        if !self.wanted.tty {
            return self.process.stdin(bytes);
        }
        let (events, echo) = self.tty.type_in(bytes);
        if self.wanted.stdout && !echo.is_empty() {
            sink.push(ToClient::Stdout(echo.into()));
        }
        for event in events {
            match event {
                TtyEvent::Input(bytes) => self.process.stdin(&bytes),
                TtyEvent::Eof => self.process.close_stdin(),
                TtyEvent::Signal(signal) => self.process.signal(signal),
            }
        }
    }

    fn print(&self, stderr: bool, bytes: &[u8], sink: &Sink<ToClient>) {
        if self.wanted.tty {
            if self.wanted.stdout {
                sink.push(ToClient::Stdout(self.tty.print(bytes).into()));
            }
        } else if stderr && self.wanted.stderr {
            sink.push(ToClient::Stderr(Bytes::copy_from_slice(bytes)));
        } else if !stderr && self.wanted.stdout {
            sink.push(ToClient::Stdout(Bytes::copy_from_slice(bytes)));
        }
    }
}
