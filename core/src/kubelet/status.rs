//! A pod's status as the kubelet sees it. Models `generateAPIPodStatus` of `pkg/kubelet/kubelet_pods.go`.

use std::rc::Rc;

use k8s_openapi::api::core::v1::{HostIP, Pod, PodIP, PodStatus};

use super::Kubelet;
use super::conditions;
use super::container_status::statuses;
use super::pod::{self, RuntimeStatus};
use super::status_manager::Noted;
use crate::runtime::containerd::ContainerState;

impl Kubelet {
    /// The status of a pod from what containerd says; `terminal` when its containers have ended for good.
    pub(super) fn generate_status(&self, uid: &Rc<str>, p: &Pod, rs: &RuntimeStatus, terminal: bool) -> PodStatus {
        let old = self.0.statuses.borrow().get(uid).or_else(|| p.status.clone().map(Noted::from)).unwrap_or_default();
        let (reasons, failed) = self.with_entry(uid, |e| (e.waiting.clone(), e.failed.clone())).unwrap_or_default();
        let mut s = PodStatus {
            init_container_statuses: Some(statuses(
                p,
                rs,
                old.init_container_statuses.as_deref().unwrap_or_default(),
                &reasons,
                true,
            ))
            .filter(|l| !l.is_empty()),
            container_statuses: Some(statuses(
                p,
                rs,
                old.container_statuses.as_deref().unwrap_or_default(),
                &reasons,
                false,
            ))
            .filter(|l| !l.is_empty()),
            ..PodStatus::default()
        };
        let generation = p.metadata.generation.filter(|g| *g > 0);
        s.observed_generation = generation;
        s.qos_class = Some(crate::registry::pod::qos_class(p).to_owned());
        let phase = match (old.phase.as_deref(), &failed) {
            (Some(over @ ("Failed" | "Succeeded")), _) => over,
            (_, Some(_)) => "Failed",
            _ => conditions::phase(p, &s, terminal),
        };
        s.phase = Some(phase.to_owned());
        if let Some((reason, message)) = failed {
            s.reason = Some(reason.to_string());
            s.message = Some(message.to_string());
        } else if matches!(old.phase.as_deref(), Some("Failed" | "Succeeded")) {
            s.reason = old.reason.clone();
            s.message = old.message.clone();
        }
        self.apply_probes(uid, p, rs, &mut s);
        // What others wrote stays, before what is the kubelet's own.
        let others = p.status.iter().flat_map(|s| s.conditions.iter().flatten());
        let others: Vec<_> = others.filter(|c| !conditions::OWN.contains(&c.type_.as_str())).cloned().collect();
        s.conditions = Some(others);
        let own = conditions::conditions(p, &s, rs.ready_sandbox().is_some());
        s.conditions.get_or_insert_default().extend(own);
        let host = self.0.config.node_ip.to_string();
        s.host_ip = Some(host.clone());
        s.host_ips = Some(vec![HostIP { ip: host.clone() }]);
        let ip = match rs.ready_sandbox() {
            _ if pod::host_network(p) => Some(host),
            Some(b) => b.ip.map(|ip| ip.to_string()),
            // A pod that has ended keeps saying which address it had.
            None => None,
        };
        s.pod_ips = ip.as_ref().map(|ip| vec![PodIP { ip: ip.clone() }]);
        s.pod_ip = ip;
        s
    }

    /// What probes say: whether containers have started and are ready. Models prober's `UpdatePodStatus`.
    fn apply_probes(&self, uid: &Rc<str>, p: &Pod, rs: &RuntimeStatus, s: &mut PodStatus) {
        let lists = [(&mut s.init_container_statuses, true), (&mut s.container_statuses, false)];
        for (list, init) in lists {
            for status in list.iter_mut().flatten() {
                let declared =
                    pod::all_containers(p).find(|(c, i)| *i == init && c.name == status.name).map(|(c, _)| c);
                let view = rs.find(&status.name);
                let running = status.state.as_ref().is_some_and(|s| s.running.is_some())
                    && view.is_some_and(|v| v.state == ContainerState::Running);
                let (Some(c), Some(view)) = (declared, view) else {
                    status.started = Some(false);
                    continue;
                };
                if init && !pod::is_sidecar(c) {
                    let done = status.state.as_ref().and_then(|s| s.terminated.as_ref());
                    status.ready = done.is_some_and(|t| t.exit_code == 0);
                    status.started = Some(running);
                    continue;
                }
                let results =
                    self.with_entry(uid, |e| e.probes.get(status.name.as_str()).cloned()).flatten().unwrap_or_default();
                let good = |r: &Option<(crate::runtime::containerd::Id, bool)>| {
                    r.is_some_and(|(id, good)| id == view.id && good)
                };
                let started = running && (c.startup_probe.is_none() || good(&results.startup));
                status.started = Some(started);
                status.ready = started && (c.readiness_probe.is_none() || good(&results.readiness));
                if started && !status.ready {
                    let bell = self.with_entry(uid, |e| e.probe_now.get(status.name.as_str()).cloned()).flatten();
                    if let Some(b) = bell {
                        b.notify();
                    }
                }
            }
        }
    }
}
