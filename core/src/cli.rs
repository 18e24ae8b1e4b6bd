//! The person's command line: text in, text out, in virtual time.
//!
//! Commands reach the cluster as any program outside does: kubectl by HTTP requests to the api-server. Nothing here reads the
//! cluster's state past it.

mod args;
mod door;
mod kubectl;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use door::{Door, KubeletDoor, Reply};

use crate::cluster::{Output, Outputs};

/// What a command runs with.
#[derive(Clone)]
pub struct Shell {
    /// The command's number.
    pub id: u64,
    /// Where it prints to.
    pub outputs: Outputs,
    /// The way to the api-server.
    pub door: Door,
    /// Files beside it; `-` is standard input.
    pub files: Rc<BTreeMap<String, String>>,
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
}

/// How long a command line may be.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Runs a command line to its end: its exit code.
pub async fn run(shell: &Shell, line: &str) -> i32 {
    if line.len() > LINE_BYTES_MAX {
        shell.err("bash: Argument list too long\n");
        return 126;
    }
    let words = match args::split(line) {
        Ok(w) => w,
        Err(e) => {
            shell.err(format!("bash: {e}\n"));
            return 2;
        }
    };
    match words.first().map(String::as_str) {
        None => 0,
        Some("kubectl" | "k") => kubectl::run(shell, &words[1..]).await,
        Some(name) => {
            shell.err(format!("bash: {name}: command not found\n"));
            127
        }
    }
}
