//! The machine's image store. Layers are shared.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Containerd, CriError, ImageFsInfo};
use crate::runtime::engine::Programs;
use crate::runtime::image_source::Image;

/// An image on the machine's disk, compiled.
#[derive(Clone, Debug, Default)]
pub struct StoredImage {
    /// The image.
    pub image: Rc<Image>,
    /// Its programs, as the engine knows them.
    pub programs: Rc<Programs>,
    /// Whether containers of it are programs of the simulation.
    pub system: bool,
}

impl Containerd {
    /// The image of a name as a pod gives it, if the machine has it.
    pub fn image_status(&self, name: &str) -> Result<Option<Rc<StoredImage>>, CriError> {
        self.check_up()?;
        Ok(self.find_image(name))
    }

    pub(super) fn find_image(&self, name: &str) -> Option<Rc<StoredImage>> {
        let s = self.state.borrow();
        if let Some(i) = s.images.get(name) {
            return Some(i.clone());
        }
        let full = self.sources.normalize(name).ok()?;
        s.images.get(full.as_str()).cloned().or_else(|| {
            let by_digest = |i: &&Rc<StoredImage>| i.image.reference() == full || *i.image.id == *name;
            s.images.values().find(by_digest).cloned()
        })
    }

    /// All images, by name.
    pub fn list_images(&self) -> Vec<Rc<StoredImage>> {
        self.state.borrow().images.values().cloned().collect()
    }

    /// Changes with every image that comes or goes.
    pub fn images_version(&self) -> u64 {
        self.state.borrow().images_version
    }

    /// Forgets an image.
    pub fn remove_image(&self, name: &str) -> Result<(), CriError> {
        self.check_up()?;
        if let Some(i) = self.find_image(name) {
            let mut s = self.state.borrow_mut();
            s.images.remove(&i.image.name);
            s.images_version += 1;
        }
        Ok(())
    }

    /// Whether a layer is on the disk.
    pub(super) fn has_layer(&self, digest: &str) -> bool {
        self.state.borrow().images.values().any(|i| i.image.layers.iter().any(|l| *l.digest == *digest))
    }

    /// Puts an image on the disk.
    pub(super) fn store_image(&self, image: &Rc<Image>) -> Result<Rc<StoredImage>, CriError> {
        let programs = self.shims.programs(image).map_err(|e| {
            CriError::Unknown(format!(
                "failed to pull and unpack image \"{}\": failed to extract layer {}: {e}",
                image.name,
                image.layers.last().map_or("", |l| &l.digest)
            ))
        })?;
        let stored =
            Rc::new(StoredImage { image: image.clone(), programs, system: self.programs.handles(&image.name) });
        let mut s = self.state.borrow_mut();
        s.images.insert(image.name.clone(), stored.clone());
        s.images_version += 1;
        Ok(stored)
    }

    /// Puts images on the disk that the machine was delivered with.
    pub fn preload(&self, names: &[&str]) {
        for name in names {
            let image = self.sources.normalize(name).and_then(|n| self.sources.resolve(&n));
            if let Ok(image) = image {
                // An image that doesn't compile isn't preloaded; a pod that wants it hears why from the pull.
                let _ = self.store_image(&image);
            }
        }
    }

    /// What images take on the disk.
    pub fn image_fs_info(&self) -> ImageFsInfo {
        let s = self.state.borrow();
        let layers: BTreeSet<(&str, u64)> =
            s.images.values().flat_map(|i| i.image.layers.iter().map(|l| (&*l.digest, l.bytes))).collect();
        ImageFsInfo { used_bytes: layers.iter().map(|(_, b)| b).sum(), inodes_used: layers.len() as u64 * 1_000 }
    }
}
