//! Many nodes of a zone, or all of them, at once.

use podarium_core::session::ClusterConfig;
use podarium_tests::tank;
use podarium_tests::timeline::{Scenario, check};

use super::{APPLY, FILES, STOPPED_POSTING, small};

/// A pod on every worker, with its own name.
fn spread(workers: u32) -> String {
    (1..=workers)
        .map(|n| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: on-{n}}}\nspec:\n  nodeSelector: {{kubernetes.io/hostname: worker-{n}}}\n  containers: [{{name: main, image: 'registry.k8s.io/pause:3.10'}}]\n"
            )
        })
        .collect()
}

#[test]
fn many_nodes_at_once() {
    let text = spread(10);
    check(
        tank::booted(ClusterConfig { workers: 10, ..ClusterConfig::default() }),
        &Scenario {
            files: &[("spread.yaml", &text)],
            // 3 of 11: less than 55%, so they are evicted, one each ten seconds.
            acts: &[(0.0, "kubectl apply -f spread.yaml"), (20.0, "power off worker-1 worker-2 worker-3")],
            until_s: 120.0,
            told: &[(
                "node worker-* +node.kubernetes.io/unreachable:NoExecute",
                9.0,
                11.0,
                "node worker-* +node.kubernetes.io/unreachable:NoExecute",
            )],
            never: &[],
        },
    );
}

#[test]
fn most_of_a_zone_at_once() {
    let text = spread(10);
    check(
        tank::booted(ClusterConfig { workers: 10, ..ClusterConfig::default() }),
        &Scenario {
            files: &[("spread.yaml", &text)],
            // 7 of 11 are 64%: a small zone in partial disruption is not evicted from at all.
            acts: &[
                (0.0, "kubectl apply -f spread.yaml"),
                (20.0, "power off worker-1 worker-2 worker-3 worker-4 worker-5 worker-6 worker-7"),
            ],
            until_s: 600.0,
            told: &[("> power off*", 40.0, 60.0, "node worker-7 +node.kubernetes.io/unreachable:NoSchedule")],
            never: &["pod * deleting"],
        },
    );
}

#[test]
fn all_zones_gone() {
    check(
        small(),
        &Scenario {
            files: &FILES,
            acts: &[
                APPLY,
                (20.0, "unplug worker-1"),
                (20.0, "unplug worker-2"),
                (20.0, "systemctl stop kubelet on control-plane"),
            ],
            until_s: 500.0,
            told: &[("> unplug worker-1", 40.0, 60.0, STOPPED_POSTING)],
            never: &["pod web-1 deleting"],
        },
    );
}
