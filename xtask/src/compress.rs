//! Brotli and gzip copies beside each file of the page, for hosts that serve them as they are.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::report::{Context as _, Result};

/// How much work compression may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    Quick,
    Best,
}

/// Whether a file shrinks enough to be worth a second copy.
fn worth_it(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("wasm" | "js" | "html" | "css" | "svg" | "json" | "yaml" | "txt" | "md"))
}

/// The compressed neighbours of a file: FILE.br and FILE.gz.
pub fn neighbour(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Writes a file together with its compressed neighbours, unless it is there already with these bytes.
pub fn write(file: &Path, bytes: &[u8], effort: Effort) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).context(folder.display())?;
    }
    let (br, gz) = (neighbour(file, "br"), neighbour(file, "gz"));
    let compressed = worth_it(file);
    let neighbours_are_current = match effort {
        Effort::Quick => !br.exists() && !gz.exists(),
        Effort::Best => br.exists() && gz.exists(),
    };
    if fs::read(file).is_ok_and(|old| old == bytes) && (!compressed || neighbours_are_current) {
        return Ok(());
    }
    fs::write(file, bytes).context(file.display())?;
    let _ = fs::remove_file(&br);
    let _ = fs::remove_file(&gz);
    if compressed && effort == Effort::Best {
        fs::write(&br, brotli(bytes)?).context(br.display())?;
        fs::write(&gz, gzip(bytes)?).context(gz.display())?;
    }
    Ok(())
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let params =
        brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: bytes.len(), ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &params).context("compressing with brotli")?;
    Ok(out)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).context("compressing with gzip")?;
    encoder.finish().context("compressing with gzip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brotli_copy_holds_the_same_bytes() {
        let bytes = b"containers ".repeat(1000);
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &brotli(&bytes).unwrap()[..], &mut back).unwrap();
        assert_eq!(back, bytes);
    }

    #[test]
    fn neighbour_keeps_the_extension() {
        assert_eq!(neighbour(Path::new("a/app.js"), "br"), Path::new("a/app.js.br"));
    }
}
