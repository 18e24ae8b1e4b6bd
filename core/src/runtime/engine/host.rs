//! Host calls: what a guest may ask for, and how arguments and memory are read without trusting it.

use super::abi::{HostFn, PODARIUM, WASI, errno};
use super::files::{FileError, normalize};
use super::process::{Fd, OpenFile, Process, TurnState};

mod podarium;
mod wasi;

/// The largest piece of memory that one call may name.
const SPAN_MAX: u32 = 1 << 20;

/// An address outside the guest's memory.
pub(super) struct Fault;

/// The guest's memory.
pub(super) trait GuestMemory {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Fault>;
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Fault>;
}

/// Arguments as unsigned bits; i32s have zeros above.
pub(super) type Args<'a> = &'a [u64];

/// One host call.
pub(super) struct Call<'a> {
    pub(super) process: &'a mut Process,
    pub(super) turn: &'a mut TurnState,
    pub(super) memory: &'a mut dyn GuestMemory,
}

/// What a host function answers: a number, or an error number that each namespace reports in its way.
pub(super) type Answer = Result<i32, i32>;

/// A host function's code.
pub(super) type Handler = fn(&mut Call<'_>, Args<'_>) -> Answer;

/// The code of a host function and how it reports errors.
pub(super) fn handler(function: HostFn) -> fn(&mut Call<'_>, Args<'_>) -> i32 {
    // One generic wrapper a namespace would need the handler as a constant, so the choice is made at the call.
    match function.module {
        PODARIUM => podarium::call_by_name(function.name),
        WASI => wasi::call_by_name(function.name),
        _ => |_, _| errno::NOSYS,
    }
}

impl Call<'_> {
    /// Bytes of the guest's, at most [`SPAN_MAX`].
    fn bytes(&mut self, address: u32, len: u32) -> Result<Vec<u8>, i32> {
        if len > SPAN_MAX {
            return Err(errno::INVAL);
        }
        self.turn.charge(u64::from(len) / 4);
        let mut bytes = vec![0; len as usize];
        self.memory.read(address, &mut bytes).map_err(|Fault| errno::FAULT)?;
        Ok(bytes)
    }

    fn string(&mut self, address: u32, len: u32) -> Result<String, i32> {
        if len > 4_096 {
            return Err(errno::NAMETOOLONG);
        }
        String::from_utf8(self.bytes(address, len)?).map_err(|_| errno::INVAL)
    }

    fn put(&mut self, address: u32, bytes: &[u8]) -> Result<(), i32> {
        self.turn.charge(bytes.len() as u64 / 4);
        self.memory.write(address, bytes).map_err(|Fault| errno::FAULT)
    }

    fn put_u32(&mut self, address: u32, value: u32) -> Result<(), i32> {
        self.put(address, &value.to_le_bytes())
    }

    fn put_u64(&mut self, address: u32, value: u64) -> Result<(), i32> {
        self.put(address, &value.to_le_bytes())
    }

    /// Writes bytes to a descriptor that isn't a socket. Answers how many it took.
    fn write_fd(&mut self, fd: u32, bytes: &[u8]) -> Result<usize, i32> {
        match self.process.fd(fd) {
            Some(Fd::Stdout) => self.turn.print(false, bytes),
            Some(Fd::Stderr) => self.turn.print(true, bytes),
            Some(Fd::Null) => {}
            Some(Fd::File(file)) => file.write(bytes)?,
            Some(Fd::Dir(_)) => return Err(errno::ISDIR),
            _ => return Err(errno::BADF),
        }
        Ok(bytes.len())
    }

    /// Opens a path. `/dev` has its usual files.
    fn open(&mut self, path: &str, how: Open) -> Result<u32, i32> {
        let path = normalize(&self.process.working_dir, path);
        let fd = match path.as_str() {
            "/dev/null" | "/dev/zero" => Fd::Null,
            "/dev/stdin" => Fd::Stdin,
            "/dev/stdout" | "/proc/1/fd/1" => Fd::Stdout,
            "/dev/stderr" | "/proc/1/fd/2" => Fd::Stderr,
            _ => self.open_file(path, how)?,
        };
        self.process.add_fd(fd)
    }

    fn open_file(&mut self, path: String, how: Open) -> Result<Fd, i32> {
        use super::files::Node;
        self.process.flush_files();
        let mut files = self.process.files.borrow_mut();
        let bytes = match files.get(&path) {
            Some(Node::Directory) if how.write => return Err(errno::ISDIR),
            Some(Node::Directory) => return Ok(Fd::Dir(path.into())),
            Some(Node::File(_)) if how.directory => return Err(errno::NOTDIR),
            Some(Node::File(_)) if how.exclusive => return Err(errno::EXIST),
            Some(Node::File(bytes)) if !how.truncate => {
                if how.write {
                    // Finds out now whether it may be written.
                    files.write(&path, bytes.clone()).map_err(file_errno)?;
                }
                bytes
            }
            None if !how.create => return Err(errno::NOENT),
            _ => {
                let empty: std::rc::Rc<[u8]> = std::rc::Rc::from([]);
                files.write(&path, empty.clone()).map_err(file_errno)?;
                empty
            }
        };
        Ok(Fd::File(Box::new(OpenFile {
            path,
            bytes,
            changed: None,
            offset: 0,
            writable: how.write,
            append: how.append,
        })))
    }

    /// Closes a descriptor, telling the world what it must know.
    fn close(&mut self, fd: u32) -> Result<(), i32> {
        use super::Effect;
        let slot = self.process.fds.get_mut(fd as usize).ok_or(errno::BADF)?;
        match slot.take().ok_or(errno::BADF)? {
            Fd::Listener(listener) => {
                self.turn.effect(Effect::Unlisten { port: listener.port });
                for (conn, _) in &listener.backlog {
                    self.turn.effect(Effect::Close { conn: *conn });
                }
            }
            Fd::Conn(conn) if !matches!(conn.link, super::process::Link::Failed(_)) => {
                self.turn.effect(Effect::Close { conn: conn.id });
            }
            Fd::File(mut file) => file.flush(&mut self.process.files.borrow_mut()),
            _ => {}
        }
        self.process.ready.retain(|ready| *ready != fd);
        self.process.wants_send.retain(|waiting| *waiting != fd);
        Ok(())
    }
}

/// How a path is opened.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    write: bool,
    create: bool,
    exclusive: bool,
    truncate: bool,
    append: bool,
    directory: bool,
}

fn file_errno(error: FileError) -> i32 {
    match error {
        FileError::NotFound => errno::NOENT,
        FileError::IsDirectory => errno::ISDIR,
        FileError::NotDirectory => errno::NOTDIR,
        FileError::Exists => errno::EXIST,
        FileError::NotEmpty => errno::NOTEMPTY,
        FileError::ReadOnly => errno::ROFS,
        FileError::NoSpace => errno::NOSPC,
    }
}

/// The argument at `index` as an i32's bits.
fn arg(args: Args<'_>, index: usize) -> u32 {
    args.get(index).copied().unwrap_or_default() as u32
}
