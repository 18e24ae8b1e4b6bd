//! What containers and images use.

use super::{Containerd, CriError, Id};

/// What a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerStats {
    /// CPU time since its start.
    pub cpu_ns: u64,
    /// Memory.
    pub memory_bytes: u64,
}

/// What images take on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageFsInfo {
    /// Bytes, shared layers once.
    pub used_bytes: u64,
    /// Files.
    pub inodes_used: u64,
}

impl Containerd {
    /// What a container uses now.
    pub fn container_stats(&self, id: Id) -> Result<ContainerStats, CriError> {
        let guest = self.container_status(id, |c| c.guest)?;
        let u = guest.map(|g| self.shims.usage(g)).unwrap_or_default();
        Ok(ContainerStats { cpu_ns: u.cpu_ns, memory_bytes: u.memory_bytes })
    }

    /// A file of a container, as its processes see it.
    pub fn read_file(&self, id: Id, path: &str) -> Option<std::rc::Rc<[u8]>> {
        let guest = self.state.borrow().containers.get(&id)?.guest?;
        self.shims.read_file(guest, path)
    }
}
