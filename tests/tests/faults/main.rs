//! Every way to break a cluster and to mend it, as data: what is done when, and what must then be told, at upstream's times.

mod pods;
mod zones;

use podarium_core::session::ClusterConfig;
use podarium_tests::tank;
use podarium_tests::timeline::{Scenario, check};

/// One pod that would rather be on worker-1, and a service that leads to it.
const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [worker-1]}]}
      containers: [{name: main, image: 'nginx:1.28.0'}]
";

const FILES: [(&str, &str); 1] = [("web.yaml", WEB)];
const APPLY: (f64, &str) = (0.0, "kubectl apply -f web.yaml");
const STOPPED_POSTING: &str = "node worker-1 Ready=Unknown NodeStatusUnknown: Kubelet stopped posting node status.";

fn small() -> podarium_core::cluster::Cluster {
    tank::booted(ClusterConfig { workers: 2, ..ClusterConfig::default() })
}

/// What every kind of silence leads to, up to the taints.
const SILENCE: [(&str, f64, f64, &str); 7] = [
    ("<lease worker-1 renewed", 50.0, 55.5, STOPPED_POSTING),
    (STOPPED_POSTING, 0.0, 0.1, "pod web-1 Ready=False"),
    (STOPPED_POSTING, 0.0, 0.1, "event Warning NodeNotReady pod/web-1: Node is not ready"),
    (STOPPED_POSTING, 0.0, 0.5, "event Normal NodeNotReady node/worker-1: Node worker-1 status is now: NodeNotReady"),
    (STOPPED_POSTING, 0.0, 0.1, "node worker-1 +node.kubernetes.io/unreachable:NoSchedule"),
    (
        "node worker-1 +node.kubernetes.io/unreachable:NoSchedule",
        0.0,
        0.1,
        "node worker-1 +node.kubernetes.io/unreachable:NoExecute",
    ),
    (STOPPED_POSTING, 0.0, 1.5, "service web leads to 0"),
];

const EVICTED: &str =
    "pod web-1 DisruptionTarget DeletionByTaintManager: Taint manager: deleting due to NoExecute taint";

/// What follows when nobody comes back within 300 s.
const EVICTION: [(&str, f64, f64, &str); 4] = [
    ("node worker-1 +node.kubernetes.io/unreachable:NoExecute", 299.9, 300.3, EVICTED),
    (
        "node worker-1 +node.kubernetes.io/unreachable:NoExecute",
        299.9,
        300.3,
        "event Normal TaintManagerEviction pod/web-1: Marking for deletion Pod default/web-1",
    ),
    (EVICTED, 0.0, 0.1, "pod web-1 deleting"),
    ("pod web-1 deleting", 0.0, 0.1, "pod web-2 made"),
];

/// By when a kubelet that was cut off has heard of the api-server again, and told it how it is: its reflectors ask 30 to 60 s after
/// they failed last, the request may still be one that fails after 10 s, and it looks at what they hold every 10 s.
const RECONNECTED_S: f64 = 80.0;

type Told<'a> = (&'a str, f64, f64, &'a str);

fn all<'a>(parts: &[&[Told<'a>]]) -> Vec<Told<'a>> {
    parts.concat()
}

#[test]
fn power_off() {
    let more = [
        ("pod web-2 made", 0.0, 5.0, "pod web-2 is Running"),
        ("", 420.0, 420.5, "| web-1 1/1 Terminating 0 *m*"),
        ("", 420.0, 420.5, "| web-2 1/1 Running 0 *s"),
    ];
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "power off worker-1"), (420.0, "kubectl get pods")],
            until_s: 430.0,
            told: &all(&[&SILENCE, &EVICTION, &more]),
            never: &["pod web-1 gone", "pod web-2 bound to worker-1"],
        },
    );
}

#[test]
fn power_back_after_the_eviction() {
    let more = [
        ("> power on worker-1", 5.0, 30.0, "node worker-1 Ready=True KubeletReady: kubelet is posting ready status"),
        ("> power on worker-1", 5.0, 40.0, "pod web-1 gone"),
        ("> power on worker-1", 5.0, 30.0, "node worker-1 -node.kubernetes.io/unreachable:NoExecute"),
    ];
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "power off worker-1"), (420.0, "power on worker-1")],
            until_s: 500.0,
            told: &all(&[&SILENCE, &EVICTION, &more]),
            never: &["pod web-3 made", "pod web-2 deleting"],
        },
    );
}

#[test]
fn a_reboot_before_the_eviction() {
    let back = "node worker-1 Ready=True KubeletReady: kubelet is posting ready status";
    let more = [
        ("> power on worker-1", 8.0, 25.0, back),
        (
            "> power on worker-1",
            8.0,
            25.0,
            "event Warning Rebooted node/worker-1: Node worker-1 has been rebooted, boot id: *",
        ),
        ("> power on worker-1", 8.0, 30.0, "pod web-1 main ended 255 Unknown: "),
        ("> power on worker-1", 8.0, 30.0, "pod web-1 main restarts 1"),
        ("> power on worker-1", 8.0, 30.0, "pod web-1 Ready=True"),
        (
            "> power on worker-1",
            8.0,
            30.0,
            "event Normal TaintManagerEviction pod/web-1: Cancelling deletion of Pod default/web-1",
        ),
    ];
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "power off worker-1"), (200.0, "power on worker-1")],
            until_s: 420.0,
            told: &all(&[&SILENCE, &more]),
            never: &["pod web-1 deleting", "pod web-2 made"],
        },
    );
}

/// Cut off or without a kubelet, and back before 300 s: the same pods, whose containers never stopped.
fn back_in_time(cut: &str, mend: &str) {
    let mended = format!("> {mend}");
    let back = "node worker-1 Ready=True KubeletReady: kubelet is posting ready status";
    let more = [
        (mended.as_str(), 0.0, RECONNECTED_S, back),
        (mended.as_str(), 0.0, RECONNECTED_S, "pod web-1 Ready=True"),
        (back, 0.0, 0.1, "node worker-1 -node.kubernetes.io/unreachable:NoSchedule"),
        (back, 0.0, 5.0, "node worker-1 -node.kubernetes.io/unreachable:NoExecute"),
        (
            "node worker-1 -node.kubernetes.io/unreachable:NoExecute",
            0.0,
            0.2,
            "event Normal TaintManagerEviction pod/web-1: Cancelling deletion of Pod default/web-1",
        ),
        ("pod web-1 Ready=True", 0.0, 5.0, "service web leads to 1"),
    ];
    // `web-1` is Ready at its start too: what counts is the second time.
    let later: Vec<Told<'_>> = more.into_iter().filter(|(since, ..)| *since != "pod web-1 Ready=True").collect();
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, cut), (200.0, mend)],
            until_s: 560.0,
            told: &all(&[&SILENCE, &later, &[(mended.as_str(), 0.0, RECONNECTED_S, "service web leads to 1")]]),
            never: &["pod web-1 deleting", "pod web-2 made", "pod web-1 main restarts*", "pod web-1 main ended*"],
        },
    );
}

#[test]
fn network_back_before_the_eviction() {
    back_in_time("unplug worker-1", "plug worker-1");
}

#[test]
fn kubelet_back_before_the_eviction() {
    back_in_time("systemctl stop kubelet on worker-1", "systemctl start kubelet on worker-1");
}

#[test]
fn network_back_after_the_eviction() {
    let back = "node worker-1 Ready=True KubeletReady: kubelet is posting ready status";
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "unplug worker-1"), (420.0, "plug worker-1")],
            until_s: 520.0,
            told: &all(&[
                &SILENCE,
                &EVICTION,
                &[
                    ("> plug worker-1", 0.0, RECONNECTED_S, back),
                    ("> plug worker-1", 0.0, RECONNECTED_S, "pod web-1 gone"),
                ],
            ]),
            never: &["pod web-1 main restarts*", "pod web-3 made", "pod web-2 deleting"],
        },
    );
}

#[test]
fn kubelet_killed() {
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "kill kubelet on worker-1")],
            until_s: 120.0,
            told: &[(
                "> kill kubelet on worker-1",
                10.0,
                12.0,
                "event Normal Starting node/worker-1: Starting kubelet.",
            )],
            never: &["node worker-1 Ready=*", "pod web-1 Ready=False", "pod web-1 main*", "pod web-1 deleting"],
        },
    );
}

#[test]
fn node_deleted() {
    let gc = "pod web-1 DisruptionTarget DeletionByPodGC: PodGC: node no longer exists";
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "power off worker-1"), (21.0, "kubectl delete node worker-1")],
            until_s: 150.0,
            told: &[
                ("> kubectl delete*", 0.0, 0.1, "node worker-1 gone"),
                ("> kubectl delete*", 0.0, 0.2, "| node \"worker-1\" deleted"),
                (
                    "> kubectl delete*",
                    0.0,
                    6.0,
                    "event Normal RemovingNode node/worker-1: Node worker-1 event: Removing Node worker-1 from Controller",
                ),
                ("node worker-1 gone", 40.0, 81.0, gc),
                (gc, 0.0, 0.02, "pod web-1 is Failed"),
                (gc, 0.0, 0.02, "pod web-1 gone"),
                ("pod web-1 gone", 0.0, 0.1, "pod web-2 made"),
            ],
            never: &[],
        },
    );
}

#[test]
fn pod_deleted() {
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "kubectl delete pod web-1")],
            until_s: 60.0,
            told: &[
                ("> kubectl delete*", 0.0, 0.1, "pod web-1 deleting"),
                ("pod web-1 deleting", 0.0, 0.1, "pod web-2 made"),
                ("pod web-1 deleting", 0.0, 0.5, "event Normal Killing pod/web-1: Stopping container main"),
                ("pod web-1 deleting", 0.0, 3.0, "pod web-1 gone"),
                ("> kubectl delete*", 0.0, 3.0, "| pod \"web-1\" deleted*"),
                ("pod web-2 made", 0.0, 5.0, "pod web-2 Ready=True"),
            ],
            never: &[],
        },
    );
}

#[test]
fn container_killed() {
    let backoff = |s: u32| {
        format!(
            "pod web-1 main waits CrashLoopBackOff: back-off {s}s restarting failed container=main pod=web-1_default(*)"
        )
    };
    let (ten, twenty) = (backoff(10), backoff(20));
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[
                APPLY,
                (20.0, "kill container web-1/main"),
                (24.0, "kill container web-1/main"),
                (45.0, "kill container web-1/main"),
            ],
            until_s: 120.0,
            told: &[
                ("> kill container*", 0.0, 1.5, "pod web-1 main ended 137 Error: "),
                ("> kill container*", 0.0, 3.0, "pod web-1 main restarts 1"),
                ("pod web-1 main restarts 1", 0.0, 4.0, ten.as_str()),
                (
                    "pod web-1 main restarts 1",
                    0.0,
                    4.0,
                    "event Warning BackOff pod/web-1: Back-off restarting failed container main in pod web-1_default(*)",
                ),
                (ten.as_str(), 8.0, 12.5, "pod web-1 main restarts 2"),
                ("pod web-1 main restarts 2", 0.0, 12.0, twenty.as_str()),
                (twenty.as_str(), 18.0, 23.0, "pod web-1 main restarts 3"),
            ],
            never: &["pod web-2 made"],
        },
    );
}

#[test]
fn scheduler_stopped() {
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[
                (0.0, "stop kube-scheduler"),
                (5.0, "kubectl apply -f web.yaml"),
                (60.0, "kubectl get pods"),
                (61.0, "start kube-scheduler"),
            ],
            until_s: 120.0,
            told: &[
                ("> kubectl apply*", 0.0, 0.3, "pod web-1 is Pending"),
                ("> kubectl get pods", 0.0, 0.1, "| web-1 0/1 Pending 0 5*s"),
                ("> start*", 0.1, 40.0, "pod web-1 bound to worker-1"),
                // kube-proxy waited for the scheduler too, and images are pulled one after another.
                ("pod web-1 bound to worker-1", 0.0, 9.0, "pod web-1 is Running"),
            ],
            never: &[],
        },
    );
}

#[test]
fn controller_manager_stopped() {
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[
                APPLY,
                (20.0, "stop kube-controller-manager"),
                (30.0, "kubectl delete pod web-1"),
                (90.0, "start kube-controller-manager"),
            ],
            until_s: 150.0,
            told: &[("> kubectl delete*", 0.0, 3.0, "pod web-1 gone"), ("> start*", 0.5, 40.0, "pod web-2 made")],
            never: &[],
        },
    );
}

#[test]
fn the_countdown_starts_over_with_the_controller_manager() {
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[APPLY, (20.0, "power off worker-1"), (200.0, "kill kube-controller-manager")],
            until_s: 600.0,
            told: &all(&[&SILENCE, &[("> kill kube-controller-manager", 300.0, 345.0, EVICTED)]]),
            never: &[],
        },
    );
}

#[test]
fn api_server_stopped() {
    let refused =
        "| The connection to the server 172.30.0.2:6443 was refused - did you specify the right host or port?";
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[
                APPLY,
                (20.0, "stop kube-apiserver"),
                (40.0, "kubectl get pods"),
                (41.0, "kill container web-1/main"),
                (60.0, "start kube-apiserver"),
                (110.0, "kubectl get pods"),
            ],
            until_s: 120.0,
            told: &[
                ("> kubectl get pods", 0.0, 0.1, refused),
                ("> kubectl get pods", 0.0, 0.1, "| exit 1"),
                // The kubelet went on: what it did shows once it can tell.
                ("> start kube-apiserver", 0.5, 45.0, "pod web-1 main restarts 1"),
                ("> start kube-apiserver", 50.0, 50.5, "| web-1 1/1 Running 1 (*s ago) *"),
            ],
            never: &["pod web-2 made", "pod web-1 deleting", "node worker-1 Ready=*"],
        },
    );
}

#[test]
fn etcd_stopped() {
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[
                APPLY,
                (20.0, "stop etcd"),
                (40.0, "kubectl get pods"),
                (60.0, "start etcd"),
                (200.0, "kubectl get pods"),
            ],
            until_s: 210.0,
            told: &[
                ("> kubectl get pods", 0.0, 70.0, "| *"),
                ("> kubectl get pods", 0.0, 70.0, "| exit 1"),
                ("> start etcd", 140.0, 140.5, "| web-1 1/1 Running 0 *"),
            ],
            never: &["pod web-2 made", "pod web-1 deleting", "pod web-1 main*"],
        },
    );
}
