//! systemctl. Models systemd's `systemctl-show.c` as far as people read it.

use super::{Flags, fail};
use crate::cli::Shell;
use crate::cluster::{Login, description};
use crate::session::ServiceAction;

pub(super) async fn run(shell: &Shell, login: &Login, words: &[String]) -> i32 {
    let f = Flags::parse(words, &["n", "lines", "t", "type", "s", "signal"]);
    let verb = f.word(0);
    let names: Vec<&str> = f.words.iter().skip(1).map(|w| w.trim_end_matches(".service")).collect();
    match verb {
        "" | "list-units" => return list(shell, login),
        "daemon-reload" | "daemon-reexec" => return 0,
        "status" | "start" | "stop" | "restart" | "try-restart" | "reload" | "kill" | "is-active" | "is-enabled"
        | "enable" | "disable" | "cat" | "show" => {}
        other => return fail(shell, format!("Unknown command verb '{other}'.")),
    }
    if names.is_empty() {
        return fail(shell, "Too few arguments.");
    }
    let mut code = 0;
    for unit in names {
        let one = match login.machine.unit(unit) {
            Some(_) => act(shell, login, verb, unit, &f).await,
            None => missing(shell, verb, unit),
        };
        code = if one == 0 { code } else { one };
    }
    code
}

fn missing(shell: &Shell, verb: &str, unit: &str) -> i32 {
    match verb {
        "status" => shell.err(format!("Unit {unit}.service could not be found.\n")),
        "is-active" => {
            shell.out("inactive\n");
            return 4;
        }
        "enable" | "disable" | "is-enabled" => {
            shell.err(format!("Failed to {verb} unit: Unit {unit}.service does not exist\n"));
            return 1;
        }
        _ => {
            shell.err(format!("Failed to {verb} {unit}.service: Unit {unit}.service not found.\n"));
            return 5;
        }
    }
    4
}

async fn act(shell: &Shell, login: &Login, verb: &str, unit: &str, f: &Flags) -> i32 {
    let sim = &shell.door.sim;
    let runs = || login.machine.unit_runs(sim, unit);
    match verb {
        "status" => return status(shell, login, unit),
        "is-active" => {
            shell.out(if runs() { "active\n" } else { "inactive\n" });
            return if runs() { 0 } else { 3 };
        }
        "is-enabled" => shell.out("enabled\n"),
        "cat" => shell.out(format!(
            "# /usr/lib/systemd/system/{unit}.service\n[Unit]\nDescription={}\n\n[Service]\nExecStart=/usr/bin/{unit}\nRestart=always\n\n[Install]\nWantedBy=multi-user.target\n",
            description(unit)
        )),
        "start" | "enable" if verb == "start" || f.on(&["now"]) => login.act(unit, ServiceAction::Start),
        "stop" | "disable" if verb == "stop" || f.on(&["now"]) => login.act(unit, ServiceAction::Stop),
        "restart" | "try-restart" | "reload" => login.act(unit, ServiceAction::Restart),
        "kill" => login.act(unit, ServiceAction::Kill),
        _ => {}
    }
    0
}

fn status(shell: &Shell, login: &Login, unit: &str) -> i32 {
    let sim = &shell.door.sim;
    let Some(u) = login.machine.unit(unit) else { return 4 };
    let runs = login.machine.unit_runs(sim, unit);
    let since = u.since.unwrap_or_else(|| sim.timestamp());
    let for_s = sim.timestamp().as_second() - since.as_second();
    let when = since.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string();
    let (mark, state) = match (runs, u.wanted) {
        (true, _) => ("●", "active (running)"),
        (false, true) => ("●", "activating (auto-restart)"),
        (false, false) => ("○", "inactive (dead)"),
    };
    let mut out = format!("{mark} {unit}.service - {}\n", description(unit));
    out.push_str(&format!("     Loaded: loaded (/usr/lib/systemd/system/{unit}.service; enabled; preset: enabled)\n"));
    if unit == "kubelet" {
        out.push_str("    Drop-In: /usr/lib/systemd/system/kubelet.service.d\n             └─10-kubeadm.conf\n");
    }
    out.push_str(&format!("     Active: {state} since {when}; {} ago\n", span(for_s)));
    let docs = if unit == "kubelet" { "https://kubernetes.io/docs/" } else { "https://containerd.io" };
    out.push_str(&format!("       Docs: {docs}\n"));
    if let Some(p) = u.process.filter(|_| runs) {
        out.push_str(&format!("   Main PID: {} ({unit})\n", pid(p.0)));
    }
    let lines = login.machine.journal(Some(unit));
    if !lines.is_empty() {
        out.push('\n');
    }
    for l in lines.iter().rev().take(10).rev() {
        out.push_str(&super::journalctl::line(&login.machine.name, l));
    }
    shell.out(out);
    if runs { 0 } else { 3 }
}

/// A process's number as the machine counts: a few hundred were there before.
pub(super) fn pid(process: u32) -> u32 {
    700 + process
}

/// `1h 5min`. Models systemd's format_timespan to the minute once it is minutes long.
fn span(seconds: i64) -> String {
    let (d, h, m, s) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, m) if m < 5 && s > 0 => format!("{m}min {s}s"),
        (0, 0, m) => format!("{m}min"),
        (0, h, 0) => format!("{h}h"),
        (0, h, m) => format!("{h}h {m}min"),
        (1, h, _) => format!("1 day {h}h"),
        (d, h, _) => format!("{d} days {h}h"),
    }
}

fn list(shell: &Shell, login: &Login) -> i32 {
    let mut rows = String::from("  UNIT\tLOAD\tACTIVE\tSUB\tDESCRIPTION\n");
    let units = login.machine.units();
    for u in &units {
        let state = if login.machine.unit_runs(&shell.door.sim, u) { "active\trunning" } else { "inactive\tdead" };
        rows.push_str(&format!("  {u}.service\tloaded\t{state}\t{}\n", description(u)));
    }
    shell.out(crate::cli::align(&rows, 0, 1));
    shell.out(format!("\n{} loaded units listed.\n", units.len()));
    0
}
