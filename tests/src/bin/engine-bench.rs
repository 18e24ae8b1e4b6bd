//! What containers cost over wasmtime: starts, polls, requests, and memory while idle.
//!
//! Prints a line a figure: name, value, unit.

use std::rc::Rc;
use std::time::Instant;

use podarium_core::runtime::engine::{ConnId, ContainerConfig, ContainerId, Engine, Event, Pid};
use podarium_core::runtime::images::{Reference, Registry};
use podarium_tests::wasm;

const SECOND: u64 = 1_000_000_000;
const EPOCH: u64 = 1_795_409_202 * SECOND;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let registry = Registry::standard();
    let modules = wasm::modules();
    for image in ["nginx", "registry.k8s.io/pause:3.10", "busybox"] {
        let mut engine = wasm::engine();
        let image = registry.resolve(&Reference::parse(image).expect("valid")).expect("in the catalogue");
        let programs = Rc::new(image.programs(&mut engine, &modules).expect("sound"));
        let command: &[String] =
            if image.repository.ends_with("busybox") { &["sleep".to_owned(), "3600".to_owned()] } else { &[] };
        let args: Rc<[String]> = image.command_line(command, &[]).into();
        let make = |engine: &mut dyn Engine, n: usize| {
            let config = ContainerConfig {
                args: args.clone(),
                env: image.env.clone(),
                files: image.files.clone(),
                programs: programs.clone(),
                hostname: Rc::from(format!("pod-{n}")),
                seed: n as u64,
                memory_limit_bytes: 64 << 20,
                ..ContainerConfig::default()
            };
            engine.create(config).expect("created")
        };
        let begun = Instant::now();
        let first = make(&mut engine, 0);
        engine.start(first, EPOCH);
        println!("{} compile_and_first_start {:.1} ms", image.repository, begun.elapsed().as_secs_f64() * 1e3);

        let resident = resident_kb();
        let begun = Instant::now();
        let all: Vec<ContainerId> = (1..=count)
            .map(|n| {
                let id = make(&mut engine, n);
                // Not two of them at the same moment.
                engine.start(id, EPOCH + n as u64 * SECOND / 50);
                id
            })
            .collect();
        let each = begun.elapsed().as_secs_f64() / count as f64;
        println!("{} start {:.1} us", image.repository, each * 1e6);
        println!("{} idle_memory {:.2} kB", image.repository, (resident_kb() - resident) as f64 / count as f64);

        if image.repository.ends_with("nginx") {
            let request: Rc<[u8]> = Rc::from(&b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"[..]);
            let begun = Instant::now();
            for (n, id) in all.iter().enumerate().take(2_000) {
                let conn = ConnId(n as u64);
                let peer = (std::net::Ipv4Addr::LOCALHOST.into(), 1);
                let connection = Event::Connection { port: 80, conn, peer };
                engine.poll(*id, Pid::MAIN, EPOCH, &[connection, Event::Data { conn, bytes: request.clone() }]);
            }
            println!("{} request {:.1} us", image.repository, begun.elapsed().as_secs_f64() / 2_000.0 * 1e6);
        }
        let begun = Instant::now();
        for id in &all {
            engine.remove(*id);
        }
        println!("{} remove {:.1} us", image.repository, begun.elapsed().as_secs_f64() / count as f64 * 1e6);
    }
}

/// Resident memory of this process.
fn resident_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0)
}
