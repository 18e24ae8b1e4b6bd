//! The whole story: boot, the seeds' manifests, a node's death, recovery, return; with the times of upstream's defaults.

use std::time::Duration;

use podarium_core::observe::Observer;
use podarium_core::session::{ClusterConfig, Input, MachineAction};
use podarium_tests::tank;

const RC: &str = include_str!("../../static/manifests/replicationcontroller.yaml");
const RS: &str = include_str!("../../static/manifests/replicaset.yaml");
const LABELS: &str = "    metadata:\n      labels:\n        name: mypod\n";

fn lines(text: &str) -> Vec<Vec<String>> {
    text.lines().skip(1).map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
}

fn column(text: &str, at: usize) -> Vec<String> {
    lines(text).into_iter().filter_map(|mut l| (l.len() > at).then(|| l.swap_remove(at))).collect()
}

#[test]
fn seeds_death_recovery_and_return() {
    let mut c = tank::booted(ClusterConfig::default());
    assert_eq!(column(&tank::ok(&mut c, "kubectl get nodes", &[]), 1), ["Ready"; 4]);

    // The ReplicationController of the seeds: its selector defaults from the template's labels.
    assert_eq!(
        tank::ok(&mut c, "kubectl apply -f rc.yaml", &[("rc.yaml", RC)]),
        "replicationcontroller/myapp-rc created\n"
    );
    c.run_for(Duration::from_secs(20));
    let pods = tank::ok(&mut c, "kubectl get pods -o wide", &[]);
    assert_eq!(column(&pods, 2), ["Running"; 3], "{pods}");

    // The ReplicaSet of the seeds as it stands, and mended.
    let (_, said, code) = tank::command(&mut c, "kubectl apply -f rs.yaml", &[("rs.yaml", RS)]);
    assert_eq!(
        (said.as_str(), code),
        (
            "The ReplicaSet \"myapp-rs\" is invalid: spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`\n",
            1
        )
    );
    let mended = RS.replacen("    metadata:\n", LABELS, 1);
    assert_eq!(
        tank::ok(&mut c, "kubectl apply -f rs.yaml", &[("rs.yaml", &mended)]),
        "replicaset.apps/myapp-rs created\n"
    );
    c.run_for(Duration::from_secs(20));

    // worker-1 loses its power.
    c.submit(Input::Machine { machine: "worker-1".into(), action: MachineAction::PowerOff });
    let died = c.now();
    let not_ready = c.run_while(died + Duration::from_secs(120), |c| c.nodes_ready() == 3);
    let silent = c.now().since(died).as_secs_f64();
    // The last renewal was up to 10 s before; then 50 s of grace and the next look, 5 s at most.
    assert!(not_ready && (40.0..=56.0).contains(&silent), "NotReady after {silent} s");
    assert_eq!(column(&tank::ok(&mut c, "kubectl get nodes", &[]), 1), ["Ready", "NotReady", "Ready", "Ready"]);
    // Its pods still look well to whoever asks the api-server.
    let pods = tank::ok(&mut c, "kubectl get pods", &[]);
    assert_eq!(column(&pods, 2), ["Running"; 6], "{pods}");

    // 300 s later they are evicted: ghosts that nobody confirms, and their replacements.
    c.run_for(Duration::from_secs(290));
    assert_eq!(lines(&tank::ok(&mut c, "kubectl get pods", &[])).len(), 6);
    c.run_for(Duration::from_secs(40));
    let pods = tank::ok(&mut c, "kubectl get pods -o wide", &[]);
    let ghosts = lines(&pods).iter().filter(|l| l[2] == "Terminating" && l.contains(&"worker-1".to_owned())).count();
    let running = lines(&pods).iter().filter(|l| l[2] == "Running" && !l.contains(&"worker-1".to_owned())).count();
    assert!(ghosts >= 1, "{pods}");
    assert_eq!((running, lines(&pods).len()), (6, 6 + ghosts), "{pods}");

    // The machine comes back: its kubelet confirms, the ghosts go, nothing is rebalanced.
    c.submit(Input::Machine { machine: "worker-1".into(), action: MachineAction::PowerOn });
    c.run_for(Duration::from_secs(90));
    assert_eq!(column(&tank::ok(&mut c, "kubectl get nodes", &[]), 1), ["Ready"; 4]);
    let pods = tank::ok(&mut c, "kubectl get pods -o wide", &[]);
    assert_eq!(column(&pods, 2), ["Running"; 6], "{pods}");
    assert!(!pods.contains("worker-1"), "{pods}");
}

#[test]
fn a_session_replays_to_the_same_cluster() {
    let mut c = tank::booted(ClusterConfig { seed: 7, ..ClusterConfig::default() });
    tank::ok(&mut c, "kubectl apply -f rc.yaml", &[("rc.yaml", RC)]);
    c.submit(Input::Machine { machine: "worker-2".into(), action: MachineAction::Unplug });
    c.run_for(Duration::from_secs(70));
    let again = tank::replay(c.session());
    let entries = |c: &podarium_core::cluster::Cluster| (c.now(), c.sim().steps(), c.sim().trace().to_text());
    assert_eq!(entries(&again), entries(&c));
}

#[test]
fn where_nothing_happens_frames_tell_nothing() {
    let mut c = tank::booted(ClusterConfig::default());
    c.run_for(Duration::from_secs(120));
    let mut observer = Observer::new();
    assert!(!c.observe(&mut observer).is_quiet(), "the first frame is the whole world");
    // Kubelets renew leases and post statuses meanwhile.
    for _ in 0..20 {
        c.run_for(Duration::from_secs(60));
        let frame = c.observe(&mut observer);
        assert!(frame.is_quiet() && !frame.heartbeats.is_empty(), "{frame:?}");
    }
    tank::ok(&mut c, "kubectl cordon worker-1", &[]);
    let frame = c.observe(&mut observer);
    assert_eq!(frame.nodes.iter().map(|n| (&*n.name, n.unschedulable)).collect::<Vec<_>>(), [("worker-1", true)]);
    assert!(!frame.is_quiet());
}
