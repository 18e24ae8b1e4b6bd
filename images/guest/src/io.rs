//! Descriptors: reading, writing, and the standard ones.

use crate::{Errno, Result, check, sys, task};

/// Reads what there is, waiting for the first byte; empty at the end.
pub async fn read(fd: u32, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match check(unsafe { sys::read(fd, buffer.as_mut_ptr(), buffer.len() as u32) }) {
            Err(Errno::AGAIN) => task::ready(fd).await,
            other => return other.map(|count| count as usize),
        }
    }
}

/// Writes everything.
pub async fn write_all(fd: u32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match check(unsafe { sys::write(fd, bytes.as_ptr(), bytes.len() as u32) }) {
            Err(Errno::AGAIN) => task::ready(fd).await,
            other => bytes = bytes.get(other? as usize..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// Whether somebody sits at this descriptor: `isatty`.
pub fn is_terminal(fd: u32) -> bool {
    const CHARACTER_DEVICE: u8 = 2;
    let mut stat = [0u8; 24];
    unsafe { sys::fd_fdstat_get(fd, stat.as_mut_ptr()) == 0 && stat[0] == CHARACTER_DEVICE }
}

/// Writes to stdout, which never waits.
pub fn print(text: &str) {
    unsafe { sys::write(1, text.as_ptr(), text.len() as u32) };
}

/// Writes to stderr.
pub fn eprint(text: &str) {
    unsafe { sys::write(2, text.as_ptr(), text.len() as u32) };
}
