//! ListPodSandbox, ListContainers, PodSandboxStatus, ContainerStatus: looking, without changing.

use std::rc::Rc;

use super::{Container, Containerd, CriError, Id, Sandbox};

impl Containerd {
    /// Looks at a sandbox.
    pub fn pod_sandbox_status<T>(&self, id: Id, f: impl FnOnce(&Sandbox) -> T) -> Result<T, CriError> {
        self.check_up()?;
        let s = self.state.borrow();
        s.sandboxes.get(&id).map(|b| f(b)).ok_or_else(|| {
            CriError::NotFound(format!("an error occurred when try to find sandbox: not found: \"{id}\""))
        })
    }

    /// Looks at a container.
    pub fn container_status<T>(&self, id: Id, f: impl FnOnce(&Container) -> T) -> Result<T, CriError> {
        self.check_up()?;
        let s = self.state.borrow();
        s.containers.get(&id).map(|c| f(c)).ok_or_else(|| {
            CriError::NotFound(format!("an error occurred when try to find container \"{id}\": not found"))
        })
    }

    /// Looks at all that belongs to one pod: its sandboxes and its containers, oldest first.
    pub fn with_pod<T>(&self, uid: &str, f: impl FnOnce(&[&Sandbox], &[&Container]) -> T) -> Result<T, CriError> {
        self.check_up()?;
        let s = self.state.borrow();
        let Some(index) = s.pods.get(uid) else { return Ok(f(&[], &[])) };
        let sandboxes: Vec<&Sandbox> =
            index.sandboxes.iter().filter_map(|i| s.sandboxes.get(i).map(|b| &**b)).collect();
        let containers: Vec<&Container> =
            index.containers.iter().filter_map(|i| s.containers.get(i).map(|c| &**c)).collect();
        Ok(f(&sandboxes, &containers))
    }

    /// The uids of the pods that have anything here.
    pub fn pod_uids(&self) -> Vec<Rc<str>> {
        self.state.borrow().pods.keys().cloned().collect()
    }

    /// All sandboxes, in the order of their pods' uids.
    pub fn list_pod_sandbox(&self) -> Result<Vec<Sandbox>, CriError> {
        self.check_up()?;
        let s = self.state.borrow();
        let ids = s.pods.values().flat_map(|p| p.sandboxes.iter());
        Ok(ids.filter_map(|i| s.sandboxes.get(i).map(|b| (**b).clone())).collect())
    }

    /// Looks at every container, in the order of their pods' uids.
    pub fn list_containers(&self, mut f: impl FnMut(&Container, Option<&Sandbox>)) -> Result<(), CriError> {
        self.check_up()?;
        let s = self.state.borrow();
        for c in s.pods.values().flat_map(|p| p.containers.iter()).filter_map(|i| s.containers.get(i)) {
            f(c, s.sandboxes.get(&c.sandbox).map(|b| &**b));
        }
        Ok(())
    }
}
