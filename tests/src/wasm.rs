//! The container engine over wasmtime, and the images' modules as `cargo xtask guests` builds them.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use podarium_core::cluster::Cluster;
use podarium_core::runtime::engine::WasmEngine;
use podarium_core::runtime::images::{ModuleSource, Registries, Registry};
use podarium_core::session::ClusterConfig;

/// The engine of every native test. Modules are compiled once a process, however many clusters there are.
pub fn engine() -> WasmEngine<wasmtime_runtime_layer::Engine> {
    podarium_server::containers::engine().unwrap_or_else(|error| panic!("{error}"))
}

/// All modules that are built.
pub fn modules() -> ModuleSource {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/dist");
    let mut modules = BTreeMap::new();
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "wasm")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            modules.insert(name.to_owned(), Rc::from(bytes));
        }
    }
    assert!(!modules.is_empty(), "no modules in {}: run `cargo xtask guests`", dir.display());
    Rc::new(modules)
}

/// A cluster as natives run it: its containers over wasmtime, its images from the catalogue.
pub fn cluster(config: ClusterConfig) -> Cluster {
    let images = Registries::new(Registry::standard(), modules());
    Cluster::new(config, Box::new(engine()), Rc::new(images))
}
