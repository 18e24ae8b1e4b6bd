//! RemoveContainer and RemovePodSandbox.

use super::{Containerd, CriError, Id};

impl Containerd {
    /// Removes a container with its log; kills it first if it runs.
    pub async fn remove_container(&self, id: Id) -> Result<(), CriError> {
        self.check_up()?;
        let runs = self.state.borrow().containers.get(&id).is_some_and(|c| !c.can_remove());
        if runs {
            self.kill_container(id, 9);
        }
        let guest = {
            let mut s = self.state.borrow_mut();
            let s = &mut *s;
            let Some(c) = s.containers.remove(&id) else { return Ok(()) };
            if let Some(index) = s.pods.get_mut(&c.pod) {
                index.containers.retain(|i| *i != id);
                if index.containers.is_empty() && index.sandboxes.is_empty() {
                    s.pods.remove(&c.pod);
                }
            }
            c.followers.notify();
            c.guest
        };
        if let Some(g) = guest {
            self.shims.remove(g);
        }
        Ok(())
    }

    /// Removes a sandbox that is stopped, and the containers left in it.
    pub async fn remove_pod_sandbox(&self, id: Id) -> Result<(), CriError> {
        self.stop_pod_sandbox(id).await?;
        let inside: Vec<Id> = {
            let s = self.state.borrow();
            let index = s.sandboxes.get(&id).and_then(|b| s.pods.get(&b.spec.uid));
            let all = index.map(|i| i.containers.as_slice()).unwrap_or_default();
            all.iter().copied().filter(|c| s.containers.get(c).is_some_and(|c| c.sandbox == id)).collect()
        };
        for c in inside {
            self.remove_container(c).await?;
        }
        let mut s = self.state.borrow_mut();
        let s = &mut *s;
        let Some(b) = s.sandboxes.remove(&id) else { return Ok(()) };
        if let Some(index) = s.pods.get_mut(&b.spec.uid) {
            index.sandboxes.retain(|i| *i != id);
            if index.containers.is_empty() && index.sandboxes.is_empty() {
                s.pods.remove(&b.spec.uid);
            }
        }
        Ok(())
    }
}
