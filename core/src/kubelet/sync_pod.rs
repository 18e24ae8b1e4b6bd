//! Bringing a pod to where it shall be. Models `SyncPod`, `SyncTerminatingPod`, `SyncTerminatedPod` of `pkg/kubelet/kubelet.go`
//! and `computePodActions` of `pkg/kubelet/kuberuntime/kuberuntime_manager.go`.

use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};

use super::Kubelet;
use super::pod::{self, RuntimeStatus, WorkState, should_restart};
use super::workers::{BACK_OFF_JITTER, BACK_OFF_PERIOD, Next, TRANSIENT_BACK_OFF_PERIOD};
use crate::client::EventType;
use crate::runtime::containerd::{Id, SandboxSpec};
use crate::sim::SimTime;

/// Unmounting volumes and removing a pod's cgroup and directories.
const CLEAN_UP: Duration = Duration::from_millis(100);

/// How one container's start came out.
pub(super) enum Started {
    Yes,
    /// It backs off until then.
    BackOff(SimTime),
    Failed,
    /// The pod shall end.
    Cancelled,
}

/// A container to kill and why.
struct Kill {
    id: Id,
    name: Rc<str>,
    message: String,
    /// The probe whose own grace counts.
    probe: Option<super::prober::ProbeKind>,
}

/// What is to be done for a pod.
#[derive(Default)]
struct Actions {
    kill_pod: bool,
    /// The attempt of the sandbox to make.
    sandbox: Option<u32>,
    kill: Vec<Kill>,
    /// Init containers to start, in order.
    start_init: Vec<usize>,
    start: Vec<usize>,
}

impl Kubelet {
    fn retry(&self) -> Next {
        Next::At(self.now() + self.0.sim.jitter(BACK_OFF_PERIOD, BACK_OFF_JITTER))
    }

    /// A pod that shall run.
    pub(super) async fn sync_pod(&self, uid: &Rc<str>, p: &Rc<Pod>) -> Next {
        let Ok(rs) = self.runtime_status(uid) else { return self.retry() };
        let status = self.generate_status(uid, p, &rs, false);
        let over = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
        self.set_status(uid, p, status);
        if over {
            self.terminate(uid, None);
            return Next::Again;
        }
        if let Some(next) = self.check_deadline(uid, p) {
            return next;
        }
        if !self.0.runtime.network_ready() && !pod::host_network(p) {
            let message = "network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
            self.0.recorder.event(&**p, EventType::Warning, "NetworkNotReady", message);
            return Next::At(self.now() + self.0.sim.jitter(TRANSIENT_BACK_OFF_PERIOD, BACK_OFF_JITTER));
        }
        let is_static = self.with_entry(uid, |e| e.is_static) == Some(true);
        if is_static {
            // The pod doesn't wait for its mirror: there may be no api-server yet.
            let (kubelet, uid, p) = (self.clone(), uid.clone(), p.clone());
            self.spawn(async move {
                kubelet.0.node.wait_synced().await;
                kubelet.ensure_mirror(&uid, &p).await;
            });
        } else if pod::spec(p).enable_service_links != Some(false) && !self.0.services.has_synced() {
            self.0.services.wait_synced().await;
        }
        match self.mount_volumes(uid, p).await {
            Ok(true) => {}
            Ok(false) => return Next::Again,
            Err(after) => return Next::At(self.now() + after),
        }
        if !self.still_syncing(uid) {
            return Next::Again;
        }
        self.add_probes(uid, p);
        self.apply(uid, p, rs).await
    }

    fn check_deadline(&self, uid: &Rc<str>, p: &Pod) -> Option<Next> {
        let deadline = pod::spec(p).active_deadline_seconds?;
        let start = self.0.statuses.borrow().get(uid)?.start_time.clone()?;
        let end = self.0.sim.time_of(start.0) + Duration::from_secs(u64::try_from(deadline).unwrap_or(0));
        if self.now() < end {
            self.kick_at(uid, end);
            return None;
        }
        let message = "Pod was active on the node longer than the specified deadline";
        self.with_entry(uid, |e| e.failed = Some(("DeadlineExceeded".into(), message.into())));
        self.0.recorder.event(p, EventType::Normal, "DeadlineExceeded", message);
        self.terminate(uid, None);
        Some(Next::Again)
    }

    fn compute_actions(&self, uid: &Rc<str>, p: &Pod, rs: &RuntimeStatus) -> Actions {
        let containers = &pod::spec(p).containers;
        let inits = pod::init_containers(p);
        let mut a = Actions::default();
        if rs.ready_sandbox().is_none() {
            let attempt = rs.sandboxes.first().map_or(0, |s| s.attempt + 1);
            a.kill_pod = true;
            let policy = pod::spec(p).restart_policy.as_deref().unwrap_or("Always");
            let over = match policy {
                "Never" => !rs.containers.is_empty(),
                "OnFailure" => {
                    !rs.containers.is_empty()
                        && containers.iter().all(|c| rs.find(&c.name).is_some_and(|v| v.exited() && v.exit_code == 0))
                }
                _ => false,
            };
            if attempt != 0 && over {
                return a;
            }
            a.start = (0..containers.len())
                .filter(|&i| {
                    let done = |c: &Container| rs.find(&c.name).is_some_and(|v| v.exited() && v.exit_code == 0);
                    policy != "OnFailure" || !containers.get(i).is_some_and(done)
                })
                .collect();
            if a.start.is_empty() {
                return a;
            }
            a.sandbox = Some(attempt);
            if !inits.is_empty() {
                a.start_init.push(0);
                a.start.clear();
            }
            return a;
        }
        let begun = containers.iter().any(|c| rs.find(&c.name).is_some());
        if !begun && !inits.is_empty() {
            if !self.init_actions(uid, p, rs, &mut a) {
                return a;
            }
        } else {
            for (i, c) in inits.iter().enumerate().filter(|(_, c)| pod::is_sidecar(c)) {
                if should_restart(p, c, rs) {
                    a.start_init.push(i);
                } else {
                    self.check_running(uid, c, rs, &mut a);
                }
            }
        }
        let mut keep = 0;
        for (i, c) in containers.iter().enumerate() {
            let running = rs.find(&c.name).filter(|v| v.running());
            let Some(v) = running else {
                if should_restart(p, c, rs) {
                    a.start.push(i);
                }
                continue;
            };
            let will_restart = pod::restart_policy(p, c) != "Never";
            let mut kill = self.reason_to_kill(uid, c, v.id);
            if v.hash != super::start_container::hash(c) {
                kill = Some((format!("Container {} definition changed", c.name), None));
            }
            match kill {
                None => keep += 1,
                Some((mut message, probe)) => {
                    if will_restart {
                        message.push_str(", will be restarted");
                        a.start.push(i);
                    }
                    a.kill.push(Kill { id: v.id, name: c.name.as_str().into(), message, probe });
                }
            }
        }
        if keep == 0 && a.start.is_empty() && a.start_init.is_empty() {
            a.kill_pod = true;
        }
        a
    }

    fn reason_to_kill(
        &self,
        uid: &Rc<str>,
        c: &Container,
        id: Id,
    ) -> Option<(String, Option<super::prober::ProbeKind>)> {
        use super::prober::ProbeKind;
        let results = self.with_entry(uid, |e| e.probes.get(c.name.as_str()).cloned()).flatten()?;
        if results.liveness == Some((id, false)) {
            return Some((format!("Container {} failed liveness probe", c.name), Some(ProbeKind::Liveness)));
        }
        if results.startup == Some((id, false)) {
            return Some((format!("Container {} failed startup probe", c.name), Some(ProbeKind::Startup)));
        }
        None
    }

    fn check_running(&self, uid: &Rc<str>, c: &Container, rs: &RuntimeStatus, a: &mut Actions) {
        if let Some(v) = rs.find(&c.name).filter(|v| v.running())
            && let Some((message, probe)) = self.reason_to_kill(uid, c, v.id)
        {
            let message = format!("{message}, will be restarted");
            a.kill.push(Kill { id: v.id, name: c.name.as_str().into(), message, probe });
        }
    }

    /// Which init container comes next; true when all have done what the containers wait for.
    fn init_actions(&self, uid: &Rc<str>, p: &Pod, rs: &RuntimeStatus, a: &mut Actions) -> bool {
        for (i, c) in pod::init_containers(p).iter().enumerate() {
            let Some(v) = rs.find(&c.name) else {
                a.start_init.push(i);
                return false;
            };
            if pod::is_sidecar(c) {
                if !v.running() {
                    a.start_init.push(i);
                    return false;
                }
                self.check_running(uid, c, rs, a);
                let started = c.startup_probe.is_none()
                    || self.with_entry(uid, |e| e.probes.get(c.name.as_str()).and_then(|r| r.startup)).flatten()
                        == Some((v.id, true));
                if !started {
                    return false;
                }
                continue;
            }
            match v.state {
                crate::runtime::containerd::ContainerState::Running => return false,
                crate::runtime::containerd::ContainerState::Exited if v.exit_code == 0 => {}
                _ if pod::spec(p).restart_policy.as_deref() == Some("Never") && v.exited() => {
                    a.kill_pod = true;
                    return false;
                }
                _ => {
                    a.start_init.push(i);
                    return false;
                }
            }
        }
        true
    }

    async fn apply(&self, uid: &Rc<str>, p: &Rc<Pod>, rs: RuntimeStatus) -> Next {
        let a = self.compute_actions(uid, p, &rs);
        if a.kill_pod {
            if a.sandbox.is_some() && !rs.sandboxes.is_empty() {
                let message = "Pod sandbox changed, it will be killed and re-created.";
                self.0.recorder.event(&**p, EventType::Normal, "SandboxChanged", message);
            }
            if (!rs.sandboxes.is_empty() || !rs.containers.is_empty()) && self.kill_pod(p, &rs, None).await.is_err() {
                return self.retry();
            }
            if a.sandbox.is_none() && a.start.is_empty() {
                return Next::Idle;
            }
        }
        for k in a.kill {
            let _ = self.kill_container(p, k.id, &k.name, Some(k.message), k.probe, None).await;
        }
        let sandbox = match a.sandbox {
            None => rs.ready_sandbox().map(|s| (s.id, s.ip)),
            Some(attempt) => match self.make_sandbox(p, uid, attempt).await {
                Ok(made) => Some(made),
                Err(next) => return next,
            },
        };
        let Some((sandbox, ip)) = sandbox else { return Next::Idle };
        // Newer attempts count from what was there before.
        let mut next = Next::Idle;
        let mut backs_off = false;
        for (list, init) in [(&a.start_init, true), (&a.start, false)] {
            let all: &[Container] = if init { pod::init_containers(p) } else { &pod::spec(p).containers };
            for c in list.iter().filter_map(|&i| all.get(i)) {
                if !self.still_syncing(uid) {
                    return Next::Again;
                }
                match self.start_one(uid, p, c, init, (sandbox, ip), &rs).await {
                    Started::Yes => {}
                    Started::Cancelled => return Next::Again,
                    Started::BackOff(until) => {
                        backs_off = true;
                        next = match next {
                            Next::At(at) => Next::At(at.min(until)),
                            _ => Next::At(until),
                        };
                    }
                    Started::Failed => next = self.retry(),
                }
            }
        }
        // Why a container can't be made is told when the pod is looked at again. That one waits for its restart is told at once:
        // nothing looks at the pod until then.
        if backs_off && let Ok(rs) = self.runtime_status(uid) {
            let status = self.generate_status(uid, p, &rs, false);
            self.set_status(uid, p, status);
        }
        next
    }

    async fn make_sandbox(
        &self,
        p: &Rc<Pod>,
        uid: &Rc<str>,
        attempt: u32,
    ) -> Result<(Id, Option<std::net::IpAddr>), Next> {
        let hostname = self.hostname(p);
        let named_like_it = *hostname == *pod::name(p);
        let spec = SandboxSpec {
            name: if named_like_it { hostname.clone() } else { pod::name(p).into() },
            namespace: self.word(pod::namespace(p)),
            uid: uid.clone(),
            attempt,
            hostname,
            host_network: pod::host_network(p),
            resolv: (!pod::host_network(p)).then(|| self.resolv_conf(p).read),
            labels: Rc::default(),
        };
        match self.0.runtime.run_pod_sandbox(spec).await {
            Ok(id) => {
                let ip = self.0.runtime.pod_sandbox_status(id, |s| s.ip).ok().flatten();
                let ip = if pod::host_network(p) { Some(self.0.config.node_ip) } else { ip };
                Ok((id, ip))
            }
            Err(e) => {
                let message = format!("Failed to create pod sandbox: {e}");
                self.0.recorder.event(&**p, EventType::Warning, "FailedCreatePodSandBox", &message);
                Err(self.retry())
            }
        }
    }

    /// The pod's host name, at most 63 characters.
    pub(super) fn hostname(&self, p: &Pod) -> Rc<str> {
        if pod::host_network(p) {
            return self.0.config.node_name.clone();
        }
        let spec = pod::spec(p);
        let name = spec.hostname_override.as_deref().or(spec.hostname.as_deref()).filter(|h| !h.is_empty());
        let name = name.unwrap_or(pod::name(p));
        let cut: String = name.chars().take(63).collect();
        cut.trim_end_matches(['-', '.']).into()
    }

    /// A pod whose containers shall end.
    pub(super) async fn sync_terminating_pod(&self, uid: &Rc<str>, p: &Rc<Pod>) -> Next {
        let Ok(rs) = self.runtime_status(uid) else { return self.retry() };
        let status = self.generate_status(uid, p, &rs, false);
        self.set_status(uid, p, status);
        // Liveness and start-up no longer matter; readiness does until the end.
        self.stop_liveness(uid);
        let grace = self.with_entry(uid, |e| e.grace).flatten();
        if self.kill_pod(p, &rs, grace).await.is_err() {
            return self.retry();
        }
        self.stop_probes(uid);
        let Ok(rs) = self.runtime_status(uid) else { return self.retry() };
        if rs.containers.iter().any(super::pod::ContainerView::running) {
            return self.retry();
        }
        let status = self.generate_status(uid, p, &rs, true);
        self.set_status(uid, p, status);
        self.with_entry(uid, |e| e.state = WorkState::Terminated);
        self.0.load.borrow_mut().remove(uid);
        Next::Again
    }

    /// A pod whose containers have ended.
    pub(super) async fn sync_terminated_pod(&self, uid: &Rc<str>, p: &Rc<Pod>) -> Next {
        let Ok(rs) = self.runtime_status(uid) else { return self.retry() };
        let status = self.generate_status(uid, p, &rs, true);
        self.set_status(uid, p, status);
        self.0.sim.sleep(CLEAN_UP).await;
        self.with_entry(uid, |e| {
            e.state = WorkState::Finished;
            e.volumes = None;
        });
        self.enqueue_status(uid);
        self.collect_garbage();
        Next::Idle
    }
}
