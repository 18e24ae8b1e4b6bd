//! Clusters for native tests: the whole thing over wasmtime, moved by hand.

use std::rc::Rc;
use std::time::Duration;

use podarium_core::cluster::{Cluster, Output};
use podarium_core::runtime::images::{ModuleSource, Registries, Registry};
use podarium_core::session::{ClusterConfig, Input, Session};
use podarium_core::sim::SimTime;

use crate::wasm;

/// A cluster of the default shape and this seed, just switched on.
pub fn cluster(config: ClusterConfig) -> Cluster {
    let images = Rc::new(Registries::new(Registry::standard(), wasm::modules()));
    Cluster::new(config, Box::new(wasm::engine()), images)
}

/// A cluster brought to where a session ended.
pub fn replay(session: &Session) -> Cluster {
    let images = Rc::new(Registries::new(Registry::standard(), wasm::modules()));
    Cluster::replay(session, Box::new(wasm::engine()), images)
}

/// A cluster whose nodes are all Ready.
pub fn booted(config: ClusterConfig) -> Cluster {
    booted_with(config, wasm::modules())
}

/// A cluster whose nodes are all Ready, with images made of these modules.
pub fn booted_with(config: ClusterConfig, modules: ModuleSource) -> Cluster {
    let nodes = config.workers as usize + 1;
    let images = Rc::new(Registries::new(Registry::standard(), modules));
    let mut c = Cluster::new(config, Box::new(wasm::engine()), images);
    let ready = c.run_while(SimTime::from_secs(180), |c| c.nodes_ready() == nodes);
    assert!(ready, "{} of {nodes} nodes are Ready after {}", c.nodes_ready(), c.now());
    c
}

/// Runs a command to its end: what it printed, and its exit code.
pub fn command(c: &mut Cluster, line: &str, files: &[(&str, &str)]) -> (String, String, i32) {
    let id = c.session().inputs.len() as u64 + 1_000;
    let files = files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    c.submit(Input::Command { id, line: line.to_owned(), files });
    let (mut out, mut err) = (String::new(), String::new());
    let limit = c.now() + Duration::from_secs(900);
    loop {
        for o in c.take_outputs() {
            match o {
                Output::Text { id: of, stderr: false, text } if of == id => out.push_str(&text),
                Output::Text { id: of, stderr: true, text } if of == id => err.push_str(&text),
                Output::Exit { id: of, code } if of == id => return (out, err, code),
                _ => {}
            }
        }
        assert!(c.step(limit), "`{line}` still runs at {}", c.now());
    }
}

/// A command that must succeed: what it printed.
pub fn ok(c: &mut Cluster, line: &str, files: &[(&str, &str)]) -> String {
    let (out, err, code) = command(c, line, files);
    assert_eq!(code, 0, "`{line}`: {out}{err}");
    out
}
