//! Builds the page: two wasm binaries, their JavaScript glue, the static files and the guests, into dist/. What visitors
//! get is cut in two halves ([`split`]).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::compress::{self, Effort};
use crate::guests;
use crate::lean::lean;
use crate::paths;
use crate::process;
use crate::report::{self, Context as _, Result};
use crate::split::profile::Profile;
use crate::split::{self, record};
use crate::toolchain::{TARGET, Toolchain};

/// The wasm binaries of the crate `podarium-web`: the page's main thread, and the worker with the cluster in it.
const BINARIES: [&str; 2] = ["app", "worker"];

/// The bench's page, built for the bench alone.
const BENCH_BINARY: &str = "bench";
const BENCH_PAGE: &str = "<!doctype html><html data-app=\"bench\"><title>Bench</title><script type=\"module\" src=\"boot.js\"></script></html>\n";

/// What a build is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// What visitors get: small, fast, compressed; takes minutes.
    Shipped,
    /// For working on the code: built quickly.
    Fast,
    /// As shipped, but whole, and each function leaves a mark when it runs: for `cargo xtask first-screen`.
    Marked,
}

impl Flavour {
    pub fn of(fast: bool) -> Flavour {
        if fast { Flavour::Fast } else { Flavour::Shipped }
    }

    fn profile(self) -> &'static str {
        match self {
            Flavour::Shipped | Flavour::Marked => "web",
            Flavour::Fast => "web-fast",
        }
    }

    /// What the compiler is told besides. Names of functions have to be the same for every toolchain and every build: the
    /// profile of the first screen knows functions by them. Relocations tell what each function refers to.
    fn rustflags(self) -> &'static str {
        match self {
            Flavour::Shipped | Flavour::Marked => "-Csymbol-mangling-version=v0 -Clink-arg=--emit-relocs",
            Flavour::Fast => "",
        }
    }

    fn effort(self) -> Effort {
        match self {
            Flavour::Shipped => Effort::Best,
            Flavour::Fast | Flavour::Marked => Effort::Quick,
        }
    }
}

/// A binary as it was compiled, with its functions' names.
pub fn bound(name: &str) -> Result<Vec<u8>> {
    let file = paths::target().join("wasm-bindgen").join(name).join(format!("{name}_bg.wasm"));
    fs::read(&file).context(file.display())
}

/// Builds everything into dist/ and returns that folder.
pub fn page(flavour: Flavour) -> Result<PathBuf> {
    build(flavour, &BINARIES)
}

/// Builds what visitors get, and the bench's page beside it.
pub fn page_with_bench() -> Result<PathBuf> {
    let folder = build(Flavour::Shipped, &[BINARIES[0], BINARIES[1], BENCH_BINARY])?;
    let file = folder.join("bench.html");
    fs::write(&file, BENCH_PAGE).context(file.display())?;
    Ok(folder)
}

fn build(flavour: Flavour, binaries: &[&str]) -> Result<PathBuf> {
    let toolchain = Toolchain::ensure()?;
    let guests = guests::build(&toolchain)?;
    let wasm_dir = compile(&toolchain, flavour, binaries)?;

    let step = report::step("assembling dist/");
    let mut site = Site { folder: paths::dist(), effort: flavour.effort(), files: BTreeSet::new() };
    for name in binaries {
        for (file, bytes) in bind(&wasm_dir, name)? {
            if file.ends_with("_bg.wasm") {
                site.add_module(name, &bytes, &wasm_dir, flavour)?;
            } else {
                site.add(Path::new(&file), &lean(Path::new(&file), &bytes))?;
            }
        }
    }
    let statics = paths::root().join("static");
    for file in files_below(&statics)? {
        let bytes = fs::read(&file).context(file.display())?;
        let name = file.strip_prefix(&statics).context("a static file")?;
        site.add(name, &lean(name, &bytes))?;
    }
    for guest in &guests {
        let bytes = fs::read(guest).context(guest.display())?;
        let name = guest.file_name().ok_or("a guest without a name")?;
        site.add(&Path::new("images").join(name), &bytes)?;
    }
    site.remove_strangers()?;
    step.done();
    Ok(site.folder)
}

/// Compiles the binaries and returns the folder that they are in.
fn compile(toolchain: &Toolchain, flavour: Flavour, binaries: &[&str]) -> Result<PathBuf> {
    let step = report::step(format!("compiling the page (profile {})", flavour.profile()));
    let target_dir = paths::target();
    let mut cargo = toolchain.cargo_with(&target_dir, flavour.rustflags());
    cargo.current_dir(paths::root()).args([
        "build",
        "--package",
        "podarium-web",
        "--profile",
        flavour.profile(),
        "--target",
        TARGET,
    ]);
    for name in binaries {
        cargo.args(["--bin", name]);
    }
    process::run(&mut cargo)?;
    step.done();
    Ok(toolchain.output_dir(&target_dir, flavour.profile()))
}

/// Makes the JavaScript glue for a compiled binary. Returns names and contents of the files for the page.
fn bind(wasm_dir: &Path, name: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let input = wasm_dir.join(name).with_extension("wasm");
    let out = paths::target().join("wasm-bindgen").join(name);
    let _ = fs::remove_dir_all(&out);
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen
        .input_path(&input)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .omit_default_module_path(true)
                .demangle(false)
                .remove_name_section(false)
                .remove_producers_section(true)
                .generate(&out)
        })
        .map_err(|error| format!("wasm-bindgen on {}: {error:#}", input.display()))?;
    let mut files = Vec::new();
    for file in files_below(&out)? {
        let relative = file.strip_prefix(&out).context("a bound file")?;
        let relative = relative.to_string_lossy().into_owned();
        files.push((relative, fs::read(&file).context(file.display())?));
    }
    Ok(files)
}

/// Which functions of a binary the first screen runs; a binary without such a file is not cut.
pub fn profile_file(name: &str) -> PathBuf {
    paths::root().join("xtask/first-screen").join(name).with_extension("txt")
}

/// The folder that is being filled, and what belongs there.
struct Site {
    folder: PathBuf,
    effort: Effort,
    files: BTreeSet<PathBuf>,
}

impl Site {
    /// Adds a binary that is not cut: its second half is a module with nothing in it.
    fn add_whole(&mut self, name: &str, wasm: &[u8]) -> Result<()> {
        self.add(Path::new(&format!("{name}_bg.wasm")), wasm)?;
        self.add(Path::new(&format!("{name}_rest.wasm")), b"\0asm\x01\0\0\0")
    }

    /// Adds a binary as its flavour wants it.
    fn add_module(&mut self, name: &str, wasm: &[u8], wasm_dir: &Path, flavour: Flavour) -> Result<()> {
        let file = format!("{name}_bg.wasm");
        match flavour {
            Flavour::Fast => self.add_whole(name, wasm),
            Flavour::Marked => self.add_whole(name, &record::instrument(wasm)?),
            Flavour::Shipped => {
                let profile = profile_file(name);
                if !profile.is_file() {
                    return self.add_whole(name, &split::without_names(wasm)?);
                }
                let linked = wasm_dir.join(name).with_extension("wasm");
                let linked = fs::read(&linked).context(linked.display())?;
                let halves = split::split(wasm, &linked, &Profile::load(&profile)?)?;
                self.add(Path::new(&file), &halves.first)?;
                self.add(Path::new(&format!("{name}_rest.wasm")), &halves.rest)
            }
        }
    }

    fn add(&mut self, name: &Path, bytes: &[u8]) -> Result<()> {
        let file = self.folder.join(name);
        compress::write(&file, bytes, self.effort)?;
        for extension in ["br", "gz"] {
            let neighbour = compress::neighbour(&file, extension);
            if neighbour.is_file() {
                self.files.insert(neighbour);
            }
        }
        if !self.files.insert(file) {
            return Err(format!("two files of the page are called {}", name.display()).into());
        }
        Ok(())
    }

    /// Deletes what an earlier build left.
    fn remove_strangers(&self) -> Result<()> {
        for file in files_below(&self.folder)? {
            if !self.files.contains(&file) {
                fs::remove_file(&file).context(file.display())?;
            }
        }
        Ok(())
    }
}

/// All files below a folder, sorted; none if there is no such folder.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).context(folder.display())?.flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}
