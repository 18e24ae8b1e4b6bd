//! RunPodSandbox: a network namespace with an address. Takes 160 ms of simulated time and up to 40% more.

use std::rc::Rc;
use std::time::Duration;

use super::{Containerd, CriError, Id, Sandbox, SandboxSpec, SandboxState};

const WORK: Duration = Duration::from_millis(160);

impl Containerd {
    /// Makes a sandbox.
    pub async fn run_pod_sandbox(&self, spec: SandboxSpec) -> Result<Id, CriError> {
        self.enter(WORK).await?;
        let id = Id::random(&self.sim);
        let about: Rc<str> = format!("{}/{}", spec.namespace, spec.name).into();
        let mut s = self.state.borrow_mut();
        let (ip, netns) = if spec.host_network {
            (None, s.host)
        } else {
            let plugin = |why: &str| {
                CriError::Unknown(format!(
                    "failed to setup network for sandbox \"{id}\": plugin type=\"bridge\" failed (add): {why}"
                ))
            };
            let ipam = s.ipam.as_mut().ok_or_else(|| {
                CriError::Unknown(format!("failed to setup network for sandbox \"{id}\": cni plugin not initialized"))
            })?;
            let full = "failed to allocate for range 0: no IP addresses available in range set";
            let ip = ipam.allocate().ok_or_else(|| plugin(full))?;
            let netns = self.shims.network().add_namespace(self.machine, ip);
            if let Some(r) = &spec.resolv {
                self.shims.network().set_resolv(netns, r.clone());
            }
            (Some(ip), Some(netns))
        };
        let uid = spec.uid.clone();
        let all = &mut s.pods.entry(uid.clone()).or_default().sandboxes;
        // Most pods have one all their life.
        all.reserve_exact(1);
        all.push(id);
        let sandbox = Sandbox {
            id,
            spec,
            about: about.clone(),
            state: SandboxState::Ready,
            created_at: self.sim.timestamp(),
            ip,
            netns,
        };
        s.sandboxes.insert(id, Box::new(sandbox));
        drop(s);
        self.trace("RunPodSandbox", &about, "");
        self.touch(&uid);
        Ok(id)
    }
}
