//! WASI preview 1, as far as programs need it to start, print, read files and end.
//!
//! Nothing here blocks: a program that sleeps in `poll_oneoff` sees the clock jump, and its turn says
//! how long it slept. One directory is open from the start, the container's root, as descriptor 3.

use rand_core::RngCore;

use super::podarium::read_fd;
use super::{Answer, Args, Call, Handler, Open, arg, file_errno};
use crate::runtime::engine::abi::errno;
use crate::runtime::engine::files::{Node, normalize};
use crate::runtime::engine::process::Fd;
use crate::runtime::engine::{KillReason, State};

/// The pieces that one scattered read or write may have.
const IOVECS_MAX: u32 = 128;

const TYPE_UNKNOWN: u8 = 0;
const TYPE_CHARACTER: u8 = 2;
const TYPE_DIRECTORY: u8 = 3;
const TYPE_FILE: u8 = 4;
const TYPE_SOCKET: u8 = 6;

macro_rules! table {
    ($name:expr; $($function:ident),* $(,)?) => {
        match $name {
            $(stringify!($function) => |call, args| report($function, call, args),)*
            // Times and hints change nothing that a guest could see.
            "fd_advise" | "fd_datasync" | "fd_sync" | "fd_filestat_set_times" | "path_filestat_set_times"
            | "fd_fdstat_set_flags" | "fd_fdstat_set_rights" | "sched_yield" => |_, _| errno::SUCCESS,
            _ => |_, _| errno::NOSYS,
        }
    };
}

/// The function of that name.
pub(super) fn call_by_name(name: &str) -> fn(&mut Call<'_>, Args<'_>) -> i32 {
    table! { name;
        args_get, args_sizes_get, environ_get, environ_sizes_get, clock_res_get, clock_time_get,
        fd_close, fd_fdstat_get, fd_filestat_get, fd_prestat_get, fd_prestat_dir_name, fd_read, fd_readdir,
        fd_seek, fd_tell, fd_write, path_create_directory, path_filestat_get, path_open,
        path_remove_directory, path_unlink_file, poll_oneoff, proc_exit, proc_raise, random_get,
    }
}

fn report(function: Handler, call: &mut Call<'_>, args: Args<'_>) -> i32 {
    match function(call, args) {
        Ok(_) => errno::SUCCESS,
        Err(error) => error,
    }
}

fn put_strings(call: &mut Call<'_>, args: Args<'_>, strings: &[String]) -> Answer {
    let (mut pointers, mut text) = (Vec::new(), Vec::new());
    for string in strings {
        pointers.extend_from_slice(&arg(args, 1).wrapping_add(text.len() as u32).to_le_bytes());
        text.extend_from_slice(string.as_bytes());
        text.push(0);
    }
    call.put(arg(args, 0), &pointers)?;
    call.put(arg(args, 1), &text)?;
    Ok(0)
}

fn put_sizes(call: &mut Call<'_>, args: Args<'_>, strings: &[String]) -> Answer {
    call.put_u32(arg(args, 0), strings.len() as u32)?;
    call.put_u32(arg(args, 1), strings.iter().map(|s| s.len() as u32 + 1).sum())?;
    Ok(0)
}

fn args_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let strings = call.process.args.clone();
    put_strings(call, args, &strings)
}

fn args_sizes_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let strings = call.process.args.clone();
    put_sizes(call, args, &strings)
}

fn environ_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let strings = call.process.environ();
    put_strings(call, args, &strings)
}

fn environ_sizes_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let strings = call.process.environ();
    put_sizes(call, args, &strings)
}

fn clock_res_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    call.put_u64(arg(args, 1), 1)?;
    Ok(0)
}

fn clock_time_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let now = match arg(args, 0) {
        0 | 1 => call.turn.now_ns + call.turn.slept_ns,
        2 | 3 => call.turn.host_fuel,
        _ => return Err(errno::INVAL),
    };
    call.put_u64(arg(args, 2), now)?;
    Ok(0)
}

fn fd_close(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    call.close(arg(args, 0)).map(|()| 0)
}

fn file_type(fd: &Fd, has_terminal: bool) -> u8 {
    match fd {
        // A pipe: it is how programs know that nobody types.
        Fd::Stdin if !has_terminal => TYPE_UNKNOWN,
        Fd::Stdin | Fd::Stdout | Fd::Stderr | Fd::Null => TYPE_CHARACTER,
        Fd::Dir(_) => TYPE_DIRECTORY,
        Fd::File(_) => TYPE_FILE,
        Fd::Listener(_) | Fd::Conn(_) => TYPE_SOCKET,
    }
}

fn fd_fdstat_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let has_terminal = call.process.has_terminal();
    let fd = call.process.fd(arg(args, 0)).ok_or(errno::BADF)?;
    let mut stat = [0u8; 24];
    stat[0] = file_type(fd, has_terminal);
    // All rights, own and inheriting: the container is the sandbox. A character device that can't seek
    // is what makes C libraries buffer by line.
    let rights: u64 = if stat[0] == TYPE_CHARACTER { !0x24 } else { !0 };
    stat[8..16].copy_from_slice(&rights.to_le_bytes());
    stat[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    call.put(arg(args, 1), &stat)?;
    Ok(0)
}

fn put_filestat(call: &mut Call<'_>, address: u32, kind: u8, size: u64) -> Answer {
    let mut stat = [0u8; 64];
    stat[16] = kind;
    stat[24..32].copy_from_slice(&1u64.to_le_bytes());
    stat[32..40].copy_from_slice(&size.to_le_bytes());
    call.put(address, &stat)?;
    Ok(0)
}

fn fd_filestat_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let has_terminal = call.process.has_terminal();
    let fd = call.process.fd(arg(args, 0)).ok_or(errno::BADF)?;
    let size = if let Fd::File(file) = fd { file.contents().len() as u64 } else { 0 };
    let kind = file_type(fd, has_terminal);
    put_filestat(call, arg(args, 1), kind, size)
}

fn fd_prestat_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    match call.process.fd(arg(args, 0)) {
        Some(Fd::Dir(path)) if &**path == "/" && arg(args, 0) == 3 => {
            call.put(arg(args, 1), &[0, 0, 0, 0, 1, 0, 0, 0])?;
            Ok(0)
        }
        _ => Err(errno::BADF),
    }
}

fn fd_prestat_dir_name(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    if arg(args, 0) != 3 || arg(args, 2) < 1 {
        return Err(errno::BADF);
    }
    call.put(arg(args, 1), b"/")?;
    Ok(0)
}

/// The pieces of a scattered read or write.
fn iovecs(call: &mut Call<'_>, args: Args<'_>) -> Result<Vec<(u32, u32)>, i32> {
    let count = arg(args, 2);
    if count > IOVECS_MAX {
        return Err(errno::INVAL);
    }
    let bytes = call.bytes(arg(args, 1), count * 8)?;
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
    Ok(bytes.chunks_exact(8).map(|pair| (word(&pair[..4]), word(&pair[4..]))).collect())
}

fn fd_read(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let mut total = 0;
    for (address, len) in iovecs(call, args)? {
        let len = len.min(super::SPAN_MAX) as usize;
        let bytes = match read_fd(call, arg(args, 0), len) {
            // A program that can't be polled would ask for ever: nothing more comes in this turn.
            Err(errno::AGAIN) => Vec::new(),
            other => other?,
        };
        call.put(address, &bytes)?;
        total += bytes.len();
        if bytes.len() < len {
            break;
        }
    }
    call.put_u32(arg(args, 3), total as u32)?;
    Ok(0)
}

fn fd_write(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let mut total = 0;
    for (address, len) in iovecs(call, args)? {
        let len = len.min(super::SPAN_MAX);
        let bytes = call.bytes(address, len)?;
        total += call.write_fd(arg(args, 0), &bytes)?;
    }
    call.put_u32(arg(args, 3), total as u32)?;
    Ok(0)
}

fn fd_readdir(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let Some(Fd::Dir(path)) = call.process.fd(arg(args, 0)) else { return Err(errno::NOTDIR) };
    let path = path.clone();
    let names = call.process.files.borrow().list(&path).map_err(file_errno)?;
    let cookie = args.get(3).copied().unwrap_or_default() as usize;
    let capacity = (arg(args, 2) as usize).min(super::SPAN_MAX as usize);
    let mut out = Vec::new();
    for (index, name) in names.iter().enumerate().skip(cookie) {
        if out.len() >= capacity {
            break;
        }
        let child = call.process.files.borrow().get(&format!("{}/{name}", path.trim_end_matches('/')));
        let kind = if matches!(child, Some(Node::Directory)) { TYPE_DIRECTORY } else { TYPE_FILE };
        out.extend_from_slice(&(index as u64 + 1).to_le_bytes());
        out.extend_from_slice(&(index as u64 + 1).to_le_bytes());
        out.extend_from_slice(&(name.len() as u32).to_le_bytes());
        out.extend_from_slice(&u32::from(kind).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    out.truncate(capacity);
    call.put(arg(args, 1), &out)?;
    call.put_u32(arg(args, 4), out.len() as u32)?;
    Ok(0)
}

fn fd_seek(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let Some(Fd::File(file)) = call.process.fd(arg(args, 0)) else { return Err(errno::SPIPE) };
    let base = match arg(args, 2) {
        0 => 0,
        1 => file.offset as i64,
        2 => file.contents().len() as i64,
        _ => return Err(errno::INVAL),
    };
    let delta = args.get(1).copied().unwrap_or_default() as i64;
    let to = base.checked_add(delta).filter(|to| (0..=1 << 30).contains(to)).ok_or(errno::INVAL)?;
    file.offset = to as usize;
    call.put_u64(arg(args, 3), to as u64)?;
    Ok(0)
}

fn fd_tell(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let Some(Fd::File(file)) = call.process.fd(arg(args, 0)) else { return Err(errno::SPIPE) };
    let offset = file.offset as u64;
    call.put_u64(arg(args, 1), offset)?;
    Ok(0)
}

/// A path relative to an open directory.
fn path(call: &mut Call<'_>, dir: u32, address: u32, len: u32) -> Result<String, i32> {
    let path = call.string(address, len)?;
    match call.process.fd(dir) {
        Some(Fd::Dir(base)) => Ok(normalize(base, &path)),
        Some(_) => Err(errno::NOTDIR),
        None => Err(errno::BADF),
    }
}

fn path_create_directory(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = path(call, arg(args, 0), arg(args, 1), arg(args, 2))?;
    call.process.files.borrow_mut().make_dir(&path).map_err(file_errno)?;
    Ok(0)
}

fn path_filestat_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = path(call, arg(args, 0), arg(args, 2), arg(args, 3))?;
    call.process.flush_files();
    let node = call.process.files.borrow().get(&path);
    let (kind, size) = match node {
        Some(Node::File(bytes)) => (TYPE_FILE, bytes.len() as u64),
        Some(Node::Directory) => (TYPE_DIRECTORY, 4_096),
        None => return Err(errno::NOENT),
    };
    put_filestat(call, arg(args, 4), kind, size)
}

/// `(dir, lookup flags, path, len, open flags, rights, fd flags, out)`: inheriting rights are left out on the way.
fn path_open(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    const RIGHT_WRITE: u64 = 1 << 6;
    let path = path(call, arg(args, 0), arg(args, 2), arg(args, 3))?;
    let flags = arg(args, 4);
    let rights = args.get(5).copied().unwrap_or_default();
    let directory = flags & 2 != 0;
    let how = Open {
        // A directory is asked for with every right there is, which doesn't mean that it is written.
        write: rights & RIGHT_WRITE != 0 && !directory,
        create: flags & 1 != 0,
        directory,
        exclusive: flags & 4 != 0,
        truncate: flags & 8 != 0,
        append: arg(args, 6) & 1 != 0,
    };
    let fd = call.open(&path, how)?;
    call.put_u32(arg(args, 7), fd)?;
    Ok(0)
}

fn path_remove_directory(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = path(call, arg(args, 0), arg(args, 1), arg(args, 2))?;
    call.process.files.borrow_mut().remove(&path, true).map_err(file_errno)?;
    Ok(0)
}

fn path_unlink_file(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let path = path(call, arg(args, 0), arg(args, 1), arg(args, 2))?;
    call.process.files.borrow_mut().remove(&path, false).map_err(file_errno)?;
    Ok(0)
}

/// Sleeps until the earliest clock in the list, by letting the process's own clock jump; descriptors are
/// ready at once.
fn poll_oneoff(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let count = arg(args, 2);
    if count == 0 || count > IOVECS_MAX {
        return Err(errno::INVAL);
    }
    let bytes = call.bytes(arg(args, 0), count * 48)?;
    let now = call.turn.now_ns + call.turn.slept_ns;
    let long =
        |entry: &[u8], at: usize| entry.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    let mut ready = Vec::new();
    let mut earliest: Option<(u64, u64)> = None;
    for entry in bytes.chunks_exact(48) {
        let user = long(entry, 0);
        let kind = entry.get(8).copied().unwrap_or_default();
        if kind != 0 {
            ready.push((user, kind));
            continue;
        }
        let timeout = long(entry, 24);
        let absolute = entry.get(40).copied().unwrap_or_default() & 1 != 0;
        let at = if absolute { timeout } else { now.saturating_add(timeout) };
        if earliest.is_none_or(|(first, _)| at < first) {
            earliest = Some((at, user));
        }
    }
    if ready.is_empty()
        && let Some((at, user)) = earliest
    {
        call.turn.slept_ns = call.turn.slept_ns.saturating_add(at.saturating_sub(now)).min(1 << 60);
        ready.push((user, 0));
    }
    let mut out = Vec::new();
    for (user, kind) in &ready {
        let mut event = [0u8; 32];
        event[..8].copy_from_slice(&user.to_le_bytes());
        event[10] = *kind;
        out.extend_from_slice(&event);
    }
    call.put(arg(args, 1), &out)?;
    call.put_u32(arg(args, 3), ready.len() as u32)?;
    Ok(0)
}

fn proc_exit(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    // The kernel keeps eight bits of the code.
    call.turn.ended = Some(State::Exited { code: (arg(args, 0) & 0xff) as i32 });
    Ok(0)
}

fn proc_raise(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    call.turn.ended = Some(State::Killed { reason: KillReason::Signal((arg(args, 0) & 0x1f) as u8) });
    Ok(0)
}

fn random_get(call: &mut Call<'_>, args: Args<'_>) -> Answer {
    let len = arg(args, 1);
    if len > super::SPAN_MAX {
        return Err(errno::INVAL);
    }
    call.turn.charge(u64::from(len));
    let mut bytes = vec![0; len as usize];
    call.process.rng().fill_bytes(&mut bytes);
    call.put(arg(args, 0), &bytes)?;
    Ok(0)
}
