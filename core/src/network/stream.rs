//! A connection as code of the simulation holds it: opened, read, written, closed when dropped.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use super::conn::{ConnKey, Delivery};
use super::namespace::Network;
use crate::runtime::engine::NetError;
use crate::sim::{MachineId, Notify};

#[derive(Default)]
struct Inbox {
    connected: bool,
    failed: Option<NetError>,
    data: VecDeque<Rc<[u8]>>,
    eof: bool,
    reset: bool,
}

/// One end of a connection.
pub struct Stream {
    network: Network,
    key: ConnKey,
    inbox: Rc<RefCell<Inbox>>,
    arrived: Notify,
}

impl Network {
    /// Opens a connection from a machine.
    pub async fn open(&self, machine: MachineId, to: (IpAddr, u16)) -> Result<Stream, NetError> {
        let (inbox, arrived) = (Rc::new(RefCell::new(Inbox::default())), Notify::new(&self.0.sim));
        let receive = {
            let (inbox, arrived) = (inbox.clone(), arrived.clone());
            Rc::new(move |d: Delivery| {
                let mut i = inbox.borrow_mut();
                match d {
                    Delivery::Connected => i.connected = true,
                    Delivery::Failed(e) => i.failed = Some(e),
                    Delivery::Data(bytes) => i.data.push_back(bytes),
                    Delivery::Eof => i.eof = true,
                    Delivery::Reset => i.reset = true,
                }
                drop(i);
                arrived.notify();
            })
        };
        let key = self.connect_native(machine, receive, to);
        let stream = Stream { network: self.clone(), key, inbox, arrived };
        loop {
            let (connected, failed) = {
                let i = stream.inbox.borrow();
                (i.connected, i.failed)
            };
            match failed {
                Some(e) => return Err(e),
                None if connected => return Ok(stream),
                None => stream.arrived.notified().await,
            }
        }
    }
}

impl Stream {
    /// The next bytes; `None` when there will be no more.
    pub async fn next(&self) -> Option<Rc<[u8]>> {
        loop {
            {
                let mut i = self.inbox.borrow_mut();
                if let Some(bytes) = i.data.pop_front() {
                    return Some(bytes);
                }
                if i.eof || i.reset {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Sends bytes.
    pub fn send(&self, bytes: &[u8]) {
        self.network.send_native(self.key, true, bytes.into());
    }

    /// Sends no more.
    pub fn shut(&self) {
        self.network.shutdown_native(self.key, true);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.network.close_native(self.key, true);
    }
}
