//! Other people's clients against the server: each session's transcript is a file that a person can read.
//!
//! Run by `cargo xtask test --only clients`, which builds the server and gets the clients. After a change that is meant,
//! `UPDATE_EXPECT=1 cargo xtask test --only clients` writes the transcripts anew: read what changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::expect_file;
use podarium_tests::served::{Served, normal, transcript};

#[path = "clients/kube_rs.rs"]
mod kube_rs;

/// Twenty times as fast as life: images are pulled and pods start in moments, and ages still move.
const OPTIONS: [&str; 4] = ["--speed", "20", "--seed", "1"];

fn sessions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// A client's place, if it could be had; `cargo xtask test` has said so if not.
fn client(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn output(command: &mut Command) -> (String, i32) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&printed).into_owned(), output.status.code().unwrap_or(-1))
}

/// A shell session in which `kubectl` is the program at hand.
fn kubectl_session(variable: &str, name: &str) {
    let Some(program) = client(variable) else { return };
    let server = Served::start(name, &OPTIONS);
    let manifests = sessions().join("manifests");
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap_or(Path::new("/")).display());
    let file = sessions().join(format!("kubectl/{name}.txt"));
    let script = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let told = transcript(&script, |line| {
        output(server.command("/bin/bash").env("PATH", &path).env("M", &manifests).args(["-c", line]))
    });
    expect_file![file].assert_eq(&told);
}

#[test]
fn kubectl_v1_20() {
    kubectl_session("PODARIUM_KUBECTL_1_20", "v1.20");
}

#[test]
fn kubectl_v1_35() {
    kubectl_session("PODARIUM_KUBECTL", "v1.35");
}

/// A program's whole output is its transcript.
fn program_session(name: &str, command: impl FnOnce(&Served) -> Command) {
    let server = Served::start(name, &OPTIONS);
    let (told, exit) = output(&mut command(&server));
    expect_file![sessions().join(format!("{name}/transcript.txt"))].assert_eq(&normal(&told));
    assert_eq!(exit, 0, "{told}");
}

#[test]
fn python() {
    let Some(program) = client("PODARIUM_PYTHON") else { return };
    program_session("python", |server| {
        let mut command = server.command(program);
        command.arg(sessions().join("python/session.py"));
        command
    });
}

#[test]
fn javascript() {
    let Some(modules) = client("PODARIUM_JAVASCRIPT") else { return };
    program_session("javascript", |server| {
        // Modules are looked for beside the program that imports them.
        let program = modules.join("session.mjs");
        std::fs::copy(sessions().join("javascript/session.mjs"), &program).expect("the session can be copied");
        let mut command = server.command("node");
        command.arg(program);
        command
    });
}

#[test]
fn kube_rs() {
    let server = Served::start("kube-rs", &OPTIONS);
    let told = kube_rs::session(&server);
    expect_file![sessions().join("kube-rs/transcript.txt")].assert_eq(&normal(&told));
}
