//! A container as containerd knows it.

use std::rc::{Rc, Weak};

use super::{Id, StoredImage};
use crate::runtime::engine::{ContainerId, Mount};
use crate::runtime::log::ContainerLog;
use crate::sim::{Notify, ProcessId, Sim};

/// What a container shall be: the CRI's ContainerConfig.
#[derive(Clone, Debug, Default)]
pub struct ContainerSpec {
    /// Its name in the pod.
    pub name: Rc<str>,
    /// How often it was restarted before.
    pub attempt: u32,
    /// The image as the pod names it.
    pub image: Rc<str>,
    /// Replaces the image's entrypoint if not empty.
    pub command: Vec<String>,
    /// Replaces the image's arguments if not empty, or if `command` isn't.
    pub args: Vec<String>,
    /// Added to the image's environment.
    pub env: Vec<(String, String)>,
    /// Replaces the image's if not empty.
    pub working_dir: String,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// 0 for none.
    pub memory_limit_bytes: u64,
    /// Whether stdin stays open.
    pub stdin: bool,
    /// Whether stdin is a terminal.
    pub tty: bool,
    /// The user it runs as, if the pod says.
    pub uid: Option<i64>,
    /// What of the pod's spec makes it another container when it changes.
    pub hash: u64,
    /// Where the process may leave its last words.
    pub termination_message_path: Rc<str>,
    /// Whether the log's end stands in for them.
    pub termination_message_from_log: bool,
    /// Replaces the image's stop signal if not empty.
    pub stop_signal: String,
    /// How long it may take to stop, for a kubelet that must stop it without knowing the pod any more.
    pub grace_seconds: i64,
}

/// Where in its life a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process ended, or couldn't start.
    Exited,
}

impl ContainerState {
    /// As crictl prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            ContainerState::Created => "Created",
            ContainerState::Running => "Running",
            ContainerState::Exited => "Exited",
        }
    }
}

/// A container.
pub struct Container {
    /// Its id.
    pub id: Id,
    /// Its sandbox.
    pub sandbox: Id,
    /// Its pod's uid.
    pub pod: Rc<str>,
    /// What it was made from. Mounts and environment are dropped when it starts.
    pub spec: ContainerSpec,
    /// Its image.
    pub image: Rc<StoredImage>,
    /// Where in its life it is.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: jiff::Timestamp,
    /// When it was started.
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended.
    pub finished_at: Option<jiff::Timestamp>,
    /// How it ended.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `Unknown`; empty before its end.
    pub reason: Rc<str>,
    /// More words about its end.
    pub message: Rc<str>,
    /// What it wrote.
    pub log: ContainerLog,
    pub(super) guest: Option<ContainerId>,
    pub(super) program: Option<ProcessId>,
    /// Told when it ends, if somebody waits.
    pub(super) waiters: Option<Notify>,
    /// Those who follow its log.
    pub(super) followers: Followers,
}

impl Container {
    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.state == ContainerState::Running
    }

    /// Whether it may be started.
    pub fn can_start(&self) -> bool {
        self.state == ContainerState::Created
    }

    /// Whether it may be removed.
    pub fn can_remove(&self) -> bool {
        self.state != ContainerState::Running
    }

    /// The whole command line. Models how containerd merges a config with the image's.
    pub(super) fn command_line(&self) -> Vec<String> {
        let image = &self.image.image;
        let (mut line, args) = if self.spec.command.is_empty() {
            let args = if self.spec.args.is_empty() { &image.cmd } else { &self.spec.args };
            (image.entrypoint.clone(), args)
        } else {
            (self.spec.command.clone(), &self.spec.args)
        };
        line.extend(args.iter().cloned());
        line
    }

    /// The engine's container, while it is there.
    pub fn guest(&self) -> Option<ContainerId> {
        self.guest
    }

    /// The process of a system program.
    pub fn program(&self) -> Option<ProcessId> {
        self.program
    }
}

/// Those who follow a log. Each has a notifier of its own: one that is shared wakes only the first.
#[derive(Default)]
pub(super) struct Followers(Vec<(Weak<()>, Notify)>);

impl Followers {
    pub(super) fn add(&mut self, sim: &Sim) -> Follower {
        let follower = Follower { alive: Rc::new(()), changed: Notify::new(sim) };
        self.0.retain(|(alive, _)| alive.strong_count() > 0);
        self.0.push((Rc::downgrade(&follower.alive), follower.changed.clone()));
        follower
    }

    pub(super) fn notify(&self) {
        for (_, changed) in &self.0 {
            changed.notify();
        }
    }
}

/// Somebody who follows a container's log.
pub struct Follower {
    alive: Rc<()>,
    changed: Notify,
}

impl Follower {
    /// Waits until the container has written something, has ended or was removed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
