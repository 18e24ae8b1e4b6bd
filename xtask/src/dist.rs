//! `cargo xtask dist`: the page for a static host, and how big it is.

use std::fs;

use crate::args;
use crate::build::{self, Flavour};
use crate::compress;
use crate::paths;
use crate::report::{Context as _, Result};

/// What the first screen needs. The second halves of both modules and the container images come after it.
const FIRST_SCREEN: [&str; 12] = [
    "index.html",
    "style.css",
    "icon.svg",
    "fonts/podarium-sans.woff2",
    "fonts/podarium-mono.woff2",
    "boot.js",
    "rest.js",
    "app.js",
    "app_bg.wasm",
    "worker-boot.js",
    "worker.js",
    "worker_bg.wasm",
];

pub fn command(parser: &mut lexopt::Parser) -> Result<()> {
    let mut fast = false;
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("fast") => fast = true,
            other => return args::unexpected("dist", &other),
        }
    }
    let folder = build::page(Flavour::of(fast))?;
    println!("{}", folder.display());
    if !fast {
        println!("first screen: {:.1} kB brotli", first_screen_brotli_kb()?);
    }
    Ok(())
}

/// The bytes that a browser fetches before the page is alive, in units of 1,000.
pub fn first_screen_brotli_kb() -> Result<f64> {
    let mut bytes = 0;
    for name in FIRST_SCREEN {
        let file = paths::dist().join(name);
        let compressed = compress::neighbour(&file, "br");
        // Files of a few bytes are sent as they are.
        let sent = if compressed.is_file() { compressed } else { file };
        bytes += fs::metadata(&sent).context(sent.display())?.len();
    }
    Ok(bytes as f64 / 1000.0)
}
