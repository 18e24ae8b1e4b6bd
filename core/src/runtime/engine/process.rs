//! A process as the host sees it: its descriptors, sockets, signals and timer. Its memory is elsewhere.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::abi::errno;
use super::files::Files;
use super::snapshot::Image;
use super::{
    ConnId, Effect, Event, FDS_MAX, FUEL_PER_CALL, KillReason, LookupId, ModuleId, NetError, OUTPUT_BYTES_PER_CALL,
    Pid, Programs, State,
};

/// What a socket may hold unread before it is reset.
const INBOX_BYTES_MAX: usize = 4 << 20;

/// What one call may send before the guest must wait for its next turn.
pub(super) const SEND_BYTES_PER_CALL: usize = 256 << 10;

/// In the list of ready descriptors: a signal arrived.
pub(super) const READY_SIGNAL: u32 = u32::MAX;
/// Likewise: the answer to a look-up, whose number is in the low bits.
pub(super) const READY_LOOKUP: u32 = 1 << 30;

/// An open file with its own copy of the bytes; changes reach the container's files when it is flushed.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: String,
    pub(super) bytes: Rc<[u8]>,
    /// Changed bytes, not yet flushed.
    pub(super) changed: Option<Vec<u8>>,
    pub(super) offset: usize,
    pub(super) writable: bool,
    pub(super) append: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Connecting,
    Open,
    Failed(i32),
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) id: ConnId,
    pub(super) link: Link,
    pub(super) inbox: VecDeque<Rc<[u8]>>,
    /// How much of the inbox's first piece was read.
    pub(super) offset: usize,
    pub(super) inbox_bytes: usize,
    pub(super) eof: bool,
    pub(super) shut: bool,
}

/// A port that takes connections, and those that wait.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) backlog: VecDeque<(ConnId, (IpAddr, u16))>,
    /// Connections that wait may already have sent something, or be gone.
    pub(super) early: Vec<Conn>,
}

/// What a descriptor is.
#[derive(Debug)]
pub(super) enum Fd {
    Stdin,
    Stdout,
    Stderr,
    Null,
    Listener(Box<Listener>),
    Conn(Box<Conn>),
    File(Box<OpenFile>),
    Dir(Box<str>),
}

/// Bytes for stdin.
#[derive(Debug, Default)]
pub(super) struct Stdin {
    pub(super) bytes: VecDeque<u8>,
    pub(super) closed: bool,
    /// Whether it is a terminal.
    pub(super) tty: bool,
}

impl Stdin {
    /// An empty one, if there is to be any.
    pub(super) fn of(open: bool, tty: bool) -> Option<Self> {
        open.then(|| Stdin { tty, ..Stdin::default() })
    }
}

/// What a call does besides changing its process.
#[derive(Debug, Default)]
pub(super) struct TurnState {
    pub(super) now_ns: u64,
    pub(super) effects: Vec<Effect>,
    /// Output not yet an effect: whether it is stderr, and the bytes.
    output: Option<(bool, Vec<u8>)>,
    output_bytes: usize,
    pub(super) output_dropped: u64,
    pub(super) sent_bytes: usize,
    pub(super) host_fuel: u64,
    pub(super) slept_ns: u64,
    pub(super) yielded: bool,
    pub(super) ended: Option<State>,
    /// The command line that is to take the process's place.
    pub(super) exec: Option<Vec<String>>,
}

impl TurnState {
    /// A turn that begins now.
    pub(super) fn at(now_ns: u64) -> Self {
        TurnState { now_ns, ..TurnState::default() }
    }

    /// Takes fuel for work of the host's; too much ends the process.
    pub(super) fn charge(&mut self, fuel: u64) {
        self.host_fuel = self.host_fuel.saturating_add(fuel);
        if self.host_fuel > u64::from(FUEL_PER_CALL) && self.ended.is_none() {
            self.ended = Some(State::Killed { reason: KillReason::CpuBudget });
        }
    }

    /// Takes output, up to the limit of one call.
    pub(super) fn print(&mut self, stderr: bool, bytes: &[u8]) {
        let room = OUTPUT_BYTES_PER_CALL.saturating_sub(self.output_bytes).min(bytes.len());
        let (taken, dropped) = bytes.split_at(room);
        self.output_dropped += dropped.len() as u64;
        self.output_bytes += taken.len();
        match &mut self.output {
            Some((to, run)) if *to == stderr => run.extend_from_slice(taken),
            _ => {
                self.flush_output();
                self.output = Some((stderr, taken.to_vec()));
            }
        }
    }

    /// Adds an effect after all output so far.
    pub(super) fn effect(&mut self, effect: Effect) {
        self.flush_output();
        self.effects.push(effect);
    }

    pub(super) fn flush_output(&mut self) {
        if let Some((stderr, bytes)) = self.output.take()
            && !bytes.is_empty()
        {
            self.effects.push(if stderr { Effect::Stderr(bytes.into()) } else { Effect::Stdout(bytes.into()) });
        }
    }
}

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) module: ModuleId,
    pub(super) args: Rc<[String]>,
    pub(super) env: Rc<[(String, String)]>,
    /// Environment of this process alone, over the container's.
    pub(super) more_env: Vec<(String, String)>,
    pub(super) hostname: Rc<str>,
    pub(super) working_dir: Rc<str>,
    pub(super) programs: Rc<Programs>,
    pub(super) files: Rc<RefCell<Files>>,
    pub(super) memory_limit_bytes: u64,
    pub(super) seed: u64,
    pub(super) rng: Option<Box<Xoshiro256PlusPlus>>,
    pub(super) fds: Vec<Option<Fd>>,
    pub(super) stdin: Option<Box<Stdin>>,
    pub(super) next_conn: u64,
    pub(super) next_lookup: u32,
    /// Look-ups on their way, and answers not yet fetched.
    pub(super) lookups: Vec<(u32, Option<Vec<IpAddr>>)>,
    pub(super) timer: Option<u64>,
    /// Signals with a handler, by bit.
    pub(super) handled_signals: u32,
    pub(super) pending_signals: u32,
    pub(super) ready: Vec<u32>,
    /// Descriptors that wait for their next turn to send.
    pub(super) wants_send: Vec<u32>,
    pub(super) started: bool,
    /// Its state while no instance holds it; `None` is a fresh instance's.
    pub(super) image: Option<Rc<Image>>,
    pub(super) pages: u32,
}

impl Process {
    /// Whether somebody sits at its stdin.
    pub(super) fn has_terminal(&self) -> bool {
        self.stdin.as_ref().is_some_and(|s| s.tty)
    }

    /// The value of an environment variable, `HOSTNAME` among them.
    pub(super) fn environ(&self) -> Vec<String> {
        let replaced = |name: &str| self.more_env.iter().any(|(n, _)| n == name);
        let mut all: Vec<String> =
            self.env.iter().filter(|(n, _)| !replaced(n)).map(|(n, v)| format!("{n}={v}")).collect();
        all.extend(self.more_env.iter().map(|(n, v)| format!("{n}={v}")));
        if !all.iter().any(|entry| entry.starts_with("HOSTNAME=")) {
            all.push(format!("HOSTNAME={}", self.hostname));
        }
        all
    }

    pub(super) fn rng(&mut self) -> &mut Xoshiro256PlusPlus {
        let seed = self.seed;
        self.rng.get_or_insert_with(|| Box::new(Xoshiro256PlusPlus::seed_from_u64(seed)))
    }

    pub(super) fn fd(&mut self, fd: u32) -> Option<&mut Fd> {
        self.fds.get_mut(fd as usize)?.as_mut()
    }

    /// Puts a descriptor at the lowest free number.
    pub(super) fn add_fd(&mut self, fd: Fd) -> Result<u32, i32> {
        if let Some(free) = self.fds.iter().position(Option::is_none) {
            if let Some(slot) = self.fds.get_mut(free) {
                *slot = Some(fd);
            }
            return Ok(free as u32);
        }
        if self.fds.len() >= FDS_MAX {
            return Err(errno::MFILE);
        }
        self.fds.push(Some(fd));
        Ok(self.fds.len() as u32 - 1)
    }

    pub(super) fn mark_ready(&mut self, what: u32) {
        if !self.ready.contains(&what) {
            self.ready.push(what);
        }
    }

    fn find_conn(&mut self, id: ConnId) -> Option<(Option<u32>, &mut Conn)> {
        self.fds.iter_mut().enumerate().find_map(|(number, fd)| match fd {
            Some(Fd::Conn(conn)) if conn.id == id => Some((Some(number as u32), &mut **conn)),
            Some(Fd::Listener(listener)) => {
                listener.early.iter_mut().find(|conn| conn.id == id).map(|conn| (None, conn))
            }
            _ => None,
        })
    }

    fn on_conn(&mut self, id: ConnId, change: impl FnOnce(&mut Conn)) {
        let Some((number, conn)) = self.find_conn(id) else { return };
        change(conn);
        if let Some(number) = number {
            self.mark_ready(number);
        }
    }

    /// Takes an event in. The answer ends the process.
    pub(super) fn deliver(&mut self, event: &Event) -> Option<KillReason> {
        match event {
            Event::Signal(signal) => return self.signal(*signal),
            Event::Connection { port, conn, peer } => {
                let listener = self.fds.iter_mut().enumerate().find_map(|(number, fd)| match fd {
                    Some(Fd::Listener(listener)) if listener.port == *port => Some((number as u32, listener)),
                    _ => None,
                });
                if let Some((number, listener)) = listener {
                    listener.backlog.push_back((*conn, *peer));
                    listener.early.push(Conn::new(*conn, Link::Open));
                    self.mark_ready(number);
                }
            }
            Event::Connected { conn } => self.on_conn(*conn, |conn| conn.link = Link::Open),
            Event::ConnectFailed { conn, error } => {
                let code = match error {
                    NetError::Refused => errno::CONNREFUSED,
                    NetError::TimedOut => errno::TIMEDOUT,
                    NetError::Unreachable => errno::HOSTUNREACH,
                };
                self.on_conn(*conn, |conn| conn.link = Link::Failed(code));
            }
            Event::Data { conn, bytes } => self.on_conn(*conn, |conn| {
                conn.inbox_bytes += bytes.len();
                if conn.inbox_bytes > INBOX_BYTES_MAX {
                    conn.link = Link::Failed(errno::CONNRESET);
                    conn.inbox.clear();
                } else if !bytes.is_empty() {
                    conn.inbox.push_back(bytes.clone());
                }
            }),
            Event::Eof { conn } => self.on_conn(*conn, |conn| conn.eof = true),
            Event::Reset { conn } => self.on_conn(*conn, |conn| conn.link = Link::Failed(errno::CONNRESET)),
            Event::Resolved { lookup: LookupId(lookup), addresses } => {
                if let Some(entry) = self.lookups.iter_mut().find(|(id, _)| id == lookup) {
                    entry.1 = Some(addresses.clone());
                    self.mark_ready(READY_LOOKUP | *lookup);
                }
            }
            Event::Stdin(bytes) => {
                if let Some(stdin) = &mut self.stdin
                    && stdin.bytes.len() + bytes.len() <= INBOX_BYTES_MAX
                {
                    stdin.bytes.extend(bytes.iter());
                    self.mark_ready(0);
                }
            }
            Event::StdinClosed => {
                if let Some(stdin) = &mut self.stdin {
                    stdin.closed = true;
                    self.mark_ready(0);
                }
            }
        }
        None
    }

    /// What a signal does: ends the process, reaches its handler, or nothing.
    fn signal(&mut self, signal: u8) -> Option<KillReason> {
        const KILL: u8 = 9;
        // SIGCHLD, SIGCONT, SIGURG and SIGWINCH do nothing by default.
        const HARMLESS: [u8; 4] = [17, 18, 23, 28];
        if signal == KILL {
            return Some(KillReason::Signal(signal));
        }
        if signal < 32 && self.handled_signals & (1 << signal) != 0 {
            self.pending_signals |= 1 << signal;
            self.mark_ready(READY_SIGNAL);
            return None;
        }
        // The kernel spares the first process of a pid namespace from signals that it doesn't handle.
        let ignored = self.pid == Pid::MAIN || HARMLESS.contains(&signal);
        (!ignored).then_some(KillReason::Signal(signal))
    }

    /// Whether the guest has something to do at `now_ns`.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        !self.ready.is_empty() || !self.wants_send.is_empty() || self.timer.is_some_and(|at| at <= now_ns)
    }

    /// Writes changed files back. Files that can't be written stay as they were.
    pub(super) fn flush_files(&mut self) {
        for fd in self.fds.iter_mut().flatten() {
            if let Fd::File(file) = fd {
                file.flush(&mut self.files.borrow_mut());
            }
        }
    }

    /// Becomes another program, as `execve` does: memory, handlers and sockets are gone, the
    /// standard descriptors stay.
    pub(super) fn replace(&mut self, module: ModuleId, args: Vec<String>) {
        self.flush_files();
        self.module = module;
        self.args = args.into();
        self.files.borrow_mut().process_runs(self.pid.0, self.args.clone());
        self.fds.truncate(3);
        self.lookups.clear();
        self.timer = None;
        self.handled_signals = 0;
        self.pending_signals = 0;
        self.ready.clear();
        self.wants_send.clear();
        self.started = false;
        self.image = None;
        self.pages = 0;
    }
}

impl Conn {
    pub(super) fn new(id: ConnId, link: Link) -> Self {
        Conn { id, link, inbox: VecDeque::new(), offset: 0, inbox_bytes: 0, eof: false, shut: false }
    }

    /// Moves up to `len` bytes out of the inbox; none if there are none yet.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len.min(self.inbox_bytes));
        while out.len() < len
            && let Some(first) = self.inbox.front()
        {
            let rest = first.get(self.offset..).unwrap_or_default();
            let count = rest.len().min(len - out.len());
            out.extend_from_slice(rest.get(..count).unwrap_or_default());
            if count == rest.len() {
                self.inbox.pop_front();
                self.offset = 0;
            } else {
                self.offset += count;
            }
        }
        self.inbox_bytes = self.inbox_bytes.saturating_sub(out.len());
        out
    }
}

impl OpenFile {
    pub(super) fn contents(&self) -> &[u8] {
        self.changed.as_deref().unwrap_or(&self.bytes)
    }

    pub(super) fn flush(&mut self, files: &mut Files) {
        if let Some(changed) = self.changed.take() {
            self.bytes = changed.into();
            // A full or read-only file system was noticed when the file was opened.
            let _ = files.write(&self.path, self.bytes.clone());
        }
    }

    /// Writes at the file's offset, or at its end. Answers an error number.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), i32> {
        const FILE_BYTES_MAX: usize = 8 << 20;
        if !self.writable {
            return Err(errno::BADF);
        }
        let changed = self.changed.get_or_insert_with(|| self.bytes.to_vec());
        if self.append {
            self.offset = changed.len();
        }
        let end = self.offset.saturating_add(bytes.len());
        if end > FILE_BYTES_MAX {
            return Err(errno::NOSPC);
        }
        if changed.len() < end {
            changed.resize(end, 0);
        }
        if let Some(place) = changed.get_mut(self.offset..end) {
            place.copy_from_slice(bytes);
        }
        self.offset = end;
        Ok(())
    }
}
