//! Puts the container images' modules into the binary, as far as `cargo xtask guests` has built them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let dist = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../images/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut modules: Vec<PathBuf> = match fs::read_dir(&dist) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    modules.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    modules.sort();
    let mut list = String::from("&[\n");
    for path in &modules {
        let name = path.file_stem().unwrap_or_default();
        list.push_str(&format!("({:?}, include_bytes!({:?})),\n", name.to_string_lossy(), path));
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("modules.rs"), list)
}
