//! `cargo xtask screenshot`: pictures of the running page. The browser work is done in `tests/src/bin/screenshot.rs`.

use std::ffi::OsString;
use std::process::Command;

use crate::browser::Stage;
use crate::build::{self, Flavour};
use crate::paths;
use crate::process;
use crate::report::Result;
use crate::toolchain;

pub fn command(parser: &mut lexopt::Parser) -> Result<()> {
    // The program that takes the picture knows the options best; it gets them as they are.
    let mut given: Vec<OsString> = parser.raw_args()?.collect();
    let fast = given.iter().any(|arg| arg == "--fast");
    let built = given.iter().any(|arg| arg == "--built");
    let help = given.iter().any(|arg| arg == "--help" || arg == "-h");
    given.retain(|arg| arg != "--fast" && arg != "--built");

    let mut cargo = Command::new(toolchain::current_cargo());
    cargo
        .current_dir(paths::root())
        .args(["run", "--quiet", "--package", "podarium-tests", "--bin", "screenshot", "--"])
        .args(given);
    if help {
        return process::run(&mut cargo);
    }
    let folder = if built { paths::dist() } else { build::page(Flavour::of(fast))? };
    let stage = Stage::set(folder)?;
    stage.announce(&mut cargo);
    process::run(&mut cargo)
}
