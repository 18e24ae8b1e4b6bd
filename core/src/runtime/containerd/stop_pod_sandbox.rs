//! StopPodSandbox: its containers are killed, its address is given back.

use std::time::Duration;

use super::{Containerd, CriError, Id, SandboxState};

const WORK: Duration = Duration::from_millis(40);

impl Containerd {
    /// Stops a sandbox; nothing for one that is stopped or gone.
    pub async fn stop_pod_sandbox(&self, id: Id) -> Result<(), CriError> {
        self.enter(WORK).await?;
        let running: Vec<Id> = {
            let s = self.state.borrow();
            let uid = s.sandboxes.get(&id).map(|b| b.spec.uid.clone());
            let index = uid.and_then(|u| s.pods.get(&u));
            let all = index.map(|i| i.containers.as_slice()).unwrap_or_default();
            let in_it = all.iter().filter_map(|c| s.containers.get(c)).filter(|c| c.sandbox == id);
            in_it.filter(|c| c.is_running()).map(|c| c.id).collect()
        };
        for c in running {
            self.kill_container(c, 9);
        }
        let (uid, about, netns) = {
            let mut s = self.state.borrow_mut();
            let s = &mut *s;
            let Some(b) = s.sandboxes.get_mut(&id) else { return Ok(()) };
            if b.state == SandboxState::NotReady && b.ip.is_none() {
                return Ok(());
            }
            b.state = SandboxState::NotReady;
            // A pod of the machine's own network leaves that as it is.
            let netns = b.netns.take().filter(|_| !b.spec.host_network);
            if let (Some(ip), Some(ipam)) = (b.ip.take(), s.ipam.as_mut()) {
                ipam.release(ip);
            }
            (b.spec.uid.clone(), b.about.clone(), netns)
        };
        if let Some(n) = netns {
            self.shims.network().remove_namespace(n);
        }
        self.trace("StopPodSandbox", &about, "");
        self.touch(&uid);
        Ok(())
    }
}
