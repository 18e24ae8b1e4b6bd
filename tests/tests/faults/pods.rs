//! What goes wrong in a pod: its image, its module, its program, its probes.

use std::rc::Rc;

use podarium_core::session::ClusterConfig;
use podarium_tests::timeline::{Scenario, check};
use podarium_tests::{tank, wasm};

use super::{Told, small};

/// A bare pod of one container.
fn pod(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  containers:\n  - {{name: main, {spec}}}\n"
    )
}

fn one_pod(spec: &str, until_s: f64, told: &[Told<'_>], never: &[&str]) {
    let text = pod("p", spec);
    let acts = [(0.0, "kubectl apply -f p.yaml")];
    check(small(), &Scenario { files: &[("p.yaml", &text)], acts: &acts, until_s, told, never });
}

#[test]
fn unknown_image() {
    let err = "pod p main waits ErrImagePull: *docker.io/library/nginx:nope: not found";
    let back = "pod p main waits ImagePullBackOff: Back-off pulling image \"nginx:nope\": ErrImagePull: *not found";
    one_pod(
        "image: 'nginx:nope'",
        400.0,
        &[
            ("", 0.0, 5.0, "event Normal Pulling pod/p: Pulling image \"nginx:nope\""),
            (
                "",
                0.0,
                5.0,
                "event Warning Failed pod/p: Failed to pull image \"nginx:nope\": rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nginx:nope\": failed to resolve reference \"docker.io/library/nginx:nope\": docker.io/library/nginx:nope: not found",
            ),
            ("", 0.0, 5.0, "event Warning Failed pod/p: Error: ErrImagePull"),
            // Each look at the pod tells what the one before came to: the pull that failed first, then that it backs off.
            ("", 0.0, 5.0, err),
            (err, 10.0, 17.0, back),
            (back, 10.0, 17.0, err),
            (err, 0.0, 20.0, "event Normal BackOff pod/p: Back-off pulling image \"nginx:nope\""),
            (err, 0.0, 20.0, "event Warning Failed pod/p: Error: ImagePullBackOff"),
        ],
        &["pod p main running"],
    );
}

#[test]
fn endless_loop() {
    one_pod(
        "image: polinux/stress, command: [stress, --spin]",
        30.0,
        &[
            ("", 0.0, 10.0, "pod p main ended 137 Error: "),
            ("pod p main ended 137 Error: ", 0.0, 5.0, "pod p main restarts 1"),
        ],
        &[],
    );
}

#[test]
fn memory_bomb() {
    one_pod(
        "image: polinux/stress, command: [stress, --vm, '1', --vm-bytes, 1G], resources: {limits: {memory: 64Mi}}",
        30.0,
        &[
            ("", 0.0, 10.0, "pod p main ended 137 OOMKilled: "),
            ("pod p main ended 137 OOMKilled: ", 0.0, 5.0, "pod p main restarts 1"),
        ],
        &[],
    );
}

#[test]
fn stack_overflow_abort_and_exit_code() {
    for (flag, code) in [("--recurse", 139), ("--abort", 134), ("--exit, '7'", 7)] {
        let line = format!("pod p main ended {code} Error: ");
        one_pod(
            &format!("image: polinux/stress, command: [stress, {flag}]"),
            30.0,
            &[("", 0.0, 10.0, line.as_str())],
            &[],
        );
    }
}

#[test]
fn a_million_log_lines() {
    let text = pod("p", "image: polinux/stress, command: [stress, --flood, '1000000']");
    check(
        small(),
        &Scenario {
            files: &[("p.yaml", &text)],
            acts: &[(0.0, "kubectl apply -f p.yaml"), (50.0, "kubectl logs p --tail=1")],
            until_s: 60.0,
            told: &[("", 0.0, 40.0, "pod p main ended 0 Completed: "), ("> kubectl logs*", 0.0, 0.5, "| line 999999")],
            never: &[],
        },
    );
}

/// A cluster whose stress image holds these bytes.
fn with_module(bytes: Vec<u8>) -> podarium_core::cluster::Cluster {
    let mut modules = (*wasm::modules()).clone();
    modules.insert("stress".to_owned(), Rc::from(bytes));
    tank::booted_with(ClusterConfig { workers: 2, ..ClusterConfig::default() }, Rc::new(modules))
}

#[test]
fn a_corrupt_module() {
    let text = pod("p", "image: polinux/stress, command: [stress]");
    let refused = "failed to extract layer *: invalid WebAssembly module: *";
    let failed = format!("event Warning Failed pod/p: Failed to pull image \"polinux/stress\": *{refused}");
    let waits = format!("pod p main waits ImagePullBackOff: Back-off pulling image \"polinux/stress\": *{refused}");
    check(
        with_module(b"not a module".to_vec()),
        &Scenario {
            files: &[("p.yaml", &text)],
            acts: &[(0.0, "kubectl apply -f p.yaml")],
            until_s: 30.0,
            told: &[("", 0.0, 10.0, failed.as_str()), ("", 10.0, 25.0, waits.as_str())],
            never: &["pod p main running"],
        },
    );
}

#[test]
fn a_missing_import_or_entry() {
    let missing = r#"(module (import "env" "launch" (func)) (memory (export "memory") 1) (func (export "_start")))"#;
    let no_entry = r#"(module (memory (export "memory") 1))"#;
    let wat = |text: &str| wat::parse_str(text).unwrap_or_else(|e| panic!("{e}"));
    for (bytes, why) in [(wat(missing), "missing import: env.launch"), (wat(no_entry), "missing export: _start")] {
        let text = pod("p", "image: polinux/stress, command: [stress]");
        let ended = format!("pod p main ended 128 StartError: failed to create containerd task: {why}");
        check(
            with_module(bytes),
            &Scenario {
                files: &[("p.yaml", &text)],
                acts: &[(0.0, "kubectl apply -f p.yaml")],
                until_s: 40.0,
                told: &[
                    ("", 0.0, 10.0, ended.as_str()),
                    ("", 0.0, 40.0, "event Warning Failed pod/p: Error: *"),
                    (
                        "",
                        0.0,
                        40.0,
                        "pod p main waits CrashLoopBackOff: back-off *s restarting failed container=main pod=p_default(*)",
                    ),
                ],
                never: &["pod p main running"],
            },
        );
    }
}

#[test]
fn readiness_probe() {
    let text = format!(
        "{}---\napiVersion: v1\nkind: Service\nmetadata: {{name: p}}\nspec: {{selector: {{app: p}}, ports: [{{port: 80}}]}}\n",
        pod(
            "p",
            "image: busybox, command: [sh, -c, 'touch /ok; sleep 30; rm /ok; sleep 1000'], readinessProbe: {exec: {command: [cat, /ok]}, periodSeconds: 5}"
        )
    );
    check(
        small(),
        &Scenario {
            files: &[("p.yaml", &text)],
            acts: &[(0.0, "kubectl apply -f p.yaml")],
            until_s: 90.0,
            told: &[
                ("pod p main running", 0.0, 6.0, "pod p Ready=True"),
                ("pod p Ready=True", 0.0, 1.5, "service p leads to 1"),
                // Three failures, five seconds apart.
                ("pod p main running", 40.0, 46.0, "pod p Ready=False"),
                ("pod p main running", 40.0, 48.0, "service p leads to 0"),
                (
                    "pod p main running",
                    30.0,
                    36.0,
                    "event Warning Unhealthy pod/p: Readiness probe failed: cat: can't open '/ok': No such file or directory*",
                ),
            ],
            never: &["pod p main restarts*"],
        },
    );
}

#[test]
fn liveness_probe() {
    one_pod(
        "image: 'nginx:1.28.0', livenessProbe: {httpGet: {path: /nope, port: 80}, periodSeconds: 5}",
        60.0,
        &[
            (
                "pod p main running",
                0.0,
                6.0,
                "event Warning Unhealthy pod/p: Liveness probe failed: HTTP probe failed with statuscode: 404",
            ),
            (
                "pod p main running",
                9.0,
                16.0,
                "event Normal Killing pod/p: Container main failed liveness probe, will be restarted",
            ),
            ("pod p main running", 9.0, 18.0, "pod p main restarts 1"),
        ],
        &[],
    );
}

#[test]
fn startup_probe() {
    one_pod(
        "image: busybox, command: [sleep, '1000'], startupProbe: {tcpSocket: {port: 81}, periodSeconds: 2, failureThreshold: 5}",
        60.0,
        &[
            (
                "pod p main running",
                0.0,
                3.0,
                "event Warning Unhealthy pod/p: Startup probe failed: dial tcp *:81: connect: connection refused",
            ),
            // Killed at the fifth failure; sleep does not mind SIGTERM, so its grace runs out.
            (
                "pod p main running",
                8.0,
                11.0,
                "event Normal Killing pod/p: Container main failed startup probe, will be restarted",
            ),
            ("pod p main running", 38.0, 43.0, "pod p main restarts 1"),
        ],
        &["pod p Ready=True"],
    );
}
