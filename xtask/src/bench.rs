//! `cargo xtask bench`: runs the benches and gathers their figures.
//!
//! A bench is a program of the crate `podarium-tests`. Each line on its standard output that begins with `{` is one
//! figure, `{"name": "boot_ms", "value": 61.2, "unit": "ms", "where": "native"}`; all other lines are for people.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::args;
use crate::browser::Stage;
use crate::build;
use crate::guests;
use crate::paths;
use crate::process;
use crate::report::{self, Context as _, Result};
use crate::toolchain::{self, Toolchain};

const PLACES: [&str; 3] = ["native", "server", "chromium"];

/// The program of a place, if it is a native one.
fn native_program(place: &str) -> Option<&'static str> {
    match place {
        "native" => Some("bench-native"),
        "server" => Some("bench-server"),
        _ => None,
    }
}

pub fn command(parser: &mut lexopt::Parser) -> Result<()> {
    let mut places: Vec<String> = PLACES.iter().map(|place| (*place).to_owned()).collect();
    let mut json: Option<PathBuf> = None;
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("only") => places = args::name_list(parser, &PLACES)?,
            lexopt::Arg::Long("json") => json = Some(parser.value()?.into()),
            other => return args::unexpected("bench", &other),
        }
    }
    let programs: Vec<&str> = places.iter().filter_map(|place| native_program(place)).collect();
    if !programs.is_empty() {
        compile(&programs)?;
    }
    let mut figures = Vec::new();
    for place in &places {
        match native_program(place) {
            Some(program) => native(place, program, &mut figures)?,
            None => chromium(&mut figures)?,
        }
    }
    if let Some(file) = json {
        fs::write(&file, format!("[\n{}\n]\n", figures.join(",\n"))).context(file.display())?;
        eprintln!("    {} figures in {}", figures.len(), file.display());
    }
    Ok(())
}

/// Compiles the native benches, side by side: each is optimised as a whole, by one core, for minutes.
fn compile(programs: &[&str]) -> Result<()> {
    guests::build(&Toolchain::ensure()?)?;
    let step = report::step("compiling the native benches");
    let mut cargo = Command::new(toolchain::current_cargo());
    cargo.current_dir(paths::root()).args(["build", "--release", "--package", "podarium-tests"]);
    for program in programs {
        cargo.args(["--bin", program]);
    }
    process::run(&mut cargo)?;
    step.done();
    Ok(())
}

fn native(place: &str, program: &str, figures: &mut Vec<String>) -> Result<()> {
    let step = report::step(format!("bench: {place}"));
    run(bench(program).arg("--release"), figures)?;
    step.done();
    Ok(())
}

fn chromium(figures: &mut Vec<String>) -> Result<()> {
    let folder = build::page_with_bench()?;
    let step = report::step("bench in Chromium");
    let stage = Stage::set(folder)?;
    // It only drives the browser.
    let mut cargo = bench("bench-chromium");
    stage.announce(&mut cargo);
    run(&mut cargo, figures)?;
    step.done();
    Ok(())
}

fn bench(name: &str) -> Command {
    let mut cargo = Command::new(toolchain::current_cargo());
    cargo.current_dir(paths::root()).args(["run", "--quiet", "--package", "podarium-tests", "--bin", name]);
    cargo
}

fn run(cargo: &mut Command, figures: &mut Vec<String>) -> Result<()> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start the bench")?;
    let stdout = child.stdout.take().ok_or("the bench has no output")?;
    for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
        println!("{line}");
        if line.starts_with('{') {
            figures.push(line);
        }
    }
    let status = child.wait().context("waiting for the bench")?;
    if status.success() { Ok(()) } else { Err("the bench failed".into()) }
}
