//! The `podarium` namespace: sockets, timers, names, signals and files, none of which ever blocks.
//!
//! Functions answer a number, or an error number negated; `AGAIN` means that the process will be polled
//! when it is worth another try.

use std::net::{IpAddr, Ipv6Addr};

use super::{Answer, Args, Call, Handler, Open, arg, file_errno};
use crate::runtime::engine::abi::errno;
use crate::runtime::engine::files::{Node, normalize};
use crate::runtime::engine::process::{Conn, Fd, Link, Listener, SEND_BYTES_PER_CALL};
use crate::runtime::engine::{ConnId, Effect, LookupId, Pid};

/// The longest name of the DNS.
const NAME_BYTES_MAX: u32 = 253;

macro_rules! table {
    ($name:expr; $($function:ident = $text:literal),* $(,)?) => {
        match $name {
            $($text => |call, args| report($function, call, args),)*
            _ => |_, _| -errno::NOSYS,
        }
    };
}

/// The function of that name.
pub(super) fn call_by_name(name: &str) -> fn(&mut Call<'_>, Args<'_>) -> i32 {
    table! { name;
        now = "now", timer = "timer", yield_now = "yield", events = "events", signals = "signals",
        signal = "signal", hostname = "hostname", cwd = "cwd", listen = "listen", accept = "accept",
        connect = "connect", status = "status", resolve = "resolve", resolved = "resolved",
        read = "read", write = "write", shutdown = "shutdown", close = "close", open = "open",
        stat = "stat", list = "list", make_dir = "make_dir", remove = "remove", kill = "kill",
        exec = "exec",
    }
}

fn report(function: Handler, call: &mut Call<'_>, args: Args<'_>) -> i32 {
    function(call, args).unwrap_or_else(|error| -error)
}

/// `(out: *u64)`: nanoseconds since 1970.
fn now(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let now = call.turn.now_ns + call.turn.slept_ns;
    call.put_u64(arg(args, 0), now)?;
    Ok(0)
}

/// `(deadline: u64)`: poll the process then; 0 takes it back.
fn timer(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    call.process.timer = args.first().copied().filter(|at| *at != 0);
    Ok(0)
}

/// `()`: poll the process again soon.
fn yield_now(call: &mut Call<'_>, _: Args<'_>) -> Answer {
    call.turn.yielded = true;
    Ok(0)
}

/// `(out: *u32, capacity)`: what became ready, as descriptors, look-ups and the signal mark.
fn events(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let count = (arg(args, 1) as usize).min(call.process.ready.len());
    let rest = call.process.ready.split_off(count);
    let taken = std::mem::replace(&mut call.process.ready, rest);
    let bytes: Vec<u8> = taken.iter().flat_map(|ready| ready.to_le_bytes()).collect();
    call.put(arg(args, 0), &bytes)?;
    Ok(count as i32)
}

/// `(mask)`: the signals that the process handles, by bit.
fn signals(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    call.process.handled_signals = arg(args, 0);
    Ok(0)
}

/// `()`: the next signal that arrived, or 0.
fn signal(call: &mut Call<'_>, _: Args<'_>) -> Answer {
    let pending = call.process.pending_signals;
    if pending == 0 {
        return Ok(0);
    }
    let signal = pending.trailing_zeros();
    call.process.pending_signals &= !(1 << signal);
    Ok(signal as i32)
}

/// Puts as much of a text as there is room for; answers its whole length.
fn put_text(call: &mut Call<'_>, args: Args<'_>, at: usize, text: &[u8]) -> Answer {
    let room = (arg(args, at + 1) as usize).min(text.len());
    call.put(arg(args, at), text.get(..room).unwrap_or_default())?;
    Ok(text.len() as i32)
}

/// `(out, capacity)`: the host name.
fn hostname(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let name = call.process.hostname.clone();
    put_text(call, args, 0, name.as_bytes())
}

/// `(out, capacity)`: where the process started.
fn cwd(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let dir = call.process.working_dir.clone();
    put_text(call, args, 0, dir.as_bytes())
}

/// `(port)`: a descriptor that takes connections.
fn listen(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let port = u16::try_from(arg(args, 0)).ok().filter(|port| *port != 0).ok_or(errno::INVAL)?;
    let taken = call.process.fds.iter().flatten().any(|fd| matches!(fd, Fd::Listener(l) if l.port == port));
    if taken {
        return Err(errno::ADDRINUSE);
    }
    let listener = Listener { port, backlog: Default::default(), early: Vec::new() };
    let fd = call.process.add_fd(Fd::Listener(Box::new(listener)))?;
    call.turn.effect(Effect::Listen { port });
    Ok(fd as i32)
}

/// `(fd, peer: *[u8; 18])`: the next connection that waits; the peer is 16 bytes of IPv6 (IPv4 mapped)
/// and the port.
fn accept(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let Some(Fd::Listener(listener)) = call.process.fd(arg(args, 0)) else { return Err(errno::NOTSOCK) };
    let Some((id, peer)) = listener.backlog.pop_front() else { return Err(errno::AGAIN) };
    let conn = match listener.early.iter().position(|conn| conn.id == id) {
        Some(index) => listener.early.remove(index),
        None => Conn::new(id, Link::Open),
    };
    let more = !listener.backlog.is_empty();
    let readable = !conn.inbox.is_empty() || conn.eof || conn.link != Link::Open;
    let fd = match call.process.add_fd(Fd::Conn(Box::new(conn))) {
        Ok(fd) => fd,
        Err(error) => {
            call.turn.effect(Effect::Close { conn: id });
            return Err(error);
        }
    };
    if more {
        call.process.mark_ready(arg(args, 0));
    }
    if readable {
        call.process.mark_ready(fd);
    }
    let mut bytes = to_v6(peer.0).octets().to_vec();
    bytes.extend_from_slice(&peer.1.to_le_bytes());
    call.put(arg(args, 1), &bytes)?;
    Ok(fd as i32)
}

/// `(address: *[u8; 16], port)`: a descriptor of a connection on its way.
fn connect(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let bytes = call.bytes(arg(args, 0), 16)?;
    let octets: [u8; 16] = bytes.try_into().map_err(|_| errno::FAULT)?;
    let address = Ipv6Addr::from(octets);
    let address = address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4);
    let port = u16::try_from(arg(args, 1)).map_err(|_| errno::INVAL)?;
    let id = ConnId(ConnId::OUTBOUND | call.process.next_conn);
    let fd = call.process.add_fd(Fd::Conn(Box::new(Conn::new(id, Link::Connecting))))?;
    call.process.next_conn += 1;
    call.turn.effect(Effect::Connect { conn: id, address, port });
    Ok(fd as i32)
}

/// `(fd)`: 1 once connected.
fn status(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    match call.process.fd(arg(args, 0)) {
        Some(Fd::Conn(conn)) => match conn.link {
            Link::Connecting => Err(errno::AGAIN),
            Link::Open => Ok(1),
            Link::Failed(error) => Err(error),
        },
        _ => Err(errno::NOTSOCK),
    }
}

/// `(name, len)`: the number of a look-up.
fn resolve(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    if arg(args, 1) > NAME_BYTES_MAX {
        return Err(errno::NAMETOOLONG);
    }
    let name = call.string(arg(args, 0), arg(args, 1))?;
    if call.process.lookups.len() >= 256 {
        return Err(errno::MFILE);
    }
    let lookup = call.process.next_lookup & 0xffff;
    call.process.next_lookup += 1;
    call.process.lookups.push((lookup, None));
    call.turn.effect(Effect::Resolve { lookup: LookupId(lookup), name });
    Ok(lookup as i32)
}

/// `(lookup, out: *[u8; 16], capacity in addresses)`: the addresses, once.
fn resolved(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let id = arg(args, 0);
    let index = call.process.lookups.iter().position(|(lookup, _)| *lookup == id).ok_or(errno::BADF)?;
    if call.process.lookups.get(index).is_none_or(|(_, answer)| answer.is_none()) {
        return Err(errno::AGAIN);
    }
    let (_, addresses) = call.process.lookups.remove(index);
    let addresses = addresses.unwrap_or_default();
    if addresses.is_empty() {
        return Err(errno::NOENT);
    }
    let taken = addresses.iter().take(arg(args, 2) as usize);
    let bytes: Vec<u8> = taken.flat_map(|address| to_v6(*address).octets()).collect();
    call.put(arg(args, 1), &bytes)?;
    Ok((bytes.len() / 16) as i32)
}

/// `(fd, out, capacity)`: bytes, or 0 at the end.
fn read(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let capacity = (arg(args, 2) as usize).min(super::SPAN_MAX as usize);
    let bytes = read_fd(call, arg(args, 0), capacity)?;
    call.put(arg(args, 1), &bytes)?;
    Ok(bytes.len() as i32)
}

/// Bytes of any descriptor.
pub(super) fn read_fd(call: &mut Call<'_>, fd: u32, capacity: usize) -> Result<Vec<u8>, i32> {
    match call.process.fds.get_mut(fd as usize).and_then(Option::as_mut) {
        Some(Fd::Conn(conn)) => {
            if let Link::Failed(error) = conn.link {
                return Err(error);
            }
            let bytes = conn.take(capacity);
            if bytes.is_empty() && !conn.eof && capacity > 0 {
                return Err(errno::AGAIN);
            }
            Ok(bytes)
        }
        Some(Fd::Stdin) => match &mut call.process.stdin {
            None => Ok(Vec::new()),
            Some(stdin) if stdin.bytes.is_empty() && !stdin.closed => Err(errno::AGAIN),
            Some(stdin) => {
                let count = stdin.bytes.len().min(capacity);
                Ok(stdin.bytes.drain(..count).collect())
            }
        },
        Some(Fd::File(file)) => {
            let rest = file.contents().get(file.offset..).unwrap_or_default();
            let bytes = rest.get(..rest.len().min(capacity)).unwrap_or_default().to_vec();
            file.offset += bytes.len();
            Ok(bytes)
        }
        Some(Fd::Null) => Ok(Vec::new()),
        Some(Fd::Dir(_)) => Err(errno::ISDIR),
        _ => Err(errno::BADF),
    }
}

/// `(fd, bytes, len)`: how many bytes were taken.
fn write(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let (fd, len) = (arg(args, 0), arg(args, 2).min(super::SPAN_MAX));
    let room = SEND_BYTES_PER_CALL.saturating_sub(call.turn.sent_bytes);
    let Some(Fd::Conn(conn)) = call.process.fd(fd) else {
        let bytes = call.bytes(arg(args, 1), len)?;
        return call.write_fd(fd, &bytes).map(|count| count as i32);
    };
    let id = conn.id;
    match conn.link {
        Link::Connecting => return Err(errno::AGAIN),
        Link::Failed(_) => return Err(errno::PIPE),
        Link::Open if conn.shut => return Err(errno::PIPE),
        Link::Open => {}
    }
    if room == 0 {
        if !call.process.wants_send.contains(&fd) {
            call.process.wants_send.push(fd);
        }
        call.turn.yielded = true;
        return Err(errno::AGAIN);
    }
    let len = len.min(room as u32);
    let bytes = call.bytes(arg(args, 1), len)?;
    call.turn.sent_bytes += bytes.len();
    if !bytes.is_empty() {
        call.turn.effect(Effect::Send { conn: id, bytes: bytes.into() });
    }
    Ok(len as i32)
}

/// `(fd)`: no more will be sent.
fn shutdown(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let Some(Fd::Conn(conn)) = call.process.fd(arg(args, 0)) else { return Err(errno::NOTSOCK) };
    if conn.link == Link::Open && !conn.shut {
        conn.shut = true;
        let id = conn.id;
        call.turn.effect(Effect::Shutdown { conn: id });
    }
    Ok(0)
}

/// `(fd)`.
fn close(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    call.close(arg(args, 0)).map(|()| 0)
}

/// `(path, len, flags)`: 1 write, 2 create, 4 truncate, 8 append, 16 only if new.
fn open(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = call.string(arg(args, 0), arg(args, 1))?;
    let flags = arg(args, 2);
    let how = Open {
        write: flags & 1 != 0,
        create: flags & 2 != 0,
        truncate: flags & 4 != 0,
        append: flags & 8 != 0,
        exclusive: flags & 16 != 0,
        directory: false,
    };
    call.open(&path, how).map(|fd| fd as i32)
}

/// `(path, len, size: *u64)`: 1 for a file, 2 for a directory.
fn stat(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = call.string(arg(args, 0), arg(args, 1))?;
    let path = normalize(&call.process.working_dir, &path);
    call.process.flush_files();
    let node = call.process.files.borrow().get(&path);
    let (kind, size) = match node {
        Some(Node::File(bytes)) => (1, bytes.len() as u64),
        Some(Node::Directory) => (2, 4_096),
        None if path.starts_with("/dev/") && ["null", "zero", "stdin", "stdout", "stderr"].contains(&&path[5..]) => {
            (1, 0)
        }
        None => return Err(errno::NOENT),
    };
    call.put_u64(arg(args, 2), size)?;
    Ok(kind)
}

/// `(path, len, out, capacity)`: a directory's names, each with a NUL after it; answers their whole length.
fn list(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = call.string(arg(args, 0), arg(args, 1))?;
    let path = normalize(&call.process.working_dir, &path);
    let names = call.process.files.borrow().list(&path).map_err(file_errno)?;
    let text: String = names.iter().flat_map(|name| [name.as_str(), "\0"]).collect();
    put_text(call, args, 2, text.as_bytes())
}

/// `(path, len)`.
fn make_dir(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = call.string(arg(args, 0), arg(args, 1))?;
    let path = normalize(&call.process.working_dir, &path);
    call.process.files.borrow_mut().make_dir(&path).map_err(file_errno)?;
    Ok(0)
}

/// `(path, len, directory)`.
fn remove(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = call.string(arg(args, 0), arg(args, 1))?;
    let path = normalize(&call.process.working_dir, &path);
    call.process.files.borrow_mut().remove(&path, arg(args, 2) != 0).map_err(file_errno)?;
    Ok(0)
}

/// `(pid, signal)`: a process sees itself and the container's first.
fn kill(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let pid = Pid(arg(args, 0));
    let signal = u8::try_from(arg(args, 1)).ok().filter(|signal| *signal < 32).ok_or(errno::INVAL)?;
    if pid != Pid::MAIN && pid != call.process.pid {
        return Err(errno::SRCH);
    }
    // Signal 0 only asks; and from within, nothing kills the first process of a pid namespace.
    if signal != 0 && !(signal == 9 && pid == Pid::MAIN) {
        call.turn.effect(Effect::Signal { pid, signal });
    }
    Ok(0)
}

/// `(arguments, len)`: NUL after each. The program takes the process's place, unless there is none.
fn exec(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    if arg(args, 1) > 128 << 10 {
        return Err(errno::INVAL);
    }
    let bytes = call.bytes(arg(args, 0), arg(args, 1))?;
    let text = String::from_utf8(bytes).map_err(|_| errno::INVAL)?;
    let arguments: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    let program = arguments.first().ok_or(errno::INVAL)?;
    call.process.programs.find(program).ok_or(errno::NOENT)?;
    call.turn.exec = Some(arguments);
    Ok(0)
}

fn to_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
