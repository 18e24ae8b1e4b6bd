//! TCP and names.

use std::net::{IpAddr, Ipv6Addr};

use crate::{Errno, Result, check, io, sys, task};

/// The most addresses that one look-up answers.
const ADDRESSES_MAX: usize = 16;

/// A port that takes connections.
pub struct Listener(u32);

/// One end of a connection; closed when dropped.
pub struct Stream {
    pub fd: u32,
    buffer: Vec<u8>,
}

/// Takes connections on a port.
pub fn listen(port: u16) -> Result<Listener> {
    check(unsafe { sys::listen(port.into()) }).map(Listener)
}

impl Listener {
    /// The next connection, with its peer's address and port.
    pub async fn accept(&self) -> Result<(Stream, IpAddr, u16)> {
        loop {
            let mut peer = [0u8; 18];
            match check(unsafe { sys::accept(self.0, peer.as_mut_ptr()) }) {
                Err(Errno::AGAIN) => task::ready(self.0).await,
                answer => {
                    let fd = answer?;
                    let (address, port) = peer.split_at(16);
                    let address = from_v6(address);
                    let port = port.try_into().map_or(0, u16::from_le_bytes);
                    return Ok((Stream { fd, buffer: Vec::new() }, address, port));
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        unsafe { sys::close(self.0) };
    }
}

/// The addresses of a name, or the address that it is already.
pub async fn resolve(name: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![address]);
    }
    let lookup = check(unsafe { sys::resolve(name.as_ptr(), name.len() as u32) })?;
    loop {
        let mut addresses = [0u8; 16 * ADDRESSES_MAX];
        match check(unsafe { sys::resolved(lookup, addresses.as_mut_ptr(), ADDRESSES_MAX as u32) }) {
            Err(Errno::AGAIN) => task::ready(task::LOOKUP | lookup).await,
            answer => {
                let count = answer? as usize;
                return Ok(addresses.chunks_exact(16).take(count).map(from_v6).collect());
            }
        }
    }
}

fn from_v6(bytes: &[u8]) -> IpAddr {
    let address = <[u8; 16]>::try_from(bytes).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from);
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

impl Stream {
    /// Opens a connection.
    pub async fn connect(address: IpAddr, port: u16) -> Result<Stream> {
        let octets = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let fd = check(unsafe { sys::connect(octets.as_ptr(), port.into()) })?;
        let stream = Stream { fd, buffer: Vec::new() };
        loop {
            match check(unsafe { sys::status(fd) }) {
                Err(Errno::AGAIN) => task::ready(fd).await,
                Err(error) => return Err(error),
                Ok(_) => return Ok(stream),
            }
        }
    }

    /// Reads more into the buffer; false at the end.
    async fn fill(&mut self) -> Result<bool> {
        let mut piece = [0u8; 2_048];
        let count = io::read(self.fd, &mut piece).await?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count > 0)
    }

    /// The bytes up to and with `end`; at the end of the stream, what is left. At most `max` bytes.
    pub async fn read_until(&mut self, end: &[u8], max: usize) -> Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let from = searched.min(self.buffer.len());
            let found = self.buffer[from..].windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                return Ok(self.buffer.drain(..from + at + end.len()).collect());
            }
            searched = self.buffer.len().saturating_sub(end.len() - 1);
            if self.buffer.len() >= max || !self.fill().await? {
                return Ok(std::mem::take(&mut self.buffer));
            }
        }
    }

    /// Exactly that many bytes, fewer only at the end.
    pub async fn read_exact(&mut self, len: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < len && self.fill().await? {}
        let count = len.min(self.buffer.len());
        Ok(self.buffer.drain(..count).collect())
    }

    /// Everything until the end.
    pub async fn read_to_end(&mut self, max: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < max && self.fill().await? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// What has been read but not taken, or the next piece; empty at the end.
    pub async fn read_some(&mut self) -> Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Gives back an emptied buffer, so that a connection that waits holds no memory.
    pub fn shrink(&mut self) {
        self.buffer.shrink_to_fit();
    }

    pub async fn write_all(&self, bytes: &[u8]) -> Result<()> {
        io::write_all(self.fd, bytes).await
    }

    /// Says that no more will be sent.
    pub fn shutdown(&self) {
        unsafe { sys::shutdown(self.fd) };
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        unsafe { sys::close(self.fd) };
    }
}
