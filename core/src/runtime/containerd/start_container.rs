//! StartContainer: the process begins. Takes 50 ms of simulated time and up to 40% more.

use std::rc::Rc;
use std::time::Duration;

use super::{ContainerState, Containerd, CriError, Id};
use crate::runtime::engine::ContainerConfig;
use crate::runtime::system::SystemStart;

const WORK: Duration = Duration::from_millis(50);
/// containerd's errorStartExitCode.
const START_ERROR_CODE: i32 = 128;

impl Containerd {
    /// Starts a container that was made and not started.
    pub async fn start_container(self: &Rc<Self>, id: Id) -> Result<(), CriError> {
        self.enter(WORK).await?;
        let (about, netns, hostname, config, stored) = {
            let mut s = self.state.borrow_mut();
            let s = &mut *s;
            let missing =
                || CriError::NotFound(format!("an error occurred when try to find container \"{id}\": not found"));
            let c = s.containers.get_mut(&id).ok_or_else(missing)?;
            if !c.can_start() {
                return Err(CriError::Unknown(format!(
                    "failed to set starting state for container \"{id}\": container is in CONTAINER_{} state",
                    c.state.as_str().to_uppercase()
                )));
            }
            let b = s
                .sandboxes
                .get(&c.sandbox)
                .filter(|b| b.can_hold_containers())
                .ok_or_else(|| CriError::Unknown(format!("sandbox container \"{}\" is not running", c.sandbox)))?;
            let netns = b.netns.or(s.host).ok_or_else(|| CriError::Unknown("network namespace is gone".into()))?;
            let image = &c.image.image;
            let mut env = image.env.clone();
            for (name, value) in std::mem::take(&mut c.spec.env) {
                match env.iter_mut().find(|(n, _)| *n == name) {
                    Some(e) => e.1 = value,
                    None => env.push((name, value)),
                }
            }
            let working_dir: &str = match (c.spec.working_dir.as_str(), image.working_dir.as_str()) {
                ("", "") => "/",
                ("", dir) | (dir, _) => dir,
            };
            let config = ContainerConfig {
                args: s.lines.share(c.command_line()),
                env: s.environments.share(env),
                working_dir: working_dir.into(),
                hostname: b.spec.hostname.clone(),
                memory_limit_bytes: c.spec.memory_limit_bytes,
                files: image.files.clone(),
                mounts: std::mem::take(&mut c.spec.mounts).into(),
                programs: c.image.programs.clone(),
                seed: self.sim.random_u64(),
                stdin: c.spec.stdin,
                tty: c.spec.tty,
            };
            (b.about.clone(), netns, c.pod.clone(), config, c.image.clone())
        };
        let pod = hostname;
        self.trace("StartContainer", &about, &stored.image.name);
        let now = self.sim.timestamp();
        if config.args.is_empty() {
            return Err(self.start_failed(id, "failed to generate container spec: no command specified".into()));
        }
        if stored.system {
            let start = SystemStart {
                image: stored.image.name.clone(),
                args: config.args,
                env: config.env,
                machine: self.machine,
                container: id,
                pod: about,
                network: self.shims.network().clone(),
                netns,
            };
            self.set_running(id, now, |_| {});
            match self.programs.start(&start) {
                Ok(process) => {
                    self.state.borrow_mut().programs.insert(process, id);
                    self.set_running(id, now, |c| c.program = Some(process));
                }
                Err((code, printed)) => {
                    self.output(id, true, printed.as_bytes());
                    self.task_exited(id, code, false);
                }
            }
        } else {
            let guest = match self.shims.create(self, id, netns, config) {
                Ok(g) => g,
                Err(e) => return Err(self.start_failed(id, format!("failed to create containerd task: {e}"))),
            };
            self.set_running(id, now, |c| c.guest = Some(guest));
            // It may end at once: then task_exited has been called when this returns.
            self.shims.start(guest);
        }
        self.touch(&pod);
        Ok(())
    }

    fn set_running(&self, id: Id, now: jiff::Timestamp, f: impl FnOnce(&mut super::Container)) {
        if let Some(c) = self.state.borrow_mut().containers.get_mut(&id) {
            c.state = ContainerState::Running;
            c.started_at = Some(now);
            f(c);
        }
    }

    fn start_failed(&self, id: Id, why: String) -> CriError {
        let pod = {
            let mut s = self.state.borrow_mut();
            s.containers.get_mut(&id).map(|c| {
                c.state = ContainerState::Exited;
                c.exit_code = START_ERROR_CODE;
                c.reason = "StartError".into();
                c.message = why.as_str().into();
                c.finished_at = Some(self.sim.timestamp());
                c.pod.clone()
            })
        };
        if let Some(p) = pod {
            self.touch(&p);
        }
        CriError::Unknown(why)
    }

    /// A container's process ended.
    pub(in crate::runtime) fn task_exited(&self, id: Id, code: i32, oom: bool) {
        let now = self.sim.timestamp();
        let told = {
            let mut s = self.state.borrow_mut();
            let s = &mut *s;
            let Some(c) = s.containers.get_mut(&id).filter(|c| c.is_running()) else { return };
            c.state = ContainerState::Exited;
            c.exit_code = code;
            c.reason = match (oom, code) {
                (true, _) => "OOMKilled",
                (_, 0) => "Completed",
                _ => "Error",
            }
            .into();
            c.finished_at = Some(now);
            c.log.finish(now);
            if let Some(p) = c.program.take() {
                s.programs.remove(&p);
            }
            c.followers.notify();
            (c.pod.clone(), c.waiters.take())
        };
        let (pod, waiters) = told;
        if let Some(w) = waiters {
            w.notify();
        }
        self.touch(&pod);
    }

    /// A process of the simulation ended: its container too, if it ran as one. The cluster calls this.
    pub fn process_exited(&self, process: crate::sim::ProcessId, code: i32) {
        let id = self.state.borrow().programs.get(&process).copied();
        if let Some(id) = id {
            self.task_exited(id, code, false);
        }
    }
}
