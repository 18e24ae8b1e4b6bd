//! stress: takes CPU and memory, and misbehaves on demand.
//!
//! `--cpu N`, `--vm N --vm-bytes B --vm-hang S`, `--timeout S` as polinux/stress has them; `--spin`, `--flood N`,
//! `--recurse`, `--abort` and `--exit N` for trying what a cluster does about it.

use podarium_guest::time::{SECOND, now};
use podarium_guest::{io, main, process, sleep, yield_now};

main!(async {
    let args = process::args();
    let value = |name: &str| -> Option<String> {
        let at = args.iter().position(|arg| arg == name)?;
        Some(args.get(at + 1).cloned().unwrap_or_default())
    };
    let has = |name: &str| args.iter().any(|arg| arg == name);
    process::handle_signals(&[process::SIGTERM, process::SIGINT]);
    if has("--spin") {
        loop {
            core::hint::spin_loop();
        }
    }
    if has("--recurse") {
        io::print(&format!("{}\n", deeper(1)));
    }
    if has("--abort") {
        core::arch::wasm32::unreachable();
    }
    if let Some(code) = value("--exit") {
        return code.parse().unwrap_or(1);
    }
    if let Some(count) = value("--flood") {
        for line in 0..count.parse::<u64>().unwrap_or(1_000_000) {
            io::print(&format!("line {line}\n"));
            if line % 500 == 499 {
                yield_now().await;
            }
        }
        return 0;
    }
    let cpu = value("--cpu").or(value("-c")).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    let vm = value("--vm").or(value("-m")).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    let until = value("--timeout").or(value("-t")).and_then(|t| t.trim_end_matches('s').parse::<u64>().ok());
    let until = until.map_or(u64::MAX, |seconds| now() + seconds * SECOND);
    io::print(&format!("stress: info: [1] dispatching hogs: {cpu} cpu, 0 io, {vm} vm, 0 hdd\n"));
    let bytes = value("--vm-bytes").map_or(256 << 20, |text| size(&text));
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..vm {
        let mut left = bytes;
        while left > 0 {
            let mut block = vec![0u8; left.min(1 << 20)];
            block.iter_mut().step_by(4_096).for_each(|byte| *byte = b'Z');
            left -= block.len();
            held.push(block);
            yield_now().await;
        }
    }
    let hang = value("--vm-hang").and_then(|s| s.parse::<u64>().ok());
    let work = async {
        let mut sum = 0u64;
        while now() < until {
            if cpu == 0 {
                sleep(hang.unwrap_or(3_600).max(1).saturating_mul(SECOND).min(until - now())).await;
                continue;
            }
            for n in 0..200_000u64 {
                sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(n));
            }
            yield_now().await;
        }
        0
    };
    let signal = async { 128 + process::signal().await as i32 };
    let code = podarium_guest::task::first(work, signal).await;
    drop(held);
    if code == 0 {
        io::print("stress: info: [1] successful run completed\n");
    }
    code
});

fn deeper(n: u64) -> u64 {
    if std::hint::black_box(n) == 0 { 0 } else { 1 + deeper(n + 1) }
}

/// `150M`.
fn size(text: &str) -> usize {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.as_bytes().last() {
        Some(b'K' | b'k') => 10,
        Some(b'M' | b'm') => 20,
        Some(b'G' | b'g') => 30,
        _ => 0,
    };
    digits.parse::<usize>().unwrap_or(0).checked_shl(unit).unwrap_or(usize::MAX)
}
