//! What runs containers natively: the engine over wasmtime, and the images' modules that were built into the binary.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::OnceLock;

use podarium_core::runtime::engine::{ModuleCache, WasmEngine};
use podarium_core::runtime::images::{ModuleSource, Registries, Registry};

/// Modules by name, as `cargo xtask guests` had built them.
const MODULES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// The engine. Modules are compiled once a process, however many clusters there are.
pub fn engine() -> Result<WasmEngine<wasmtime_runtime_layer::Engine>, String> {
    static SHARED: OnceLock<Result<(wasmtime::Engine, ModuleCache), String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Ok((backend()?, ModuleCache::default())));
    let (engine, cache) = shared.as_ref().map_err(String::clone)?;
    Ok(WasmEngine::with_cache(wasmtime_runtime_layer::Engine::new(engine.clone()), cache.clone()))
}

fn backend() -> Result<wasmtime::Engine, String> {
    let mut config = wasmtime::Config::new();
    // Containers have no garbage-collected types, and nobody reads a guest's backtrace.
    config.wasm_gc(false).gc_support(false).wasm_backtrace_max_frames(None);
    wasmtime::Engine::new(&config).map_err(|error| format!("wasmtime: {error:#}"))
}

/// Whether any image can be run.
pub fn have_modules() -> bool {
    !MODULES.is_empty()
}

/// All modules that are built in.
pub fn modules() -> ModuleSource {
    let all: BTreeMap<String, Rc<[u8]>> =
        MODULES.iter().map(|(name, bytes)| ((*name).to_owned(), Rc::from(*bytes))).collect();
    Rc::new(all)
}

/// The registries that images are pulled from.
pub fn registries() -> Registries {
    Registries::new(Registry::standard(), modules())
}
