//! Which nodes a pod may run on, and the sentence when there is none.

use serde_json::{Value, json};

use super::fixture::{node, place, pod, scheduler, sized};

/// `nodes` and `running` are (name, rest of the object); running pods are on the node that comes first.
fn check(nodes: &[(&str, Value)], running: &[(&str, &str, Value)], incoming: Value, want: Result<&str, &str>) {
    let nodes: Vec<_> = nodes.iter().map(|(name, more)| node(name, more.clone())).collect();
    let running: Vec<_> = running.iter().map(|(on, name, more)| (*on, pod(name, more.clone()))).collect();
    let mut s = scheduler(&nodes, &running);
    let got = place(&mut s, &pod("new", incoming.clone()));
    assert_eq!(got.as_deref().map_err(String::as_str), want, "{incoming}");
}

fn unhelpful(nodes: usize) -> String {
    format!(
        " no new claims to deallocate, preemption: 0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling."
    )
}

fn taint(key: &str, effect: &str) -> Value {
    json!({"spec": {"taints": [{"key": key, "effect": effect}]}})
}

fn requests(list: Value) -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "app", "resources": {"requests": list}}]}})
}

#[test]
fn no_nodes() {
    check(&[], &[], json!({}), Err("no nodes available to schedule pods"));
}

#[test]
fn taints_and_cordons() {
    let control_plane = ("cp", taint("node-role.kubernetes.io/control-plane", "NoSchedule"));
    let worker = ("w", json!({}));
    check(&[control_plane.clone(), worker.clone()], &[], json!({}), Ok("w"));
    let all = format!("0/1 nodes are available: 1 node(s) had untolerated taint(s).{}", unhelpful(1));
    check(std::slice::from_ref(&control_plane), &[], json!({}), Err(&all));
    for (toleration, fits) in [
        (json!({"operator": "Exists"}), true),
        (json!({"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}), true),
        (json!({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}), true),
        (json!({"key": "node-role.kubernetes.io/control-plane", "value": "x"}), false),
        (json!({"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoExecute"}), false),
        (json!({"key": "other", "operator": "Exists"}), false),
    ] {
        let want = if fits { Ok("cp") } else { Err(all.as_str()) };
        check(std::slice::from_ref(&control_plane), &[], json!({"spec": {"tolerations": [toleration]}}), want);
    }
    // A soft taint keeps nobody off.
    check(&[("n", taint("a", "PreferNoSchedule"))], &[], json!({}), Ok("n"));
    let cordoned = ("n", json!({"spec": {"unschedulable": true}}));
    let message = format!("0/1 nodes are available: 1 node(s) were unschedulable.{}", unhelpful(1));
    check(std::slice::from_ref(&cordoned), &[], json!({}), Err(&message));
    let tolerant =
        json!({"spec": {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}});
    check(&[cordoned], &[], tolerant, Ok("n"));
}

#[test]
fn node_selectors() {
    let nodes = [("a", json!({"metadata": {"labels": {"disk": "ssd", "size": "7"}}})), ("b", json!({}))];
    let none = format!("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.{}", unhelpful(2));
    check(&nodes, &[], json!({"spec": {"nodeSelector": {"disk": "ssd"}}}), Ok("a"));
    check(&nodes, &[], json!({"spec": {"nodeSelector": {"disk": "hdd"}}}), Err(&none));
    let required = |terms: Value| {
        json!({"spec": {"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}}})
    };
    let expression = |key: &str, operator: &str, values: &[&str]| json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]);
    for (key, operator, values, want) in [
        ("disk", "In", vec!["hdd", "ssd"], Ok("a")),
        ("disk", "NotIn", vec!["ssd"], Ok("b")),
        ("disk", "Exists", vec![], Ok("a")),
        ("disk", "DoesNotExist", vec![], Ok("b")),
        ("size", "Gt", vec!["6"], Ok("a")),
        ("size", "Gt", vec!["7"], Err(none.as_str())),
        ("size", "Lt", vec!["8"], Ok("a")),
    ] {
        check(&nodes, &[], required(expression(key, operator, &values)), want);
    }
    // Terms are ORed; an empty one matches nothing.
    check(&nodes, &[], required(json!([{}, {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}])), Ok("a"));
    check(&nodes, &[], required(json!([{}])), Err(&none));
    // By name, as DaemonSet pods ask: the other nodes aren't even looked at.
    let named =
        |name: &str| required(json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}]));
    check(&nodes, &[], named("b"), Ok("b"));
    let missing =
        format!("0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeAffinity].{}", unhelpful(2));
    check(&nodes, &[], named("c"), Err(&missing));
    let full = [nodes[0].clone(), ("b", json!({"spec": {"unschedulable": true}}))];
    let one = format!(
        "0/2 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity], 1 node(s) were unschedulable.{}",
        unhelpful(2)
    );
    check(&full, &[], named("b"), Err(&one));
    let conflict = required(json!([{"matchFields": [
        {"key": "metadata.name", "operator": "In", "values": ["a"]},
        {"key": "metadata.name", "operator": "In", "values": ["b"]}]}]));
    check(
        &nodes,
        &[],
        conflict,
        Err(&format!("0/2 nodes are available: pod affinity terms conflict.{}", unhelpful(2))),
    );
}

#[test]
fn resources() {
    let node =
        ("n", json!({"status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "2", "nvidia.com/gpu": "1"}}}));
    let nodes = std::slice::from_ref(&node);
    let used = [("n", "old", requests(json!({"cpu": "1500m", "nvidia.com/gpu": "1"})))];
    check(nodes, &used, requests(json!({"cpu": "500m", "memory": "1Gi"})), Ok("n"));
    // Evicting could help, but there is nobody less important.
    let no_victims = |reasons: &str| {
        format!(
            "0/1 nodes are available: {reasons}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        )
    };
    check(nodes, &used, requests(json!({"cpu": "501m"})), Err(&no_victims("1 Insufficient cpu")));
    let gpu = requests(json!({"cpu": "1", "nvidia.com/gpu": "1"}));
    check(nodes, &used, gpu, Err(&no_victims("1 Insufficient cpu, 1 Insufficient nvidia.com/gpu")));
    // More than the node has at all: evicting can't help.
    let hopeless = format!("0/1 nodes are available: 1 Insufficient memory.{}", unhelpful(1));
    check(nodes, &used, requests(json!({"memory": "2Gi"})), Err(&hopeless));
    let two = [used[0].clone(), ("n", "old2", json!({}))];
    check(nodes, &two, json!({}), Err(&no_victims("1 Too many pods")));
}

#[test]
fn host_ports() {
    let port = |port: i32, protocol: &str, ip: &str| {
        json!({"spec": {"containers": [{"name": "c", "ports": [
            {"containerPort": 80, "hostPort": port, "protocol": protocol, "hostIP": ip}]}]}})
    };
    let taken = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    for (new, want) in [
        (port(80, "TCP", ""), Err(taken)),
        (port(80, "TCP", "127.0.0.1"), Err(taken)),
        (port(80, "UDP", ""), Ok("n")),
        (port(81, "TCP", ""), Ok("n")),
    ] {
        check(&[("n", json!({}))], &[("n", "old", port(80, "TCP", "0.0.0.0"))], new, want);
    }
    check(&[("n", json!({}))], &[("n", "old", port(80, "TCP", "10.0.0.1"))], port(80, "TCP", "10.0.0.2"), Ok("n"));
}

#[test]
fn pod_affinity() {
    let zone = |z: &str| json!({"metadata": {"labels": {"zone": z}}});
    let nodes = [("a", zone("1")), ("b", zone("1")), ("c", zone("2"))];
    let labelled = |app: &str| json!({"metadata": {"labels": {"app": app}}});
    let term = |sort: &str, key: &str, app: &str| {
        json!({"spec": {"affinity": {sort: {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}]}}}})
    };
    let host = "kubernetes.io/hostname";
    let db = [("c", "db", labelled("db"))];
    check(&nodes, &db, term("podAffinity", "zone", "db"), Ok("c"));
    let away = format!("0/3 nodes are available: 3 node(s) didn't match pod affinity rules.{}", unhelpful(3));
    check(&nodes, &db, term("podAffinity", "zone", "web"), Err(&away));
    // Another namespace's pods don't count.
    let mut foreign = labelled("db");
    foreign["metadata"]["namespace"] = "other".into();
    check(&nodes, &[("c", "db", foreign)], term("podAffinity", "zone", "db"), Err(&away));
    // The first of its kind may go anywhere that has the topology.
    let mut first = term("podAffinity", "rack", "new");
    first["metadata"] = json!({"labels": {"app": "new"}});
    check(&nodes, &[], first.clone(), Err(&away));
    let mut racked = nodes.clone();
    racked[1].1["metadata"]["labels"]["rack"] = "r".into();
    check(&racked, &[], first, Ok("b"));
    // Anti-affinity, by host and by zone.
    let ab = [("a", "w1", labelled("web")), ("b", "w2", labelled("web"))];
    check(&nodes, &ab, term("podAntiAffinity", host, "web"), Ok("c"));
    check(&nodes, &ab[..1], term("podAntiAffinity", "zone", "web"), Ok("c"));
    let all = [ab[0].clone(), ab[1].clone(), ("c", "w3", labelled("web"))];
    let nowhere = "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.";
    check(&nodes, &all, term("podAntiAffinity", host, "web"), Err(nowhere));
    // Pods that are there may object to the newcomer.
    let hermit = [("a", "h", term("podAntiAffinity", "zone", "new"))];
    check(&nodes, &hermit, labelled("new"), Ok("c"));
    let crowd = [hermit[0].clone(), ("c", "h2", term("podAntiAffinity", "zone", "new"))];
    let refused = "0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules. no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.";
    check(&nodes, &crowd, labelled("new"), Err(refused));
}

#[test]
fn topology_spread() {
    let zone = |z: &str| json!({"metadata": {"labels": {"zone": z}}});
    let nodes = [("a", zone("1")), ("b", zone("1")), ("c", zone("2")), ("d", json!({}))];
    let web = json!({"metadata": {"labels": {"app": "web"}}});
    let constraint = |key: &str, skew: i32, more: Value| {
        let mut c = json!({"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}}});
        super::fixture::merge(&mut c, more);
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"topologySpreadConstraints": [c]}})
    };
    let two = [("a", "w1", web.clone()), ("b", "w2", web.clone())];
    check(&nodes, &two, constraint("zone", 1, json!({})), Ok("c"));
    // Terminating pods don't count, so both zones are empty again; the node's own resources decide.
    let mut dying = web.clone();
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let half = [("c", "w1", dying), ("a", "w2", web.clone())];
    check(&nodes, &half, constraint("zone", 1, json!({})), Ok("c"));
    let full = [("a", "w1", web.clone()), ("c", "w2", web.clone())];
    let reason = "node(s) didn't match pod topology spread constraints";
    let message = |reasons: String, helpless: u32, rest: u32| {
        format!(
            "0/4 nodes are available: {reasons}. no new claims to deallocate, preemption: 0/4 nodes are available: {rest} Preemption is not helpful for scheduling, {helpless} No preemption victims found for incoming pod."
        )
    };
    // Three zones are wanted and there are two: the least counts as none.
    let want = message(format!("1 {reason} (missing required label), 3 {reason}"), 3, 1);
    check(&nodes, &full, constraint("zone", 1, json!({"minDomains": 3})), Err(&want));
    // A node that the pod can't use counts for the skew only if the policy says so.
    let mut picky = constraint("zone", 1, json!({}));
    picky["spec"]["nodeSelector"] = json!({"zone": "1"});
    check(&nodes[..3], &[two[0].clone()], picky.clone(), Ok("b"));
    picky["spec"]["topologySpreadConstraints"][0]["nodeAffinityPolicy"] = "Ignore".into();
    let other = format!(
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 {reason}. no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
    );
    check(&nodes[..3], &[two[0].clone()], picky, Err(&other));
}

#[test]
fn only_part_of_a_large_cluster_is_searched() {
    use crate::scheduler::schedule_one::feasible_nodes_to_find;
    for (percentage, nodes, want) in [
        (0, 50, 50),
        (0, 99, 99),
        (0, 100, 100),
        (0, 200, 100),
        (0, 1000, 420),
        (0, 5000, 500),
        (0, 6000, 300),
        (50, 1000, 500),
        (100, 1000, 1000),
    ] {
        assert_eq!(feasible_nodes_to_find(percentage, nodes), want, "{percentage}% of {nodes}");
    }
    let nodes: Vec<_> = (0..300).map(|i| node(&format!("n{i}"), json!({}))).collect();
    let mut s = scheduler(&nodes, &[]);
    let mut searched = Vec::new();
    for i in 0..3 {
        place(&mut s, &sized(&format!("p{i}"), "1", "1Gi", json!({}))).unwrap();
        let names = s.decision(&format!("p{i}")).unwrap().verdicts().map(|v| v.node.to_string());
        searched.push(names.collect::<Vec<_>>());
    }
    // 48% of 300; each search goes on where the last one ended.
    assert!(searched.iter().all(|names| names.len() == 144));
    assert_eq!((searched[0][0].as_str(), searched[1][0].as_str(), searched[2][0].as_str()), ("n0", "n144", "n288"));
    assert_eq!(searched[2][12], "n0");
}

#[test]
fn pods_in_flight_count() {
    let mut s = scheduler(&[node("a", json!({})), node("b", json!({}))], &[]);
    let mut placed: Vec<String> =
        (0..2).map(|i| place(&mut s, &sized(&format!("p{i}"), "3", "1Gi", json!({}))).unwrap()).collect();
    placed.sort();
    assert_eq!(placed, ["a", "b"]);
    assert!(place(&mut s, &sized("p2", "3", "1Gi", json!({}))).unwrap_err().contains("2 Insufficient cpu"));
}
