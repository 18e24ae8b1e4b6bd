//! The container images' modules, fetched once the first screen is there or something needs them, and the browser's engine to run them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Function, Promise, Uint8Array};
use podarium_core::runtime::engine::{Engine, ModuleCache, WasmEngine};
use podarium_core::runtime::image_source::{Image, ImageSource, ResolveError};
use podarium_core::runtime::images::{ModuleSource, Registries, Registry};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::port;

/// The modules that images are made of, as the build names their files.
const NAMES: [&str; 6] = ["busybox", "httpd", "nginx", "pause", "redis", "stress"];

/// The images of every cluster of this worker, and what compiled their modules once.
pub struct Guests {
    images: Rc<Images>,
    backend: js_wasm_runtime_layer::Engine,
    cache: ModuleCache,
}

impl Guests {
    /// Images whose modules are still on their way: enough for a cluster to boot, since the control plane's own images
    /// have none.
    pub fn awaited() -> Self {
        Guests {
            images: Rc::new(Images(RefCell::new(registries(ModuleSource::default())))),
            backend: js_wasm_runtime_layer::Engine::default(),
            cache: ModuleCache::default(),
        }
    }

    /// The modules are here.
    pub fn arrived(&self, modules: ModuleSource) {
        *self.images.0.borrow_mut() = registries(modules);
    }

    /// An engine and a source of images for a new cluster.
    pub fn parts(&self) -> (Box<dyn Engine>, Rc<dyn ImageSource>) {
        let engine = WasmEngine::with_cache(self.backend.clone(), self.cache.clone());
        (Box::new(engine), self.images.clone())
    }
}

fn registries(modules: ModuleSource) -> Registries {
    Registries::new(Registry::standard(), modules)
}

/// Asks for the modules, once.
pub struct Ask(Option<Function>);

impl Ask {
    /// They will be needed.
    pub fn now(&mut self) {
        if let Some(resolve) = self.0.take() {
            // A promise's own function does not fail.
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    }
}

/// A way to ask for the modules, and what ends when they are asked for.
pub fn request() -> (Ask, impl Future<Output = ()>) {
    let mut ask = Ask(None);
    let asked = Promise::new(&mut |resolve, _| ask.0 = Some(resolve));
    (ask, async move {
        // It is never rejected.
        let _ = JsFuture::from(asked).await;
    })
}

/// The registries of the world, before and after the modules have come.
struct Images(RefCell<Registries>);

impl ImageSource for Images {
    fn normalize(&self, reference: &str) -> Result<String, ResolveError> {
        self.0.borrow().normalize(reference)
    }

    fn resolve(&self, name: &str) -> Result<Rc<Image>, ResolveError> {
        self.0.borrow().resolve(name)
    }
}

/// Fetches every module; what can't be had is said and left out, so that its image can't be unpacked.
pub async fn fetch() -> ModuleSource {
    let fetches: Vec<_> =
        NAMES.iter().map(|name| (*name, port::scope().fetch_with_str(&format!("images/{name}.wasm")))).collect();
    let mut modules: BTreeMap<String, Rc<[u8]>> = BTreeMap::new();
    for (name, promise) in fetches {
        match bytes(promise).await {
            Some(b) => {
                modules.insert(name.to_owned(), b.into());
            }
            None => web_sys::console::error_1(&format!("the image module {name} cannot be fetched").into()),
        }
    }
    Rc::new(modules)
}

async fn bytes(promise: js_sys::Promise) -> Option<Vec<u8>> {
    let response: Response = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}
