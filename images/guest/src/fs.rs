//! The container's files.

use crate::{Errno, Result, check, sys};

pub const WRITE: u32 = 1;
pub const CREATE: u32 = 2;
pub const TRUNCATE: u32 = 4;
pub const APPEND: u32 = 8;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
}

/// Opens a path, answering a descriptor for [`crate::io`].
pub fn open(path: &str, flags: u32) -> Result<u32> {
    check(unsafe { sys::open(path.as_ptr(), path.len() as u32, flags) })
}

/// Closes a descriptor.
pub fn close(fd: u32) {
    unsafe { sys::close(fd) };
}

/// A whole file.
pub fn read(path: &str) -> Result<Vec<u8>> {
    let (kind, size) = stat(path)?;
    if kind == Kind::Directory {
        return Err(Errno(31));
    }
    let fd = open(path, 0)?;
    let mut bytes = vec![0; size as usize];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..)
        && !rest.is_empty()
    {
        match check(unsafe { sys::read(fd, rest.as_mut_ptr(), rest.len() as u32) })? {
            0 => break,
            count => filled += count as usize,
        }
    }
    bytes.truncate(filled);
    close(fd);
    Ok(bytes)
}

/// Writes a whole file.
pub fn write(path: &str, bytes: &[u8]) -> Result<()> {
    let fd = open(path, WRITE | CREATE | TRUNCATE)?;
    let result = check(unsafe { sys::write(fd, bytes.as_ptr(), bytes.len() as u32) });
    close(fd);
    result.map(|_| ())
}

/// What lies at a path, and its size.
pub fn stat(path: &str) -> Result<(Kind, u64)> {
    let mut size = 0;
    let kind = check(unsafe { sys::stat(path.as_ptr(), path.len() as u32, &mut size) })?;
    Ok((if kind == 2 { Kind::Directory } else { Kind::File }, size))
}

/// The names in a directory.
pub fn list(path: &str) -> Result<Vec<String>> {
    let mut buffer = vec![0u8; 4_096];
    loop {
        let capacity = buffer.len() as u32;
        let len = check(unsafe { sys::list(path.as_ptr(), path.len() as u32, buffer.as_mut_ptr(), capacity) })?;
        if len > capacity {
            buffer.resize(len as usize, 0);
            continue;
        }
        buffer.truncate(len as usize);
        let text = String::from_utf8_lossy(&buffer);
        return Ok(text.split_terminator('\0').map(str::to_owned).collect());
    }
}

pub fn make_dir(path: &str) -> Result<()> {
    check(unsafe { sys::make_dir(path.as_ptr(), path.len() as u32) }).map(|_| ())
}

/// Removes a file, or an empty directory.
pub fn remove(path: &str, directory: bool) -> Result<()> {
    check(unsafe { sys::remove(path.as_ptr(), path.len() as u32, directory.into()) }).map(|_| ())
}
