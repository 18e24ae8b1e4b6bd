//! Specs in, specs or errors out: what is kept, what is given out, and what is refused.

use serde_json::{Value, json};

use super::*;
use crate::sim::Sim;

fn spec(value: &Value) -> ServiceSpec {
    serde_json::from_value(value.clone()).expect("a spec")
}

/// What giving out does to a new Service, others having taken 10.96.0.10 and 30080; the errors if it is refused.
fn create(given: &Value, dry_run: bool) -> Result<Value, Vec<String>> {
    let sim = Sim::new(1, "2026-01-01T00:00:00Z".parse().expect("a time"));
    let mut pool = Pool::new(&sim, dry_run);
    pool.taken_by(&spec(&json!({"clusterIPs": ["10.96.0.10"], "ports": [{"port": 1, "nodePort": 30080}]})));
    let mut spec = spec(given);
    let told = |s: Status| {
        let causes = s.details.iter().flat_map(|d| d.causes.iter());
        let causes: Vec<String> = causes.map(|c| format!("{}: {}", c.field, c.message)).collect();
        if causes.is_empty() { vec![s.message] } else { causes }
    };
    kept::normalize_new(&mut spec);
    invalid("s", families::init(&mut spec, None)).map_err(told)?;
    allocate_ips(&mut spec, "s", &mut pool).map_err(told)?;
    if matches!(kind(&spec), "NodePort" | "LoadBalancer") {
        ports::init(&mut spec, "s", &mut pool).map_err(told)?;
    }
    Ok(json!(spec))
}

#[test]
fn refused() {
    let cases = [
        (
            json!({"type": "ClusterIP", "clusterIP": "192.168.1.1"}),
            "spec.clusterIPs: Invalid value: [\"192.168.1.1\"]: failed to allocate IP 192.168.1.1: the provided network does not match the current range",
        ),
        (
            json!({"type": "ClusterIP", "clusterIP": "10.96.0.0"}),
            "spec.clusterIPs: Invalid value: [\"10.96.0.0\"]: failed to allocate IP 10.96.0.0: the provided IP (10.96.0.0) is not in the valid range. The range of valid IPs is 10.96.0.0/12",
        ),
        (
            json!({"type": "ClusterIP", "clusterIP": "10.96.0.10"}),
            "spec.clusterIPs: Invalid value: [\"10.96.0.10\"]: failed to allocate IP 10.96.0.10: provided IP is already allocated",
        ),
        (
            json!({"type": "ClusterIP", "clusterIP": "fd00::1"}),
            "spec.clusterIPs[0]: Invalid value: [\"fd00::1\"]: IPv6 is not configured on this cluster",
        ),
        (
            json!({"type": "ClusterIP", "ipFamilies": ["IPv6"]}),
            "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
        ),
        (
            json!({"type": "ClusterIP", "ipFamilyPolicy": "RequireDualStack"}),
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
        ),
        (
            json!({"type": "ClusterIP", "ipFamilyPolicy": "Both"}),
            "spec.ipFamilyPolicy: Unsupported value: \"Both\": supported values: \"PreferDualStack\", \"RequireDualStack\", \"SingleStack\"",
        ),
        (
            json!({"type": "ClusterIP", "clusterIPs": ["10.96.0.7"]}),
            "spec.clusterIPs: Invalid value: [\"10.96.0.7\"]: must be empty when `clusterIP` is not specified",
        ),
        (
            json!({"type": "ClusterIP", "ipFamilies": ["IPv4", "IPv6"]}),
            "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
        ),
        (
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}),
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (
            json!({"type": "NodePort", "ports": [{"port": 80}, {"port": 81, "nodePort": 30080}]}),
            "spec.ports[1].nodePort: Invalid value: 30080: provided port is already allocated",
        ),
        (
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30081}, {"port": 81, "nodePort": 30081}]}),
            "spec.ports[1].nodePort: Invalid value: 30081: provided port is already allocated",
        ),
    ];
    for (given, want) in cases {
        assert_eq!(create(&given, false), Err(vec![want.to_owned()]), "{given}");
    }
}

#[test]
fn given_out() {
    let got = create(&json!({"type": "ClusterIP"}), false).expect("taken");
    assert_eq!(got["clusterIPs"][0], got["clusterIP"]);
    assert!(got["clusterIP"].as_str().is_some_and(|ip| ip.starts_with("10.")));
    assert_eq!((&got["ipFamilies"], &got["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));

    let got = create(&json!({"type": "ClusterIP", "clusterIP": "None"}), false).expect("taken");
    assert_eq!((&got["ipFamilies"], &got["ipFamilyPolicy"]), (&json!(["IPv4", "IPv6"]), &json!("RequireDualStack")));
    assert_eq!(got["clusterIPs"], json!(["None"]));

    let got = create(&json!({"type": "ClusterIP", "clusterIP": "None", "selector": {"a": "b"}}), false).expect("taken");
    assert_eq!((&got["ipFamilies"], &got["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));

    let two = json!([{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]);
    let got = create(&json!({"type": "NodePort", "ports": two}), false).expect("taken");
    assert_eq!(got["ports"][0]["nodePort"], got["ports"][1]["nodePort"], "one port, one node port");

    let unasked = json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]});
    assert_eq!(create(&unasked, false).expect("taken")["ports"][0].get("nodePort"), None);

    let got = create(&json!({"type": "NodePort", "ports": [{"port": 80}, {"port": 81}]}), true).expect("taken");
    let ports = [&got["ports"][0]["nodePort"], &got["ports"][1]["nodePort"]];
    assert_eq!((&got["clusterIP"], ports), (&json!("10.96.0.0"), [&json!(32768), &json!(32769)]), "a dry run pretends");
}

#[test]
fn kept() {
    let was = json!({"type": "NodePort", "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"],
        "ports": [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]});
    for (given, want) in [
        (
            json!({"type": "NodePort", "ports": [{"name": "b", "port": 8081}]}),
            json!({"type": "NodePort", "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"],
                "ports": [{"name": "b", "port": 8081, "nodePort": 30002}]}),
        ),
        (
            json!({"type": "NodePort", "clusterIP": "10.96.0.6", "ports": [{"name": "a", "port": 80, "nodePort": 30002}, {"name": "b", "port": 81}]}),
            json!({"type": "NodePort", "clusterIP": "10.96.0.6", "clusterIPs": ["10.96.0.6"],
                "ports": [{"name": "a", "port": 80, "nodePort": 30002}, {"name": "b", "port": 81}]}),
        ),
        (json!({"type": "ExternalName"}), json!({"type": "ExternalName"})),
    ] {
        let mut new = spec(&given);
        let was = spec(&was);
        super::kept::patch(&mut new, &was);
        super::kept::normalize(&mut new, &was);
        assert_eq!(json!(new), want);
    }
}
