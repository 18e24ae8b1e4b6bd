//! The catalogue as containerd sees a registry: manifests, layers and the modules' bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{Content, ModuleSource, PullError, Reference, Registry};
use crate::runtime::image_source::{Image, ImageSource, Layer, ResolveError};

/// The registries of the world, with the modules that their images are made of.
pub struct Registries {
    registry: Registry,
    modules: ModuleSource,
    /// Images asked for before: all machines share them.
    made: RefCell<BTreeMap<String, Rc<Image>>>,
}

impl Registries {
    /// The catalogue over modules from outside.
    #[must_use]
    pub fn new(registry: Registry, modules: ModuleSource) -> Self {
        Registries { registry, modules, made: RefCell::default() }
    }

    fn make(&self, name: &str, image: &super::Image) -> Image {
        // A module that isn't there is an image that can't be unpacked, which its first container will say.
        let module = |name: &String| self.modules.get(name).cloned().unwrap_or_else(|| Rc::from([]));
        let modules = match image.content {
            Content::Modules => {
                let mut of_name: BTreeMap<&String, Rc<[u8]>> = BTreeMap::new();
                let mut bytes = |name| of_name.entry(name).or_insert_with(|| module(name)).clone();
                image.programs.iter().map(|(program, module)| (program.clone(), bytes(module))).collect()
            }
            Content::Component(_) => BTreeMap::new(),
        };
        Image {
            name: Rc::from(name),
            repository: Rc::from(image.repository.as_str()),
            digest: Rc::from(image.digest.as_str()),
            id: Rc::from(image.id.as_str()),
            layers: layers(image),
            entrypoint: image.entrypoint.clone(),
            cmd: image.cmd.clone(),
            env: image.env.to_vec(),
            working_dir: image.working_dir.to_string(),
            uid: image.user.unwrap_or(0),
            stop_signal: match image.stop_signal {
                3 => "SIGQUIT".to_owned(),
                28 => "SIGWINCH".to_owned(),
                _ => String::new(),
            },
            modules,
            fallback: image.fallback.as_ref().map(module),
            files: image.files.clone(),
        }
    }
}

/// Images of a distribution share its layer with their siblings; the rest is their own.
fn layers(image: &super::Image) -> Vec<Layer> {
    let layer = |what: &str, bytes: u64| {
        use std::fmt::Write;
        let hash = Sha256::digest(format!("layer\0{what}").as_bytes());
        let digest = hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Layer { digest: Rc::from(digest), bytes }
    };
    let own = format!("{}:{}", image.repository, image.tag);
    let (base, base_bytes) = if image.tag.ends_with("-alpine") {
        ("alpine", 3_800_000)
    } else if image.size_bytes > 40_000_000 {
        ("debian", 28_200_000)
    } else {
        return vec![layer(&own, image.size_bytes)];
    };
    vec![layer(base, base_bytes), layer(&own, image.size_bytes.saturating_sub(base_bytes))]
}

impl ImageSource for Registries {
    fn normalize(&self, reference: &str) -> Result<String, ResolveError> {
        Reference::parse(reference)
            .map(|reference| reference.to_string())
            .map_err(|error| ResolveError::InvalidName(error.to_string()))
    }

    fn resolve(&self, name: &str) -> Result<Rc<Image>, ResolveError> {
        if let Some(image) = self.made.borrow().get(name) {
            return Ok(image.clone());
        }
        let reference = Reference::parse(name).map_err(|error| ResolveError::InvalidName(error.to_string()))?;
        let found = self.registry.resolve(&reference).map_err(|error| match error {
            PullError::Denied => ResolveError::Denied,
            PullError::NotFound => ResolveError::NotFound,
            PullError::NoHost(host) => ResolveError::Unreachable(host),
        })?;
        let image = Rc::new(self.make(name, &found));
        self.made.borrow_mut().insert(name.to_owned(), image.clone());
        Ok(image)
    }
}
