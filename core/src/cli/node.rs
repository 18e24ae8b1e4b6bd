//! Programs on the cluster's machines, for somebody who is logged in to one: `ssh`, and what runs there.

mod crictl;
mod ctr;
mod etcdctl;
mod journalctl;
mod kubeadm;
mod systemctl;

use std::rc::Rc;

use super::{Shell, run_line};
use crate::cluster::Login;

/// A machine's programs.
pub(super) const PROGRAMS: &[&str] = &["systemctl", "journalctl", "crictl", "ctr", "nerdctl", "etcdctl", "kubeadm"];

/// Logs in to a machine: for one command, or until `exit`.
pub(super) async fn ssh(shell: &Shell, words: &[String], depth: usize) -> i32 {
    let mut rest = words.iter().peekable();
    // Flags that take a value, and those that don't.
    while let Some(flag) = rest.next_if(|w| w.starts_with('-')) {
        if matches!(flag.as_str(), "-i" | "-l" | "-p" | "-o" | "-F" | "-J") {
            rest.next();
        }
    }
    let Some(to) = rest.next() else {
        shell.err("usage: ssh [-l login_name] [-p port] destination [command [argument ...]]\n");
        return 255;
    };
    let to = to.split_once('@').map_or(to.as_str(), |(_, host)| host);
    let login = match shell.machines.as_ref().map(|m| m.login(to)) {
        Some(Ok(l)) => l,
        Some(Err(e)) => {
            shell.err(format!("{e}\n"));
            return 255;
        }
        None => {
            shell.err(format!("ssh: Could not resolve hostname {to}: Name or service not known\n"));
            return 255;
        }
    };
    let command: Vec<String> = rest.cloned().collect();
    if command.is_empty() {
        *shell.home.logged_in.borrow_mut() = Some(login.machine.name.clone());
        shell.out(format!("Welcome to {}. Leave it with: exit\n", login.machine.name));
        return 0;
    }
    let line = if command.len() == 1 { command[0].clone() } else { command.join(" ") };
    run_line(&at(shell, login), &line, depth + 1).await
}

/// The same shell on a machine.
pub(super) fn at(shell: &Shell, login: Login) -> Shell {
    let home = shell.home.of_machine(login.machine.files.clone(), login.machine.files_changed.clone());
    Shell { home, on: Some(Rc::new(login)), ..shell.clone() }
}

/// The shell where its person is: on the own computer, or on the machine that they logged in to before.
pub(super) fn place(shell: &Shell) -> Shell {
    let Some(name) = shell.home.logged_in.borrow().clone() else { return shell.clone() };
    match shell.machines.as_ref().map(|m| m.login(&name)) {
        Some(Ok(login)) => at(shell, login),
        _ => {
            // The connection is gone with its machine.
            shell.home.logged_in.borrow_mut().take();
            shell.err(format!("client_loop: send disconnect: Broken pipe\nConnection to {name} closed.\n"));
            shell.clone()
        }
    }
}

/// Leaves a machine.
pub(super) fn exit(shell: &Shell) -> i32 {
    if let Some(name) = shell.home.logged_in.borrow_mut().take() {
        shell.err(format!("logout\nConnection to {name} closed.\n"));
    }
    0
}

/// Runs one of the machine's programs; none if there is no such program.
pub(super) async fn run(shell: &Shell, login: &Login, name: &str, words: &[String]) -> Option<i32> {
    Some(match name {
        "systemctl" => systemctl::run(shell, login, words).await,
        "journalctl" => journalctl::run(shell, login, words).await,
        "crictl" => crictl::run(shell, login, words).await,
        "ctr" => ctr::ctr(shell, login, words).await,
        "nerdctl" => ctr::nerdctl(shell, login, words).await,
        "etcdctl" if login.machine.control_plane => etcdctl::run(shell, login, words).await,
        "kubeadm" => kubeadm::run(shell, login, words).await,
        "kubectl" if !login.machine.control_plane => {
            // Nothing is configured on a worker: kubectl asks the default address.
            shell.err(
                "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n",
            );
            1
        }
        _ => return None,
    })
}

/// Prints a complaint and fails.
fn fail(shell: &Shell, text: impl AsRef<str>) -> i32 {
    shell.err(format!("{}\n", text.as_ref()));
    1
}

/// A command line's flags and words. A flag in `valued` takes a value.
struct Flags {
    words: Vec<String>,
    flags: Vec<(String, String)>,
}

impl Flags {
    fn parse(words: &[String], valued: &[&str]) -> Flags {
        let mut f = Flags { words: Vec::new(), flags: Vec::new() };
        let mut rest = words.iter();
        while let Some(w) = rest.next() {
            if w == "--" {
                f.words.extend(rest.cloned());
                break;
            }
            let Some(name) = w.strip_prefix('-').filter(|n| !n.is_empty()) else {
                f.words.push(w.clone());
                continue;
            };
            let name = name.trim_start_matches('-');
            match name.split_once('=') {
                Some((n, v)) => f.flags.push((n.to_owned(), v.to_owned())),
                None if valued.contains(&name) => {
                    f.flags.push((name.to_owned(), rest.next().cloned().unwrap_or_default()));
                }
                None => f.flags.push((name.to_owned(), "true".to_owned())),
            }
        }
        f
    }

    /// The last value of a flag by any of its names.
    fn get(&self, names: &[&str]) -> Option<&str> {
        self.flags.iter().rfind(|(n, _)| names.contains(&n.as_str())).map(|(_, v)| v.as_str())
    }

    fn on(&self, names: &[&str]) -> bool {
        self.get(names).is_some_and(|v| v != "false")
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }
}

/// A duration in words. Models go-units' HumanDuration.
fn ago(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds as f64 / 3600.0 + 0.5) as i64);
    match seconds {
        ..1 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".into(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// A size with a unit and `digits` digits. Models go-units' HumanSizeWithPrecision.
fn size(bytes: u64, digits: usize) -> String {
    let (mut n, mut unit) = (bytes as f64, 0);
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    while n >= 1000.0 && unit + 1 < UNITS.len() {
        n /= 1000.0;
        unit += 1;
    }
    let whole = (n as u64).to_string().len();
    let text = format!("{n:.*}", digits.saturating_sub(whole));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_worded_as_upstream_does() {
        for (s, want) in [(0, "Less than a second"), (59, "59 seconds"), (60, "About a minute"), (7200, "2 hours")] {
            assert_eq!(ago(s), want);
        }
        for (n, want) in [(44_311_000, "44.3MB"), (750_414, "750kB"), (12, "12B"), (1_000_000, "1MB")] {
            assert_eq!(size(n, 3), want);
        }
    }

    #[test]
    fn flags_and_words() {
        let words: Vec<String> = ["ps", "-a", "--name", "web", "-o=json"].map(str::to_owned).into();
        let f = Flags::parse(&words, &["name"]);
        assert_eq!((f.word(0), f.get(&["name"]), f.get(&["o"]), f.on(&["a"])), ("ps", Some("web"), Some("json"), true));
    }
}
