//! Where things are in the repository.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let manifest_dir =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest_dir.parent().expect("xtask is a folder of the repository").to_owned()
});

pub fn root() -> &'static Path {
    &ROOT
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The page as a static host serves it.
pub fn dist() -> PathBuf {
    root().join("dist")
}

/// The guests' workspace.
pub fn images() -> PathBuf {
    root().join("images")
}

/// Where native tests and the server find the built guests, as NAME.wasm.
pub fn built_images() -> PathBuf {
    images().join("dist")
}
