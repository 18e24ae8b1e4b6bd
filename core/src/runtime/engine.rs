//! The container engine's door: a trait that takes events and returns effects.
//!
//! A container is a WebAssembly module plus its configuration. Guest calls run to completion and yield
//! between events, so the engine owns no clock and no network: the caller says what time it is and what
//! arrived ([`Event`]), and gets back what the guest did ([`Turn`] with its [`Effect`]s). Whoever calls
//! moves bytes between sockets, keeps timers and stores logs.
//!
//! The life of a container: [`Engine::compile`] at image pull, [`Engine::create`], [`Engine::start`], then
//! [`Engine::poll`] whenever an event or the wake-up time of the last turn comes due, until a turn ends
//! the process, and [`Engine::remove`]. [`Engine::exec`] runs a further process in the same container:
//! it has the container's files and network, but its memory is its own.
//!
//! CPU is metered in fuel, about one unit a wasm instruction, and [`Turn::cpu_ns`] is that fuel at
//! [`FUEL_PER_US`] units a simulated microsecond of one core. A single call that burns more than
//! [`FUEL_PER_CALL`] is killed, as is one that outgrows its memory limit or its stack.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

mod abi;
mod files;
mod host;
mod instance;
mod instrument;
mod process;
mod snapshot;
mod wasm;

pub use files::{Content, FileTree, Mount};
pub use wasm::{ModuleCache, WasmEngine};

/// Fuel that one simulated microsecond of one core pays for: 1,000, so a simple instruction is one
/// nanosecond, as on a gigahertz machine that retires one instruction a cycle.
pub const FUEL_PER_US: u64 = 1_000;

/// What one guest call may burn before it counts as an endless loop: 50 ms of simulated CPU.
pub const FUEL_PER_CALL: u32 = 50_000_000;

/// The largest module that [`Engine::compile`] takes.
pub const MODULE_BYTES_MAX: usize = 8 << 20;

/// The memory that a container without a limit may grow to before the machine kills it.
pub const MEMORY_BYTES_MAX: u64 = 512 << 20;

/// What one guest call may write to its stdout and stderr together. The rest is dropped and
/// counted in [`Turn::output_dropped`].
pub const OUTPUT_BYTES_PER_CALL: usize = 1 << 20;

/// How many sockets, listeners and open files one process may hold.
pub const FDS_MAX: usize = 1_024;

/// A module that the engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub u32);

/// A container. Ids are never used twice by one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub u64);

/// A process of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub u32);

impl Pid {
    /// The container's own process, the one that [`Engine::start`] starts.
    pub const MAIN: Pid = Pid(1);
}

/// One end of a TCP connection, as its process knows it. Whoever delivers an [`Event::Connection`] chooses
/// the id, unique within the process and below [`ConnId::OUTBOUND`]; the engine chooses those above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl ConnId {
    /// Ids of connections that the guest opened have this bit.
    pub const OUTBOUND: u64 = 1 << 63;

    /// Whether the guest opened the connection.
    #[must_use]
    pub fn is_outbound(self) -> bool {
        self.0 & Self::OUTBOUND != 0
    }
}

/// A name look-up that the guest asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u32);

/// Why a module can't be an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Not a WebAssembly module, or not one that validates.
    Corrupt(String),
    /// Larger than [`MODULE_BYTES_MAX`], or with tables, data or functions beyond what the engine takes.
    TooLarge(String),
    /// An instruction or type that containers may not use.
    Unsupported(String),
}

impl std::fmt::Display for ImageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImageError::Corrupt(why) => write!(f, "invalid WebAssembly module: {why}"),
            ImageError::TooLarge(why) => write!(f, "WebAssembly module too large: {why}"),
            ImageError::Unsupported(why) => write!(f, "unsupported WebAssembly module: {why}"),
        }
    }
}

/// Why a container can't be created or a process not started. The text is what containerd's task
/// creation would say after `failed to create containerd task: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The module asks for a host function that the engine doesn't have.
    MissingImport { module: String, name: String },
    /// The module has no `_start`.
    NoEntry,
    /// Its code isn't valid, or nothing that containers may be.
    Image(ImageError),
    /// The executable named by the first argument isn't in the image.
    NotFound(String),
    /// The engine refuses to instantiate: out of memory or of address space.
    Instantiate(String),
    /// No such container.
    NoContainer,
}

impl std::fmt::Display for CreateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CreateError::MissingImport { module, name } => {
                write!(f, "missing import: {module}.{name}")
            }
            CreateError::NoEntry => write!(f, "missing export: _start"),
            CreateError::Image(error) => write!(f, "exec format error: {error}"),
            CreateError::NotFound(file) if file.contains('/') => write!(
                f,
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
                 container process: error during container init: exec: \"{file}\": stat {file}: \
                 no such file or directory"
            ),
            CreateError::NotFound(file) => write!(
                f,
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
                 container process: error during container init: exec: \"{file}\": executable file not found in $PATH"
            ),
            CreateError::Instantiate(why) => write!(f, "can't instantiate module: {why}"),
            CreateError::NoContainer => write!(f, "no such container"),
        }
    }
}

/// The executables of an image. A shell, `cat` and their like may come from another module than the
/// image's own program, so that `kubectl exec` finds them in any image that has them in real life.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// Modules by the program's base name.
    pub by_name: BTreeMap<String, ModuleId>,
    /// What runs any other name: for images that are one module and nothing else.
    pub fallback: Option<ModuleId>,
}

impl Programs {
    /// An image that is one module, whatever the command line says.
    #[must_use]
    pub fn only(module: ModuleId) -> Self {
        Programs { by_name: BTreeMap::new(), fallback: Some(module) }
    }

    /// The module that runs `program`, a name or a path.
    #[must_use]
    pub fn find(&self, program: &str) -> Option<ModuleId> {
        let name = program.rsplit('/').next().unwrap_or(program);
        self.by_name.get(name).copied().or(self.fallback)
    }
}

/// All that a container is. Cheap to clone: many containers share most of it.
#[derive(Clone, Debug)]
pub struct ContainerConfig {
    /// The whole command line: entrypoint and command together.
    pub args: Rc<[String]>,
    /// The environment. `HOSTNAME` is added by the engine where it is absent.
    pub env: Rc<[(String, String)]>,
    /// Where the process starts.
    pub working_dir: Rc<str>,
    /// The pod's host name: `gethostname`, `/etc/hostname` and `$HOSTNAME`.
    pub hostname: Rc<str>,
    /// The memory limit; 0 is none. Beyond it the process is killed ([`KillReason::OutOfMemory`]).
    pub memory_limit_bytes: u64,
    /// The image's own files, shared by all its containers.
    pub files: Rc<FileTree>,
    /// Files laid over the image's: `/etc/hosts`, ConfigMaps, Secrets, volumes.
    pub mounts: Rc<[Mount]>,
    /// What the first argument may name, and the module that runs it.
    pub programs: Rc<Programs>,
    /// Where the guest's random numbers come from.
    pub seed: u64,
    /// Whether stdin stays open ([`Event::Stdin`]); otherwise reads see end of file.
    pub stdin: bool,
    /// Whether stdin is a terminal.
    pub tty: bool,
}

impl Default for ContainerConfig {
    fn default() -> Self {
        ContainerConfig {
            args: Rc::new([]),
            env: Rc::new([]),
            working_dir: Rc::from("/"),
            hostname: Rc::from("localhost"),
            memory_limit_bytes: 0,
            files: Rc::default(),
            mounts: Rc::new([]),
            programs: Rc::default(),
            seed: 0,
            stdin: false,
            tty: false,
        }
    }
}

/// A further process in a running container.
#[derive(Clone, Debug, Default)]
pub struct ExecConfig {
    /// The whole command line.
    pub args: Vec<String>,
    /// Added to, or replacing, the container's environment.
    pub env: Vec<(String, String)>,
    /// Whether stdin stays open.
    pub stdin: bool,
    /// Whether stdin is a terminal.
    pub tty: bool,
}

/// What arrives for a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A signal by its number. 9 ends any process; others end it, reach its handler, or, for
    /// [`Pid::MAIN`] without a handler, are ignored as by any Linux PID 1.
    Signal(u8),
    /// A client connected to `port`; the connection waits in the listener's backlog.
    Connection { port: u16, conn: ConnId, peer: (IpAddr, u16) },
    /// The peer of [`Effect::Connect`] answered.
    Connected { conn: ConnId },
    /// [`Effect::Connect`] came to nothing.
    ConnectFailed { conn: ConnId, error: NetError },
    /// Bytes from the peer.
    Data { conn: ConnId, bytes: Rc<[u8]> },
    /// The peer will send no more.
    Eof { conn: ConnId },
    /// The connection broke.
    Reset { conn: ConnId },
    /// The answer to [`Effect::Resolve`]: addresses, or none for NXDOMAIN.
    Resolved { lookup: LookupId, addresses: Vec<IpAddr> },
    /// Bytes for stdin.
    Stdin(Rc<[u8]>),
    /// Stdin was closed.
    StdinClosed,
}

/// Why a connection can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetError {
    /// The peer has nothing on that port.
    Refused,
    /// Nobody answered.
    TimedOut,
    /// No way to that address.
    Unreachable,
}

/// What a guest did to the world outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Bytes written to stdout, as written: lines are the log's affair.
    Stdout(Rc<[u8]>),
    /// Bytes written to stderr.
    Stderr(Rc<[u8]>),
    /// The process takes connections on `port` from now on.
    Listen { port: u16 },
    /// It takes no more.
    Unlisten { port: u16 },
    /// It opens a connection; answer with [`Event::Connected`] or [`Event::ConnectFailed`].
    Connect { conn: ConnId, address: IpAddr, port: u16 },
    /// Bytes for the peer.
    Send { conn: ConnId, bytes: Rc<[u8]> },
    /// No more bytes will follow, but the guest still reads.
    Shutdown { conn: ConnId },
    /// The guest is done with the connection in both directions.
    Close { conn: ConnId },
    /// It wants to know a name's addresses; answer with [`Event::Resolved`].
    Resolve { lookup: LookupId, name: String },
    /// It signals a process of its container, perhaps itself: deliver an [`Event::Signal`] to it.
    Signal { pid: Pid, signal: u8 },
}

/// When a running process wants to be polled again without any event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It yielded with work left: poll once [`Turn::cpu_ns`] has passed.
    Now,
    /// At this time, in the caller's nanoseconds.
    At(u64),
    /// Only an event can wake it.
    Never,
}

/// Why the engine ended a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KillReason {
    /// It outgrew its memory limit: OOMKilled.
    OutOfMemory,
    /// One call burned [`FUEL_PER_CALL`].
    CpuBudget,
    /// It recursed too deep.
    StackOverflow,
    /// It trapped: what a native program would have been sent a signal for.
    Trap(Trap),
    /// A signal that it didn't handle.
    Signal(u8),
}

/// The kinds of trap, the same for every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// `unreachable`, which is how Rust and C abort.
    Unreachable,
    /// A load or store beyond the memory.
    OutOfBounds,
    /// Division by zero or a number that doesn't fit.
    Arithmetic,
    /// A call through a bad function pointer.
    IndirectCall,
    /// Anything else an engine may say.
    Other,
}

impl KillReason {
    /// The exit code that a shell would show: 128 and the signal's number.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            KillReason::OutOfMemory | KillReason::CpuBudget => 137,
            KillReason::StackOverflow => 139,
            KillReason::Trap(Trap::Unreachable | Trap::Other) => 134,
            KillReason::Trap(Trap::OutOfBounds | Trap::IndirectCall) => 139,
            KillReason::Trap(Trap::Arithmetic) => 136,
            KillReason::Signal(signal) => 128 + i32::from(*signal),
        }
    }
}

/// What became of a process in a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Running { wake: Wake },
    /// It ended by itself.
    Exited { code: i32 },
    /// It was ended.
    Killed { reason: KillReason },
}

impl State {
    /// The exit code of an ended process.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            State::Running { .. } => None,
            State::Exited { code } => Some(*code),
            State::Killed { reason } => Some(reason.exit_code()),
        }
    }
}

/// One guest call, from the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What became of the process. All its sockets are closed by its end, without further effects.
    pub state: State,
    /// What it did, in order.
    pub effects: Vec<Effect>,
    /// The simulated CPU time that the call took.
    pub cpu_ns: u64,
    /// How long a plain WASI program slept within the call: its end, and any later event, should be taken
    /// to come this much later. Zero for guests that wait between calls.
    pub slept_ns: u64,
    /// Bytes of output beyond [`OUTPUT_BYTES_PER_CALL`] that were thrown away.
    pub output_dropped: u64,
}

/// What a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since creation, all processes together.
    pub cpu_ns: u64,
    /// Linear memory of all its processes.
    pub memory_bytes: u64,
}

/// Runs containers. Object safe: the cluster holds a `Box<dyn Engine>`.
///
/// Calls with an id that isn't there (any more) are answered with an exited process or zeros, never a panic.
pub trait Engine {
    /// Checks that an image's module is one, and takes it in. The engine keeps the bytes, and knows them
    /// again at once when they come in the same allocation. Its code is metered and compiled when the
    /// first container needs it, since most of an image's programs never run.
    fn compile(&mut self, wasm: &Rc<[u8]>) -> Result<ModuleId, ImageError>;

    /// Makes a container, without running anything. The first argument says which of the image's
    /// programs, hence which module, it will run.
    fn create(&mut self, config: ContainerConfig) -> Result<ContainerId, CreateError>;

    /// Starts the container's own process, [`Pid::MAIN`], at `now_ns` (nanoseconds since 1970, simulated).
    fn start(&mut self, container: ContainerId, now_ns: u64) -> Turn;

    /// Starts one more process from the same image. It ended already if its turn says so.
    fn exec(&mut self, container: ContainerId, config: ExecConfig, now_ns: u64) -> Result<(Pid, Turn), CreateError>;

    /// Delivers events and lets the process run until it waits again.
    fn poll(&mut self, container: ContainerId, pid: Pid, now_ns: u64, events: &[Event]) -> Turn;

    /// Forgets a container and all its processes.
    fn remove(&mut self, container: ContainerId);

    /// What it uses now; zeros when it isn't there.
    fn usage(&self, container: ContainerId) -> Usage;

    /// Reads a file as the container's processes would see it (`kubectl cp`, termination messages).
    fn read_file(&self, container: ContainerId, path: &str) -> Option<Rc<[u8]>>;
}
