//! One TCP connection as the network carries it.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::runtime::engine::{ConnId, NetError, Pid};
use crate::sim::MachineId;

/// A connection's number in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnKey(pub u64);

/// A process of a container, as the network delivers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketOwner {
    /// The engine's container.
    pub container: crate::runtime::engine::ContainerId,
    /// Its process.
    pub pid: Pid,
}

/// Who holds an end of a connection.
#[derive(Clone)]
pub enum Peer {
    /// A container's process, by its own name of the connection.
    Guest(SocketOwner, ConnId),
    /// Code of the simulation: a probe, the person's browser, a component. Gets what arrives.
    Native(Rc<dyn Fn(Delivery)>),
}

/// What arrives at an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The connection stands.
    Connected,
    /// It doesn't.
    Failed(NetError),
    /// Bytes.
    Data(Rc<[u8]>),
    /// The other side will send no more.
    Eof,
    /// It broke.
    Reset,
}

pub(super) struct Side {
    pub peer: Peer,
    pub machine: MachineId,
    /// What is on its way to this side.
    pub inflight: VecDeque<Delivery>,
    /// A task delivers what is on its way.
    pub pumping: bool,
    /// This side is done in both directions.
    pub closed: bool,
    /// This side will send no more.
    pub shut: bool,
}

/// A connection: the side that opened it, then the one that took it.
pub(super) struct Conn {
    pub sides: [Side; 2],
    /// Whether it got as far as the listener.
    pub established: bool,
}
