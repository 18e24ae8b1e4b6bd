//! The container engine over wasmtime: what containers may do, and what becomes of those that misbehave.

use std::rc::Rc;
use std::time::{Duration, Instant};

use podarium_core::runtime::engine::{
    ContainerConfig, ContainerId, CreateError, Effect, Engine, Event, ExecConfig, ImageError, KillReason, ModuleId,
    Pid, Programs, State, Trap, Turn, Wake,
};
use podarium_tests::wasm::engine;

fn wat(text: &str) -> Rc<[u8]> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")).into()
}

/// What becomes of a module as an image: refused when it is pulled, or when its first container is made.
fn try_image(wasm: &[u8]) -> Result<(), ImageError> {
    let mut engine = engine();
    let module = engine.compile(&wasm.into())?;
    match engine.create(config(module, &["test"])) {
        Err(CreateError::Image(error)) => Err(error),
        _ => Ok(()),
    }
}

fn config(module: ModuleId, args: &[&str]) -> ContainerConfig {
    ContainerConfig {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        programs: Rc::new(Programs::only(module)),
        ..ContainerConfig::default()
    }
}

/// Runs a module's `_start` under a memory limit.
fn run_limited(text: &str, limit: u64) -> Turn {
    let mut engine = engine();
    let module = engine.compile(&wat(text)).unwrap_or_else(|error| panic!("{error}"));
    let config = ContainerConfig { memory_limit_bytes: limit, ..config(module, &["test"]) };
    let container = engine.create(config).unwrap_or_else(|error| panic!("{error}"));
    let begun = Instant::now();
    let turn = engine.start(container, 1);
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    turn
}

fn run(text: &str) -> Turn {
    run_limited(text, 0)
}

fn killed(text: &str) -> KillReason {
    match run(text).state {
        State::Killed { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn corrupt_modules_are_refused() {
    let valid = wat("(module (func (export \"_start\")))");
    // Between two sections a part of a module may be a module too.
    let accepted = (0..valid.len()).filter(|cut| try_image(&valid[..*cut]).is_ok()).count();
    assert!(accepted <= 4, "{accepted} of {} beginnings were accepted", valid.len());
    for at in 0..valid.len() {
        for bit in 0..8 {
            let mut bytes = valid.to_vec();
            bytes[at] ^= 1 << bit;
            // Whatever it says, it says it.
            let _ = try_image(&bytes);
        }
    }
    assert!(matches!(try_image(b"#!/bin/sh\necho no\n"), Err(ImageError::Corrupt(_))));
    let ill_typed = wat("(module (func (export \"_start\") i32.const 1))");
    assert!(matches!(try_image(&ill_typed), Err(ImageError::Corrupt(_))));
}

#[test]
fn what_containers_cannot_be_is_refused() {
    let refused = [
        "(module (memory i64 1))",
        "(module (memory 1) (memory 1))",
        "(module (memory 1 1 shared))",
        "(module (type (struct)))",
        "(module (tag))",
        "(module (table 1 externref))",
        "(module (func $f (return_call $f)))",
        "(module (table 1 funcref) (func (table.set (i32.const 0) (ref.null func))))",
        "(module (global (mut v128) (v128.const i64x2 0 0)))",
    ];
    for text in refused {
        assert!(matches!(try_image(&wat(text)), Err(ImageError::Unsupported(_))), "{text}");
    }
    let large = ["(module (memory 30000))", "(module (table 5000000 funcref))"];
    for text in large {
        assert!(matches!(try_image(&wat(text)), Err(ImageError::TooLarge(_))), "{text}");
    }
    assert!(matches!(try_image(&vec![0; 64 << 20]), Err(ImageError::TooLarge(_))));
}

#[test]
fn missing_imports_are_named_when_the_container_is_created() {
    let cases = [
        ("(import \"env\" \"fork\" (func))", "missing import: env.fork"),
        ("(import \"env\" \"memory\" (memory 1))", "missing import: env.memory"),
        (
            "(import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i64)))",
            "missing import: wasi_snapshot_preview1.fd_write",
        ),
    ];
    for (import, words) in cases {
        let mut engine = engine();
        let module = engine.compile(&wat(&format!("(module {import} (func (export \"_start\")))"))).unwrap();
        assert_eq!(engine.create(config(module, &["x"])).unwrap_err().to_string(), words);
    }
    let mut engine = engine();
    let module = engine.compile(&wat("(module)")).unwrap();
    assert_eq!(engine.create(config(module, &["x"])).unwrap_err(), CreateError::NoEntry);
}

#[test]
fn an_endless_loop_is_killed_in_time() {
    let loops = [
        "(module (func (export \"_start\") (loop (br 0))))",
        "(module (func $f (export \"_start\") (loop (call $g) (br 0))) (func $g))",
        "(module (memory 1) (func (export \"_start\") (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br 0))))",
        "(module (func (export \"_start\")) (func $start (loop (br 0))) (start $start))",
        "(module (import \"wasi_snapshot_preview1\" \"sched_yield\" (func $y (result i32)))
            (func (export \"_start\") (loop (drop (call $y)) (br 0))))",
        "(module (import \"wasi_snapshot_preview1\" \"random_get\" (func $r (param i32 i32) (result i32))) (memory 16)
            (func (export \"_start\") (loop (drop (call $r (i32.const 0) (i32.const 1000000))) (br 0))))",
    ];
    for text in loops {
        let begun = Instant::now();
        assert_eq!(killed(text), KillReason::CpuBudget, "{text}");
        // Optimised and alone it is a tenth of a second at most; this build may share its machine.
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?} for {text}", begun.elapsed());
    }
}

#[test]
fn a_memory_bomb_is_oom_killed() {
    let bomb = "(module (memory 1) (func (export \"_start\") (loop (drop (memory.grow (i32.const 1))) (br 0))))";
    for limit in [0, 1 << 16, 10 << 20] {
        let turn = run_limited(bomb, limit);
        assert_eq!(turn.state, State::Killed { reason: KillReason::OutOfMemory });
        assert_eq!(turn.state.exit_code(), Some(137));
    }
    // More at once than any machine has fails in the program's own hands.
    let polite = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $e (param i32))) (memory 1)
        (func (export \"_start\") (call $e (i32.add (i32.const 8) (memory.grow (i32.const 70000))))))";
    assert_eq!(run_limited(polite, 1 << 20).state, State::Exited { code: 7 });
}

#[test]
fn deep_recursion_and_traps_have_their_exit_codes() {
    let cases = [
        ("(func $f (export \"_start\") (call $f))", KillReason::StackOverflow, 139),
        (
            "(func $f (param i64 i64) (result i64) (i64.add (call $f (local.get 1) (local.get 0)) (i64.const 1)))
             (func (export \"_start\") (drop (call $f (i64.const 1) (i64.const 2))))",
            KillReason::StackOverflow,
            139,
        ),
        ("(func (export \"_start\") unreachable)", KillReason::Trap(Trap::Unreachable), 134),
        (
            "(memory 1) (func (export \"_start\") (i32.store (i32.const -4) (i32.const 1)))",
            KillReason::Trap(Trap::OutOfBounds),
            139,
        ),
        (
            "(func (export \"_start\") (drop (i32.div_s (i32.const 1) (i32.const 0))))",
            KillReason::Trap(Trap::Arithmetic),
            136,
        ),
        (
            "(table 1 funcref) (func (export \"_start\") (call_indirect (i32.const 0)))",
            KillReason::Trap(Trap::IndirectCall),
            139,
        ),
        (
            "(table 1 funcref) (func (export \"_start\") (call_indirect (i32.const 7)))",
            KillReason::Trap(Trap::IndirectCall),
            139,
        ),
    ];
    for (body, reason, code) in cases {
        let found = killed(&format!("(module {body})"));
        assert_eq!(found, reason, "{body}");
        assert_eq!(found.exit_code(), code, "{body}");
    }
}

#[test]
fn an_exit_code_ends_the_call_at_once() {
    let text = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $e (param i32)))
        (func (export \"_start\") (call $e (i32.const 3)) (loop (br 0))))";
    let turn = run(text);
    assert_eq!(turn.state, State::Exited { code: 3 });
    assert!(turn.cpu_ns < 10_000, "{}", turn.cpu_ns);
    // Also where it is called through a table.
    let text = "(module (type $t (func (param i32)))
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $e (type $t))) (table funcref (elem $e))
        (func (export \"_start\") (call_indirect (type $t) (i32.const 4) (i32.const 0)) (loop (br 0))))";
    assert_eq!(run(text).state, State::Exited { code: 4 });
    assert_eq!(run("(module (func (export \"_start\")))").state, State::Exited { code: 0 });
}

/// Prints `line` without end.
fn flood(poll: &str) -> String {
    format!(
        "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))
            (import \"podarium\" \"yield\" (func $y (result i32)))
            (memory 1) (data (i32.const 0) \"\\10\\00\\00\\00\\00\\40\\00\\00\")
            (func $go (export \"_start\") (local $i i32)
                (loop (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
                (drop (call $y)))
            {poll})"
    )
}

#[test]
fn output_is_bounded_in_each_call() {
    let turn = run(&flood(""));
    let printed: usize =
        turn.effects.iter().map(|effect| if let Effect::Stdout(bytes) = effect { bytes.len() } else { 0 }).sum();
    assert_eq!(turn.state, State::Exited { code: 0 });
    assert_eq!(printed, 1 << 20);
    assert_eq!(turn.output_dropped, 1000 * 16384 - (1 << 20));
}

#[test]
fn hostile_pointers_are_answered_with_fault() {
    // fd_write with its list, its pieces and its result beyond the memory: EFAULT is 21.
    let call = |fd: i32, list: i32, count: i32, out: i32| {
        format!(
            "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $e (param i32))) (memory 1)
            (data (i32.const 0) \"\\ff\\ff\\ff\\ff\\10\\00\\00\\00\")
            (func (export \"_start\")
                (call $e (call $w (i32.const {fd}) (i32.const {list}) (i32.const {count}) (i32.const {out})))))"
        )
    };
    for (fd, list, count, out, code) in [
        (1, 65534, 1, 8, 21),
        (1, -8, 1, 8, 21),
        (1, 0, 1, 8, 21),
        (1, 16, 1, 65533, 21),
        (1, 0, -1, 8, 28),
        (77, 16, 1, 8, 8),
    ] {
        assert_eq!(run(&call(fd, list, count, out)).state, State::Exited { code }, "{fd} {list} {count} {out}");
    }
}

#[test]
fn functions_of_nine_parameters_are_linked() {
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"path_open\" (func $o (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"fd_prestat_get\" (func $p (param i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $e (param i32))) (memory 1)
        (data (i32.const 0) \"etc/hostname\")
        (func (export \"_start\")
            (drop (call $p (i32.const 3) (i32.const 64)))
            (drop (call $o (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 12) (i32.const 0) (i64.const 2) (i64.const 0)
                (i32.const 0) (i32.const 128)))
            (call $e (i32.load (i32.const 128)))))";
    assert_eq!(run(text).state, State::Exited { code: 4 });
}

/// Counts its polls in a global, in memory, and in wide and float globals, and exits with their sum after five.
const COUNTER: &str = "(module
    (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $e (param i32)))
    (memory 1) (global $a (mut i32) (i32.const 0)) (global $b (mut i64) (i64.const 0x100000000))
    (global $c (mut f64) (f64.const 0.5)) (global $d (mut f32) (f32.const 0.25))
    (func (export \"_start\"))
    (func (export \"podarium_poll\")
        (i32.store (i32.const 5000) (i32.add (i32.load (i32.const 5000)) (i32.const 1)))
        (global.set $a (i32.add (global.get $a) (i32.const 1)))
        (global.set $b (i64.add (global.get $b) (i64.const 1)))
        (global.set $c (f64.add (global.get $c) (f64.const 1)))
        (global.set $d (f32.add (global.get $d) (f32.const 1)))
        (if (i32.eq (global.get $a) (i32.const 5))
            (then (call $e (i32.add
                (i32.add (i32.load (i32.const 5000)) (global.get $a))
                (i32.add (i32.wrap_i64 (i64.sub (global.get $b) (i64.const 0x100000000)))
                    (i32.add (i32.trunc_f64_s (global.get $c)) (i32.trunc_f32_s (global.get $d))))))))))";

#[test]
fn many_containers_share_few_instances_and_keep_their_state() {
    let mut engine = engine();
    let module = engine.compile(&wat(COUNTER)).unwrap();
    let containers: Vec<ContainerId> = (0..50).map(|_| engine.create(config(module, &["x"])).unwrap()).collect();
    for container in &containers {
        assert_eq!(engine.start(*container, 1).state, State::Running { wake: Wake::Never });
    }
    for round in 1..=5 {
        for container in &containers {
            let turn = engine.poll(*container, Pid::MAIN, round, &[]);
            let expected = if round == 5 { State::Exited { code: 25 } } else { State::Running { wake: Wake::Never } };
            assert_eq!(turn.state, expected, "round {round}");
        }
    }
    // A late comer starts from nothing.
    let late = engine.create(config(module, &["x"])).unwrap();
    engine.start(late, 9);
    assert_eq!(engine.poll(late, Pid::MAIN, 9, &[]).state, State::Running { wake: Wake::Never });
}

#[test]
fn grown_memories_are_parked_and_found_again() {
    // Grows by a page a poll, fills its last byte, and checks every page's.
    let text = "(module
        (memory 1)
        (func (export \"_start\"))
        (func (export \"podarium_poll\") (local $p i32)
            (drop (memory.grow (i32.const 1)))
            (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (memory.size))
            (local.set $p (i32.const 2))
            (loop
                (if (i32.ne (i32.load8_u (i32.sub (i32.mul (local.get $p) (i32.const 65536)) (i32.const 1))) (local.get $p))
                    (then unreachable))
                (br_if 0 (i32.le_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (memory.size))))))";
    let mut engine = engine();
    let module = engine.compile(&wat(text)).unwrap();
    let containers: Vec<ContainerId> = (0..9).map(|_| engine.create(config(module, &["x"])).unwrap()).collect();
    for container in &containers {
        engine.start(*container, 1);
    }
    for round in 0..40usize {
        let container = containers[(round * 7) % 9];
        assert_eq!(engine.poll(container, Pid::MAIN, 1, &[]).state, State::Running { wake: Wake::Never });
    }
}

#[test]
fn ids_that_are_not_there_harm_nothing() {
    let mut engine = engine();
    let nobody = ContainerId(77);
    assert!(engine.start(nobody, 1).state.exit_code().is_some());
    assert!(engine.poll(nobody, Pid(5), 1, &[Event::Signal(15)]).state.exit_code().is_some());
    assert_eq!(engine.exec(nobody, ExecConfig::default(), 1).unwrap_err(), CreateError::NoContainer);
    engine.remove(nobody);
    assert_eq!(engine.usage(nobody), Default::default());
}

#[test]
fn a_sleeping_wasi_program_says_how_long() {
    // One relative clock of 3 s in poll_oneoff.
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $p (param i32 i32 i32 i32) (result i32)))
        (memory 1)
        (func (export \"_start\")
            (i64.store (i32.const 24) (i64.const 3000000000))
            (drop (call $p (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))";
    let turn = run(text);
    assert_eq!(turn.state, State::Exited { code: 0 });
    assert_eq!(turn.slept_ns, 3_000_000_000);
}
