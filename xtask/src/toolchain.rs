//! A toolchain that compiles to wasm: the one in use where rustup can add the target, or else Debian's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::paths;
use crate::process;
use crate::report::{self, Context as _, Result};

pub const TARGET: &str = "wasm32-unknown-unknown";

/// Set to 1, Debian's toolchain is used even where rustup would do.
const FORCE_FALLBACK: &str = "PODARIUM_WASM_FALLBACK";

/// Debian's Rust for the web. It lives beside rustup's and does not disturb it.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const TARGET_RUSTFLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";
const DEBIAN_LINKER: &str = "wasm-ld-22";

/// What cargo has to be told so that it builds for wasm.
pub enum Toolchain {
    /// The toolchain that runs this very program.
    Current,
    /// Debian's compiler and linker, with a standard library that was built from Debian's sources.
    Debian { sysroot: PathBuf },
}

impl Toolchain {
    /// Finds, or else gets, a toolchain for wasm.
    pub fn ensure() -> Result<Toolchain> {
        let forced = std::env::var(FORCE_FALLBACK).is_ok_and(|value| value == "1");
        if !forced {
            if has_target("rustc") {
                return Ok(Toolchain::Current);
            }
            match add_target() {
                Ok(()) => return Ok(Toolchain::Current),
                Err(error) => eprintln!("    {error}; trying Debian's toolchain"),
            }
        }
        debian().map_err(|error| {
            format!(
                "no Rust compiler for {TARGET} is to be had.\n{error}\n\
                 With rustup: rustup target add {TARGET}\n\
                 Otherwise install your distribution's standard library for {TARGET}."
            )
            .into()
        })
    }

    /// A `cargo` command that builds for wasm into its own target folder.
    pub fn cargo(&self, target_dir: &Path) -> Command {
        self.cargo_with(target_dir, "")
    }

    /// The same, with flags for the compiler.
    pub fn cargo_with(&self, target_dir: &Path, rustflags: &str) -> Command {
        let mut command;
        match self {
            Toolchain::Current => {
                command = Command::new(current_cargo());
                command.env("CARGO_TARGET_DIR", target_dir);
                if !rustflags.is_empty() {
                    command.env(TARGET_RUSTFLAGS, rustflags);
                }
            }
            Toolchain::Debian { sysroot } => {
                command = debian_cargo();
                let flags = format!("{} {rustflags}", sysroot_flag(sysroot));
                command.env("CARGO_TARGET_DIR", target_dir.join("debian")).env(TARGET_RUSTFLAGS, flags.trim());
            }
        }
        command
    }

    /// Where such a build leaves its files.
    pub fn output_dir(&self, target_dir: &Path, profile: &str) -> PathBuf {
        let base = match self {
            Toolchain::Current => target_dir.to_owned(),
            Toolchain::Debian { .. } => target_dir.join("debian"),
        };
        base.join(TARGET).join(profile)
    }
}

/// The cargo that runs this program.
pub fn current_cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Makes sure that a component of the toolchain in use is there: rustfmt, clippy.
pub fn ensure_component(name: &str, program: &str) -> Result<()> {
    let present = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if present(program) {
        return Ok(());
    }
    let limit = Duration::from_secs(120);
    process::run_within(Command::new("rustup").args(["component", "add", name]), limit)
        .map_err(|error| format!("{error}\nget it with: rustup component add {name}").into())
}

fn has_target(rustc: &str) -> bool {
    let mut command = Command::new(rustc);
    command.args(["--print", "target-libdir", "--target", TARGET]);
    process::output(&mut command).is_ok_and(|dir| has_libraries(Path::new(&dir)))
}

fn has_libraries(dir: &Path) -> bool {
    fs::read_dir(dir)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn add_target() -> Result<()> {
    if process::find("rustup").is_none() {
        return Err("rustup is not installed".into());
    }
    let step = report::step(format!("rustup target add {TARGET}"));
    let mut command = Command::new("rustup");
    process::run_within(command.args(["target", "add", TARGET]), Duration::from_secs(60))?;
    step.done();
    if has_target("rustc") { Ok(()) } else { Err("rustup added the target to another toolchain".into()) }
}

fn debian() -> Result<Toolchain> {
    let sources = Path::new("/usr/lib/rustlib/src/rust/library");
    let complete = || {
        Path::new(DEBIAN_CARGO).is_file()
            && Path::new(DEBIAN_RUSTC).is_file()
            && sources.is_dir()
            && process::find(DEBIAN_LINKER).is_some()
    };
    if !complete() {
        let step = report::step(format!("apt-get install {}", DEBIAN_PACKAGES.join(" ")));
        process::apt_install(&DEBIAN_PACKAGES)?;
        step.done();
        if !complete() {
            return Err("the packages are installed but the compiler is not where it should be".into());
        }
    }
    let sysroot = paths::target().join("wasm-sysroot");
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let stamp = sysroot.join("version");
    let version = process::output(Command::new(DEBIAN_RUSTC).arg("-vV"))?;
    if !fs::read_to_string(&stamp).is_ok_and(|built| built == version) {
        let step = report::step(format!("building the standard library for {TARGET} (once)"));
        build_standard_library(&libraries)?;
        fs::write(&stamp, version).context("writing the standard library's version")?;
        step.done();
    }
    Ok(Toolchain::Debian { sysroot })
}

/// Builds an empty crate together with the standard library, and keeps the library.
fn build_standard_library(libraries: &Path) -> Result<()> {
    let crate_dir = paths::target().join("wasm-sysroot-build");
    let _ = fs::remove_dir_all(&crate_dir);
    fs::create_dir_all(crate_dir.join("src")).context("making a folder")?;
    let manifest = "[package]\nname = \"empty\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(crate_dir.join("Cargo.toml"), manifest).context("writing a manifest")?;
    fs::write(crate_dir.join("src/lib.rs"), "").context("writing a crate")?;
    let mut command = debian_cargo();
    command
        .current_dir(&crate_dir)
        .env("CARGO_TARGET_DIR", crate_dir.join("target"))
        // The option is marked unstable; it is used for this one crate and for nothing of ours.
        .env("RUSTC_BOOTSTRAP", "1")
        // Link-time optimisation needs it, and cargo leaves it out where this one crate does not.
        .env(TARGET_RUSTFLAGS, "-Cembed-bitcode=yes")
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET]);
    process::run(&mut command)?;

    let _ = fs::remove_dir_all(libraries);
    fs::create_dir_all(libraries).context("making the sysroot")?;
    let built = crate_dir.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&built).context("reading the standard library's build")?.flatten() {
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if shown.ends_with(".rlib") && !shown.starts_with("libempty-") {
            fs::copy(entry.path(), libraries.join(&name)).context("copying the standard library")?;
        }
    }
    if !has_libraries(libraries) {
        return Err(format!("no standard library came out of {}", built.display()).into());
    }
    let _ = fs::remove_dir_all(&crate_dir);
    Ok(())
}

fn debian_cargo() -> Command {
    let mut command = Command::new(DEBIAN_CARGO);
    command
        .env("PATH", "/usr/bin:/bin")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER)
        // These were set for the toolchain that runs this program.
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTUP_HOME")
        .env_remove("LD_LIBRARY_PATH");
    command
}

fn sysroot_flag(sysroot: &Path) -> String {
    format!("--sysroot={}", sysroot.display())
}
