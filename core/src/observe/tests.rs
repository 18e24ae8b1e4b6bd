//! What is waited for, in a whole cluster: an arc closes on something that happens.

use std::time::Duration;

use super::{Frame, Observer, TimerKind, TimerView};
use crate::cluster::Cluster;
use crate::kubelet::tests::cluster;
use crate::session::{ComponentAction, Input, MachineAction, ServiceAction};

const S: u64 = 1_000_000_000;

struct Watched {
    cluster: Cluster,
    commands: u64,
}

impl Watched {
    fn new() -> Self {
        Watched { cluster: cluster(1), commands: 0 }
    }

    fn kubectl(&mut self, line: &str, manifest: &str) {
        self.commands += 1;
        let files = if manifest.is_empty() { Vec::new() } else { vec![("-".to_owned(), manifest.to_owned())] };
        self.cluster.submit(Input::Command { id: self.commands, line: format!("kubectl {line}"), files });
        self.run(1);
    }

    fn machine(&mut self, action: MachineAction) {
        self.cluster.submit(Input::Machine { machine: "worker-1".into(), action });
    }

    fn kubelet(&mut self, action: ServiceAction) {
        let (machine, service) = ("worker-1".into(), "kubelet".into());
        self.cluster.submit(Input::Service { machine, service, action });
    }

    fn manager(&mut self, action: ComponentAction) {
        let (machine, component) = ("control-plane".into(), "kube-controller-manager".into());
        self.cluster.submit(Input::Component { machine, component, action });
    }

    fn run(&mut self, seconds: u64) {
        self.cluster.run_for(Duration::from_secs(seconds));
    }

    fn frame(&self) -> Frame {
        self.cluster.observe(&mut Observer::new())
    }

    /// The wait of a kind that is told now.
    fn wait(&self, kind: TimerKind) -> Option<TimerView> {
        self.frame().timers.into_iter().find(|t| t.kind == kind)
    }

    fn has_pod(&self, name: &str) -> bool {
        self.frame().pods.iter().any(|p| p.name == name)
    }

    fn status(&self, name: &str) -> String {
        self.frame().pods.into_iter().find(|p| p.name == name).map_or(String::new(), |p| p.status)
    }
}

fn pod(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  nodeName: worker-1\n  containers:\n  - name: a\n    image: nginx:1.28.0\n{more}"
    )
}

/// What a pod's container does before it is told to end: it takes 20 s.
const SLOW: &str = "    lifecycle:\n      preStop:\n        sleep:\n          seconds: 20\n";

#[test]
fn an_eviction_is_told_only_while_there_is_who_evicts() {
    let mut w = Watched::new();
    w.kubectl("apply -f -", &pod("web", ""));
    w.run(10);
    w.machine(MachineAction::PowerOff);
    w.run(30);
    let silence = w.wait(TimerKind::NodeMonitorGrace).expect("a silence");
    assert_eq!(silence.until_ns - silence.from_ns, 50 * S);
    w.run(40);
    assert!(w.wait(TimerKind::NodeMonitorGrace).is_none());
    let before = w.wait(TimerKind::Eviction).expect("an eviction");
    // Nobody evicts while the controller-manager is away, and the one that comes begins to count anew.
    w.manager(ComponentAction::Stop);
    w.run(60);
    assert!(w.wait(TimerKind::Eviction).is_none());
    w.manager(ComponentAction::Start);
    w.run(30);
    let after = w.wait(TimerKind::Eviction).expect("an eviction");
    assert!(after.until_ns > before.until_ns + 60 * S, "{before:?} {after:?}");
    let left = after.until_ns - w.cluster.now().as_nanos();
    w.run(left / S - 1);
    assert_eq!(w.status("web"), "Running");
    w.run(4);
    assert_eq!(w.status("web"), "Terminating");
}

#[test]
fn a_silence_is_counted_anew_by_a_node_controller_that_has_just_begun() {
    let mut w = Watched::new();
    w.run(10);
    w.machine(MachineAction::Unplug);
    w.run(20);
    w.manager(ComponentAction::Stop);
    w.run(60);
    assert!(w.wait(TimerKind::NodeMonitorGrace).is_none());
    w.manager(ComponentAction::Start);
    w.run(30);
    let silence = w.wait(TimerKind::NodeMonitorGrace).expect("a silence");
    let left = silence.until_ns - w.cluster.now().as_nanos();
    assert!(silence.until_ns - silence.from_ns > 100 * S, "{silence:?}");
    w.run(left / S - 1);
    assert!(w.wait(TimerKind::NodeMonitorGrace).is_some(), "the node is not called NotReady before");
    // The controller looks every five seconds.
    w.run(8);
    assert!(w.wait(TimerKind::NodeMonitorGrace).is_none());
    assert!(w.frame().nodes.iter().any(|n| n.name == "worker-1" && n.why.contains("NodeStatusUnknown")));
}

#[test]
fn a_grace_ends_only_where_a_kubelet_knows_of_it() {
    let grace = TimerKind::TerminationGrace;
    let check = |breaks: &dyn Fn(&mut Watched), deleted_first: bool, told: bool| {
        let mut w = Watched::new();
        w.kubectl("apply -f -", &pod("web", SLOW));
        w.run(10);
        if deleted_first {
            w.kubectl("delete pod web --wait=false", "");
            w.run(1);
            assert!(w.wait(grace).is_some());
            breaks(&mut w);
        } else {
            breaks(&mut w);
            w.run(15);
            w.kubectl("delete pod web --wait=false", "");
        }
        w.run(1);
        assert_eq!(w.wait(grace).is_some(), told, "deleted first: {deleted_first}");
        w.machine(MachineAction::PowerOn);
        w.machine(MachineAction::Plug);
        w.kubelet(ServiceAction::Start);
        w.run(60);
        assert!(!w.has_pod("web"));
    };
    for deleted_first in [true, false] {
        check(&|_| {}, deleted_first, true);
        check(&|w| w.machine(MachineAction::PowerOff), deleted_first, false);
        check(&|w| w.kubelet(ServiceAction::Stop), deleted_first, false);
    }
    check(&|w| w.machine(MachineAction::Unplug), false, false);
}
