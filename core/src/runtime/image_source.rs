//! What an image is once a registry has answered, and who answers. Models the OCI image specification.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::engine::FileTree;

/// One layer of an image; layers with one digest are stored once a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `sha256:..`
    pub digest: Rc<str>,
    /// Its compressed size.
    pub bytes: u64,
}

/// An image: its manifest and configuration.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The normal name with its tag, such as `docker.io/library/nginx:1.27`.
    pub name: Rc<str>,
    /// The repository alone, such as `docker.io/library/nginx`.
    pub repository: Rc<str>,
    /// The manifest's digest, `sha256:..`.
    pub digest: Rc<str>,
    /// The configuration's digest: the image's id.
    pub id: Rc<str>,
    /// Its layers, base first.
    pub layers: Vec<Layer>,
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// The arguments when none are given.
    pub cmd: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Where its process starts; empty for `/`.
    pub working_dir: String,
    /// The user that it runs as; 0 is root.
    pub uid: i64,
    /// The signal that stops it; empty for SIGTERM.
    pub stop_signal: String,
    /// Its modules by the program's base name.
    pub modules: BTreeMap<String, Rc<[u8]>>,
    /// What runs any other name, for images that are one program.
    pub fallback: Option<Rc<[u8]>>,
    /// Its files.
    pub files: Rc<FileTree>,
}

impl Image {
    /// What it takes on the disk.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|l| l.bytes).sum()
    }

    /// Its name by digest, as container statuses show it.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }
}

/// Why a registry has no image to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The name can't be read.
    InvalidName(String),
    /// There is no such repository, or one must log in for it.
    Denied,
    /// There is no such tag.
    NotFound,
    /// Nobody answers there.
    Unreachable(String),
}

/// The registries of the world.
pub trait ImageSource {
    /// The name in full: with its registry and its tag.
    fn normalize(&self, reference: &str) -> Result<String, ResolveError>;
    /// The image of a name in full.
    fn resolve(&self, name: &str) -> Result<Rc<Image>, ResolveError>;
}
