//! The shims: they run guests on behalf of containerd, carry what guests do to logs and network, and outlive containerd.
//! Models containerd-shim-runc-v2 in so far as one exists for each pod.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::containerd::{Containerd, Id};
use super::engine::{
    ContainerConfig, ContainerId, CreateError, Effect, Engine, Event, ExecConfig, ImageError, KillReason, LookupId,
    ModuleId, Pid, Programs, State, Turn, Usage, Wake,
};
use super::image_source::Image;
use crate::network::{NetnsId, Network, SocketOwner};
use crate::sim::{MachineId, Notify, ProcessId, Sim, SimTime, TraceSeq};

/// What an exec has printed and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// What it wrote to stdout and stderr, in order: whether to stderr, and the bytes.
    pub chunks: Vec<(bool, Rc<[u8]>)>,
    /// Its exit code once it has ended.
    pub exit_code: Option<i32>,
}

impl ExecOutput {
    fn push(&mut self, stderr: bool, bytes: Rc<[u8]>) {
        let have: usize = self.chunks.iter().map(|(_, b)| b.len()).sum();
        if have < EXEC_OUTPUT_MAX {
            self.chunks.push((stderr, bytes));
        }
    }

    /// All of one stream.
    pub fn stream(&self, stderr: bool) -> Vec<u8> {
        self.chunks.iter().filter(|(e, _)| *e == stderr).flat_map(|(_, b)| b.iter().copied()).collect()
    }
}

/// A further process in a container, from outside. Clones are the same.
#[derive(Clone)]
pub struct ExecHandle {
    shims: Shims,
    owner: SocketOwner,
    output: Rc<RefCell<ExecOutput>>,
    changed: Notify,
}

/// What an exec may print before the rest is dropped.
const EXEC_OUTPUT_MAX: usize = 16 << 20;

impl ExecHandle {
    /// Waits until something was printed or the process ended.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes what was printed since the last time; the exit code once it has ended.
    pub fn take(&self) -> ExecOutput {
        let mut o = self.output.borrow_mut();
        ExecOutput { chunks: std::mem::take(&mut o.chunks), exit_code: o.exit_code }
    }

    /// Waits for the end.
    pub async fn wait(&self) -> ExecOutput {
        while self.output.borrow().exit_code.is_none() {
            self.changed.notified().await;
        }
        self.output.borrow().clone()
    }

    /// Bytes for stdin.
    pub fn stdin(&self, bytes: &[u8]) {
        self.shims.poll(self.owner, &[Event::Stdin(bytes.into())]);
    }

    /// No more stdin.
    pub fn close_stdin(&self) {
        self.shims.poll(self.owner, &[Event::StdinClosed]);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: u8) {
        self.shims.poll(self.owner, &[Event::Signal(signal)]);
    }
}

/// Tells those attached to a process that it ended.
fn detach(attached: &[(Weak<RefCell<ExecOutput>>, Notify)], code: i32) {
    for (output, changed) in attached {
        if let Some(output) = output.upgrade() {
            output.borrow_mut().exit_code.get_or_insert(code);
            changed.notify();
        }
    }
}

struct Exec {
    output: Rc<RefCell<ExecOutput>>,
    changed: Notify,
    wake: u32,
}

struct Guest {
    containerd: Weak<Containerd>,
    cri: Id,
    netns: NetnsId,
    /// Which of the timers set for the main process is the one that counts.
    wake: u32,
    execs: BTreeMap<Pid, Exec>,
    /// Who is attached to the main process.
    attached: Vec<(Weak<RefCell<ExecOutput>>, Notify)>,
    /// Why it works: what last reached it.
    cause: TraceSeq,
}

struct Inner {
    sim: Sim,
    network: Network,
    engine: Rc<RefCell<Box<dyn Engine>>>,
    /// Runs the timers of guests.
    process: ProcessId,
    guests: RefCell<BTreeMap<ContainerId, Guest>>,
    /// By the image's digest.
    programs: RefCell<BTreeMap<Rc<str>, Rc<Programs>>>,
}

/// All shims of all machines. Clones are the same.
#[derive(Clone)]
pub struct Shims(Rc<Inner>);

impl Shims {
    /// Shims over an engine and a network.
    pub fn new(sim: &Sim, network: &Network, engine: Rc<RefCell<Box<dyn Engine>>>) -> Self {
        let process = sim.start_process("containerd-shim", MachineId::OUTSIDE);
        let inner = Inner {
            sim: sim.clone(),
            network: network.clone(),
            engine,
            process,
            guests: RefCell::default(),
            programs: RefCell::default(),
        };
        let shims = Shims(Rc::new(inner));
        let weak = Rc::downgrade(&shims.0);
        network.set_guests(move |owner, event| {
            if let Some(inner) = weak.upgrade() {
                Shims(inner).poll(owner, &[event]);
            }
        });
        shims
    }

    /// The kernel.
    pub fn sim(&self) -> &Sim {
        &self.0.sim
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.0.sim.timestamp().as_nanosecond()).unwrap_or(0)
    }

    /// An image's programs, compiled once for all machines.
    pub fn programs(&self, image: &Image) -> Result<Rc<Programs>, ImageError> {
        if let Some(p) = self.0.programs.borrow().get(&image.digest) {
            return Ok(p.clone());
        }
        // Many programs come from one module.
        let mut compiled: BTreeMap<*const u8, ModuleId> = BTreeMap::new();
        let mut compile = |wasm: &Rc<[u8]>| -> Result<ModuleId, ImageError> {
            if let Some(id) = compiled.get(&wasm.as_ptr()) {
                return Ok(*id);
            }
            let id = self.0.engine.borrow_mut().compile(wasm)?;
            compiled.insert(wasm.as_ptr(), id);
            Ok(id)
        };
        let mut programs = Programs::default();
        for (name, wasm) in &image.modules {
            programs.by_name.insert(name.clone(), compile(wasm)?);
        }
        programs.fallback = image.fallback.as_ref().map(&mut compile).transpose()?;
        let programs = Rc::new(programs);
        self.0.programs.borrow_mut().insert(image.digest.clone(), programs.clone());
        Ok(programs)
    }

    /// Makes a guest for a container.
    pub(super) fn create(
        &self,
        containerd: &Rc<Containerd>,
        cri: Id,
        netns: NetnsId,
        config: ContainerConfig,
    ) -> Result<ContainerId, CreateError> {
        let id = self.0.engine.borrow_mut().create(config)?;
        let guest = Guest {
            containerd: Rc::downgrade(containerd),
            cri,
            netns,
            wake: 0,
            execs: BTreeMap::new(),
            attached: Vec::new(),
            cause: self.0.sim.cause(),
        };
        self.0.guests.borrow_mut().insert(id, guest);
        Ok(id)
    }

    /// Starts a guest's own process.
    pub(super) fn start(&self, id: ContainerId) {
        let now = self.now_ns();
        let turn = self.0.engine.borrow_mut().start(id, now);
        self.after(SocketOwner { container: id, pid: Pid::MAIN }, turn);
    }

    /// Starts a further process in a guest.
    pub(super) fn exec(&self, id: ContainerId, config: ExecConfig) -> Result<ExecHandle, CreateError> {
        let now = self.now_ns();
        let (pid, turn) = self.0.engine.borrow_mut().exec(id, config, now)?;
        let output: Rc<RefCell<ExecOutput>> = Rc::default();
        let changed = Notify::new(&self.0.sim);
        let exec = Exec { output: output.clone(), changed: changed.clone(), wake: 0 };
        let owner = SocketOwner { container: id, pid };
        match self.0.guests.borrow_mut().get_mut(&id) {
            Some(g) => g.execs.insert(pid, exec),
            None => return Err(CreateError::NoContainer),
        };
        self.after(owner, turn);
        Ok(ExecHandle { shims: self.clone(), owner, output, changed })
    }

    /// Attaches to a guest's own process: what it writes from now on, and the way to its stdin.
    pub(super) fn attach(&self, id: ContainerId) -> Option<ExecHandle> {
        let (output, changed) = (Rc::new(RefCell::new(ExecOutput::default())), Notify::new(&self.0.sim));
        let mut guests = self.0.guests.borrow_mut();
        let g = guests.get_mut(&id)?;
        g.attached.retain(|(output, _)| output.strong_count() > 0);
        g.attached.push((Rc::downgrade(&output), changed.clone()));
        Some(ExecHandle { shims: self.clone(), owner: SocketOwner { container: id, pid: Pid::MAIN }, output, changed })
    }

    /// Sends a signal to a guest's own process.
    pub(super) fn signal(&self, id: ContainerId, signal: u8) {
        self.poll(SocketOwner { container: id, pid: Pid::MAIN }, &[Event::Signal(signal)]);
    }

    /// Forgets a guest: its processes are gone without a word, as by a power cut or after their end.
    pub(super) fn remove(&self, id: ContainerId) {
        let guest = self.0.guests.borrow_mut().remove(&id);
        if let Some(g) = guest {
            for pid in std::iter::once(Pid::MAIN).chain(g.execs.keys().copied()) {
                self.0.network.forget_guest(g.netns, SocketOwner { container: id, pid });
            }
            for exec in g.execs.values() {
                exec.output.borrow_mut().exit_code.get_or_insert(137);
                exec.changed.notify();
            }
            detach(&g.attached, 137);
        }
        self.0.engine.borrow_mut().remove(id);
    }

    /// What a guest uses.
    pub fn usage(&self, id: ContainerId) -> Usage {
        self.0.engine.borrow().usage(id)
    }

    /// A file as the guest's processes see it.
    pub fn read_file(&self, id: ContainerId, path: &str) -> Option<Rc<[u8]>> {
        self.0.engine.borrow().read_file(id, path)
    }

    /// Delivers events to a guest's process.
    fn poll(&self, owner: SocketOwner, events: &[Event]) {
        {
            let mut guests = self.0.guests.borrow_mut();
            let Some(g) = guests.get_mut(&owner.container) else { return };
            if owner.pid != Pid::MAIN && !g.execs.contains_key(&owner.pid) {
                return;
            }
            if !events.is_empty() {
                g.cause = self.0.sim.cause();
            }
        }
        let now = self.now_ns();
        let turn = self.0.engine.borrow_mut().poll(owner.container, owner.pid, now, events);
        self.after(owner, turn);
    }

    fn output(&self, owner: SocketOwner, stderr: bool, bytes: Rc<[u8]>) {
        let guests = self.0.guests.borrow();
        let Some(g) = guests.get(&owner.container) else { return };
        if owner.pid == Pid::MAIN {
            let (containerd, cri) = (g.containerd.upgrade(), g.cri);
            for (output, changed) in &g.attached {
                if let Some(output) = output.upgrade() {
                    output.borrow_mut().push(stderr, bytes.clone());
                    changed.notify();
                }
            }
            drop(guests);
            if let Some(c) = containerd {
                c.output(cri, stderr, &bytes);
            }
        } else if let Some(exec) = g.execs.get(&owner.pid) {
            exec.output.borrow_mut().push(stderr, bytes);
            exec.changed.notify();
        }
    }

    /// Does to the world what a process did in its turn.
    fn after(&self, owner: SocketOwner, turn: Turn) {
        let net = &self.0.network;
        let Some(netns) = self.0.guests.borrow().get(&owner.container).map(|g| g.netns) else { return };
        let mut conflict = None;
        for effect in turn.effects {
            match effect {
                Effect::Stdout(b) => self.output(owner, false, b),
                Effect::Stderr(b) => self.output(owner, true, b),
                Effect::Listen { port } => {
                    if net.listen(netns, port, owner).is_err() {
                        conflict = Some(port);
                    }
                }
                Effect::Unlisten { port } => net.unlisten(netns, port),
                Effect::Connect { conn, address, port } => net.connect_guest(netns, owner, conn, (address, port)),
                Effect::Send { conn, bytes } => net.send_guest(owner, conn, bytes),
                Effect::Shutdown { conn } => net.shutdown_guest(owner, conn),
                Effect::Close { conn } => net.close(owner, conn),
                Effect::Resolve { lookup, name } => self.resolve(owner, netns, lookup, &name),
                Effect::Signal { pid, signal } => {
                    let to = SocketOwner { container: owner.container, pid };
                    self.later(Duration::from_micros(1), move |shims| shims.poll(to, &[Event::Signal(signal)]));
                }
            }
        }
        if let Some(port) = conflict {
            // The engine has no way to refuse a port, so the program that wanted one in use ends as most do.
            let why = format!("bind() to 0.0.0.0:{port} failed (98: Address already in use)\n");
            self.output(owner, true, why.as_bytes().into());
            return self.ended(owner, netns, &State::Exited { code: 1 });
        }
        match turn.state {
            State::Running { wake } => self.schedule(owner, wake, turn.cpu_ns),
            // A program that slept within its call ends once that time has passed.
            ended if turn.slept_ns > 0 => {
                let after = Duration::from_nanos(turn.slept_ns);
                self.later(after, move |shims| shims.ended(owner, netns, &ended));
            }
            ended => self.ended(owner, netns, &ended),
        }
    }

    /// Does something once some time has passed, never within a guest's own turn.
    fn later(&self, after: Duration, act: impl FnOnce(&Shims) + 'static) {
        let (weak, sim) = (Rc::downgrade(&self.0), self.0.sim.clone());
        self.0.sim.spawn(self.0.process, async move {
            sim.sleep(after).await;
            if let Some(inner) = weak.upgrade() {
                act(&Shims(inner));
            }
        });
    }

    fn resolve(&self, owner: SocketOwner, netns: NetnsId, lookup: LookupId, name: &str) {
        let (sim, process) = (self.0.sim.clone(), self.0.process);
        let weak = Rc::downgrade(&self.0);
        let answer = Rc::new(move |addresses: Vec<IpAddr>| {
            // Never within the guest's own turn.
            let (weak, sim2) = (weak.clone(), sim.clone());
            sim.spawn(process, async move {
                sim2.sleep(Duration::from_micros(200)).await;
                if let Some(inner) = weak.upgrade() {
                    Shims(inner).poll(owner, &[Event::Resolved { lookup, addresses: addresses.clone() }]);
                }
            });
        });
        self.0.network.resolve(netns, name, answer);
    }

    fn schedule(&self, owner: SocketOwner, wake: Wake, cpu_ns: u64) {
        let sim = &self.0.sim;
        let number = {
            let mut guests = self.0.guests.borrow_mut();
            let Some(g) = guests.get_mut(&owner.container) else { return };
            let n = if owner.pid == Pid::MAIN {
                &mut g.wake
            } else {
                match g.execs.get_mut(&owner.pid) {
                    Some(e) => &mut e.wake,
                    None => return,
                }
            };
            *n = n.wrapping_add(1);
            *n
        };
        let at: SimTime = match wake {
            Wake::Never => return,
            Wake::Now => sim.now() + Duration::from_nanos(cpu_ns.max(1_000)),
            Wake::At(ns) => {
                let there = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(jiff::Timestamp::MAX);
                // At least what it worked for has passed by then.
                sim.time_of(there).max(sim.now() + Duration::from_nanos(cpu_ns.max(1_000)))
            }
        };
        let (weak, sim2) = (Rc::downgrade(&self.0), sim.clone());
        sim.spawn(self.0.process, async move {
            sim2.sleep_until(at).await;
            let Some(inner) = weak.upgrade() else { return };
            let shims = Shims(inner);
            let due = {
                let guests = shims.0.guests.borrow();
                guests.get(&owner.container).and_then(|g| {
                    let current =
                        if owner.pid == Pid::MAIN { Some(g.wake) } else { g.execs.get(&owner.pid).map(|e| e.wake) };
                    (current == Some(number)).then_some(g.cause)
                })
            };
            if let Some(cause) = due {
                sim2.set_cause(cause);
                shims.poll(owner, &[]);
            }
        });
    }

    fn ended(&self, owner: SocketOwner, netns: NetnsId, state: &State) {
        self.0.network.forget_guest(netns, owner);
        let code = state.exit_code().unwrap_or(0);
        if owner.pid != Pid::MAIN {
            let exec = self.0.guests.borrow_mut().get_mut(&owner.container).and_then(|g| g.execs.remove(&owner.pid));
            if let Some(e) = exec {
                e.output.borrow_mut().exit_code = Some(code);
                e.changed.notify();
            }
            return;
        }
        let told = {
            let mut guests = self.0.guests.borrow_mut();
            let Some(g) = guests.get_mut(&owner.container) else { return };
            // Its timers are void, and its further processes die with it.
            g.wake = g.wake.wrapping_add(1);
            (g.containerd.upgrade(), g.cri, std::mem::take(&mut g.execs), std::mem::take(&mut g.attached))
        };
        let (containerd, cri, execs, attached) = told;
        detach(&attached, code);
        for (pid, e) in execs {
            self.0.network.forget_guest(netns, SocketOwner { container: owner.container, pid });
            e.output.borrow_mut().exit_code = Some(137);
            e.changed.notify();
        }
        if let Some(c) = containerd {
            let oom = matches!(state, State::Killed { reason: KillReason::OutOfMemory });
            c.task_exited(cri, code, oom);
        }
    }
}
