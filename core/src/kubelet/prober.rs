//! Probes: one task for each, only where a pod has one. Models `pkg/kubelet/prober`.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, Probe};

use super::Kubelet;
use super::handlers::port;
use super::pod::{self, WorkState};
use crate::client::EventType;
use crate::runtime::containerd::{CriError, Id};
use crate::sim::Notify;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

impl ProbeKind {
    fn as_str(self) -> &'static str {
        match self {
            ProbeKind::Liveness => "Liveness",
            ProbeKind::Readiness => "Readiness",
            ProbeKind::Startup => "Startup",
        }
    }
    fn of(self, c: &Container) -> Option<&Probe> {
        match self {
            ProbeKind::Liveness => c.liveness_probe.as_ref(),
            ProbeKind::Readiness => c.readiness_probe.as_ref(),
            ProbeKind::Startup => c.startup_probe.as_ref(),
        }
    }
}

struct Worker {
    kubelet: Kubelet,
    uid: Rc<str>,
    name: Rc<str>,
    kind: ProbeKind,
    container: Option<Id>,
    last: Option<bool>,
    run: i32,
    /// Waits for the container to be replaced.
    on_hold: bool,
}

/// An output of a probe as the event shows it.
const OUTPUT_MAX: usize = 10 << 10;

impl Kubelet {
    /// Starts the probes of a pod, once.
    pub(super) fn add_probes(&self, uid: &Rc<str>, p: &Rc<Pod>) {
        if self.with_entry(uid, |e| std::mem::replace(&mut e.probing, true)) != Some(false) {
            return;
        }
        for (c, init) in pod::all_containers(p) {
            if init && !pod::is_sidecar(c) {
                continue;
            }
            for kind in [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness] {
                let Some(probe) = kind.of(c) else { continue };
                let period =
                    Duration::from_secs(u64::try_from(probe.period_seconds.unwrap_or(10).max(1)).unwrap_or(10));
                let bell = Notify::new(&self.0.sim);
                if kind == ProbeKind::Readiness {
                    self.with_entry(uid, |e| e.probe_now.insert(c.name.as_str().into(), bell.clone()));
                }
                let worker = Worker {
                    kubelet: self.clone(),
                    uid: uid.clone(),
                    name: c.name.as_str().into(),
                    kind,
                    container: None,
                    last: None,
                    run: 0,
                    on_hold: false,
                };
                self.spawn(worker.work(period, bell));
            }
        }
    }

    /// Start-up and liveness probes end.
    pub(super) fn stop_liveness(&self, uid: &Rc<str>) {
        // Workers see the state for themselves; only their results must not count any more.
        self.with_entry(uid, |e| {
            for r in e.probes.values_mut() {
                r.liveness = None;
            }
        });
    }

    /// All probes end.
    pub(super) fn stop_probes(&self, uid: &Rc<str>) {
        self.with_entry(uid, |e| e.probe_now.clear());
    }
}

impl Worker {
    async fn work(mut self, period: Duration, bell: Notify) {
        let sim = self.kubelet.0.sim.clone();
        // A kubelet that has just started spreads the probes of the pods that it finds.
        let since_start = sim.now().since(self.kubelet.0.started_at);
        if since_start < period && self.kubelet.0.started_at.as_nanos() > 0 {
            sim.sleep(period.mul_f64(sim.random_unit())).await;
        }
        let mut next = sim.now();
        while self.probe().await {
            next += period;
            if next < sim.now() {
                next = sim.now() + period;
            }
            // Readiness may be asked for before its time; that doesn't move the others.
            if self.kind == ProbeKind::Readiness {
                let _ = crate::sim::select(sim.sleep_until(next), bell.notified()).await;
                if sim.now() < next {
                    next = sim.now();
                }
            } else {
                sim.sleep_until(next).await;
            }
        }
    }

    fn set(&self, id: Id, good: Option<bool>) {
        let changed = self.kubelet.with_entry(&self.uid, |e| {
            let r = e.probes.entry(self.name.clone()).or_default();
            let slot = match self.kind {
                ProbeKind::Liveness => &mut r.liveness,
                ProbeKind::Readiness => &mut r.readiness,
                ProbeKind::Startup => &mut r.startup,
            };
            let new = good.map(|g| (id, g));
            std::mem::replace(slot, new) != new
        });
        if changed == Some(true) {
            self.kubelet.kick(&self.uid);
        }
    }

    /// One round; false when the probe's work is over.
    async fn probe(&mut self) -> bool {
        let kubelet = self.kubelet.clone();
        let Some((p, state)) = kubelet.with_entry(&self.uid, |e| (e.pod.clone(), e.state)) else { return false };
        if matches!(state, WorkState::Terminated | WorkState::Finished) {
            return false;
        }
        if state == WorkState::Terminating && self.kind != ProbeKind::Readiness {
            return false;
        }
        let Some(status) = kubelet.0.statuses.borrow().get(&self.uid) else { return true };
        if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
            return false;
        }
        let lists = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
        let Some(shown) = lists.into_iter().find(|c| *c.name == *self.name) else { return true };
        let Some(id) = shown.container_id.as_deref().and_then(|i| Id::parse(i.trim_start_matches("containerd://")))
        else {
            return true;
        };
        if self.container != Some(id) {
            self.container = Some(id);
            self.on_hold = false;
            self.last = None;
            self.run = 0;
            self.set(
                id,
                match self.kind {
                    ProbeKind::Liveness => Some(true),
                    ProbeKind::Readiness => Some(false),
                    ProbeKind::Startup => None,
                },
            );
        }
        if self.on_hold {
            return true;
        }
        let Some(c) = pod::all_containers(&p).find(|(c, _)| *c.name == *self.name).map(|(c, _)| c.clone()) else {
            return false;
        };
        let Some(running) = shown.state.as_ref().and_then(|s| s.running.as_ref()) else {
            if self.kind != ProbeKind::Startup {
                self.set(id, Some(false));
            }
            let ended = shown.state.as_ref().is_some_and(|s| s.terminated.is_some());
            return !ended || pod::restart_policy(&p, &c) != "Never";
        };
        let Some(probe) = self.kind.of(&c).cloned() else { return false };
        let began = kubelet.0.runtime.container_status(id, |c| c.started_at).ok().flatten();
        let began =
            began.or(running.started_at.as_ref().map(|t| t.0)).map_or(kubelet.now(), |t| kubelet.0.sim.time_of(t));
        let delay = Duration::from_secs(u64::try_from(probe.initial_delay_seconds.unwrap_or(0)).unwrap_or(0));
        if kubelet.now().since(began) < delay {
            return true;
        }
        let started = shown.started == Some(true);
        if started == (self.kind == ProbeKind::Startup) {
            // Start-up probes end with the start; the others begin there.
            return true;
        }
        let timeout = Duration::from_secs(u64::try_from(probe.timeout_seconds.unwrap_or(1).max(1)).unwrap_or(1));
        let ip = status.pod_ip.as_deref().and_then(|ip| ip.parse().ok());
        // Boxed: a probe that waits for its first look does without the code that asks.
        let asked: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(self.ask(&c, &probe, id, ip, timeout));
        let outcome = asked.await;
        let good = match outcome {
            Ok(good) => good,
            // The probe itself went wrong: that says nothing of the container.
            Err(why) => {
                let message = format!("{} probe errored and resulted in unknown state: {why}", self.kind.as_str());
                kubelet.container_event(&p, &self.name, EventType::Warning, "Unhealthy", &message);
                return true;
            }
        };
        if let Err(output) = &good {
            let cut: String = output.chars().take(OUTPUT_MAX).collect();
            let message = format!("{} probe failed: {cut}", self.kind.as_str());
            kubelet.container_event(&p, &self.name, EventType::Warning, "Unhealthy", &message);
        }
        let good = good.is_ok();
        if self.last == Some(good) {
            self.run += 1;
        } else {
            self.last = Some(good);
            self.run = 1;
        }
        let threshold = if good { probe.success_threshold.unwrap_or(1) } else { probe.failure_threshold.unwrap_or(3) };
        if self.run < threshold {
            return true;
        }
        self.set(id, Some(good));
        if !good && self.kind != ProbeKind::Readiness {
            self.on_hold = true;
            self.run = 0;
        }
        true
    }

    /// Asks once: whether it went well, or what it said; an error if it can't be asked.
    async fn ask(
        &self,
        c: &Container,
        probe: &Probe,
        id: Id,
        ip: Option<std::net::IpAddr>,
        timeout: Duration,
    ) -> Result<Result<(), String>, String> {
        let kubelet = &self.kubelet;
        if let Some(exec) = &probe.exec {
            let args = exec.command.clone().unwrap_or_default();
            return match kubelet.0.runtime.exec_sync(id, args.clone(), timeout).await {
                Ok(o) if o.exit_code == Some(0) => Ok(Ok(())),
                Ok(o) => {
                    let mut all = o.stream(false);
                    all.extend(o.stream(true));
                    Ok(Err(String::from_utf8_lossy(&all).into_owned()))
                }
                Err(CriError::DeadlineExceeded) => Ok(Err(format!(
                    "command timed out: \"{}\" timed out after {}",
                    args.join(" "),
                    super::backoff::go_duration(timeout)
                ))),
                Err(e) => Err(e.to_string()),
            };
        }
        if let Some(http) = &probe.http_get {
            let answer = kubelet.http_action(c, http, ip, "kube-probe/1.36", timeout).await;
            return Ok(match answer {
                Ok(r) if (200..400).contains(&r.status) => Ok(()),
                Ok(r) => Err(format!("HTTP probe failed with statuscode: {}", r.status)),
                Err(why) => Err(why),
            });
        }
        let (target, host) = match (&probe.tcp_socket, &probe.grpc) {
            (Some(tcp), _) => (port(c, &tcp.port), tcp.host.as_deref().and_then(|h| h.parse().ok())),
            (None, Some(grpc)) => (u16::try_from(grpc.port).ok(), None),
            (None, None) => return Err(format!("missing probe handler for {}", c.name)),
        };
        let (Some(target), Some(ip)) = (target, host.or(ip)) else { return Err("couldn't find the port".into()) };
        let network = kubelet.0.runtime.shims().network();
        let answer = network.dial(kubelet.0.runtime.machine(), (ip, target), timeout).await;
        Ok(match answer {
            Ok(()) if probe.grpc.is_some() => {
                // Guests speak no HTTP/2, so nothing behind the port can answer the health question.
                Err(format!(
                    "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): connection to {ip}:{target} closed"
                ))
            }
            Ok(()) => Ok(()),
            Err(_) if probe.grpc.is_some() => Err(format!(
                "timeout: failed to connect service \"{ip}:{target}\" within {}: context deadline exceeded",
                super::backoff::go_duration(timeout)
            )),
            Err(e) => Err(e.in_go((ip, target))),
        })
    }
}
