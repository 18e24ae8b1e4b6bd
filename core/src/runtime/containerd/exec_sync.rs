//! ExecSync and Exec: further processes in a running container.

use std::rc::Rc;
use std::time::Duration;

use super::{Containerd, CriError, Id};
use crate::runtime::engine::ExecConfig;
use crate::runtime::shim::{ExecHandle, ExecOutput};

impl Containerd {
    /// Starts a process in a running container.
    pub async fn exec(&self, id: Id, config: ExecConfig) -> Result<ExecHandle, CriError> {
        self.enter(Duration::from_millis(30)).await?;
        let (guest, state) = self.container_status(id, |c| (c.guest, c.state))?;
        let guest = guest.filter(|_| state == super::ContainerState::Running).ok_or_else(|| {
            CriError::Unknown(format!(
                "failed to exec in container: container is in CONTAINER_{} state",
                state.as_str().to_uppercase()
            ))
        })?;
        let id = Id::random(&self.sim);
        self.shims.exec(guest, config).map_err(|e| {
            let why = e.to_string().replace("failed to create shim task: ", "").replace("runc create failed: ", "");
            let why = why.replace("OCI runtime create failed", "OCI runtime exec failed");
            let why = why.replace("unable to start container process: error during container init: ", "");
            let why = match why.strip_prefix("OCI runtime exec failed: ") {
                Some(rest) => {
                    format!("OCI runtime exec failed: exec failed: unable to start container process: {rest}")
                }
                None => why,
            };
            CriError::Unknown(format!("failed to exec in container: failed to start exec \"{id}\": {why}"))
        })
    }

    /// Attaches to a running container's own process.
    pub async fn attach(&self, id: Id) -> Result<ExecHandle, CriError> {
        self.enter(Duration::from_millis(5)).await?;
        let (guest, state) = self.container_status(id, |c| (c.guest, c.state))?;
        let running = guest.filter(|_| state == super::ContainerState::Running);
        running.and_then(|g| self.shims.attach(g)).ok_or_else(|| {
            CriError::Unknown(format!(
                "failed to attach in container: container is in CONTAINER_{} state",
                state.as_str().to_uppercase()
            ))
        })
    }

    /// Runs a process in a container and waits for its end, at most `timeout`.
    pub async fn exec_sync(
        self: &Rc<Self>,
        id: Id,
        args: Vec<String>,
        timeout: Duration,
    ) -> Result<ExecOutput, CriError> {
        let handle = self.exec(id, ExecConfig { args, ..ExecConfig::default() }).await?;
        match self.sim.timeout(timeout, handle.wait()).await {
            Some(output) => Ok(output),
            None => {
                handle.signal(9);
                Err(CriError::DeadlineExceeded)
            }
        }
    }
}
