//! Manifests of random workloads.

use crate::dice::Dice;

/// Names of what can never become Ready.
const BAD: &str = "bad-";

/// Whether a workload of this name can never become Ready.
pub(super) fn is_bad(name: &str) -> bool {
    name.starts_with(BAD)
}

/// The kinds that have replicas.
pub(super) const SCALED: [&str; 3] = ["replicaset", "replicationcontroller", "deployment"];

/// A random manifest: `(kind, name, text)`.
pub(super) fn any(dice: &mut Dice) -> (&'static str, String, String) {
    let kind = *dice
        .weighted(&[
            (5, "replicaset"),
            (2, "replicationcontroller"),
            (5, "deployment"),
            (2, "daemonset"),
            (2, "pod"),
            (2, "service"),
        ])
        .unwrap_or(&"pod");
    // Few names, so that applying changes what is there.
    let name = format!("{}-{}", &kind[..2], dice.below(2));
    if kind == "service" {
        let selected = format!("{}-{}", ["re", "de"][dice.below(2)], dice.below(2));
        return (kind, name.clone(), service(&name, &selected));
    }
    let bad = dice.once_in(8);
    let name = if bad { format!("{BAD}{name}") } else { name };
    let spec = pod_spec(dice, bad);
    let text = match kind {
        "pod" => {
            format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels:\n    app: {name}\nspec:\n{spec}")
        }
        _ => workload(dice, kind, &name, &spec),
    };
    (kind, name, text)
}

fn service(name: &str, selected: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  selector:\n    app: {selected}\n  ports:\n  - port: 80\n"
    )
}

fn workload(dice: &mut Dice, kind: &str, name: &str, spec: &str) -> String {
    let (version, kind_name) = match kind {
        "replicaset" => ("apps/v1", "ReplicaSet"),
        "deployment" => ("apps/v1", "Deployment"),
        "daemonset" => ("apps/v1", "DaemonSet"),
        _ => ("v1", "ReplicationController"),
    };
    let selector = match kind {
        "replicationcontroller" => format!("  selector:\n    app: {name}\n"),
        _ => format!("  selector:\n    matchLabels:\n      app: {name}\n"),
    };
    let replicas = if kind == "daemonset" { String::new() } else { format!("  replicas: {}\n", dice.below(6)) };
    let spec: String = spec.lines().map(|l| format!("    {l}\n")).collect();
    format!(
        "apiVersion: {version}\nkind: {kind_name}\nmetadata:\n  name: {name}\nspec:\n{replicas}{selector}  template:\n    metadata:\n      labels:\n        app: {name}\n    spec:\n{spec}"
    )
}

/// Two spaces in.
fn pod_spec(dice: &mut Dice, bad: bool) -> String {
    let image = if bad {
        "nginx:no-such-tag"
    } else {
        ["nginx:1.27.5", "nginx:1.28.0", "registry.k8s.io/pause:3.10"][dice.below(3)]
    };
    let mut y = String::new();
    if dice.once_in(3) {
        y.push_str(&format!("  terminationGracePeriodSeconds: {}\n", [0, 1, 5, 60][dice.below(4)]));
    }
    y.push_str(&format!("  containers:\n  - name: main\n    image: {image}\n"));
    let (cpu, memory) = ([0, 50, 100, 300][dice.below(4)], [0, 64, 200][dice.below(3)]);
    if cpu + memory > 0 {
        y.push_str("    resources:\n      requests:\n");
    }
    if cpu > 0 {
        y.push_str(&format!("        cpu: {cpu}m\n"));
    }
    if memory > 0 {
        y.push_str(&format!("        memory: {memory}Mi\n"));
    }
    if image.starts_with("nginx") {
        for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
            if dice.once_in(4) {
                let period = dice.between(1, 10);
                y.push_str(&format!(
                    "    {probe}:\n      httpGet:\n        path: /\n        port: 80\n      periodSeconds: {period}\n"
                ));
            }
        }
        if dice.once_in(5) {
            y.push_str("  - name: second\n    image: busybox:1.37\n    command: [sleep, \"100000\"]\n");
        }
    }
    y
}
