//! The engine: modules, containers, and a few live instances a module that processes take turns in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use wasm_runtime_layer::Module;
use wasm_runtime_layer::backend::WasmEngine as Backend;

use super::abi::WASI;
use super::files::{Files, Node, normalize};
use super::instance::Slot;
use super::instrument::{Metered, inspect, meter};
use super::process::{Fd, Process, Stdin, TurnState};
use super::snapshot::{PAGE, Pool, Template};
use super::{
    ContainerConfig, ContainerId, CreateError, Engine, Event, ExecConfig, FUEL_PER_US, ImageError, KillReason,
    MEMORY_BYTES_MAX, ModuleId, Pid, State, Turn, Usage, Wake,
};

/// Live instances a module: enough that processes which talk to each other stay where they are, few
/// enough for a browser, where each reserves address space.
const SLOTS_MAX: usize = 4;

/// Programs that one turn may run through by replacing one another.
const EXECS_MAX: usize = 8;

/// Modules compiled before, shared by all engines of one backend in a process. Compiling is the one slow thing here,
/// and a test run makes thousands of clusters of the same few images.
#[derive(Clone, Default)]
pub struct ModuleCache(Arc<Mutex<BTreeMap<[u8; 32], Result<Arc<Compiled>, ImageError>>>>);

struct Compiled {
    metered: Metered,
    /// Absent where an import is missing.
    module: Option<Module>,
}

struct Loaded<E: Backend> {
    wasm: Rc<[u8]>,
    /// Absent until a container needs it.
    compiled: Option<Result<Arc<Compiled>, ImageError>>,
    template: Option<Rc<Template>>,
    slots: Vec<Inhabited<E>>,
}

struct Inhabited<E: Backend> {
    slot: Slot<E>,
    /// Whose state is here and nowhere else.
    owner: Option<(ContainerId, Pid)>,
    used: u64,
}

struct Container {
    config: ContainerConfig,
    files: Rc<RefCell<Files>>,
    #[expect(clippy::vec_box, reason = "a process is big and moves often")]
    processes: Vec<Box<Process>>,
    next_pid: u32,
    cpu_ns: u64,
}

/// Containers over any WebAssembly engine that `wasm_runtime_layer` knows.
pub struct WasmEngine<E: Backend> {
    engine: wasm_runtime_layer::Engine<E>,
    cache: ModuleCache,
    /// Modules by the address of their bytes.
    known: BTreeMap<usize, (Rc<[u8]>, ModuleId)>,
    modules: Vec<Loaded<E>>,
    containers: BTreeMap<ContainerId, Box<Container>>,
    next_container: u64,
    pool: Pool,
    clock: u64,
}

impl<E: Backend> WasmEngine<E> {
    /// An engine over a back end.
    pub fn new(backend: E) -> Self {
        Self::with_cache(backend, ModuleCache::default())
    }

    /// An engine that compiles nothing that `cache` has. All engines of one cache must have clones of one
    /// back end.
    pub fn with_cache(backend: E, cache: ModuleCache) -> Self {
        WasmEngine {
            engine: wasm_runtime_layer::Engine::new(backend),
            cache,
            known: BTreeMap::new(),
            modules: Vec::new(),
            containers: BTreeMap::new(),
            next_container: 1,
            pool: Pool::default(),
            clock: 0,
        }
    }

    fn compile_new(&self, wasm: &[u8]) -> Result<Arc<Compiled>, ImageError> {
        let metered = meter(wasm)?;
        let module = match metered.missing {
            Some(_) => None,
            // The engine's own words differ from one to the next.
            None => Some(
                Module::new(&self.engine, &metered.wasm)
                    .map_err(|_| ImageError::Corrupt("it doesn't validate".to_owned()))?,
            ),
        };
        Ok(Arc::new(Compiled { metered: Metered { wasm: Vec::new(), ..metered }, module }))
    }

    /// The compiled form of a module, made now if it wasn't needed before.
    fn compiled(&mut self, module: ModuleId) -> Option<Result<Arc<Compiled>, ImageError>> {
        let loaded = self.modules.get(module.0 as usize)?;
        if let Some(compiled) = &loaded.compiled {
            return Some(compiled.clone());
        }
        let wasm = loaded.wasm.clone();
        let digest: [u8; 32] = Sha256::digest(&wasm).into();
        let cached = {
            let cache = self.cache.0.lock().unwrap_or_else(PoisonError::into_inner);
            cache.get(&digest).cloned()
        };
        let compiled = cached.unwrap_or_else(|| {
            let compiled = self.compile_new(&wasm);
            let mut cache = self.cache.0.lock().unwrap_or_else(PoisonError::into_inner);
            cache.insert(digest, compiled.clone());
            compiled
        });
        if let Some(loaded) = self.modules.get_mut(module.0 as usize) {
            loaded.compiled = Some(compiled.clone());
        }
        Some(compiled)
    }

    /// Whether a process of this module can be made at all.
    fn check(&mut self, program: &str, module: Option<ModuleId>) -> Result<ModuleId, CreateError> {
        let gone = || CreateError::NotFound(program.to_owned());
        let module = module.ok_or_else(gone)?;
        let compiled = self.compiled(module).ok_or_else(gone)?.map_err(CreateError::Image)?;
        if let Some((module, name)) = &compiled.metered.missing {
            return Err(CreateError::MissingImport { module: module.clone(), name: name.clone() });
        }
        if compiled.metered.has_entry { Ok(module) } else { Err(CreateError::NoEntry) }
    }

    /// Makes sure that a live instance holds the process's state, and says which.
    fn settle(&mut self, id: ContainerId, process: &Process) -> Result<usize, CreateError> {
        self.clock += 1;
        let gone = || CreateError::Instantiate("no such module".to_owned());
        let loaded = self.modules.get_mut(process.module.0 as usize).ok_or_else(gone)?;
        let owner = Some((id, process.pid));
        if let Some(index) = loaded.slots.iter().position(|inhabited| inhabited.owner == owner) {
            return Ok(index);
        }
        let compiled = loaded.compiled.as_ref().and_then(|compiled| compiled.as_ref().ok()).ok_or_else(gone)?;
        let compiled = compiled.clone();
        let module = compiled.module.as_ref().ok_or_else(gone)?;
        let metered = &compiled.metered;
        // An instance that nobody needs comes first, then the one that was used longest ago.
        let free = loaded.slots.iter().position(|inhabited| inhabited.owner.is_none());
        let index = if let Some(index) = free {
            index
        } else if loaded.slots.len() < SLOTS_MAX {
            let mut slot = Slot::new(&self.engine, module, metered)?;
            if loaded.template.is_none() {
                loaded.template = Some(Rc::new(slot.template()));
            }
            loaded.slots.push(Inhabited { slot, owner: None, used: 0 });
            loaded.slots.len() - 1
        } else {
            let slots = loaded.slots.iter().enumerate();
            slots.min_by_key(|(_, slot)| slot.used).map(|(index, _)| index).unwrap_or_default()
        };
        let template = loaded.template.clone().ok_or_else(gone)?;
        let inhabited = loaded.slots.get_mut(index).ok_or_else(gone)?;
        if let Some((container, pid)) = inhabited.owner.take() {
            let image = inhabited.slot.park(&template, metered.stack_top, &mut self.pool);
            if let Some(process) = self.containers.get_mut(&container).and_then(|c| c.process(pid)) {
                process.image = Some(image);
            }
        }
        if !inhabited.slot.settle(&template, process.image.as_deref()) {
            // Too large, or spoilt: a new instance takes its place.
            inhabited.slot = Slot::new(&self.engine, module, metered)?;
            if !inhabited.slot.settle(&template, process.image.as_deref()) {
                return Err(CreateError::Instantiate("out of memory".to_owned()));
            }
        }
        inhabited.used = self.clock;
        Ok(index)
    }

    /// Runs a process, and whatever takes its place, until it waits or ends.
    fn run(&mut self, id: ContainerId, mut process: Box<Process>, now_ns: u64) -> (Option<Box<Process>>, Turn) {
        let mut turn = TurnState::at(now_ns);
        let mut fuel = 0;
        let mut state = None;
        for _ in 0..EXECS_MAX {
            let wanted = std::mem::take(&mut process.wants_send);
            wanted.into_iter().for_each(|fd| process.mark_ready(fd));
            let limit = match process.memory_limit_bytes {
                0 => MEMORY_BYTES_MAX,
                limit => limit.min(MEMORY_BYTES_MAX),
            };
            let pages_max = (limit / PAGE as u64) as u32;
            let module = process.module.0 as usize;
            let Some(Ok(compiled)) = self.compiled(process.module) else { break };
            let metered = &compiled.metered;
            if metered.pages_min > pages_max.max(1) {
                state = Some(State::Killed { reason: KillReason::OutOfMemory });
                break;
            }
            let index = match self.settle(id, &process) {
                Ok(index) => index,
                Err(_) => {
                    state = Some(State::Killed { reason: KillReason::OutOfMemory });
                    break;
                }
            };
            let first = !process.started;
            process.started = true;
            let plain_wasi = metered.imports.iter().any(|f| f.module == WASI && f.name == "fd_prestat_get");
            if first && plain_wasi && process.fds.len() == 3 {
                process.fds.push(Some(Fd::Dir("/".into())));
            }
            let Some(inhabited) = self.modules.get_mut(module).and_then(|m| m.slots.get_mut(index)) else { break };
            let (back, after, burned) = inhabited.slot.run(process, turn, first, pages_max.max(1));
            (process, turn) = (back, after);
            process.flush_files();
            fuel += burned;
            turn.host_fuel = 0;
            inhabited.owner = Some((id, process.pid));
            if turn.ended.is_none() && turn.exec.is_none() && !metered.has_poll {
                turn.ended = Some(State::Exited { code: 0 });
            }
            if turn.ended.is_some() || turn.exec.is_some() {
                // Nothing of it is needed any more.
                inhabited.owner = None;
                process.image = None;
            }
            let Some(args) = turn.exec.take() else { break };
            let program = args.first().cloned().unwrap_or_default();
            match self.check(&program, process.programs.find(&program)) {
                Ok(module) => process.replace(module, args),
                Err(error) => {
                    turn.print(true, format!("exec: {error}\n").as_bytes());
                    state = Some(State::Exited { code: 126 });
                    break;
                }
            }
        }
        turn.flush_output();
        let state = state.or(turn.ended.take()).unwrap_or_else(|| State::Running { wake: wake(&process, &turn) });
        let turn = Turn {
            effects: turn.effects,
            cpu_ns: fuel * 1_000 / FUEL_PER_US,
            slept_ns: turn.slept_ns,
            output_dropped: turn.output_dropped,
            state,
        };
        if matches!(turn.state, State::Running { .. }) {
            return (Some(process), turn);
        }
        process.files.borrow_mut().process_ended(process.pid.0);
        (None, turn)
    }

    /// Takes a process out of its container, runs it, and puts it back if it still runs.
    fn run_in(&mut self, id: ContainerId, process: Box<Process>, now_ns: u64) -> Turn {
        let (process, turn) = self.run(id, process, now_ns);
        if let Some(container) = self.containers.get_mut(&id) {
            container.cpu_ns += turn.cpu_ns;
            container.processes.extend(process);
        }
        turn
    }

    /// Forgets what lives in instances for processes that are no more.
    fn vacate(&mut self, id: ContainerId, pid: Option<Pid>) {
        for slot in self.modules.iter_mut().flat_map(|module| &mut module.slots) {
            if slot.owner.is_some_and(|(c, p)| c == id && pid.is_none_or(|pid| pid == p)) {
                slot.owner = None;
            }
        }
    }
}

/// When a process that waits wants to be polled.
fn wake(process: &Process, turn: &TurnState) -> Wake {
    if turn.yielded || !process.ready.is_empty() || !process.wants_send.is_empty() {
        Wake::Now
    } else {
        process.timer.map_or(Wake::Never, Wake::At)
    }
}

/// The answer about a process that isn't there.
fn gone() -> Turn {
    Turn {
        state: State::Killed { reason: KillReason::Signal(9) },
        effects: Vec::new(),
        cpu_ns: 0,
        slept_ns: 0,
        output_dropped: 0,
    }
}

fn ended(reason: KillReason) -> Turn {
    Turn { state: State::Killed { reason }, ..gone() }
}

impl Container {
    fn process(&mut self, pid: Pid) -> Option<&mut Box<Process>> {
        self.processes.iter_mut().find(|process| process.pid == pid)
    }

    fn take(&mut self, pid: Pid) -> Option<Box<Process>> {
        let index = self.processes.iter().position(|process| process.pid == pid)?;
        Some(self.processes.swap_remove(index))
    }

    fn new_process(&self, pid: Pid, module: ModuleId, args: Rc<[String]>, stdin: Option<Stdin>) -> Box<Process> {
        let config = &self.config;
        self.files.borrow_mut().process_runs(pid.0, args.clone());
        Box::new(Process {
            pid,
            module,
            args,
            env: config.env.clone(),
            more_env: Vec::new(),
            hostname: config.hostname.clone(),
            working_dir: config.working_dir.clone(),
            programs: config.programs.clone(),
            files: self.files.clone(),
            memory_limit_bytes: config.memory_limit_bytes,
            // Processes of one container draw different numbers.
            seed: config.seed.wrapping_add(u64::from(pid.0) - 1),
            rng: None,
            fds: vec![Some(Fd::Stdin), Some(Fd::Stdout), Some(Fd::Stderr)],
            stdin: stdin.map(Box::new),
            next_conn: u64::from(pid.0) << 32,
            next_lookup: 0,
            lookups: Vec::new(),
            timer: None,
            handled_signals: 0,
            pending_signals: 0,
            ready: Vec::new(),
            wants_send: Vec::new(),
            started: false,
            image: None,
            pages: 0,
        })
    }
}

impl<E: Backend> Engine for WasmEngine<E> {
    fn compile(&mut self, wasm: &Rc<[u8]>) -> Result<ModuleId, ImageError> {
        // The bytes are held, so nothing else can come to lie at their address.
        let address = wasm.as_ptr().addr();
        if let Some((_, id)) = self.known.get(&address) {
            return Ok(*id);
        }
        inspect(wasm)?;
        let id = ModuleId(self.modules.len() as u32);
        self.modules.push(Loaded { wasm: wasm.clone(), compiled: None, template: None, slots: Vec::new() });
        self.known.insert(address, (wasm.clone(), id));
        Ok(id)
    }

    fn create(&mut self, config: ContainerConfig) -> Result<ContainerId, CreateError> {
        let program = config.args.first().map_or("", String::as_str);
        self.check(program, config.programs.find(program))?;
        let id = ContainerId(self.next_container);
        self.next_container += 1;
        let files = Files::new(config.files.clone(), config.mounts.clone(), config.hostname.clone());
        let files = Rc::new(RefCell::new(files));
        let container = Container { config, files, processes: Vec::new(), next_pid: 2, cpu_ns: 0 };
        self.containers.insert(id, Box::new(container));
        Ok(id)
    }

    fn start(&mut self, container: ContainerId, now_ns: u64) -> Turn {
        let Some(found) = self.containers.get_mut(&container) else { return gone() };
        if found.process(Pid::MAIN).is_some() {
            return gone();
        }
        let args = found.config.args.clone();
        let program = args.first().map_or("", String::as_str);
        let Some(module) = found.config.programs.find(program) else { return gone() };
        let stdin = Stdin::of(found.config.stdin, found.config.tty);
        let process = found.new_process(Pid::MAIN, module, args.clone(), stdin);
        self.run_in(container, process, now_ns)
    }

    fn exec(&mut self, container: ContainerId, config: ExecConfig, now_ns: u64) -> Result<(Pid, Turn), CreateError> {
        let found = self.containers.get(&container).ok_or(CreateError::NoContainer)?;
        let program = config.args.first().map_or("", String::as_str);
        let module = found.config.programs.find(program);
        let module = self.check(program, module)?;
        let found = self.containers.get_mut(&container).ok_or(CreateError::NoContainer)?;
        let pid = Pid(found.next_pid);
        found.next_pid += 1;
        let mut process = found.new_process(pid, module, config.args.into(), Stdin::of(config.stdin, config.tty));
        process.more_env = config.env;
        Ok((pid, self.run_in(container, process, now_ns)))
    }

    fn poll(&mut self, container: ContainerId, pid: Pid, now_ns: u64, events: &[Event]) -> Turn {
        let Some(mut process) = self.containers.get_mut(&container).and_then(|c| c.take(pid)) else { return gone() };
        for event in events {
            if let Some(reason) = process.deliver(event) {
                self.vacate(container, Some(pid));
                process.files.borrow_mut().process_ended(pid.0);
                return ended(reason);
            }
        }
        if process.timer.is_some_and(|at| at <= now_ns) || process.is_due(now_ns) || events.is_empty() {
            if process.timer.is_some_and(|at| at <= now_ns) {
                process.timer = None;
            }
            return self.run_in(container, process, now_ns);
        }
        let turn = Turn { state: State::Running { wake: wake(&process, &TurnState::default()) }, ..gone() };
        if let Some(container) = self.containers.get_mut(&container) {
            container.processes.push(process);
        }
        turn
    }

    fn remove(&mut self, container: ContainerId) {
        self.containers.remove(&container);
        self.vacate(container, None);
    }

    fn usage(&self, container: ContainerId) -> Usage {
        self.containers.get(&container).map_or_else(Usage::default, |container| Usage {
            cpu_ns: container.cpu_ns,
            memory_bytes: container.processes.iter().map(|p| u64::from(p.pages) * PAGE as u64).sum(),
        })
    }

    fn read_file(&self, container: ContainerId, path: &str) -> Option<Rc<[u8]>> {
        let files = self.containers.get(&container)?.files.borrow();
        match files.get(&normalize("/", path))? {
            Node::File(bytes) => Some(bytes),
            Node::Directory => None,
        }
    }
}
