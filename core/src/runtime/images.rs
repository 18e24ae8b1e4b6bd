//! The images that registries serve, and how containerd reads their names.
//!
//! An image is a configuration and the names of the modules that run its programs. The modules' bytes come from outside
//! ([`ModuleSource`]): the page fetches them, native builds read them from `images/dist`.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::engine::{Engine, FileTree, ModuleId, Programs};

mod catalogue;
mod reference;
mod source;

pub use reference::{Reference, ReferenceError};
pub use source::Registries;

/// Modules by name: `nginx`, `busybox`. Shared, since every cluster of a page or a test run has the same.
pub type ModuleSource = Rc<BTreeMap<String, Rc<[u8]>>>;

/// What a container made from an image runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// WebAssembly modules, one or more.
    Modules,
    /// One of the cluster's own components, by its binary's name: `kube-apiserver`, `etcd`, `kube-proxy`.
    Component(&'static str),
}

/// An image as a registry serves it.
#[derive(Clone, Debug)]
pub struct Image {
    /// Domain and path: `docker.io/library/nginx`.
    pub repository: String,
    /// Its tag in the registry that it was found under first.
    pub tag: String,
    /// The manifest's digest, `sha256:..`: what a reference by digest and a pod's `imageID` name.
    pub digest: String,
    /// The configuration's digest: the image's id in `crictl images`.
    pub id: String,
    /// What a pull downloads, compressed.
    pub size_bytes: u64,
    pub content: Content,
    /// The module behind each program; programs that aren't here aren't in the image.
    pub programs: Vec<(String, String)>,
    /// The module of any other program, where the image is one module and nothing else.
    pub fallback: Option<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: Rc<[(String, String)]>,
    pub working_dir: Rc<str>,
    /// The ports that it says it listens on.
    pub exposed_ports: Vec<u16>,
    /// What asks it to end: SIGTERM unless it says otherwise.
    pub stop_signal: u8,
    /// The user that it names, if any, as `uid`.
    pub user: Option<i64>,
    pub files: Rc<FileTree>,
}

impl Image {
    /// The command line for a container's `command` and `args`, as the kubelet and containerd combine
    /// them: a command replaces the entrypoint and drops the image's own arguments.
    #[must_use]
    pub fn command_line(&self, command: &[String], args: &[String]) -> Vec<String> {
        let mut line = if command.is_empty() { self.entrypoint.clone() } else { command.to_vec() };
        if !args.is_empty() {
            line.extend_from_slice(args);
        } else if command.is_empty() {
            line.extend_from_slice(&self.cmd);
        }
        line
    }

    /// `docker.io/library/nginx@sha256:..`.
    #[must_use]
    pub fn repo_digest(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }

    /// Compiles the image's modules and says which runs what. The error is what unpacking it says.
    pub fn programs(&self, engine: &mut dyn Engine, modules: &ModuleSource) -> Result<Programs, String> {
        let mut compile = |name: &String| -> Result<ModuleId, String> {
            let wasm = modules.get(name).ok_or_else(|| format!("module {name}: not found"))?;
            engine.compile(wasm).map_err(|error| error.to_string())
        };
        let mut programs = Programs::default();
        for (program, module) in &self.programs {
            programs.by_name.insert(program.clone(), compile(module)?);
        }
        programs.fallback = self.fallback.as_ref().map(compile).transpose()?;
        Ok(programs)
    }
}

/// Why a registry doesn't serve an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullError {
    /// The repository isn't there; Docker Hub doesn't tell that from a private one.
    Denied,
    /// The repository is, the tag or digest isn't; also what other registries say.
    NotFound,
    /// Nobody answers at that address.
    NoHost(String),
}

impl PullError {
    /// The whole error of a CRI PullImage, without gRPC's own prefix.
    #[must_use]
    pub fn message(&self, reference: &Reference) -> String {
        let name = reference.to_string();
        let why = match self {
            PullError::Denied => format!(
                "failed to resolve reference \"{name}\": pull access denied, repository does not exist or may require \
                 authorization: server message: insufficient_scope: authorization failed"
            ),
            PullError::NotFound => format!("failed to resolve reference \"{name}\": {name}: not found"),
            PullError::NoHost(host) => format!(
                "failed to resolve reference \"{name}\": failed to do request: Head \"https://{host}/v2/{}/manifests/{}\": \
                 dial tcp: lookup {host}: no such host",
                reference.path,
                reference.object()
            ),
        };
        format!("failed to pull and unpack image \"{name}\": {why}")
    }

    /// The gRPC code that the CRI answers with.
    #[must_use]
    pub fn grpc_code(&self) -> &'static str {
        match self {
            PullError::NotFound => "NotFound",
            PullError::Denied | PullError::NoHost(_) => "Unknown",
        }
    }
}

/// All registries of the world.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    repositories: BTreeMap<String, BTreeMap<String, Rc<Image>>>,
}

impl Registry {
    /// The catalogue.
    #[must_use]
    pub fn standard() -> Self {
        let mut registry = Registry::default();
        catalogue::fill(&mut registry);
        registry
    }

    /// Adds an image under its repository and tag, as `docker push` would.
    pub fn push(&mut self, image: Image) {
        let tag = image.tag.clone();
        self.tag(Rc::new(image), &tag);
    }

    fn tag(&mut self, image: Rc<Image>, tag: &str) {
        self.repositories.entry(image.repository.clone()).or_default().insert(tag.to_owned(), image);
    }

    /// Finds what a reference names. A digest wins over a tag.
    pub fn resolve(&self, reference: &Reference) -> Result<Rc<Image>, PullError> {
        let Some(tags) = self.repositories.get(&reference.name()) else {
            let known = |repository: &String| {
                repository.strip_prefix(&reference.domain).is_some_and(|rest| rest.starts_with('/'))
            };
            return Err(match reference.domain.as_str() {
                "docker.io" => PullError::Denied,
                host if self.repositories.keys().any(known) || KNOWN_HOSTS.contains(&host) => PullError::NotFound,
                host => PullError::NoHost(host.to_owned()),
            });
        };
        let found = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => tags.values().find(|image| image.digest == *digest),
            (None, Some(tag)) => tags.get(tag),
            (None, None) => tags.get("latest"),
        };
        found.cloned().ok_or(PullError::NotFound)
    }

    /// Every image with all its references, for a page that offers them.
    pub fn images(&self) -> impl Iterator<Item = (String, &Rc<Image>)> {
        self.repositories
            .iter()
            .flat_map(|(repository, tags)| tags.iter().map(move |(tag, image)| (format!("{repository}:{tag}"), image)))
    }
}

/// Registries that exist even where the catalogue has nothing of theirs.
const KNOWN_HOSTS: &[&str] = &["registry.k8s.io", "gcr.io", "quay.io", "ghcr.io", "k8s.gcr.io", "mcr.microsoft.com"];

#[cfg(test)]
mod tests;
