//! What the person sees: steps as they go, failures, and things left out.

use std::fmt;
use std::time::Instant;

pub type Result<T> = std::result::Result<T, Error>;

/// A failure, told in words that say what to do next.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Error(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Error(text.to_owned())
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Error(error.to_string())
    }
}

/// Adds what was being done to an error of the operating system.
pub trait Context<T> {
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error(format!("{doing}: {error}")))
    }
}

/// A step in progress; says how long it took when it is done.
pub struct Step {
    name: String,
    started: Instant,
}

/// Announces a step.
pub fn step(name: impl Into<String>) -> Step {
    let name = name.into();
    eprintln!("==> {name}");
    Step { name, started: Instant::now() }
}

impl Step {
    pub fn done(self) {
        let seconds = self.started.elapsed().as_secs_f64();
        if seconds >= 0.5 {
            eprintln!("    {} took {seconds:.1} s", self.name);
        }
    }
}

pub fn failure(error: &Error) {
    eprintln!("\nxtask: {error}");
}

/// Whether a continuous-integration machine runs this; nothing may be left out there.
pub fn on_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Leaves something out, loudly; on a continuous-integration machine that is a failure.
pub fn skip(what: &str, why: &Error) -> Result<()> {
    if on_ci() {
        return Err(format!("{what} cannot run, and nothing may be skipped here: {why}").into());
    }
    let line = "!".repeat(72);
    eprintln!("{line}\nSKIPPED: {what}\n{why}\n{line}");
    Ok(())
}
