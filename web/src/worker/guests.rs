//! The container images' modules, fetched beside the page, and the browser's engine to run them.

use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::Uint8Array;
use podarium_core::runtime::engine::{Engine, ModuleCache, WasmEngine};
use podarium_core::runtime::image_source::ImageSource;
use podarium_core::runtime::images::{ModuleSource, Registries, Registry};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::port;

/// The modules that images are made of, as the build names their files.
const NAMES: [&str; 6] = ["busybox", "httpd", "nginx", "pause", "redis", "stress"];

/// The modules, and what compiled them once.
#[derive(Clone)]
pub struct Guests {
    modules: ModuleSource,
    backend: js_wasm_runtime_layer::Engine,
    cache: ModuleCache,
}

impl Guests {
    /// Fetches every module; what can't be had is said and left out, so that its image can't be pulled.
    pub async fn fetch() -> Self {
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
        Guests {
            modules: Rc::new(modules),
            backend: js_wasm_runtime_layer::Engine::default(),
            cache: ModuleCache::default(),
        }
    }

    /// An engine and a source of images for a new cluster.
    pub fn parts(&self) -> (Box<dyn Engine>, Rc<dyn ImageSource>) {
        let engine = WasmEngine::with_cache(self.backend.clone(), self.cache.clone());
        (Box::new(engine), Rc::new(Registries::new(Registry::standard(), self.modules.clone())))
    }
}

async fn bytes(promise: js_sys::Promise) -> Option<Vec<u8>> {
    let response: Response = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}
