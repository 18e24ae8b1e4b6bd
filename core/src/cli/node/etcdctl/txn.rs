//! etcdctl txn: conditions, what is done if they hold, what is done if they don't; a blank line between.

use super::super::Flags;
use super::print::{bytes, pair};
use super::{found, write};
use crate::apiserver::EtcdEndpoint;
use crate::cli::Shell;
use crate::etcd::{Op, Value};

pub(super) fn run(shell: &Shell, f: &Flags, etcd: &EtcdEndpoint) -> Result<(), String> {
    let text = shell.stdin.as_deref().unwrap_or_default().to_owned();
    if text.is_empty() && !f.on(&["i", "interactive"]) {
        return Err("txn reads from standard input: conditions, then requests on success, then on failure, a blank line between".into());
    }
    let mut parts = text.split("\n\n").map(|p| p.lines().filter(|l| !l.trim().is_empty()).collect::<Vec<_>>());
    let mut next = || parts.next().unwrap_or_default();
    let (conditions, success, failure) = (next(), next(), next());
    let mut holds = true;
    for c in conditions {
        holds &= compare(c, etcd)?;
    }
    shell.out(if holds { "SUCCESS\n" } else { "FAILURE\n" });
    for line in if holds { success } else { failure } {
        shell.out("\n");
        request(shell, line, etcd)?;
    }
    Ok(())
}

/// `mod("key") > "0"`. Models ParseCompare.
fn compare(line: &str, etcd: &EtcdEndpoint) -> Result<bool, String> {
    let invalid = || format!("invalid comparison: {line}");
    let (target, rest) = line.trim().split_once('(').ok_or_else(invalid)?;
    let (key, rest) = rest.split_once(')').ok_or_else(invalid)?;
    let key = key.trim().trim_matches('"');
    let rest = rest.trim();
    let operator = rest.chars().next().filter(|c| "<>=!".contains(*c)).ok_or_else(invalid)?;
    let want = rest[1..].trim_start_matches('=').trim().trim_matches('"');
    let kv = etcd.store.borrow().get(key);
    let number = |n: u64| want.parse::<u64>().map(|w| n.cmp(&w)).map_err(|_| invalid());
    let order = match target.trim() {
        "ver" | "version" => number(kv.map_or(0, |kv| kv.version))?,
        "c" | "create" => number(kv.map_or(0, |kv| kv.create_revision))?,
        "m" | "mod" => number(kv.map_or(0, |kv| kv.mod_revision))?,
        "val" | "value" => match kv {
            Some(kv) => bytes(&kv.value()).as_slice().cmp(want.as_bytes()),
            None => return Ok(false),
        },
        _ => return Err(invalid()),
    };
    Ok(match operator {
        '=' => order.is_eq(),
        '!' => order.is_ne(),
        '<' => order.is_lt(),
        _ => order.is_gt(),
    })
}

fn request(shell: &Shell, line: &str, etcd: &EtcdEndpoint) -> Result<(), String> {
    let words: Vec<String> = line.split_whitespace().map(|w| w.trim_matches('"').to_owned()).collect();
    let f = Flags::parse(&words, &[]);
    let rest = f.words.get(1..).unwrap_or_default();
    match (f.word(0), rest) {
        ("get", [_, ..]) => {
            let kvs = found(&etcd.store.borrow(), &f, rest, 0)?;
            shell.out(kvs.iter().map(|kv| pair(kv)).collect::<String>());
        }
        ("put", [key, value]) => {
            let value = Value::Bytes(value.as_bytes().into());
            write(shell, etcd, vec![Op::Put { key: key.as_str().into(), value, lease: 0, same_spec: false }])?;
            shell.out("OK\n");
        }
        ("del", [_, ..]) => {
            let kvs = found(&etcd.store.borrow(), &f, rest, 0)?;
            write(shell, etcd, kvs.iter().map(|kv| Op::Delete { key: kv.key.clone() }).collect())?;
            shell.out(format!("{}\n", kvs.len()));
        }
        _ => return Err(format!("invalid txn request: {line}")),
    }
    Ok(())
}
