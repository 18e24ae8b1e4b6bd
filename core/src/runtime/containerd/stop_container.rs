//! StopContainer: the stop signal, then SIGKILL when the time is up.

use std::time::Duration;

use super::{Containerd, CriError, Id};
use crate::sim::Notify;

/// A signal's number by its name, with or without `SIG`, or by its digits; SIGTERM for anything else.
fn signal_number(name: &str) -> u8 {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "WINCH" => 28,
        other => other.parse().ok().filter(|n| (1..=64).contains(n)).unwrap_or(15),
    }
}

impl Containerd {
    /// Stops a container, giving it `timeout` after its stop signal. Nothing for one that doesn't run.
    pub async fn stop_container(&self, id: Id, timeout: Duration) -> Result<(), CriError> {
        self.enter(Duration::from_millis(5)).await?;
        let (ended, signal, about) = {
            let mut s = self.state.borrow_mut();
            let s = &mut *s;
            let Some(c) = s.containers.get_mut(&id).filter(|c| c.is_running()) else { return Ok(()) };
            let ended = c.waiters.get_or_insert_with(|| Notify::new(&self.sim)).clone();
            let name = match c.spec.stop_signal.as_str() {
                "" => c.image.image.stop_signal.as_str(),
                own => own,
            };
            let about = s.sandboxes.get(&c.sandbox).map(|b| b.about.clone()).unwrap_or_default();
            (ended, signal_number(name), about)
        };
        self.trace("StopContainer", &about, "");
        if !timeout.is_zero() {
            self.kill_container(id, signal);
            if self.sim.timeout(timeout, ended.notified()).await.is_some() || !self.runs(id) {
                return Ok(());
            }
            // Others may wait for the same end.
            let mut s = self.state.borrow_mut();
            if let Some(c) = s.containers.get_mut(&id) {
                c.waiters = Some(ended);
            }
        }
        self.kill_container(id, 9);
        Ok(())
    }

    fn runs(&self, id: Id) -> bool {
        self.state.borrow().containers.get(&id).is_some_and(|c| c.is_running())
    }

    /// Sends a signal to a container's process, as `kill` on the machine does: containerd need not be there.
    pub fn kill_container(&self, id: Id, signal: u8) {
        let (guest, program) = {
            let s = self.state.borrow();
            let Some(c) = s.containers.get(&id).filter(|c| c.is_running()) else { return };
            (c.guest, c.program)
        };
        if let Some(g) = guest {
            self.shims.signal(g, signal);
        }
        if let Some(p) = program {
            if !self.programs.stop(p, signal) {
                return;
            }
            // The parts of Kubernetes end in order when asked to.
            let code = if signal == 15 || signal == 2 { 0 } else { 128 + i32::from(signal) };
            self.task_exited(id, code, false);
        }
    }
}
