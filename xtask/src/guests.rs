//! Builds the container images: guest crates under images/, compiled to wasm.

use std::fs;
use std::path::PathBuf;

use crate::args;
use crate::paths;
use crate::process;
use crate::report::{self, Context as _, Result};
use crate::toolchain::{TARGET, Toolchain};

pub fn command(parser: &mut lexopt::Parser) -> Result<()> {
    if let Some(arg) = parser.next()? {
        return args::unexpected("guests", &arg);
    }
    let guests = build(&Toolchain::ensure()?)?;
    for guest in &guests {
        println!("{}", guest.display());
    }
    Ok(())
}

/// Builds all guests and puts them, as NAME.wasm, where tests and the page's build look. Returns their paths.
pub fn build(toolchain: &Toolchain) -> Result<Vec<PathBuf>> {
    let workspace = paths::images();
    if !workspace.join("Cargo.toml").is_file() {
        return Ok(Vec::new());
    }
    let step = report::step("building the guests");
    let target_dir = workspace.join("target");
    let mut cargo = toolchain.cargo(&target_dir);
    cargo.current_dir(&workspace).args(["build", "--locked", "--release", "--target", TARGET]);
    process::run(&mut cargo)?;

    let built = paths::built_images();
    fs::create_dir_all(&built).context("making images/dist")?;
    let mut guests = Vec::new();
    let output = toolchain.output_dir(&target_dir, "release");
    for entry in fs::read_dir(&output).context("reading the guests' build")?.flatten() {
        let from = entry.path();
        // A guest that is gone or renamed leaves its last build behind.
        let crate_dir = from.file_stem().map(|name| workspace.join(name.to_string_lossy().replace('_', "-")));
        let current = crate_dir.is_some_and(|dir| dir.join("Cargo.toml").is_file());
        if current && from.extension().is_some_and(|extension| extension == "wasm") {
            let to = built.join(entry.file_name());
            // An unchanged file keeps its time, so that nothing that embeds it is compiled again.
            let bytes = fs::read(&from).context(from.display())?;
            if !fs::read(&to).is_ok_and(|old| old == bytes) {
                fs::write(&to, bytes).context(to.display())?;
            }
            guests.push(to);
        }
    }
    for entry in fs::read_dir(&built).context("reading images/dist")?.flatten() {
        if !guests.contains(&entry.path()) {
            fs::remove_file(entry.path()).context(entry.path().display())?;
        }
    }
    guests.sort();
    step.done();
    Ok(guests)
}
