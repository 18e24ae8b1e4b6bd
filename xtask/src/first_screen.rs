//! `cargo xtask first-screen`: records which functions run until the first screen is there, for [`crate::split`]. The browser
//! work is done in `tests/src/bin/first-screen.rs`.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::args;
use crate::browser::Stage;
use crate::build::{self, Flavour};
use crate::paths;
use crate::report::{self, Context as _, Result};
use crate::split::profile::Profile;
use crate::split::record::{self, MARKS};
use crate::toolchain;

/// The binaries that are cut.
const BINARIES: [&str; 2] = ["app", "worker"];

pub fn command(parser: &mut lexopt::Parser) -> Result<()> {
    if let Some(arg) = parser.next()? {
        return args::unexpected("first-screen", &arg);
    }
    let folder = build::page(Flavour::Marked)?;
    for (script, name) in [("boot.js", "app"), ("worker-boot.js", "worker")] {
        listen(&folder.join(script), name)?;
    }
    let step = report::step("watching the first screen in Chromium");
    let stage = Stage::set(folder)?;
    let mut cargo = Command::new(toolchain::current_cargo());
    cargo
        .current_dir(paths::root())
        .args(["run", "--quiet", "--package", "podarium-tests", "--bin", "first-screen", "--"])
        .args(BINARIES)
        .stdout(Stdio::piped());
    stage.announce(&mut cargo);
    let mut child = cargo.spawn().context("cannot start the program that drives the browser")?;
    let stdout = child.stdout.take().ok_or("the program has no output")?;
    let mut profiles = BINARIES.map(|name| (name, Profile::default()));
    for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
        let (name, marks) = line.split_once(':').ok_or("the program said something else")?;
        let marks: std::result::Result<Vec<u32>, _> = marks.split_whitespace().map(str::parse).collect();
        let found = profiles.iter_mut().find(|(n, _)| *n == name).ok_or("marks of an unknown binary")?;
        record::gather(&build::bound(name)?, &marks.context("marks")?, &mut found.1)?;
    }
    if !child.wait().context("waiting for the program")?.success() {
        return Err("the first screen could not be watched".into());
    }
    for (name, profile) in profiles {
        let file = build::profile_file(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).context(folder.display())?;
        }
        profile.save(&file)?;
    }
    step.done();
    Ok(())
}

/// Makes a script that starts a binary tell the binary's marks to whoever asks.
fn listen(script: &Path, name: &str) -> Result<()> {
    // Nothing is missing. The page does nothing when the rest is there but begin with a stored cluster; what the worker does
    // then comes after the first screen, and is no part of it.
    let rest = if name == "app" { "Promise.resolve()" } else { "new Promise(() => {})" };
    let text = format!(
        r#"
globalThis.podariumAwaitRest = () => {rest};
started.then((exports) => {{
  const channel = new BroadcastChannel("marks of {name}");
  channel.onmessage = ({{ data }}) => {{
    if (data !== "tell") return;
    const marks = new Uint8Array(exports.{MARKS}.buffer);
    channel.postMessage([...marks.keys()].filter((i) => marks[i] !== 0));
  }};
}});
"#
    );
    let mut file = OpenOptions::new().append(true).open(script).context(script.display())?;
    file.write_all(text.as_bytes()).context(script.display())
}
