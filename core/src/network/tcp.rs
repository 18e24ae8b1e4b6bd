//! Opening connections, and carrying what is sent over them with the links' latency.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::conn::{Conn, ConnKey, Delivery, Peer, Side, SocketOwner};
use super::namespace::{Listener, Namespace, NetnsId, Network, Protocol, Rewrite, Scope};
use crate::runtime::engine::{ConnId, Event, NetError};
use crate::sim::{MachineId, ProcessState};

/// How long a connect without an answer is tried: Linux's tcp_syn_retries of 6.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);
/// How long an address without a machine behind it, on the same network, is asked for.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);
/// How often something that can't be delivered is sent again, doubling from 200 ms, before the connection breaks.
const RETRIES: u32 = 9;
/// Bytes on their way to one side that are kept at most; a sender that ignores its peer is cut off.
const INFLIGHT_MAX: usize = 65_536;

/// Where a connection leads.
enum Route {
    To(NetnsId, MachineId, (IpAddr, u16)),
    Refused,
    Unreachable,
    Lost,
}

fn side(peer: Peer, machine: MachineId) -> Side {
    Side { peer, machine, inflight: VecDeque::new(), pumping: false, closed: false, shut: false }
}

fn ephemeral(n: &mut Namespace) -> u16 {
    n.next_port = if n.next_port >= 60_999 { 32_768 } else { n.next_port + 1 };
    n.next_port
}

impl Network {
    /// Opens a connection for a guest.
    pub fn connect_guest(&self, from: NetnsId, owner: SocketOwner, conn: ConnId, to: (IpAddr, u16)) {
        let key = self.connect(Some(from), MachineId::OUTSIDE, Peer::Guest(owner, conn), to);
        self.0.state.borrow_mut().by_guest.entry(owner).or_default().insert(conn, key);
    }

    /// Opens a connection for code of the simulation on `machine`, which has its host's namespace there if any.
    pub fn connect_native(&self, machine: MachineId, receive: Rc<dyn Fn(Delivery)>, to: (IpAddr, u16)) -> ConnKey {
        self.connect(None, machine, Peer::Native(receive), to)
    }

    fn connect(&self, from: Option<NetnsId>, machine: MachineId, peer: Peer, to: (IpAddr, u16)) -> ConnKey {
        let (key, route, source) = {
            let mut s = self.0.state.borrow_mut();
            s.next_conn += 1;
            let key = ConnKey(s.next_conn);
            let here = from.and_then(|id| s.namespaces.get_mut(&id).map(|n| (n.machine, n.ip, ephemeral(n))));
            let (machine, ip, port) = here.unwrap_or((machine, IpAddr::from([172, 30, 0, 1]), 40_000));
            let mut target = to;
            let (mut route, mut refused) = (Route::Lost, false);
            let filter = s.filters.get(&machine).cloned();
            drop(s);
            // The filter is kube-proxy's: it may look at the network.
            let rewrite = filter.map_or(Rewrite::None, |f| f(Protocol::Tcp, to, ip));
            match rewrite {
                Rewrite::To(ip, port) => target = (ip, port),
                Rewrite::Reject => route = Route::Refused,
                Rewrite::None | Rewrite::Drop => {}
            }
            if matches!(rewrite, Rewrite::None | Rewrite::To(..)) {
                let s = self.0.state.borrow();
                // Node ports: the packet meets the filter of the machine that it reaches.
                let reached = s.reached(machine, target.0).map(|(_, n)| n.machine);
                let theirs = reached.filter(|m| *m != machine).and_then(|m| s.filters.get(&m).cloned());
                drop(s);
                match theirs.map_or(Rewrite::None, |f| f(Protocol::Tcp, target, ip)) {
                    Rewrite::To(ip, port) => target = (ip, port),
                    Rewrite::Reject => refused = true,
                    Rewrite::None | Rewrite::Drop => {}
                }
                let s = self.0.state.borrow();
                let there = if target.0.is_loopback() {
                    let own = from.or_else(|| s.hosts.get(&machine).copied());
                    own.and_then(|id| Some((id, s.namespaces.get(&id)?)))
                } else {
                    s.reached(machine, target.0)
                };
                route = match there {
                    Some((id, n)) => Route::To(id, n.machine, target),
                    None if target.0.is_loopback() => Route::Refused,
                    None => Route::Unreachable,
                };
            }
            if refused {
                route = Route::Refused;
            }
            (key, route, (machine, (ip, port)))
        };
        let (machine, address) = source;
        let (there, latency) = match route {
            Route::To(_, m, _) => (m, self.0.sim.links().latency(machine, m)),
            _ => (machine, self.0.sim.links().latency(machine, machine)),
        };
        let conn = Conn {
            sides: [
                side(peer, machine),
                // Who takes it is known when it arrives.
                side(Peer::Native(Rc::new(|_| {})), there),
            ],
            established: false,
        };
        self.0.state.borrow_mut().conns.insert(key, conn);
        let net = self.clone();
        self.0.sim.spawn(self.0.process, async move {
            let sim = net.0.sim.clone();
            match route {
                Route::To(id, there, to) => {
                    sim.sleep(latency).await;
                    let mut wait = Duration::from_secs(1);
                    let begin = sim.now();
                    while !sim.links().connected(machine, there) {
                        if sim.now().since(begin) >= CONNECT_TIMEOUT {
                            return net.fail(key, NetError::TimedOut);
                        }
                        sim.sleep(wait).await;
                        wait *= 2;
                    }
                    let taken = net.arrive(key, id, to, address);
                    sim.sleep(latency).await;
                    match taken {
                        Some(true) => net.connected(key),
                        Some(false) => net.fail(key, NetError::Refused),
                        None => {
                            sim.sleep(CONNECT_TIMEOUT).await;
                            net.fail(key, NetError::TimedOut);
                        }
                    }
                }
                Route::Refused => {
                    sim.sleep(latency).await;
                    net.fail(key, NetError::Refused);
                }
                Route::Unreachable => {
                    sim.sleep(UNREACHABLE_AFTER).await;
                    net.fail(key, NetError::Unreachable);
                }
                Route::Lost => {
                    sim.sleep(CONNECT_TIMEOUT).await;
                    net.fail(key, NetError::TimedOut);
                }
            }
        });
        key
    }

    /// The first packet is there: whether somebody listens; `None` when the namespace went meanwhile.
    fn arrive(&self, key: ConnKey, id: NetnsId, (ip, port): (IpAddr, u16), from: (IpAddr, u16)) -> Option<bool> {
        let listener = {
            let s = self.0.state.borrow();
            s.conns.get(&key)?;
            let n = s.namespaces.get(&id)?;
            n.listeners.get(&port).cloned()
        };
        let Some(listener) = listener else { return Some(false) };
        match listener {
            Listener::Guest(owner) => {
                let conn = ConnId(key.0);
                {
                    let mut s = self.0.state.borrow_mut();
                    s.by_guest.entry(owner).or_default().insert(conn, key);
                    let c = s.conns.get_mut(&key)?;
                    c.sides[1].peer = Peer::Guest(owner, conn);
                    c.established = true;
                }
                self.to_guest(owner, Event::Connection { port, conn, peer: from });
            }
            Listener::Native(_, Scope::Loopback, _) if !ip.is_loopback() => return Some(false),
            Listener::Native(process, _, accept) => {
                let receive = match self.0.sim.process_state(process) {
                    ProcessState::Dead => return Some(false),
                    // The kernel takes the connection; nobody reads what comes.
                    ProcessState::Stopped => Rc::new(|_: Delivery| {}),
                    ProcessState::Running => accept(key, from),
                };
                let mut s = self.0.state.borrow_mut();
                let c = s.conns.get_mut(&key)?;
                c.sides[1].peer = Peer::Native(receive);
                c.established = true;
            }
        }
        Some(true)
    }

    fn connected(&self, key: ConnKey) {
        let peer = self.0.state.borrow().conns.get(&key).map(|c| c.sides[0].peer.clone());
        if let Some(p) = peer {
            self.hand_over(&p, key, Delivery::Connected);
        }
        // What the listener sent at once waited for this.
        self.pump(key, 0);
    }

    fn fail(&self, key: ConnKey, error: NetError) {
        let conn = self.0.state.borrow_mut().conns.remove(&key);
        if let Some(c) = conn
            && !c.sides[0].closed
        {
            self.hand_over(&c.sides[0].peer, key, Delivery::Failed(error));
        }
    }

    fn key_of(&self, owner: SocketOwner, conn: ConnId) -> Option<ConnKey> {
        self.0.state.borrow().by_guest.get(&owner)?.get(&conn).copied()
    }

    /// Which side a guest holds: a pod that connects to itself holds both, told apart by the id's bit.
    fn side_of(&self, key: ConnKey, owner: SocketOwner, conn: ConnId) -> Option<usize> {
        let s = self.0.state.borrow();
        let c = s.conns.get(&key)?;
        c.sides.iter().position(|side| matches!(&side.peer, Peer::Guest(o, n) if *o == owner && *n == conn))
    }

    /// A guest sends bytes.
    pub fn send_guest(&self, owner: SocketOwner, conn: ConnId, bytes: Rc<[u8]>) {
        if let Some(key) = self.key_of(owner, conn)
            && let Some(side) = self.side_of(key, owner, conn)
        {
            self.send_from(key, side, Delivery::Data(bytes));
        }
    }

    /// A guest sends no more.
    pub fn shutdown_guest(&self, owner: SocketOwner, conn: ConnId) {
        if let Some(key) = self.key_of(owner, conn)
            && let Some(side) = self.side_of(key, owner, conn)
        {
            self.shut(key, side);
        }
    }

    /// A guest is done with a connection.
    pub fn close(&self, owner: SocketOwner, conn: ConnId) {
        let Some(key) = self.key_of(owner, conn) else { return };
        if let Some(side) = self.side_of(key, owner, conn) {
            self.close_side(key, side);
        }
        let mut s = self.0.state.borrow_mut();
        if let Some(names) = s.by_guest.get_mut(&owner) {
            names.remove(&conn);
            if names.is_empty() {
                s.by_guest.remove(&owner);
            }
        }
    }

    pub(super) fn close_guest(&self, owner: SocketOwner, key: ConnKey) {
        let sides: Vec<usize> = {
            let s = self.0.state.borrow();
            let Some(c) = s.conns.get(&key) else { return };
            (0..2).filter(|&i| matches!(&c.sides[i].peer, Peer::Guest(o, _) if *o == owner)).collect()
        };
        for side in sides {
            self.close_side(key, side);
        }
    }

    /// Code of the simulation sends on a connection that it opened (side 0) or took (side 1).
    pub fn send_native(&self, key: ConnKey, opened: bool, bytes: Rc<[u8]>) {
        self.send_from(key, usize::from(!opened), Delivery::Data(bytes));
    }

    /// Code of the simulation sends no more.
    pub fn shutdown_native(&self, key: ConnKey, opened: bool) {
        self.shut(key, usize::from(!opened));
    }

    /// Code of the simulation is done with a connection.
    pub fn close_native(&self, key: ConnKey, opened: bool) {
        self.close_side(key, usize::from(!opened));
    }

    fn shut(&self, key: ConnKey, from: usize) {
        let first = {
            let mut s = self.0.state.borrow_mut();
            let Some(c) = s.conns.get_mut(&key) else { return };
            !std::mem::replace(&mut c.sides[from].shut, true)
        };
        if first {
            self.send_from(key, from, Delivery::Eof);
        }
    }

    fn close_side(&self, key: ConnKey, side: usize) {
        self.shut(key, side);
        let mut s = self.0.state.borrow_mut();
        let Some(c) = s.conns.get_mut(&key) else { return };
        c.sides[side].closed = true;
        c.sides[side].inflight.clear();
        if c.sides[0].closed && (c.sides[1].closed || !c.established) && c.sides.iter().all(|s| !s.pumping) {
            s.conns.remove(&key);
        }
    }

    fn send_from(&self, key: ConnKey, from: usize, what: Delivery) {
        {
            let mut s = self.0.state.borrow_mut();
            let Some(c) = s.conns.get_mut(&key) else { return };
            let to = &mut c.sides[1 - from];
            if to.closed || to.inflight.len() >= INFLIGHT_MAX {
                return;
            }
            to.inflight.push_back(what);
        }
        self.pump(key, 1 - from);
    }

    /// Delivers what is on its way to a side, one after another, each after the link's latency.
    fn pump(&self, key: ConnKey, to: usize) {
        let (us, them) = {
            let mut s = self.0.state.borrow_mut();
            let Some(c) = s.conns.get_mut(&key) else { return };
            let machines = (c.sides[1 - to].machine, c.sides[to].machine);
            let side = &mut c.sides[to];
            if side.pumping || side.inflight.is_empty() {
                return;
            }
            side.pumping = true;
            machines
        };
        let net = self.clone();
        let latency = self.0.sim.links().latency(us, them);
        self.0.sim.spawn(self.0.process, async move {
            let sim = net.0.sim.clone();
            loop {
                // All that was sent up to now arrives together; what is sent during the flight follows later.
                let batch = {
                    let s = net.0.state.borrow();
                    s.conns.get(&key).map_or(0, |c| c.sides[to].inflight.len())
                };
                if batch == 0 {
                    break;
                }
                sim.sleep(latency).await;
                let (mut wait, mut tries) = (Duration::from_millis(200), 0);
                while !sim.links().connected(us, them) {
                    tries += 1;
                    if tries > RETRIES {
                        return net.break_off(key);
                    }
                    sim.sleep(wait).await;
                    wait *= 2;
                }
                for _ in 0..batch {
                    let next = {
                        let mut s = net.0.state.borrow_mut();
                        let Some(c) = s.conns.get_mut(&key) else { return };
                        let side = &mut c.sides[to];
                        side.inflight.pop_front().filter(|_| !side.closed).map(|d| (side.peer.clone(), d))
                    };
                    if let Some((peer, what)) = next {
                        net.hand_over(&peer, key, what);
                    }
                }
            }
            let mut s = net.0.state.borrow_mut();
            if let Some(c) = s.conns.get_mut(&key) {
                c.sides[to].pumping = false;
                if c.sides.iter().all(|s| s.closed && !s.pumping) {
                    s.conns.remove(&key);
                }
            }
        });
    }

    fn break_off(&self, key: ConnKey) {
        let conn = self.0.state.borrow_mut().conns.remove(&key);
        if let Some(c) = conn {
            for side in c.sides.iter().filter(|s| !s.closed) {
                self.hand_over(&side.peer, key, Delivery::Reset);
            }
        }
    }
}
