//! The programs on the person's computer, by name.

use std::time::Duration;

use super::kubectl::tree::distance;
use super::time::parse_duration;
use super::{Shell, kubectl, node, run_line, text};

/// Programs that a mistyped name may have meant, those that the cluster has first.
const KNOWN: &[&str] = &[
    "kubectl",
    "kubeadm",
    "etcdctl",
    "crictl",
    "nerdctl",
    "ctr",
    "systemctl",
    "journalctl",
    "cat",
    "grep",
    "head",
    "tail",
    "watch",
];

/// What the shell's `help` says.
const HELP: &str = "\
This is a shell on your computer. What it has:

  kubectl, k              speaks with the cluster: kubectl get pods -A, kubectl --help
  ssh MACHINE [COMMAND]   logs in to a machine of the cluster, until exit; there are crictl, ctr, systemctl,
                          journalctl and the static pods' manifests, and etcdctl and kubeadm on control-plane
  watch, time, sleep      run a command again and again, say how long it took, wait in the cluster's time
  cat, ls, cp, mv, rm     files in your home directory: cat > web.yaml <<EOF
  grep, head, tail, sort, uniq, wc, cut, tr, sed, awk, column, tee, xargs
                          what output is piped through
  clear                   empties the screen

Pipes, ;, &&, ||, redirections and $VARIABLES work as in bash. Ctrl+C interrupts, Tab completes.
";

/// Runs a program: its exit code.
pub(super) async fn run(shell: &Shell, words: &[String], depth: usize) -> i32 {
    let assigned = words.iter().take_while(|w| is_assignment(w)).count();
    for w in &words[..assigned] {
        assign(shell, w);
    }
    let words = &words[assigned..];
    let Some((name, rest)) = words.split_first() else { return 0 };
    if let Some(login) = &shell.on
        && let Some(code) = node::run(shell, login, name, rest).await
    {
        return code;
    }
    if let Some(code) = text::run(shell, name, rest) {
        return code;
    }
    match name.as_str() {
        "kubectl" | "k" => kubectl::run(shell, rest).await,
        "export" => {
            rest.iter().for_each(|w| assign(shell, w));
            0
        }
        "unset" => {
            rest.iter().for_each(|w| drop(shell.home.variables.borrow_mut().remove(w)));
            0
        }
        "ssh" => node::ssh(shell, rest, depth).await,
        "exit" | "logout" => node::exit(shell),
        "sleep" => sleep(shell, rest).await,
        "watch" => watch(shell, rest, depth).await,
        "time" => {
            let began = shell.door.sim.now();
            let code = run_line(shell, &quoted(rest), depth + 1).await;
            let took = shell.door.sim.now().since(began);
            let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
            shell.err(format!("\nreal\t{minutes}m{seconds}.{:03}s\n", took.subsec_millis()));
            code
        }
        "xargs" => xargs(shell, rest, depth).await,
        "help" => {
            shell.out(HELP);
            0
        }
        "sudo" => run_line(shell, &quoted(rest), depth + 1).await,
        "date" => {
            let now = shell.door.sim.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
            shell.out(format!("{}\n", now.strftime("%a %b %e %H:%M:%S UTC %Y")));
            0
        }
        name => {
            shell.err(unknown(name));
            127
        }
    }
}

/// What a shell with command-not-found says, and what was probably meant.
fn unknown(name: &str) -> String {
    if node::PROGRAMS.contains(&name) {
        return format!(
            "bash: {name}: command not found\n{name} is on the cluster's machines: ssh control-plane {name}\n"
        );
    }
    let near: Vec<&&str> = KNOWN.iter().filter(|k| distance(name, k) <= 2).collect();
    match near.first() {
        Some(k) => format!("Command '{name}' not found, did you mean:\n  command '{k}'\n"),
        None => format!("bash: {name}: command not found\n"),
    }
}

fn is_assignment(word: &str) -> bool {
    let name = |n: &str| {
        !n.is_empty()
            && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !n.starts_with(|c: char| c.is_ascii_digit())
    };
    word.split_once('=').is_some_and(|(n, _)| name(n))
}

fn assign(shell: &Shell, word: &str) {
    if let Some((n, v)) = word.split_once('=') {
        shell.home.variables.borrow_mut().insert(n.to_owned(), v.to_owned());
    }
}

/// Words as a line that reads as the same words.
pub(super) fn quoted(words: &[String]) -> String {
    words.iter().map(|w| format!("'{}'", w.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ")
}

async fn sleep(shell: &Shell, words: &[String]) -> i32 {
    let mut total = Duration::ZERO;
    for w in words {
        let bare = w.parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0).map(|s| s.min(4e9));
        match bare.map(Duration::from_secs_f64).or_else(|| parse_duration(w)) {
            Some(d) => total += d,
            None => {
                shell.err(format!("sleep: invalid time interval '{w}'\n"));
                return 1;
            }
        }
    }
    if words.is_empty() {
        shell.err("sleep: missing operand\n");
        return 1;
    }
    shell.door.sim.sleep(total).await;
    0
}

/// Runs a command again and again until it is interrupted.
async fn watch(shell: &Shell, words: &[String], depth: usize) -> i32 {
    let (mut every, mut at) = (Duration::from_secs(2), 0);
    while let Some(w) = words.get(at).filter(|w| w.starts_with('-')) {
        at += 1;
        if let Some(n) = w
            .strip_prefix("-n")
            .filter(|n| !n.is_empty())
            .or_else(|| words.get(at).filter(|_| w == "-n").map(String::as_str))
        {
            at += usize::from(w == "-n");
            every = n.parse().map_or(every, |s: f64| Duration::from_secs_f64(s.clamp(0.1, 1e6)));
        }
    }
    let Some(words) = words.get(at..).filter(|w| !w.is_empty()) else {
        shell.err("Usage:\n watch [options] command\n");
        return 1;
    };
    let line = if words.len() == 1 { words[0].clone() } else { quoted(words) };
    loop {
        let now = shell.door.sim.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
        let seconds = every.as_secs_f64();
        shell.out(format!("Every {seconds:.1}s: {}    {}\n\n", words.join(" "), now.strftime("%a %b %e %H:%M:%S %Y")));
        run_line(shell, &line, depth + 1).await;
        shell.out("\n");
        shell.door.sim.sleep(every).await;
    }
}

/// Runs a command with what is fed to it as its last words.
async fn xargs(shell: &Shell, words: &[String], depth: usize) -> i32 {
    let fed = shell.stdin.as_deref().unwrap_or_default().to_owned();
    let (mut each, mut mark, mut at) = (usize::MAX, None, 0);
    while let Some(w) = words.get(at).filter(|w| w.starts_with('-')) {
        at += 1;
        let value = |short: &str| match w.strip_prefix(short) {
            Some("") => words.get(at).cloned(),
            Some(v) => Some(v.to_owned()),
            None => None,
        };
        let (n, i) = (value("-n"), value("-I"));
        at += usize::from(w == "-n" || w == "-I");
        each = n.and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or(each);
        mark = i.or(mark);
    }
    let command = words.get(at..).unwrap_or_default();
    let items: Vec<String> = match &mark {
        Some(_) => fed.lines().map(str::to_owned).collect(),
        None => fed.split_whitespace().map(str::to_owned).collect(),
    };
    let shell = Shell { stdin: None, ..shell.clone() };
    let mut code = 0;
    for some in items.chunks(if mark.is_some() { 1 } else { each.min(items.len().max(1)) }) {
        let words: Vec<String> = match &mark {
            Some(m) => command.iter().map(|w| w.replace(m.as_str(), &some[0])).collect(),
            None if command.is_empty() => std::iter::once("echo".to_owned()).chain(some.iter().cloned()).collect(),
            None => command.iter().chain(some).cloned().collect(),
        };
        if run_line(&shell, &quoted(&words), depth + 1).await != 0 {
            code = 123;
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_seen() {
        for (name, want) in [
            ("kuebectl", "Command 'kuebectl' not found, did you mean:\n  command 'kubectl'\n"),
            ("crictrl", "Command 'crictrl' not found, did you mean:\n  command 'crictl'\n"),
            ("frobnicate", "bash: frobnicate: command not found\n"),
        ] {
            assert_eq!(unknown(name), want);
        }
        assert_eq!(quoted(&["a b".into(), "c'd".into()]), "'a b' 'c'\\''d'");
    }
}
