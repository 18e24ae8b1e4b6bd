//! A container's file system: the image's tree, what is mounted over it, and what its processes wrote.
//!
//! Small on purpose: files and directories, no links, owners or modes. Paths are absolute and normal.

use std::collections::BTreeMap;
use std::rc::Rc;

/// What one container may write in all, as a guard for the host.
const WRITTEN_BYTES_MAX: usize = 16 << 20;

/// Directories that every image has.
const STANDARD_DIRS: &[&str] =
    &["/", "/bin", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/usr", "/var"];

/// Where the container's processes are shown.
const PROC: &str = "/proc";

/// What a file holds.
#[derive(Clone)]
pub enum Content {
    /// These bytes.
    Kept(Rc<[u8]>),
    /// What this makes, the same each time: of files that every container has and hardly any reads.
    Made(Rc<dyn Fn() -> String>),
}

impl Content {
    fn bytes(&self) -> Rc<[u8]> {
        match self {
            Content::Kept(bytes) => bytes.clone(),
            Content::Made(make) => make().into_bytes().into(),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes().fmt(f)
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Content {}

impl From<Rc<[u8]>> for Content {
    fn from(bytes: Rc<[u8]>) -> Self {
        Content::Kept(bytes)
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Content::Kept(bytes.into())
    }
}

/// Files by absolute path; their directories come with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileTree(
    /// In order, and without room for more: every container has a few small trees.
    Vec<(Box<str>, Content)>,
);

impl FileTree {
    /// The tree with one more file.
    #[must_use]
    pub fn with(self, path: &str, bytes: &[u8]) -> Self {
        self.with_content(path, bytes)
    }

    /// The tree with one more file, whose bytes others may have too, or that is made when it is read.
    #[must_use]
    pub fn with_content(mut self, path: &str, content: impl Into<Content>) -> Self {
        let path = normalize("/", path);
        match self.place(&path) {
            Ok(at) => {
                if let Some((_, there)) = self.0.get_mut(at) {
                    *there = content.into();
                }
            }
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (path.into(), content.into()));
            }
        }
        self
    }

    fn place(&self, path: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(there, _)| (**there).cmp(path))
    }

    /// The file at a path.
    pub fn get(&self, path: &str) -> Option<&Content> {
        self.0.get(self.place(path).ok()?).map(|(_, content)| content)
    }

    /// All files, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.0.iter().map(|(path, content)| (&**path, content))
    }

    /// All files strictly below a directory.
    fn below(&self, dir: &str) -> impl Iterator<Item = (&str, &Content)> {
        let prefix = format!("{}/", dir.trim_end_matches('/'));
        let (Ok(from) | Err(from)) = self.place(&prefix);
        self.iter().skip(from).take_while(move |(path, _)| path.starts_with(&prefix))
    }

    fn has_dir(&self, dir: &str) -> bool {
        self.below(dir).next().is_some()
    }
}

/// A tree laid over the image's at a path: `/etc/config` for a volume, `/` for single files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where the tree's root appears.
    pub path: String,
    /// What appears there; its paths are relative to the mount's root and begin with a slash.
    pub files: Rc<FileTree>,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// Why a file operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileError {
    NotFound,
    IsDirectory,
    NotDirectory,
    Exists,
    NotEmpty,
    ReadOnly,
    NoSpace,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File(Rc<[u8]>),
}

/// The writable view that all processes of one container share.
#[derive(Debug)]
pub(super) struct Files {
    image: Rc<FileTree>,
    mounts: Rc<[Mount]>,
    hostname: Rc<str>,
    /// Written and removed paths; `None` hides what lies below.
    written: BTreeMap<String, Option<Node>>,
    written_bytes: usize,
    /// The container's processes, each with its number and its command line: what `/proc` shows. Mostly there is one.
    processes: Vec<(u32, Rc<[String]>)>,
}

impl Files {
    pub(super) fn new(image: Rc<FileTree>, mounts: Rc<[Mount]>, hostname: Rc<str>) -> Self {
        let processes = Vec::with_capacity(1);
        Files { image, mounts, hostname, written: BTreeMap::new(), written_bytes: 0, processes }
    }

    /// A process began, or another program took its place.
    pub(super) fn process_runs(&mut self, pid: u32, args: Rc<[String]>) {
        self.process_ended(pid);
        self.processes.push((pid, args));
    }

    /// A process ended.
    pub(super) fn process_ended(&mut self, pid: u32) {
        self.processes.retain(|(there, _)| *there != pid);
    }

    /// What `/proc` has of a process at a path below it: `/1`, `/1/cmdline`.
    fn process_node(&self, path: &str) -> Option<Node> {
        let path = path.strip_prefix('/')?;
        let (pid, file) = path.split_once('/').unwrap_or((path, ""));
        let pid: u32 = pid.parse().ok()?;
        let (_, args) = self.processes.iter().find(|(there, _)| *there == pid)?;
        match file {
            "" => Some(Node::Directory),
            "cmdline" => {
                let line: String = args.iter().flat_map(|word| [word.as_str(), "\0"]).collect();
                Some(Node::File(line.into_bytes().into()))
            }
            _ => None,
        }
    }

    /// What lies at a normal path.
    pub(super) fn get(&self, path: &str) -> Option<Node> {
        if let Some(node) = self.written.get(path) {
            return node.clone();
        }
        for mount in self.mounts.iter().rev() {
            let Some(inner) = inside(&mount.path, path) else { continue };
            if let Some(content) = mount.files.get(inner) {
                return Some(Node::File(content.bytes()));
            }
            if mount.files.has_dir(inner) || (inner == "/" && mount.path != "/") {
                return Some(Node::Directory);
            }
        }
        if let Some(node) = path.strip_prefix(PROC).and_then(|rest| self.process_node(rest)) {
            return Some(node);
        }
        if path == "/etc/hostname" {
            return Some(Node::File(format!("{}\n", self.hostname).into_bytes().into()));
        }
        if let Some(content) = self.image.get(path) {
            return Some(Node::File(content.bytes()));
        }
        let is_dir = STANDARD_DIRS.contains(&path)
            || self.image.has_dir(path)
            || self.mounts.iter().any(|mount| inside(path, &mount.path).is_some())
            || children(&self.written, path).any(|(_, node)| node.is_some());
        is_dir.then_some(Node::Directory)
    }

    /// Replaces or creates a file.
    pub(super) fn write(&mut self, path: &str, bytes: Rc<[u8]>) -> Result<(), FileError> {
        let old = match self.get(path) {
            Some(Node::Directory) => return Err(FileError::IsDirectory),
            Some(Node::File(old)) if self.is_written(path) => old.len(),
            _ => 0,
        };
        self.check_parent(path)?;
        let total = self.written_bytes.saturating_sub(old).saturating_add(bytes.len());
        if total > WRITTEN_BYTES_MAX || self.written.len() > 4_096 {
            return Err(FileError::NoSpace);
        }
        self.written_bytes = total;
        self.written.insert(path.to_owned(), Some(Node::File(bytes)));
        Ok(())
    }

    /// Makes a directory in an existing one.
    pub(super) fn make_dir(&mut self, path: &str) -> Result<(), FileError> {
        if self.get(path).is_some() {
            return Err(FileError::Exists);
        }
        self.check_parent(path)?;
        if self.written.len() > 4_096 {
            return Err(FileError::NoSpace);
        }
        self.written.insert(path.to_owned(), Some(Node::Directory));
        Ok(())
    }

    /// Removes a file, or with `dir` an empty directory.
    pub(super) fn remove(&mut self, path: &str, dir: bool) -> Result<(), FileError> {
        match self.get(path).ok_or(FileError::NotFound)? {
            Node::Directory if !dir => return Err(FileError::IsDirectory),
            Node::Directory if !self.list(path)?.is_empty() => return Err(FileError::NotEmpty),
            Node::File(_) if dir => return Err(FileError::NotDirectory),
            Node::File(bytes) if self.is_written(path) => {
                self.written_bytes = self.written_bytes.saturating_sub(bytes.len());
            }
            _ => {}
        }
        if self.is_read_only(path) {
            return Err(FileError::ReadOnly);
        }
        self.written.insert(path.to_owned(), None);
        Ok(())
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        match self.get(path).ok_or(FileError::NotFound)? {
            Node::File(_) => return Err(FileError::NotDirectory),
            Node::Directory => {}
        }
        let mut names = std::collections::BTreeSet::new();
        let prefix = if path == "/" { "" } else { path };
        let mut add = |full: &str| {
            if let Some(rest) = full.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'))
                && let Some(name) = rest.split('/').next()
                && !name.is_empty()
            {
                names.insert(name.to_owned());
            }
        };
        self.image.below(path).for_each(|(full, _)| add(full));
        STANDARD_DIRS.iter().for_each(|dir| add(dir));
        add("/etc/hostname");
        if path.starts_with(PROC) {
            self.processes.iter().for_each(|(pid, _)| add(&format!("{PROC}/{pid}/cmdline")));
        }
        for mount in self.mounts.iter() {
            add(&mount.path);
            for (file, _) in mount.files.iter() {
                add(&format!("{}{file}", mount.path.trim_end_matches('/')));
            }
        }
        children(&self.written, path).for_each(|(full, _)| add(full));
        Ok(names.into_iter().filter(|name| self.get(&format!("{prefix}/{name}")).is_some()).collect())
    }

    fn is_written(&self, path: &str) -> bool {
        self.written.get(path).is_some_and(Option::is_some)
    }

    fn is_read_only(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| mount.read_only && inside(&mount.path, path).is_some())
    }

    fn check_parent(&self, path: &str) -> Result<(), FileError> {
        if self.is_read_only(path) {
            return Err(FileError::ReadOnly);
        }
        let parent = match path.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        };
        match self.get(parent) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(FileError::NotDirectory),
            None => Err(FileError::NotFound),
        }
    }
}

/// The absolute path without `.`, `..` and doubled slashes.
pub(super) fn normalize(working_dir: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{working_dir}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The part of `path` below `root`, beginning with a slash.
fn inside<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(root.trim_end_matches('/'))?;
    match rest {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

/// All entries strictly below a directory.
fn children<'a, T>(tree: &'a BTreeMap<String, T>, dir: &str) -> impl Iterator<Item = (&'a String, &'a T)> {
    let prefix = format!("{}/", dir.trim_end_matches('/'));
    let end = prefix.clone();
    tree.range(prefix..).take_while(move |(path, _)| path.starts_with(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_found_by_path_whatever_order_they_came_in() {
        let made = Content::Made(Rc::new(|| "made".to_owned()));
        let tree = FileTree::default().with("/b/d", b"1").with("a", b"2").with("/b/c", b"3").with("/a", b"4");
        let tree = tree.with_content("/b/e", made.clone());
        let read = |path| tree.get(path).map(|content| content.bytes().to_vec());
        assert_eq!((read("/a"), read("/b/c"), read("/b")), (Some(b"4".to_vec()), Some(b"3".to_vec()), None));
        assert_eq!(tree.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["/a", "/b/c", "/b/d", "/b/e"]);
        assert_eq!(tree.below("/b").count(), 3);
        assert!(tree.has_dir("/b/") && tree.has_dir("/") && !tree.has_dir("/b/c"));
        let mount = Mount { path: "/m".into(), files: Rc::new(tree), read_only: true };
        let files = Files::new(Rc::default(), Rc::new([mount]), "host".into());
        assert_eq!(files.get("/m/b/e"), Some(Node::File(Rc::from(*b"made"))));
        assert_eq!(files.list("/m/b"), Ok(["c", "d", "e"].map(str::to_owned).to_vec()));
    }
}
