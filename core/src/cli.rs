//! The person's command line: text in, text out, in virtual time.
//!
//! Commands reach the cluster as any program outside does: kubectl by HTTP requests to the api-server. Nothing here reads the
//! cluster's state past it.

mod args;
mod door;
mod home;
mod kubectl;
mod line;
mod node;
mod program;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod time;

use std::rc::Rc;

pub use door::{Door, Reply, Stream};
pub use home::Home;
pub use terminal::Terminal;

use crate::cluster::{Login, Machines, Output, Outputs};
use kubectl::align;
use line::{Pipeline, Simple, When};

/// What a command runs with.
#[derive(Clone)]
pub struct Shell {
    /// The command's number.
    pub id: u64,
    /// Where it prints to.
    pub outputs: Outputs,
    /// The way to the api-server.
    pub door: Door,
    /// The person's files and variables, which stay from one command to the next.
    pub home: Home,
    /// The cluster's machines, which the person can log in to.
    pub machines: Option<Machines>,
    /// The machine that it runs on; none on the person's own computer.
    pub on: Option<Rc<Login>>,
    /// What is fed to it: another program's output, or a here-document.
    pub stdin: Option<Rc<str>>,
    /// Where the person types while it runs.
    pub terminal: Terminal,
}

impl Shell {
    /// Prints to standard output.
    pub fn out(&self, text: impl Into<String>) {
        self.print(false, text.into());
    }

    /// Prints to standard error.
    pub fn err(&self, text: impl Into<String>) {
        self.print(true, text.into());
    }

    fn print(&self, stderr: bool, text: String) {
        if !text.is_empty() {
            self.outputs.push(Output::Text { id: self.id, stderr, text });
        }
    }

    /// A file's text; `-` is what is fed to the program.
    pub fn read(&self, path: &str) -> Option<String> {
        match path {
            "-" => Some(self.stdin.as_deref().unwrap_or_default().to_owned()),
            path => self.home.read(path),
        }
    }

    /// The same shell whose output is kept instead of printed.
    fn quiet(&self) -> Shell {
        Shell { outputs: Outputs::default(), ..self.clone() }
    }

    /// What was printed to a quiet shell; the other stream goes where it went.
    fn taken(&self, quiet: &Shell, errors_too: bool) -> String {
        let mut out = String::new();
        for o in quiet.outputs.take() {
            match o {
                Output::Text { stderr: true, text, .. } if !errors_too => self.err(text),
                Output::Text { text, .. } => out.push_str(&text),
                other => self.outputs.push(other),
            }
        }
        out
    }
}

/// How long a command line may be.
const LINE_BYTES_MAX: usize = 64 << 10;
/// How deep commands may stand within each other.
const DEPTH_MAX: usize = 8;

/// Runs a command line to its end: its exit code.
pub async fn run(shell: &Shell, line: &str) -> i32 {
    run_line(&node::place(shell), line, 0).await
}

/// Boxed, since a line may hold lines.
fn run_line<'a>(shell: &'a Shell, line: &'a str, depth: usize) -> std::pin::Pin<Box<dyn Future<Output = i32> + 'a>> {
    Box::pin(async move {
        if line.len() > LINE_BYTES_MAX || depth > DEPTH_MAX {
            shell.err("bash: Argument list too long\n");
            return 126;
        }
        let line = match substituted(shell, line, depth).await {
            Ok(l) => l,
            Err(code) => return code,
        };
        let parsed = line::parse(&line, &shell.home.variables.borrow());
        let pipelines = match parsed {
            Ok(p) => p,
            Err(e) => {
                shell.err(format!("bash: {e}\n"));
                return 2;
            }
        };
        let mut code = 0;
        for p in &pipelines {
            let runs = match p.when {
                When::Always => true,
                When::Succeeded => code == 0,
                When::Failed => code != 0,
            };
            if runs {
                code = pipeline(shell, p, depth).await;
                shell.home.variables.borrow_mut().insert("?".into(), code.to_string());
            }
        }
        code
    })
}

/// The line with what the commands inside of `$(..)` print in their place.
async fn substituted(shell: &Shell, line: &str, depth: usize) -> Result<String, i32> {
    let mut out = String::new();
    let mut rest = line;
    let (mut single, mut double) = (false, false);
    while let Some(c) = rest.chars().next() {
        let opens = !single && (rest.starts_with("$(") || c == '`');
        if !opens {
            match c {
                '\'' if !double => single = !single,
                '"' if !single => double = !double,
                _ => {}
            }
            let taken = c.len_utf8()
                + if c == '\\' && !single { rest[1..].chars().next().map_or(0, char::len_utf8) } else { 0 };
            out.push_str(&rest[..taken]);
            rest = &rest[taken..];
            continue;
        }
        let Some((inner, after)) = line::inside(rest) else {
            shell.err("bash: unexpected EOF while looking for matching `)'\n");
            return Err(2);
        };
        let quiet = shell.quiet();
        run_line(&quiet, inner, depth + 1).await;
        let printed = shell.taken(&quiet, false);
        let printed = printed.trim_end_matches('\n');
        if double {
            out.push_str(&printed.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`"));
        } else {
            let words: Vec<String> =
                printed.split_whitespace().map(|w| format!("'{}'", w.replace('\'', "'\\''"))).collect();
            out.push_str(&words.join(" "));
        }
        rest = after;
    }
    Ok(out)
}

async fn pipeline(shell: &Shell, p: &Pipeline, depth: usize) -> i32 {
    let mut fed: Option<Rc<str>> = shell.stdin.clone();
    let mut code = 0;
    for (i, program) in p.programs.iter().enumerate() {
        let last = i + 1 == p.programs.len();
        let mut at = Shell { stdin: fed.clone(), ..shell.clone() };
        if let Some(h) = &program.here {
            at.stdin = Some(h.as_str().into());
        }
        if let Some(f) = &program.input {
            match shell.home.read(f) {
                Some(t) => at.stdin = Some(t.into()),
                None => {
                    shell.err(format!("bash: {f}: No such file or directory\n"));
                    code = 1;
                    continue;
                }
            }
        }
        let keeps = !last || program.output.is_some() || program.errors.is_some() || program.errors_too;
        if !keeps {
            code = program::run(&at, &program.words, depth).await;
            continue;
        }
        let quiet = at.quiet();
        code = program::run(&quiet, &program.words, depth).await;
        fed = redirected(shell, &quiet, program, last);
    }
    code
}

/// Sends a program's streams where they go; what the next program is fed.
fn redirected(shell: &Shell, quiet: &Shell, program: &Simple, last: bool) -> Option<Rc<str>> {
    let (mut out, mut err) = (String::new(), String::new());
    for o in quiet.outputs.take() {
        match o {
            Output::Text { stderr: true, text, .. } if !program.errors_too => err.push_str(&text),
            Output::Text { text, .. } => out.push_str(&text),
            other => shell.outputs.push(other),
        }
    }
    match &program.errors {
        Some((f, append)) => shell.home.write(f, err, *append),
        None => shell.err(err),
    }
    match &program.output {
        Some((f, append)) => shell.home.write(f, out, *append),
        None if last => shell.out(out),
        None => return Some(out.into()),
    }
    Some("".into())
}
