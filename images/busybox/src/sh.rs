//! The shell: `sh -c`, scripts, and what it keeps between commands.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use podarium_guest::{fs, io, process, sys, task};

use crate::stream::{Input, Streams};

mod arith;
mod builtin;
mod expand;
mod parse;
mod run;

use parse::Command;

/// A variable.
#[derive(Clone, Default)]
struct Variable {
    value: String,
    exported: bool,
}

/// What a list of commands ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break(u32),
    Continue(u32),
    Return,
    Exit,
}

/// What the shell and all its subshells share.
#[derive(Default)]
struct Shared {
    /// Signals that arrived and have a trap.
    pending: RefCell<Vec<u32>>,
    /// Commands run since others had a turn.
    busy: Cell<u32>,
    jobs: Cell<u32>,
}

/// A shell or subshell.
#[derive(Clone)]
struct Shell {
    variables: BTreeMap<String, Variable>,
    functions: BTreeMap<String, Rc<Command>>,
    traps: BTreeMap<u32, String>,
    name: String,
    parameters: Vec<String>,
    directory: String,
    status: i32,
    errexit: bool,
    nounset: bool,
    xtrace: bool,
    depth: u32,
    in_condition: u32,
    last_job: u32,
    /// Whether somebody types its commands at a terminal.
    terminal: bool,
    shared: Rc<Shared>,
    jobs: Rc<RefCell<Vec<(u32, podarium_guest::task::Handle<i32>)>>>,
}

/// Runs the shell with its command line.
pub async fn run(args: &[String], streams: Streams) -> i32 {
    let mut shell = Shell {
        variables: process::environ()
            .into_iter()
            .map(|(name, value)| (name, Variable { value, exported: true }))
            .collect(),
        functions: BTreeMap::new(),
        traps: BTreeMap::new(),
        name: args.first().cloned().unwrap_or_else(|| "sh".to_owned()),
        parameters: Vec::new(),
        directory: process::working_dir(),
        status: 0,
        errexit: false,
        nounset: false,
        xtrace: false,
        depth: 0,
        in_condition: 0,
        last_job: 0,
        terminal: false,
        shared: Rc::default(),
        jobs: Rc::default(),
    };
    let mut rest = args.iter().skip(1);
    let mut command = None;
    let mut script = None;
    while let Some(arg) = rest.next() {
        match arg.strip_prefix(['-', '+']) {
            Some("c") => command = Some(rest.next().cloned()),
            Some("o") => {
                rest.next();
            }
            Some(flags) if !flags.is_empty() && flags.chars().all(|c| "eucxil".contains(c)) => {
                shell.errexit |= flags.contains('e');
                shell.nounset |= flags.contains('u');
                shell.xtrace |= flags.contains('x');
                if flags.contains('c') {
                    command = Some(rest.next().cloned());
                }
            }
            Some(flags) if !flags.is_empty() => {
                streams.err.print(&format!("sh: illegal option {arg}\n")).await;
                return 2;
            }
            _ => {
                script = Some(arg.clone());
                break;
            }
        }
        if command.is_some() {
            break;
        }
    }
    let text = match (command, script) {
        (Some(None), _) => {
            streams.err.print("sh: -c requires an argument\n").await;
            return 2;
        }
        (Some(Some(text)), _) => {
            if let Some(name) = rest.next() {
                shell.name = name.clone();
            }
            text
        }
        (None, Some(path)) => {
            shell.name = path.clone();
            match fs::read(&shell.path(&path)) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => {
                    streams.err.print(&format!("sh: can't open '{path}': {}\n", error.message())).await;
                    return 2;
                }
            }
        }
        (None, None) => return interactive(shell, streams).await,
    };
    shell.parameters = rest.cloned().collect();
    shell.script(&text, &streams).await;
    shell.finish(&streams).await
}

/// Reads commands from stdin, a line at a time. Somebody at a terminal gets a prompt, and Ctrl-C ends a command, not the shell.
async fn interactive(mut shell: Shell, streams: Streams) -> i32 {
    shell.terminal = matches!(streams.input, Input::Fd(fd) if io::is_terminal(fd));
    shell.handle_signals();
    let mut text = String::new();
    loop {
        if shell.terminal {
            let prompt = if text.is_empty() { shell.prompt() } else { "> ".to_owned() };
            streams.out.print(&prompt).await;
        }
        let line = async { Ok(streams.input.read_line().await) };
        let line = match task::first(line, shell.interrupted()).await {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(()) => {
                streams.out.print("\n").await;
                text.clear();
                continue;
            }
        };
        text.push_str(&String::from_utf8_lossy(&line));
        text.push('\n');
        // An unfinished command goes on in the next line.
        match parse::parse(&text) {
            Err(why) if why.contains("end of file") || why.contains("unterminated") => continue,
            Err(why) if shell.terminal => {
                streams.err.print(&format!("{}: {why}\n", shell.name)).await;
                shell.status = 2;
                text.clear();
                continue;
            }
            _ => {}
        }
        let interrupted = shell.interrupted();
        let text = std::mem::take(&mut text);
        let script = async { Ok(shell.script(&text, &streams).await) };
        match task::first(script, interrupted).await {
            Ok(Flow::Exit) => break,
            Ok(_) => {}
            Err(()) => {
                streams.out.print("\n").await;
                shell.status = 128 + process::SIGINT as i32;
            }
        }
    }
    if !text.is_empty() {
        shell.script(&text, &streams).await;
    }
    shell.finish(&streams).await
}

impl Shell {
    fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|variable| variable.value.clone())
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.entry(name.to_owned()).or_default().value = value.to_owned();
    }

    /// The environment that commands see.
    fn environment(&self) -> Vec<(String, String)> {
        let exported = self.variables.iter().filter(|(_, variable)| variable.exported);
        exported.map(|(name, variable)| (name.clone(), variable.value.clone())).collect()
    }

    /// An absolute path.
    fn path(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.directory.trim_end_matches('/')) }
    }

    /// Runs a script's text.
    async fn script(&mut self, text: &str, streams: &Streams) -> Flow {
        match parse::parse(text) {
            Ok(commands) => self.list(&commands, streams).await,
            Err(why) => {
                streams.err.print(&format!("{}: {why}\n", self.name)).await;
                self.status = 2;
                Flow::Exit
            }
        }
    }

    /// Runs the trap for the shell's end and answers the exit code.
    async fn finish(mut self, streams: &Streams) -> i32 {
        if let Some(command) = self.traps.remove(&0) {
            let status = self.status;
            if Box::pin(self.script(&command, streams)).await != Flow::Exit {
                self.status = status;
            }
        }
        self.status & 0xff
    }

    /// What ash has for PS1: the directory, and a number sign for root.
    fn prompt(&self) -> String {
        let home = self.get("HOME").unwrap_or_default();
        format!("{} # ", if self.directory == home { "~" } else { self.directory.as_str() })
    }

    /// Ends with Ctrl-C at a terminal, unless that has a trap.
    fn interrupted<T>(&self) -> impl Future<Output = Result<T, ()>> + use<T> {
        let waits = self.terminal && !self.traps.contains_key(&process::SIGINT);
        async move {
            if !waits {
                std::future::pending::<()>().await;
            }
            while process::signal().await != process::SIGINT {}
            Err(())
        }
    }

    /// Tells the host which signals the shell wants to hear of.
    fn handle_signals(&self) {
        let trapped = self.traps.keys().copied().filter(|signal| *signal != 0);
        let signals: Vec<u32> = trapped.chain(self.terminal.then_some(process::SIGINT)).collect();
        process::handle_signals(&signals);
    }

    /// Moves signals that arrived to the list.
    fn collect_signals(&self) {
        loop {
            match unsafe { sys::signal() } {
                0 => return,
                signal => self.shared.pending.borrow_mut().push(signal as u32),
            }
        }
    }
}
