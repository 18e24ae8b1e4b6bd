//! CreateContainer: checks the image and notes the container. Takes 40 ms of simulated time and up to 40% more.

use std::time::Duration;

use super::{Container, ContainerSpec, ContainerState, Containerd, CriError, Id};
use crate::runtime::log::ContainerLog;

const WORK: Duration = Duration::from_millis(40);

impl Containerd {
    /// Makes a container in a sandbox.
    pub async fn create_container(&self, sandbox: Id, spec: ContainerSpec) -> Result<Id, CriError> {
        self.enter(WORK).await?;
        let image = self.find_image(&spec.image).ok_or_else(|| {
            CriError::NotFound(format!("failed to create containerd container: image \"{}\": not found", spec.image))
        })?;
        let id = Id::random(&self.sim);
        let mut s = self.state.borrow_mut();
        let s = &mut *s;
        let b = s
            .sandboxes
            .get(&sandbox)
            .ok_or_else(|| CriError::NotFound(format!("failed to find sandbox id \"{sandbox}\": not found")))?;
        if !b.can_hold_containers() {
            return Err(CriError::Unknown(format!(
                "failed to create containerd container: get sandbox container task: no running task found: task {sandbox} not found"
            )));
        }
        let pod = b.spec.uid.clone();
        let all = &mut s.pods.entry(pod.clone()).or_default().containers;
        all.reserve_exact(1);
        all.push(id);
        let container = Container {
            id,
            sandbox,
            pod,
            spec,
            image,
            state: ContainerState::Created,
            created_at: self.sim.timestamp(),
            started_at: None,
            finished_at: None,
            exit_code: 0,
            reason: "".into(),
            message: "".into(),
            log: ContainerLog::default(),
            guest: None,
            program: None,
            waiters: None,
            followers: Default::default(),
        };
        s.containers.insert(id, Box::new(container));
        Ok(id)
    }
}
