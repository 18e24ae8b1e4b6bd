//! The functions that the first screen runs, by fingerprints of their names.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::report::{Context as _, Result};

/// A set of functions.
#[derive(Default)]
pub struct Profile(BTreeSet<u32>);

impl Profile {
    /// Reads a file with one fingerprint a line.
    pub fn load(file: &Path) -> Result<Profile> {
        let text = fs::read_to_string(file).context(file.display())?;
        let prints = text.lines().filter(|line| !line.starts_with('#'));
        let prints: std::result::Result<_, _> = prints.map(|line| u32::from_str_radix(line, 16)).collect();
        Ok(Profile(prints.context(file.display())?))
    }

    pub fn save(&self, file: &Path) -> Result<()> {
        let mut text = String::from(
            "# Functions that the first screen runs: made by `cargo xtask first-screen`, read by xtask/src/split.\n",
        );
        for print in &self.0 {
            // A string takes any text.
            let _ = writeln!(text, "{print:08x}");
        }
        fs::write(file, text).context(file.display())
    }

    pub fn add(&mut self, symbol: &str) {
        self.0.insert(fingerprint(symbol));
    }

    pub fn contains(&self, symbol: &str) -> bool {
        self.0.contains(&fingerprint(symbol))
    }
}

/// FNV-1a of a symbol's path, without the hashes of compiler and crates: the same for every toolchain.
fn fingerprint(symbol: &str) -> u32 {
    let path = format!("{:#}", rustc_demangle::demangle(symbol));
    path.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
