//! Starting one container: back-off, image, configuration, CreateContainer, StartContainer, post-start hook.
//! Models `startContainer` and `doBackOff` of `pkg/kubelet/kuberuntime`.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::rc::Rc;

use k8s_openapi::api::core::v1::{Container, Pod};

use super::Kubelet;
use super::backoff::go_duration;
use super::pod::{self, RuntimeStatus, WaitReason};
use super::status_manager::Noted;
use super::sync_pod::Started;
use crate::api::quantity::Quantity;
use crate::client::{EventType, reference};
use crate::runtime::containerd::{ContainerSpec, Id};

/// What of a container makes it another when it changes: its image, as in current Kubernetes.
pub(super) fn hash(c: &Container) -> u64 {
    // FxHasher's result depends on the width of usize only through `write_usize`, which strings end with; bytes don't.
    let mut h = rustc_hash::FxHasher::default();
    for text in [c.name.as_str(), c.image.as_deref().unwrap_or_default()] {
        for b in text.bytes() {
            b.hash(&mut h);
        }
        0xffu8.hash(&mut h);
    }
    h.finish()
}

impl Kubelet {
    /// An event about one container of a pod.
    pub(super) fn container_event(&self, p: &Pod, name: &str, kind: EventType, reason: &str, message: &str) {
        let init = pod::init_containers(p).iter().any(|c| c.name == name);
        let list = if init { "initContainers" } else { "containers" };
        let mut about = reference(p);
        about.field_path = Some(format!("spec.{list}{{{name}}}"));
        self.0.recorder.event_about(about, kind, reason, message);
    }

    fn waits(&self, uid: &Rc<str>, name: &str, reason: &str, message: String) {
        let why = WaitReason { reason: reason.into(), message };
        self.with_entry(uid, |e| e.waiting.insert(name.into(), why));
    }

    /// Starts a container.
    pub(super) async fn start_one(
        &self,
        uid: &Rc<str>,
        p: &Rc<Pod>,
        c: &Container,
        init: bool,
        (sandbox, ip): (Id, Option<IpAddr>),
        rs: &RuntimeStatus,
    ) -> Started {
        let now = self.now();
        let last = rs.find(&c.name);
        let key = format!("{uid}/{}", c.name);
        if let Some(last) = last.filter(|v| v.exited()) {
            let ended = last.finished_at.map_or(now, |t| self.0.sim.time_of(t));
            let until = self.0.container_backoff.borrow().until(&key, ended, now);
            if let Some(until) = until {
                let backoff = go_duration(self.0.container_backoff.borrow().get(&key));
                let message = format!("Back-off restarting failed container {} in pod {}", c.name, pod::describe(p));
                self.container_event(p, &c.name, EventType::Warning, "BackOff", &message);
                let message =
                    format!("back-off {backoff} restarting failed container={} pod={}", c.name, pod::describe(p));
                self.waits(uid, &c.name, "CrashLoopBackOff", message);
                return Started::BackOff(until);
            }
            self.0.container_backoff.borrow_mut().next(&key, ended, now);
        }
        match self.ensure_image(uid, p, c).await {
            Ok(()) => {}
            Err(super::image::ImageFailure::Cancelled) => return Started::Cancelled,
            Err(super::image::ImageFailure::Failed { reason, message }) => {
                self.container_event(p, &c.name, EventType::Warning, "Failed", &format!("Error: {reason}"));
                self.waits(uid, &c.name, reason, message);
                return Started::Failed;
            }
        }
        let attempt = match last {
            Some(v) => v.attempt + 1,
            // Removed containers count too: the status remembers them.
            None => self.restarts_before(uid, p, &c.name),
        };
        let spec = match self.container_spec(uid, p, c, ip, attempt).await {
            Ok(s) => s,
            Err(why) => {
                self.container_event(p, &c.name, EventType::Warning, "Failed", &format!("Error: {why}"));
                self.waits(uid, &c.name, "CreateContainerConfigError", why);
                return Started::Failed;
            }
        };
        if !self.still_syncing(uid) {
            return Started::Cancelled;
        }
        let id = match self.0.runtime.create_container(sandbox, spec).await {
            Ok(id) => id,
            Err(e) => {
                let why = e.message();
                self.container_event(p, &c.name, EventType::Warning, "Failed", &format!("Error: {why}"));
                self.waits(uid, &c.name, "CreateContainerError", why);
                return Started::Failed;
            }
        };
        self.container_event(p, &c.name, EventType::Normal, "Created", "Container created");
        if let Err(e) = self.0.runtime.start_container(id).await {
            let why = e.message();
            self.container_event(p, &c.name, EventType::Warning, "Failed", &format!("Error: {why}"));
            self.waits(uid, &c.name, "RunContainerError", why);
            return Started::Failed;
        }
        self.container_event(p, &c.name, EventType::Normal, "Started", "Container started");
        self.with_entry(uid, |e| e.waiting.remove(c.name.as_str()));
        let hook = c.lifecycle.as_ref().and_then(|l| l.post_start.as_ref());
        if let (Some(hook), false) = (hook, init && !pod::is_sidecar(c))
            && let Err(why) = self.run_handler(p, c, id, ip, hook).await
        {
            self.container_event(
                p,
                &c.name,
                EventType::Warning,
                "FailedPostStartHook",
                &format!("PostStartHook failed: {why}"),
            );
            let message = Some("FailedPostStartHook".to_owned());
            let _ = self.kill_container(p, id, &c.name, message, None, None).await;
            self.waits(uid, &c.name, "PostStartHookError", format!("PostStartHook failed: {why}"));
            return Started::Failed;
        }
        Started::Yes
    }

    fn restarts_before(&self, uid: &Rc<str>, p: &Pod, name: &str) -> u32 {
        let status =
            self.0.statuses.borrow().get(uid).or_else(|| p.status.clone().map(Noted::from)).unwrap_or_default();
        let all = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
        let mut known = all.filter(|s| s.name == name);
        // Without a container the status counts the one that is to come.
        known.next().map_or(0, |s| u32::try_from(s.restart_count).unwrap_or(0) + u32::from(s.container_id.is_some()))
    }

    async fn container_spec(
        &self,
        uid: &Rc<str>,
        p: &Rc<Pod>,
        c: &Container,
        ip: Option<IpAddr>,
        attempt: u32,
    ) -> Result<ContainerSpec, String> {
        let env = self.environment(p, c, ip).await?;
        let limits = c.resources.as_ref().and_then(|r| r.limits.as_ref());
        let memory = limits.and_then(|l| l.get("memory")).map_or(0, |q| Quantity::of(q).value());
        let expand = |words: &Option<Vec<String>>| -> Vec<String> {
            words.iter().flatten().map(|w| super::env::expand(w, &env)).collect()
        };
        let security = c.security_context.as_ref();
        let pod_security = pod::spec(p).security_context.as_ref();
        Ok(ContainerSpec {
            name: self.word(&c.name),
            attempt,
            image: self.word(c.image.as_deref().unwrap_or_default()),
            command: expand(&c.command),
            args: expand(&c.args),
            working_dir: c.working_dir.clone().unwrap_or_default(),
            mounts: self.mounts(uid, p, c, ip),
            memory_limit_bytes: u64::try_from(memory).unwrap_or(0),
            stdin: c.stdin.unwrap_or(false),
            tty: c.tty.unwrap_or(false),
            uid: security.and_then(|s| s.run_as_user).or(pod_security.and_then(|s| s.run_as_user)),
            hash: hash(c),
            termination_message_path: self
                .word(c.termination_message_path.as_deref().unwrap_or("/dev/termination-log")),
            termination_message_from_log: c.termination_message_policy.as_deref() == Some("FallbackToLogsOnError"),
            stop_signal: c.lifecycle.as_ref().and_then(|l| l.stop_signal.clone()).unwrap_or_default(),
            grace_seconds: pod::spec(p).termination_grace_period_seconds.unwrap_or(30),
            env,
        })
    }
}
