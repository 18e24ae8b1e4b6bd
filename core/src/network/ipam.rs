//! The addresses of one node's pods. Models the CNI plugin host-local.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// The addresses of one subnet: handed out in turn, from the second on, since the first is the bridge's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLocal {
    base: u32,
    size: u32,
    last: u32,
    used: BTreeMap<u32, ()>,
}

impl HostLocal {
    /// The addresses of a CIDR such as `10.244.1.0/24`.
    pub fn new(cidr: &str) -> Option<Self> {
        let (address, bits) = cidr.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok().filter(|b| (8..=30).contains(b))?;
        let size = 1u32 << (32 - bits);
        Some(HostLocal { base: u32::from(address) & !(size - 1), size, last: 1, used: BTreeMap::new() })
    }

    /// The bridge's own address.
    pub fn gateway(&self) -> IpAddr {
        Ipv4Addr::from(self.base + 1).into()
    }

    /// The next free address after the one given out last.
    pub fn allocate(&mut self) -> Option<IpAddr> {
        // The first two and the last aren't handed out.
        let usable = self.size - 3;
        for step in 1..=usable {
            let host = 2 + (self.last + usable - 2 + step) % usable;
            if let std::collections::btree_map::Entry::Vacant(free) = self.used.entry(host) {
                free.insert(());
                self.last = host;
                return Some(Ipv4Addr::from(self.base + host).into());
            }
        }
        None
    }

    /// Gives an address back.
    pub fn release(&mut self, ip: IpAddr) {
        if let IpAddr::V4(v4) = ip {
            self.used.remove(&u32::from(v4).wrapping_sub(self.base));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_in_turn_and_wraps() {
        let mut a = HostLocal::new("10.244.3.0/29").unwrap();
        let got: Vec<String> = (0..5).map(|_| a.allocate().unwrap().to_string()).collect();
        assert_eq!(got, ["10.244.3.2", "10.244.3.3", "10.244.3.4", "10.244.3.5", "10.244.3.6"]);
        assert_eq!(a.allocate(), None);
        a.release("10.244.3.3".parse().unwrap());
        assert_eq!(a.allocate().unwrap().to_string(), "10.244.3.3");
        a.release("10.244.3.2".parse().unwrap());
        a.release("10.244.3.5".parse().unwrap());
        // The one after the last comes first, not the lowest.
        assert_eq!(a.allocate().unwrap().to_string(), "10.244.3.5");
        assert_eq!(a.allocate().unwrap().to_string(), "10.244.3.2");
    }

    #[test]
    fn refuses_what_is_no_subnet() {
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "fd00::/64", "10.0.0.0/x"] {
            assert_eq!(HostLocal::new(bad), None, "{bad}");
        }
    }
}
