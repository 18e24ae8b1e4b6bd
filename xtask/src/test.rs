//! `cargo xtask test`: every check there is, in the order of what fails fastest.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::args;
use crate::browser::{self, Stage};
use crate::build::{self, Flavour};
use crate::clients;
use crate::guests;
use crate::paths;
use crate::process;
use crate::report::{self, Context as _, Result};
use crate::toolchain::{self, Toolchain};

const PHASES: [&str; 6] = ["fmt", "clippy", "guests", "native", "clients", "browser"];

/// Every native build selects the same packages: with others, features differ and all dependencies compile again.
const ALL: [&str; 4] = ["--locked", "--workspace", "--exclude", "xtask"];

/// Our own crates run thousands of scenarios; unoptimised they would take most of the time.
const OPT_LEVEL: (&str, &str) = ("CARGO_PROFILE_DEV_OPT_LEVEL", "1");

pub fn command(parser: &mut lexopt::Parser) -> Result<()> {
    let mut phases: Vec<String> = PHASES.iter().map(|phase| (*phase).to_owned()).collect();
    // Browser tests drive a page that is built quickly; the one that visitors get is tried with this.
    let mut shipped = false;
    let mut rest: Vec<OsString> = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("only") => phases = args::name_list(parser, &PHASES)?,
            lexopt::Arg::Long("fast") => shipped = false,
            lexopt::Arg::Long("shipped") => shipped = true,
            // What follows `--` arrives as plain values.
            lexopt::Arg::Value(value) => rest.push(value),
            other => return args::unexpected("test", &other),
        }
    }
    let mut tally = Tally::default();
    for phase in &phases {
        let result = match phase.as_str() {
            "fmt" => format(&mut tally),
            "clippy" => lint(&mut tally),
            "guests" => build_guests(),
            "native" => native(&mut tally, &rest),
            "clients" => real_clients(&mut tally, &rest),
            _ => in_browser(&mut tally, shipped, &rest),
        };
        if let Err(error) = result {
            report::failure(&error);
            tally.failures.push(format!("{phase}: {}", first_line(&error.to_string())));
        }
    }
    tally.tell()
}

/// What passed and failed so far.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    fn tell(&self) -> Result<()> {
        let failed = self.failed.max(self.failures.len() as u64);
        println!();
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        println!("{} passed, {failed} failed", self.passed);
        if failed == 0 { Ok(()) } else { Err("not everything passed".into()) }
    }

    /// Counts the tests of a line that cargo's test runner ends a file with.
    fn count(&mut self, line: &str) {
        if !line.starts_with("test result:") {
            return;
        }
        let number_before = |word: &str| -> u64 {
            let Some((before, _)) = line.split_once(word) else {
                return 0;
            };
            before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        self.passed += number_before(" passed");
        self.failed += number_before(" failed");
    }
}

fn format(tally: &mut Tally) -> Result<()> {
    if let Err(error) = toolchain::ensure_component("rustfmt", "rustfmt") {
        return report::skip("the format check", &error);
    }
    let step = report::step("checking the format");
    let mut workspaces = vec![paths::root().to_owned()];
    if paths::images().join("Cargo.toml").is_file() {
        workspaces.push(paths::images());
    }
    for workspace in workspaces {
        let mut cargo = Command::new(toolchain::current_cargo());
        cargo.current_dir(workspace).args(["fmt", "--all", "--check"]);
        process::run(&mut cargo).map_err(|error| format!("{error}\nmend it with: cargo fmt --all"))?;
    }
    tally.passed += 1;
    step.done();
    Ok(())
}

fn lint(tally: &mut Tally) -> Result<()> {
    if let Err(error) = toolchain::ensure_component("clippy", "cargo-clippy") {
        return report::skip("the lints", &error);
    }
    let step = report::step("checking the lints");
    let mut cargo = Command::new(toolchain::current_cargo());
    cargo.current_dir(paths::root()).args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    process::run(&mut cargo)?;
    tally.passed += 1;
    step.done();
    Ok(())
}

fn build_guests() -> Result<()> {
    guests::build(&Toolchain::ensure()?).map(drop)
}

fn native(tally: &mut Tally, rest: &[OsString]) -> Result<()> {
    let step = report::step("native tests");
    let mut failure = None;
    // This program is tested apart: within the workspace's features, all that it depends on would be compiled again.
    for packages in [&["--locked", "--package", "xtask"][..], &ALL] {
        let mut cargo = Command::new(toolchain::current_cargo());
        cargo.args(["test", "--no-fail-fast"]).args(packages);
        failure = run_tests(&mut cargo, tally, rest).err().or(failure);
    }
    step.done();
    failure.map_or(Ok(()), Err)
}

/// Other people's clients against the server.
fn real_clients(tally: &mut Tally, rest: &[OsString]) -> Result<()> {
    let clients = clients::ensure()?;
    let step = report::step("real clients");
    let mut cargo = Command::new(toolchain::current_cargo());
    // With a test among what is built, features are those of the native tests: without it all dependencies would be compiled again.
    let server_and_test = ["--bin", "podarium", "--test", "clients"];
    cargo.current_dir(paths::root()).env(OPT_LEVEL.0, OPT_LEVEL.1).arg("build").args(ALL).args(server_and_test);
    process::run(&mut cargo)?;
    let mut cargo = Command::new(toolchain::current_cargo());
    cargo.arg("test").args(ALL).args(["--test", "clients"]);
    cargo.env("PODARIUM_SERVER", paths::target().join("debug/podarium"));
    for client in &clients {
        client.announce(&mut cargo);
    }
    run_tests(&mut cargo, tally, rest)?;
    step.done();
    Ok(())
}

fn in_browser(tally: &mut Tally, shipped: bool, rest: &[OsString]) -> Result<()> {
    if let Err(error) = browser::ensure() {
        return report::skip("the browser tests", &error);
    }
    let folder = build::page(Flavour::of(!shipped))?;
    let step = report::step("browser tests");
    let stage = Stage::set(folder)?;
    let mut cargo = Command::new(toolchain::current_cargo());
    cargo.arg("test").args(ALL).args(["--test", "browser"]);
    stage.announce(&mut cargo);
    run_tests(&mut cargo, tally, rest)?;
    step.done();
    Ok(())
}

/// Runs `cargo test`, passes its lines on and counts.
fn run_tests(cargo: &mut Command, tally: &mut Tally, rest: &[OsString]) -> Result<()> {
    cargo.current_dir(paths::root()).env(OPT_LEVEL.0, OPT_LEVEL.1).arg("--").args(rest).stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cannot start cargo test")?;
    let stdout = child.stdout.take().ok_or("cargo test has no output")?;
    for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
        tally.count(&line);
        println!("{line}");
    }
    let status = child.wait().context("waiting for cargo test")?;
    if status.success() { Ok(()) } else { Err("tests failed".into()) }
}

/// For a summary; the whole was shown when it happened.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut tally = Tally::default();
        tally.count("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.02s");
        tally.count("test api::field::tests::nests ... ok");
        tally.count("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!((tally.passed, tally.failed), (13, 2));
    }

    #[test]
    fn a_phase_that_ran_no_test_still_fails_the_whole() {
        let tally = Tally { passed: 5, failed: 0, failures: vec!["clippy: warned".to_owned()] };
        assert!(tally.tell().is_err());
    }
}
