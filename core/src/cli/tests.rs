//! A session at the person's terminal, in a whole cluster whose containers run without WebAssembly.

use std::time::Duration;

use crate::cluster::{Cluster, Output};
use crate::kubelet::tests::cluster;
use crate::session::{ClusterConfig, Input};

/// How long a command may run.
const LIMIT: Duration = Duration::from_secs(600);

struct Terminal {
    cluster: Cluster,
    commands: u64,
}

impl Terminal {
    fn new() -> Self {
        Terminal { cluster: cluster(ClusterConfig::default().workers), commands: 0 }
    }

    /// Runs a line for as long as it wants, or interrupts it after `within`: what it printed, and its exit code.
    fn run(&mut self, line: &str, within: Option<Duration>) -> (String, i32) {
        self.commands += 1;
        let id = self.commands;
        self.cluster.submit(Input::Command { id, line: line.to_owned(), files: Vec::new() });
        let until = self.cluster.now() + within.unwrap_or(LIMIT);
        let mut printed = String::new();
        loop {
            for o in self.cluster.take_outputs() {
                match o {
                    Output::Text { id: of, text, .. } if of == id => printed.push_str(&text),
                    Output::Exit { id: of, code } if of == id => return (printed, code),
                    _ => {}
                }
            }
            if !self.cluster.step(until) {
                assert!(within.is_some(), "`{line}` still runs: {printed}");
                self.cluster.submit(Input::Interrupt { id });
                return (printed, 130);
            }
        }
    }
}

/// A line and the parts that its output must hold.
struct Step {
    line: String,
    code: i32,
    within: Option<Duration>,
    parts: Vec<String>,
}

/// Reads a session: `$ line`, `exit CODE`, `for SECONDS` until Ctrl-C; anything else is a part of what is printed, `\` and a new
/// line go on.
fn steps(text: &str) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    for l in text.lines().filter(|l| !l.is_empty() && !l.starts_with("# ")) {
        if let Some(line) = l.strip_prefix("$ ") {
            let line = line.replace("\\n", "\n");
            out.push(Step { line, code: 0, within: None, parts: Vec::new() });
            continue;
        }
        let Some(step) = out.last_mut() else { continue };
        match l.split_once(' ') {
            Some(("exit", code)) if code.parse::<i32>().is_ok() => step.code = code.parse().unwrap_or_default(),
            Some(("for", s)) if s.parse::<u64>().is_ok() => {
                step.within = s.parse().ok().map(Duration::from_secs);
                step.code = 130;
            }
            _ => step.parts.push(words(l)),
        }
    }
    out
}

/// The text with single blanks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_session_at_the_terminal() {
    let mut terminal = Terminal::new();
    let mut wrong = Vec::new();
    for s in steps(include_str!("tests/session.txt")) {
        let (printed, code) = terminal.run(&s.line, s.within);
        let plain = words(&printed);
        let missing: Vec<&String> = s.parts.iter().filter(|p| !plain.contains(p.as_str())).collect();
        if code != s.code || !missing.is_empty() {
            wrong.push(format!("$ {}\nexit {code}, want {}; missing {missing:?}\n{printed}", s.line, s.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
