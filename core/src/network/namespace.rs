//! Network namespaces: who has which address, and who listens on which port of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::conn::{Conn, ConnKey, Delivery, Peer, SocketOwner};
use crate::runtime::engine::{ConnId, Event};
use crate::sim::{MachineId, ProcessId, ProcessState, Sim};

/// A network namespace: a pod's, or a machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetnsId(pub u32);

/// Why nobody can listen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// Somebody does already.
    InUse,
    /// The namespace is gone.
    NoNamespace,
}

/// What a packet is carried by, as rules tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Questions to a name server.
    Udp,
}

/// What a machine's packet filter makes of a destination: kube-proxy's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// As it stands.
    None,
    /// Sent there instead.
    To(IpAddr, u16),
    /// Refused: a Service without endpoints.
    Reject,
    /// Thrown away.
    Drop,
}

/// Answers a connection made to a native listener: gets the sender for the other direction.
type Accept = Rc<dyn Fn(ConnKey, (IpAddr, u16)) -> Rc<dyn Fn(Delivery)>>;

/// At which of a namespace's addresses a listener listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// At all of them: `0.0.0.0`.
    Any,
    /// At `127.0.0.1`: nobody else gets there.
    Loopback,
}

#[derive(Clone)]
pub(super) enum Listener {
    Guest(SocketOwner),
    /// Nobody listens any more once the process is gone.
    Native(ProcessId, Scope, Accept),
}

pub(super) struct Namespace {
    pub machine: MachineId,
    pub ip: IpAddr,
    pub listeners: BTreeMap<u16, Listener>,
    pub next_port: u16,
}

/// Rewrites destinations for one machine: protocol, address and port, and who asks.
type Filter = Rc<dyn Fn(Protocol, (IpAddr, u16), IpAddr) -> Rewrite>;
/// Takes events for guests.
type Deliver = Rc<dyn Fn(SocketOwner, Event)>;

#[derive(Default)]
pub(super) struct State {
    pub namespaces: BTreeMap<NetnsId, Namespace>,
    /// Where an address leads from elsewhere.
    by_ip: BTreeMap<IpAddr, NetnsId>,
    /// Where it leads on a machine: to the bridge there, whoever else has the address.
    on_machine: BTreeMap<(MachineId, IpAddr), NetnsId>,
    /// The machines' own.
    pub hosts: BTreeMap<MachineId, NetnsId>,
    pub next_namespace: u32,
    pub conns: BTreeMap<ConnKey, Conn>,
    pub next_conn: u64,
    /// Connections by the guest that holds an end, for its death and its own names of them.
    pub by_guest: BTreeMap<SocketOwner, BTreeMap<ConnId, ConnKey>>,
    pub filters: BTreeMap<MachineId, Filter>,
    /// Who answers names asked at a namespace's address.
    pub dns: BTreeMap<NetnsId, (ProcessId, super::dns::Answer)>,
    pub resolv: BTreeMap<NetnsId, Rc<super::dns::Resolv>>,
    pub deliver: Option<Deliver>,
}

impl State {
    /// The namespace that a packet from `machine` to `ip` comes to. A range that a deleted node gave back may be another's
    /// already while pods still carry addresses of it: their own machine reaches them, as the route to its bridge comes first.
    pub fn reached(&self, machine: MachineId, ip: IpAddr) -> Option<(NetnsId, &Namespace)> {
        let id = self.on_machine.get(&(machine, ip)).or_else(|| self.by_ip.get(&ip))?;
        Some((*id, self.namespaces.get(id)?))
    }
}

pub(super) struct Inner {
    pub sim: Sim,
    /// Carries packets on behalf of nobody.
    pub process: ProcessId,
    pub state: RefCell<State>,
}

/// The network of all machines. Clones are the same network.
#[derive(Clone)]
pub struct Network(pub(super) Rc<Inner>);

impl Network {
    /// A network with no machine yet.
    pub fn new(sim: &Sim) -> Self {
        let process = sim.start_process("network", MachineId::OUTSIDE);
        Network(Rc::new(Inner { sim: sim.clone(), process, state: RefCell::default() }))
    }

    /// Who takes events for guests: the shims, once.
    pub fn set_guests(&self, deliver: impl Fn(SocketOwner, Event) + 'static) {
        self.0.state.borrow_mut().deliver = Some(Rc::new(deliver));
    }

    /// The packet filter of a machine; `None` takes it away.
    pub fn set_filter(&self, machine: MachineId, filter: Option<Filter>) {
        let mut s = self.0.state.borrow_mut();
        match filter {
            Some(f) => s.filters.insert(machine, f),
            None => s.filters.remove(&machine),
        };
    }

    /// Makes a namespace with this address on a machine.
    pub fn add_namespace(&self, machine: MachineId, ip: IpAddr) -> NetnsId {
        let mut s = self.0.state.borrow_mut();
        s.next_namespace += 1;
        let id = NetnsId(s.next_namespace);
        s.namespaces.insert(id, Namespace { machine, ip, listeners: BTreeMap::new(), next_port: 32768 });
        s.by_ip.insert(ip, id);
        s.on_machine.insert((machine, ip), id);
        id
    }

    /// Makes a machine's own namespace, with the machine's address: where its processes' loopback leads.
    pub fn add_host_namespace(&self, machine: MachineId, ip: IpAddr) -> NetnsId {
        let id = self.add_namespace(machine, ip);
        self.0.state.borrow_mut().hosts.insert(machine, id);
        id
    }

    /// Takes a namespace away. Connections into it are left to time out.
    pub fn remove_namespace(&self, id: NetnsId) {
        let mut s = self.0.state.borrow_mut();
        s.dns.remove(&id);
        s.resolv.remove(&id);
        let Some(n) = s.namespaces.remove(&id) else { return };
        if s.hosts.get(&n.machine) == Some(&id) {
            s.hosts.remove(&n.machine);
        }
        if s.by_ip.get(&n.ip) == Some(&id) {
            s.by_ip.remove(&n.ip);
        }
        if s.on_machine.get(&(n.machine, n.ip)) == Some(&id) {
            s.on_machine.remove(&(n.machine, n.ip));
        }
    }

    /// The namespace that has an address.
    pub fn namespace_of(&self, ip: IpAddr) -> Option<NetnsId> {
        self.0.state.borrow().by_ip.get(&ip).copied()
    }

    /// A namespace's address.
    pub fn ip_of(&self, id: NetnsId) -> Option<IpAddr> {
        self.0.state.borrow().namespaces.get(&id).map(|n| n.ip)
    }

    /// The ports on which somebody listens in a namespace.
    pub fn listening(&self, id: NetnsId) -> Vec<u16> {
        let s = self.0.state.borrow();
        let there = |n: &Namespace| n.listeners.iter().filter(|(_, l)| self.is_there(l)).map(|(p, _)| *p).collect();
        s.namespaces.get(&id).map(there).unwrap_or_default()
    }

    /// A guest listens on a port.
    pub fn listen(&self, id: NetnsId, port: u16, owner: SocketOwner) -> Result<(), ListenError> {
        self.add_listener(id, port, Listener::Guest(owner))
    }

    /// A process of the simulation listens on a port; `accept` is called with each connection and returns its receiver.
    pub fn listen_native(
        &self,
        id: NetnsId,
        (scope, port): (Scope, u16),
        process: ProcessId,
        accept: Accept,
    ) -> Result<(), ListenError> {
        self.add_listener(id, port, Listener::Native(process, scope, accept))
    }

    fn add_listener(&self, id: NetnsId, port: u16, listener: Listener) -> Result<(), ListenError> {
        let mut s = self.0.state.borrow_mut();
        let n = s.namespaces.get_mut(&id).ok_or(ListenError::NoNamespace)?;
        if n.listeners.get(&port).is_some_and(|l| self.is_there(l)) {
            return Err(ListenError::InUse);
        }
        n.listeners.insert(port, listener);
        Ok(())
    }

    /// Whether a listener's process is still there.
    fn is_there(&self, l: &Listener) -> bool {
        match l {
            Listener::Guest(_) => true,
            Listener::Native(process, ..) => self.0.sim.process_state(*process) != ProcessState::Dead,
        }
    }

    /// Nobody listens on a port any more.
    pub fn unlisten(&self, id: NetnsId, port: u16) {
        if let Some(n) = self.0.state.borrow_mut().namespaces.get_mut(&id) {
            n.listeners.remove(&port);
        }
    }

    /// A guest's process is gone: its listeners too, and its connections break as the kernel closes them.
    pub fn forget_guest(&self, id: NetnsId, owner: SocketOwner) {
        let keys: Vec<ConnKey> = {
            let mut s = self.0.state.borrow_mut();
            if let Some(n) = s.namespaces.get_mut(&id) {
                n.listeners.retain(|_, l| !matches!(l, Listener::Guest(o) if *o == owner));
            }
            s.by_guest.get(&owner).map(|c| c.values().copied().collect()).unwrap_or_default()
        };
        for key in keys {
            self.close_guest(owner, key);
        }
        self.0.state.borrow_mut().by_guest.remove(&owner);
    }

    pub(super) fn hand_over(&self, peer: &Peer, key: ConnKey, what: Delivery) {
        match peer {
            Peer::Native(f) => f(what),
            Peer::Guest(owner, conn) => {
                let conn = *conn;
                let event = match what {
                    Delivery::Connected => Event::Connected { conn },
                    Delivery::Failed(error) => {
                        self.forget_name(*owner, conn);
                        Event::ConnectFailed { conn, error }
                    }
                    Delivery::Data(bytes) => Event::Data { conn, bytes },
                    Delivery::Eof => Event::Eof { conn },
                    Delivery::Reset => Event::Reset { conn },
                };
                self.to_guest(*owner, event);
            }
        }
        let _ = key;
    }

    pub(super) fn to_guest(&self, owner: SocketOwner, event: Event) {
        let deliver = self.0.state.borrow().deliver.clone();
        if let Some(d) = deliver {
            d(owner, event);
        }
    }

    fn forget_name(&self, owner: SocketOwner, conn: ConnId) {
        let mut s = self.0.state.borrow_mut();
        if let Some(names) = s.by_guest.get_mut(&owner) {
            names.remove(&conn);
            if names.is_empty() {
                s.by_guest.remove(&owner);
            }
        }
    }

    /// Looks a name up for a guest.
    pub fn resolve(&self, from: NetnsId, name: &str, answer: Rc<dyn Fn(Vec<IpAddr>)>) {
        let resolv = self.0.state.borrow().resolv.get(&from).cloned();
        if let Ok(ip) = name.parse::<IpAddr>() {
            answer(vec![ip]);
        } else if name == "localhost" {
            answer(vec![IpAddr::from([127, 0, 0, 1])]);
        } else if let Some(r) = resolv {
            let (net, name) = (self.clone(), name.to_owned());
            self.0.sim.spawn(self.0.process, async move {
                let found = net.look_up(from, &r, &name).await;
                answer(found);
            });
        } else {
            answer(Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_reaches_its_own_pods_first() {
        let sim = Sim::new(1, jiff::Timestamp::UNIX_EPOCH);
        let network = Network::new(&sim);
        let [old, new, third] = [1, 2, 3].map(MachineId);
        let ip = IpAddr::from([10, 244, 1, 2]);
        let reached = |from: MachineId| network.0.state.borrow().reached(from, ip).map(|(id, _)| id);
        let ghost = network.add_namespace(old, ip);
        assert_eq!([old, new, third].map(reached), [Some(ghost); 3]);
        // The old machine's node was deleted, and its range given to the new one.
        let pod = network.add_namespace(new, ip);
        assert_eq!([old, new, third].map(reached), [Some(ghost), Some(pod), Some(pod)]);
        network.remove_namespace(ghost);
        assert_eq!([old, new, third].map(reached), [Some(pod); 3]);
        network.remove_namespace(pod);
        assert_eq!([old, new, third].map(reached), [None; 3]);
    }
}
