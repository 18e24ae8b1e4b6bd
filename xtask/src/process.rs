//! Running other programs: with a time limit, with a hint when they are missing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::report::{Context as _, Result};

/// Runs a command to its end; its failure is ours.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().context(format_args!("cannot start {shown}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown} failed ({status})").into()) }
}

/// Runs a command, but kills it once the time is over.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let shown = show(command);
    let mut child = command.spawn().context(format_args!("cannot start {shown}"))?;
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait().context(format_args!("waiting for {shown}"))? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{shown} failed ({status})").into()),
            None if Instant::now() >= deadline => {
                stop(&mut child);
                return Err(format!("{shown} did not finish within {} s", limit.as_secs()).into());
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Runs a command and returns what it wrote to standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.stderr(Stdio::inherit()).output().context(format_args!("cannot start {shown}"))?;
    if !output.status.success() {
        return Err(format!("{shown} failed ({})", output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Ends a child and collects it.
pub fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Finds a program in PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_program(file))
}

/// Whether a file can be run, as far as can be told without running it.
pub fn is_program(file: &Path) -> bool {
    file.is_file() || file.with_extension("exe").is_file()
}

/// Installs Debian packages where that is possible without asking for a password.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if find("apt-get").is_none() {
        return Err(format!("this is not a Debian system; install what Debian has as: {by_hand}").into());
    }
    let apt = |args: &[&str]| -> Command {
        let mut command = if is_root() {
            Command::new("apt-get")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "apt-get"]);
            sudo
        };
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        command
    };
    let minutes = |n: u64| Duration::from_secs(60 * n);
    run_within(&mut apt(&["update"]), minutes(3))
        .and_then(|()| {
            let mut args = vec!["install", "-y", "--no-install-recommends"];
            args.extend(packages);
            run_within(&mut apt(&args), minutes(10))
        })
        .map_err(|error| format!("{error}\nas root: {by_hand}").into())
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        shown.push(' ');
        shown.push_str(&arg.to_string_lossy());
    }
    shown
}
