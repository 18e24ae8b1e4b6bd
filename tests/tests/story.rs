//! The whole story: boot, the seeds' manifests, a node's death, recovery, return.

use std::time::Duration;

use podarium_core::session::{ClusterConfig, Input, MachineAction};
use podarium_tests::tank;

const RC: &str = include_str!("../../static/manifests/replicationcontroller.yaml");
const RS: &str = include_str!("../../static/manifests/replicaset.yaml");

#[test]
fn boot_and_first_pods() {
    let mut c = tank::booted(ClusterConfig::default());
    println!("booted at {}", c.now());
    println!("{}", tank::ok(&mut c, "kubectl get nodes -o wide", &[]));
    println!("{}", tank::ok(&mut c, "kubectl get pods -A -o wide", &[]));
    println!("{}", tank::ok(&mut c, "kubectl apply -f rc.yaml", &[("rc.yaml", RC)]));
    c.run_for(Duration::from_secs(20));
    println!("{}", tank::ok(&mut c, "kubectl get pods -o wide", &[]));
    println!("{}", tank::ok(&mut c, "kubectl get events", &[]));
    let (out, err, code) = tank::command(&mut c, "kubectl apply -f rs.yaml", &[("rs.yaml", RS)]);
    println!("{out}{err}{code}");
    c.submit(Input::Machine { machine: "worker-1".into(), action: MachineAction::PowerOff });
    c.run_for(Duration::from_secs(400));
    println!("{}", tank::ok(&mut c, "kubectl get nodes -o wide", &[]));
    println!("{}", tank::ok(&mut c, "kubectl get pods -o wide", &[]));
    println!("{}", tank::ok(&mut c, "kubectl get events", &[]));
}
