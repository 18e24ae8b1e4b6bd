//! The person's computer: files and variables, which stay from one command to the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::sim::Notify;

/// How much all files may hold together.
const FILES_BYTES_MAX: usize = 8 << 20;

/// The person's home folder. Clones share it.
#[derive(Clone, Default)]
pub struct Home {
    files: Rc<RefCell<BTreeMap<String, String>>>,
    /// Variables of the shell.
    pub(super) variables: Rc<RefCell<BTreeMap<String, String>>>,
    /// The machine that the person is logged in to.
    pub(super) logged_in: Rc<RefCell<Option<Rc<str>>>>,
    /// Told when a file changed.
    changed: Option<Notify>,
}

/// A path from the home folder on: `./a`, `~/a` and `/root/a` are all `a`.
pub(super) fn plain(path: &str) -> String {
    let path = path.strip_prefix("~/").or_else(|| path.strip_prefix("/root/")).unwrap_or(path);
    let mut parts: Vec<&str> = Vec::new();
    for p in path.split('/') {
        match p {
            "" if !parts.is_empty() => {}
            "." => {}
            ".." => {
                parts.pop();
            }
            p => parts.push(p),
        }
    }
    parts.join("/")
}

impl Home {
    /// A home folder with files.
    pub fn with(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let home = Home::default();
        for (name, text) in files {
            home.write(&name, text, false);
        }
        home
    }

    /// The same person's on a machine: its files.
    pub(super) fn of_machine(&self, files: Rc<RefCell<BTreeMap<String, String>>>, changed: Notify) -> Home {
        Home { files, changed: Some(changed), ..self.clone() }
    }

    fn tell(&self) {
        if let Some(n) = &self.changed {
            n.notify();
        }
    }

    /// A file's text.
    pub fn read(&self, path: &str) -> Option<String> {
        self.files.borrow().get(&plain(path)).cloned()
    }

    /// Writes a file, or adds to its end.
    pub fn write(&self, path: &str, text: String, append: bool) {
        if path == "/dev/null" {
            return;
        }
        let mut files = self.files.borrow_mut();
        let held: usize = files.values().map(String::len).sum();
        if held + text.len() > FILES_BYTES_MAX {
            return;
        }
        let file = files.entry(plain(path)).or_default();
        if !append {
            file.clear();
        }
        file.push_str(&text);
        drop(files);
        self.tell();
    }

    /// Takes a file away; whether it was there.
    pub fn remove(&self, path: &str) -> bool {
        let removed = self.files.borrow_mut().remove(&plain(path)).is_some();
        self.tell();
        removed
    }

    /// The files below a folder, by name; all with an empty path.
    pub fn below(&self, folder: &str) -> Vec<String> {
        let folder = plain(folder);
        let inside = |f: &&String| folder.is_empty() || f.starts_with(&format!("{folder}/"));
        self.files.borrow().keys().filter(inside).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_many_paths() {
        let home = Home::with([("pods/a.yaml".to_owned(), "a".to_owned())]);
        for path in ["pods/a.yaml", "./pods/a.yaml", "~/pods/a.yaml", "/root/pods/../pods/a.yaml"] {
            assert_eq!(home.read(path).as_deref(), Some("a"), "{path}");
        }
        home.write("./pods/a.yaml", "b".into(), true);
        assert_eq!(home.read("pods/a.yaml").as_deref(), Some("ab"));
        assert_eq!(home.below("pods/"), ["pods/a.yaml"]);
        assert!(home.remove("~/pods/a.yaml") && home.read("pods/a.yaml").is_none());
    }
}
