//! Modules, as an image may bring them: random, cut short, changed. Those that pass are run for a while.

use std::rc::Rc;
use std::sync::OnceLock;

use podarium_core::runtime::engine::{ContainerConfig, Engine as _, Event, Pid, Programs, State, WasmEngine};

use super::{Target, mutate};
use crate::dice::Dice;
use crate::wasm;

/// Modules of images.
pub struct Modules {
    engine: WasmEngine<wasmtime_runtime_layer::Engine>,
}

/// Small modules with something of everything that containers may have.
const TEXTS: [&str; 4] = [
    r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 8) "\10\00\00\00\03\00\00\00hi\0a")
        (func (export "_start") (drop (call $w (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))"#,
    r#"(module (memory (export "memory") 1 4) (global $g (mut i64) (i64.const 1)) (table 2 funcref) (elem (i32.const 0) $f $f)
        (type $t (func (param i32) (result i32)))
        (func $f (param i32) (result i32) (i32.add (local.get 0) (memory.grow (i32.const 1))))
        (func (export "_start") (local $i i32) (block (loop (br_if 1 (i32.gt_u (local.get $i) (i32.const 100)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (drop (call_indirect (type $t) (local.get $i) (i32.const 1)))
          (global.set $g (i64.mul (global.get $g) (i64.const 3))) (br 0)))))"#,
    r#"(module (memory (export "memory") 1) (func $r (export "_start") (call $r)))"#,
    r#"(module (memory (export "memory") 1) (func (export "_start") (memory.fill (i32.const 0) (i32.const 1) (i32.const 70000))
        (if (i32.load (i32.const 4)) (then (unreachable))) (drop (f64.div (f64.const 1) (f64.const 0)))))"#,
];

fn seeds() -> &'static [Vec<u8>] {
    static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let texts = TEXTS.iter().map(|t| wat::parse_str(t).unwrap_or_else(|e| panic!("{e}")));
        // The guests themselves are large to compile; the smallest stand for them.
        let mut guests: Vec<Vec<u8>> = wasm::modules().values().map(|m| m.to_vec()).collect();
        guests.sort_by_key(Vec::len);
        guests.truncate(1);
        texts.chain(guests).collect()
    })
}

fn input(case: u64) -> Vec<u8> {
    let mut dice = Dice::new(case);
    let all = seeds();
    let good = &all[if dice.once_in(40) { all.len() - 1 } else { dice.below(all.len() - 1) }];
    match dice.below(10) {
        0 => (0..dice.below(300)).map(|_| dice.below(256) as u8).collect(),
        1 => {
            let mut b = b"\0asm\x01\0\0\0".to_vec();
            b.extend((0..dice.below(300)).map(|_| dice.below(256) as u8));
            b
        }
        2 => good[..dice.below(good.len())].to_vec(),
        3 => mutate::bytes(&mut dice, good),
        // One byte or two: what still validates is what is worth running.
        _ => {
            let mut b = good.clone();
            for _ in 0..dice.between(1, 2) {
                let at = 8 + dice.below(b.len() - 8);
                b[at] = if dice.once_in(2) { b[at] ^ (1 << dice.below(8)) } else { dice.below(256) as u8 };
            }
            b
        }
    }
}

impl Target for Modules {
    const NAME: &'static str = "modules";
    const CASES: u64 = 8_000;
    const BATCH: u64 = 200;
    const BYTES_MAX: usize = 256 << 20;

    fn new() -> Self {
        Modules { engine: wasm::engine() }
    }

    fn run(&mut self, case: u64) -> Result<(), String> {
        let bytes: Rc<[u8]> = input(case).into();
        let Ok(module) = self.engine.compile(&bytes) else { return Ok(()) };
        let config = ContainerConfig {
            args: Rc::new(["x".to_owned()]),
            memory_limit_bytes: 8 << 20,
            programs: Rc::new(Programs::only(module)),
            ..ContainerConfig::default()
        };
        let Ok(container) = self.engine.create(config) else { return Ok(()) };
        let mut turn = self.engine.start(container, 0);
        let mut used = turn.cpu_ns;
        for n in 1..4 {
            if !matches!(turn.state, State::Running { .. }) {
                break;
            }
            turn = self.engine.poll(container, Pid::MAIN, n * 1_000_000, &[Event::Signal(15)]);
            used += turn.cpu_ns;
        }
        let memory = self.engine.usage(container).memory_bytes;
        self.engine.remove(container);
        if memory > 8 << 20 {
            return Err(format!("holds {memory} bytes under a limit of 8 MiB"));
        }
        if used > 400_000_000 {
            return Err(format!("took {used} ns of CPU in four calls of 50 ms at most"));
        }
        Ok(())
    }

    fn describe(&self, case: u64) -> String {
        let bytes = input(case);
        let head = bytes.get(..2_000).unwrap_or(&bytes);
        format!("{} bytes: {}", bytes.len(), head.escape_ascii())
    }
}
