//! `--apply`: a folder's manifests, applied before the API opens.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use podarium_core::cluster::{Cluster, Output};
use podarium_core::session::Input;

/// What kubectl takes for manifests in a folder.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// No command takes this long, in virtual time.
const PATIENCE: Duration = Duration::from_secs(600);

/// A manifest: where it is, and its text.
pub type Manifest = (PathBuf, String);

/// The manifests of a folder, in the order of their names.
pub fn read(folder: &Path) -> Result<Vec<Manifest>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("--apply {}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| {
        file.is_file() && file.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e))
    });
    files.sort();
    if files.is_empty() {
        return Err(format!("--apply {}: no .yaml, .yml or .json files", folder.display()));
    }
    let read = |file: PathBuf| match fs::read_to_string(&file) {
        Ok(text) => Ok((file, text)),
        Err(e) => Err(format!("--apply {}: {e}", file.display())),
    };
    files.into_iter().map(read).collect()
}

/// Applies them as kubectl does.
pub fn apply(cluster: &mut Cluster, manifests: &[Manifest]) -> Result<(), String> {
    for (id, (file, text)) in manifests.iter().enumerate() {
        let files = vec![("-".to_owned(), text.clone())];
        let (printed, code) = run(cluster, id as u64, "kubectl apply -f -", files);
        if code != 0 {
            return Err(format!("--apply {}: {}", file.display(), printed.trim_end()));
        }
    }
    Ok(())
}

/// Runs a command to its end: what it printed on stderr, and its exit code.
fn run(cluster: &mut Cluster, id: u64, line: &str, files: Vec<(String, String)>) -> (String, i32) {
    cluster.submit(Input::Command { id, line: line.to_owned(), files });
    let limit = cluster.now() + PATIENCE;
    let mut printed = String::new();
    loop {
        for output in cluster.take_outputs() {
            match output {
                Output::Text { id: of, stderr: true, text } if of == id => printed.push_str(&text),
                Output::Exit { id: of, code } if of == id => return (printed, code),
                _ => {}
            }
        }
        if !cluster.step(limit) {
            return (format!("`{line}` does not end"), 1);
        }
    }
}
