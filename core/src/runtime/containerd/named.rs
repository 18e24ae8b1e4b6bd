//! Containers by their pod and name, for whoever stands outside and looks in.

use super::{Containerd, Id};

impl Containerd {
    /// The newest container of this name, or with `previous` the one before. containerd need not run: its data are read.
    fn named(&self, pod_uid: &str, name: &str, previous: bool) -> Option<Id> {
        let s = self.state.borrow();
        let index = s.pods.get(pod_uid)?;
        let mut ids =
            index.containers.iter().rev().filter(|i| s.containers.get(i).is_some_and(|c| &*c.spec.name == name));
        ids.nth(usize::from(previous)).copied()
    }

    /// The last lines of a container's log; `None` if there is no such container.
    pub fn log_tail(&self, pod_uid: &str, name: &str, previous: bool, lines: usize) -> Option<String> {
        /// What a look at a log carries at most.
        const BYTES_MAX: usize = 256 << 10;
        let id = self.named(pod_uid, name, previous)?;
        self.with_log(id, |log| log.tail(lines, BYTES_MAX))
    }

    /// Kills the process of the newest container of this name.
    pub fn kill_named(&self, pod_uid: &str, name: &str) {
        if let Some(id) = self.named(pod_uid, name, false) {
            self.kill_container(id, 9);
        }
    }
}
