//! The process itself: its command line, environment, signals and end.

use crate::{Errno, Result, check, sys, task};

pub const SIGINT: u32 = 2;
pub const SIGQUIT: u32 = 3;
pub const SIGTERM: u32 = 15;

fn strings(
    sizes: unsafe extern "C" fn(*mut u32, *mut u32) -> i32,
    get: unsafe extern "C" fn(*mut u32, *mut u8) -> i32,
) -> Vec<String> {
    let (mut count, mut bytes) = (0, 0);
    unsafe { sizes(&mut count, &mut bytes) };
    let mut pointers = vec![0u32; count as usize];
    let mut text = vec![0u8; bytes as usize];
    unsafe { get(pointers.as_mut_ptr(), text.as_mut_ptr()) };
    text.split(|byte| *byte == 0)
        .take(count as usize)
        .map(|string| String::from_utf8_lossy(string).into_owned())
        .collect()
}

/// The command line, with the program's name.
pub fn args() -> Vec<String> {
    strings(sys::args_sizes_get, sys::args_get)
}

/// The environment.
pub fn environ() -> Vec<(String, String)> {
    let split = |entry: String| entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    strings(sys::environ_sizes_get, sys::environ_get).into_iter().filter_map(split).collect()
}

/// One variable of the environment.
pub fn env(name: &str) -> Option<String> {
    environ().into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

fn text(get: unsafe extern "C" fn(*mut u8, u32) -> i32) -> String {
    let mut buffer = [0u8; 512];
    let len = unsafe { get(buffer.as_mut_ptr(), 512) }.clamp(0, 512);
    String::from_utf8_lossy(&buffer[..len as usize]).into_owned()
}

/// The host name.
pub fn hostname() -> String {
    text(sys::hostname)
}

/// The directory that the process started in.
pub fn working_dir() -> String {
    text(sys::cwd)
}

/// Ends the process.
pub fn exit(code: i32) -> ! {
    unsafe { sys::proc_exit(code as u32) }
}

/// Says which signals [`signal`] will answer; all others keep their default.
pub fn handle_signals(signals: &[u32]) {
    unsafe { sys::signals(signals.iter().fold(0, |mask, signal| mask | 1 << signal)) };
}

/// Waits for the next signal.
pub async fn signal() -> u32 {
    loop {
        match unsafe { sys::signal() } {
            0 => task::ready(task::SIGNAL).await,
            signal => return signal as u32,
        }
    }
}

/// Becomes another program of the image. Comes back only if there is none of that name.
pub fn exec(args: &[String]) -> Errno {
    let mut text = String::new();
    for arg in args {
        text.push_str(arg);
        text.push('\0');
    }
    let answer: Result<u32> = check(unsafe { sys::exec(text.as_ptr(), text.len() as u32) });
    match answer {
        Err(error) => error,
        // The engine has already taken this program's time.
        Ok(_) => loop {
            core::hint::spin_loop();
        },
    }
}

/// Sends a signal to a process of the container.
pub fn kill(pid: u32, signal: u32) -> Result<()> {
    check(unsafe { sys::kill(pid, signal) }).map(|_| ())
}

/// Random bytes.
pub fn random(bytes: &mut [u8]) {
    unsafe { sys::random_get(bytes.as_mut_ptr(), bytes.len() as u32) };
}
