//! Subsets of Endpoints in the one form that they are stored in: each set of addresses once, with all its ports.
//! Models `pkg/api/endpoints/util.go` (RepackSubsets).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset};

use super::md5;

/// What tells addresses apart: the address and whose it is.
type AddressKey = (String, String);

fn key(a: &EndpointAddress) -> AddressKey {
    let uid = a.target_ref.as_ref().and_then(|r| r.uid.clone()).unwrap_or_default();
    (a.ip.clone(), uid)
}

/// What tells ports apart; `None` stands for the addresses of a subset without ports.
type PortKey = Option<(String, i32, String, Option<String>)>;

fn port_key(p: &EndpointPort) -> PortKey {
    let name = p.name.clone().unwrap_or_default();
    Some((name, p.port, p.protocol.clone().unwrap_or_default(), p.app_protocol.clone()))
}

/// Go prints a port so before it is hashed; ports are sorted by their hashes.
fn hash(p: &EndpointPort) -> [u8; 16] {
    let app = p.app_protocol.as_deref().unwrap_or("<nil>");
    md5::digest(
        format!(
            "(core.EndpointPort){{Name:(string){} Port:(int32){} Protocol:(core.Protocol){} AppProtocol:(*string){app}}}",
            p.name.as_deref().unwrap_or_default(),
            p.port,
            p.protocol.as_deref().unwrap_or_default(),
        )
        .as_bytes(),
    )
}

/// Repacks.
pub(crate) fn repack(subsets: &[EndpointSubset]) -> Vec<EndpointSubset> {
    let mut addresses: BTreeMap<AddressKey, EndpointAddress> = BTreeMap::new();
    let mut ports: BTreeMap<PortKey, Option<EndpointPort>> = BTreeMap::new();
    let mut ready: BTreeMap<PortKey, BTreeMap<AddressKey, bool>> = BTreeMap::new();
    for subset in subsets {
        let mut of_subset: Vec<(PortKey, Option<EndpointPort>)> =
            subset.ports.iter().flatten().map(|p| (port_key(p), Some(p.clone()))).collect();
        if of_subset.is_empty() {
            of_subset.push((None, None));
        }
        for (at, port) in of_subset {
            ports.insert(at.clone(), port);
            for (list, is_ready) in [(&subset.addresses, true), (&subset.not_ready_addresses, false)] {
                for a in list.iter().flatten() {
                    addresses.entry(key(a)).or_insert_with(|| a.clone());
                    // Who is not ready once is not ready.
                    *ready.entry(at.clone()).or_default().entry(key(a)).or_insert(is_ready) &= is_ready;
                }
            }
        }
    }
    let mut by_addresses: BTreeMap<Vec<(AddressKey, bool)>, Vec<EndpointPort>> = BTreeMap::new();
    for (at, set) in ready {
        let offered = by_addresses.entry(set.into_iter().collect()).or_default();
        offered.extend(ports.get(&at).cloned().flatten());
    }
    let some = |list: Vec<EndpointAddress>| (!list.is_empty()).then_some(list);
    let mut out: Vec<EndpointSubset> = by_addresses
        .into_iter()
        .map(|(set, mut ports)| {
            let pick = |wanted: bool| -> Vec<EndpointAddress> {
                set.iter().filter(|(_, r)| *r == wanted).filter_map(|(k, _)| addresses.get(k).cloned()).collect()
            };
            ports.sort_by_key(hash);
            EndpointSubset {
                addresses: some(pick(true)),
                not_ready_addresses: some(pick(false)),
                ports: (!ports.is_empty()).then_some(ports),
            }
        })
        .collect();
    // Upstream sorts by hashes here too; those with more to sort than one subset are rare, and any fixed order serves.
    out.sort_by_key(|s| s.ports.as_ref().map(|p| p.iter().map(hash).collect::<Vec<_>>()));
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn subsets_are_repacked() {
        for (given, want) in [
            (
                json!([{"addresses": [{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 80, "protocol": "TCP"}]}]),
                json!([{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 80, "protocol": "TCP"}]}]),
            ),
            (
                json!([{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}, {"notReadyAddresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]),
                json!([{"notReadyAddresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]),
            ),
            (json!([{"addresses": [{"ip": "10.0.0.1"}]}]), json!([{"addresses": [{"ip": "10.0.0.1"}]}])),
            (json!([]), json!([])),
        ] {
            let subsets: Vec<EndpointSubset> = serde_json::from_value(given).expect("subsets");
            let got: Value = json!(repack(&subsets));
            assert_eq!(got, want);
        }
        let two: Vec<EndpointSubset> = serde_json::from_value(json!([
            {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "a", "port": 80}]},
            {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "b", "port": 81}]},
        ]))
        .expect("subsets");
        let packed = repack(&two);
        assert_eq!(packed.len(), 1, "one set of addresses, one subset");
        assert_eq!(packed.first().and_then(|s| s.ports.as_ref()).map(Vec::len), Some(2));
    }
}
