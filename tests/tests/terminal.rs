//! A person at the terminal: shells in containers that are typed to, over wasmtime.

use std::time::Duration;

use podarium_core::cluster::{Cluster, Output};
use podarium_core::session::{ClusterConfig, Input};
use podarium_tests::tank;

/// What is done, and what of it the terminal must then show, in this order. `$`: a command; `>`: typed to it; `^C`, `^D`: keys.
const SESSIONS: &[(&str, &[(&str, &[&str])])] = &[
    (
        "a shell in a container has a prompt, runs what is typed, and ends with exit",
        &[
            ("$ kubectl exec -it box -- sh", &["/ # "]),
            ("> hostname", &["hostname\n", "box\n", "/ # "]),
            (
                "> ps",
                &[
                    "PID   USER     TIME  COMMAND\n    1 root      0:00 sleep infinity\n",
                    " root      0:00 sh\n",
                    " root      0:00 ps\n",
                ],
            ),
            ("> cd /tmp", &["/tmp # "]),
            ("> for i in 1 2", &["> "]),
            ("> do echo n$i; done", &["n1\nn2\n", "/tmp # "]),
            ("> echo )", &["syntax error", "/tmp # "]),
            ("> exit 3", &["exit 3\n", "command terminated with exit code 3\n", "[3]"]),
        ],
    ),
    (
        "Ctrl-C ends what runs in the shell, not the shell; Ctrl-D ends the shell",
        &[
            ("$ kubectl exec -it box -- sh", &["/ # "]),
            ("> sleep 1000", &["sleep 1000\n"]),
            ("^C", &["^C", "/ # "]),
            ("> echo $?", &["130\n", "/ # "]),
            ("^D", &["[0]"]),
        ],
    ),
    (
        "without a terminal there is no prompt, and Ctrl-D ends what is read",
        &[("$ kubectl exec -i box -- sh", &[]), ("> echo hello", &["hello\n"]), ("^D", &["[0]"])],
    ),
    ("what is fed ends by itself", &[("$ echo 'echo hello' | kubectl exec -i box -- sh", &["hello\n", "[0]"])]),
    (
        "kubectl run attaches to its pod and takes it away in the end",
        &[
            (
                "$ kubectl run tmp --rm -it --image=busybox --restart=Never -- sh",
                &["If you don't see a command prompt"],
            ),
            ("> echo hello", &["hello\n", "# "]),
            (
                "> exit",
                &[
                    "Session ended, resume using 'kubectl attach tmp -c tmp -n default -i -t' command\n",
                    "pod \"tmp\" deleted from default namespace\n",
                    "[0]",
                ],
            ),
        ],
    ),
    (
        "what a pod printed before it was attached to comes from its log",
        &[(
            "$ kubectl run once --rm -i --image=busybox --restart=Never -- sh -c 'echo hello; exit 4'",
            &[
                "hello\n",
                "pod \"once\" deleted from default namespace\n",
                "pod default/once terminated (Error)\n",
                "[4]",
            ],
        )],
    ),
];

/// Waits until the terminal has shown all of this, in order: what it showed after.
fn shown(c: &mut Cluster, seen: &mut String, wanted: &[&str], story: &str) {
    let limit = c.now() + Duration::from_secs(60);
    for part in wanted {
        loop {
            for o in c.take_outputs() {
                match o {
                    Output::Text { text, .. } => seen.push_str(&text),
                    Output::Exit { code, .. } => seen.push_str(&format!("[{code}]")),
                    _ => {}
                }
            }
            if let Some(at) = seen.find(part) {
                seen.drain(..at + part.len());
                break;
            }
            assert!(c.step(limit), "{story}: {part:?} is not in {seen:?}");
        }
    }
}

#[test]
fn what_is_typed_reaches_the_process() {
    let mut c = tank::booted(ClusterConfig::default());
    tank::ok(&mut c, "kubectl run box --image=busybox -- sleep infinity", &[]);
    tank::ok(&mut c, "kubectl wait --for=condition=Ready pod/box --timeout=60s", &[]);
    let mut id = 0;
    for (story, steps) in SESSIONS {
        let mut seen = String::new();
        for (act, wanted) in *steps {
            c.submit(match act.split_once(' ') {
                Some(("$", line)) => {
                    id += 1;
                    Input::Command { id, line: line.to_owned(), files: Vec::new() }
                }
                Some((_, typed)) => Input::Type { id, text: format!("{typed}\n") },
                None if *act == "^C" => Input::Interrupt { id },
                None => Input::Type { id, text: "\u{4}".to_owned() },
            });
            shown(&mut c, &mut seen, wanted, story);
        }
    }
}
