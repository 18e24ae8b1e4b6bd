//! etcdctl. Models etcd v3.6's `etcdctl/ctlv3/command`: a client of etcd, past the api-server.

mod member;
mod print;
mod txn;

use std::rc::Rc;
use std::time::Duration;

use super::{Flags, fail};
use crate::apiserver::EtcdEndpoint;
use crate::cli::Shell;
use crate::cluster::Login;
use crate::etcd::{Etcd, EventType, KeyValue, LeaseId, Op, RangeRequest, Value};
use crate::sim::Sim;

/// How long etcdctl waits for an etcd that is not there.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often a watch looks.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// etcdctl's commands, in the order in which they are suggested.
const COMMANDS: &[&str] =
    &["get", "put", "del", "txn", "compaction", "alarm", "defrag", "endpoint", "watch", "version", "lease", "member"];

pub(super) async fn run(shell: &Shell, login: &Login, words: &[String]) -> i32 {
    let valued = [
        "endpoints",
        "cacert",
        "cert",
        "key",
        "w",
        "write-out",
        "rev",
        "limit",
        "lease",
        "order",
        "sort-by",
        "command-timeout",
        "dial-timeout",
        "user",
        "password",
    ];
    let f = Flags::parse(words, &valued);
    let verb = f.word(0).to_owned();
    match verb.as_str() {
        "" | "help" => {
            shell.out("NAME:\n\tetcdctl - A simple command line client for etcd3.\n\nUSAGE:\n\tetcdctl [flags]\n\nVERSION:\n\t3.6.6\n\nAPI VERSION:\n\t3.6\n\n\nCOMMANDS:\n");
            shell.out(COMMANDS.iter().map(|c| format!("\t{c}\n")).collect::<String>());
            return 0;
        }
        "version" => {
            shell.out("etcdctl version: 3.6.6\nAPI version: 3.6\n");
            return 0;
        }
        v if !COMMANDS.contains(&v) => return unknown(shell, v, &f),
        _ => {}
    }
    let Some(etcd) = login.etcd() else {
        shell.door.sim.sleep(TIMEOUT).await;
        return fail(shell, "Error: context deadline exceeded");
    };
    let done = match verb.as_str() {
        "get" => print::get(shell, &f, &etcd.store.borrow()),
        "put" => put(shell, &f, &etcd),
        "del" => delete(shell, &f, &etcd),
        "txn" => txn::run(shell, &f, &etcd),
        "compaction" => compact(shell, &f, &etcd),
        "watch" => watch(shell, &f, &etcd).await,
        "lease" => lease(shell, &f, &etcd).await,
        "alarm" => Ok(()),
        "defrag" => {
            shell.out("Finished defragmenting etcd member[127.0.0.1:2379]. took 8.231641ms\n");
            Ok(())
        }
        _ => member::run(shell, login, &f, &etcd.store.borrow()),
    };
    match done {
        Ok(()) => 0,
        Err(e) => fail(shell, format!("Error: {e}")),
    }
}

/// Models cobra's suggestions. A word says where the old verb went.
fn unknown(shell: &Shell, verb: &str, f: &Flags) -> i32 {
    let near: Vec<String> = COMMANDS
        .iter()
        .filter(|c| crate::cli::kubectl::tree::distance(verb, c) <= 2 || c.starts_with(verb))
        .map(|c| format!("\t{c}\n"))
        .collect();
    let near = if near.is_empty() { String::new() } else { format!("\nDid you mean this?\n{}", near.concat()) };
    shell.err(format!("Error: unknown command \"{verb}\" for \"etcdctl\"\n{near}\nRun 'etcdctl --help' for usage.\n"));
    let old = match verb {
        "set" | "mk" | "update" => "put",
        "ls" => "get --prefix --keys-only",
        "rm" => "del",
        _ => return 1,
    };
    let rest = f.words.get(1..).unwrap_or_default().join(" ");
    shell.err(format!("`{verb}` was a verb of etcd's API v2. API v3 says: etcdctl {old} {rest}\n"));
    1
}

/// The keys that the words of a command name: a key, up to another, or those with its prefix.
fn range_of(f: &Flags, words: &[String]) -> Result<(String, Option<String>), String> {
    let key = words.first().cloned().unwrap_or_default();
    let prefix = f.on(&["prefix"]);
    if f.on(&["from-key"]) {
        if prefix {
            return Err("`--prefix` and `--from-key` cannot be set at the same time, choose one".into());
        }
        return Ok((key, Some(String::new())));
    }
    if let Some(end) = words.get(1) {
        if prefix {
            return Err("too many arguments, only accept one argument when `--prefix` or `--from-key` is set".into());
        }
        return Ok((key, Some(end.clone())));
    }
    if !prefix {
        return Ok((key, None));
    }
    // The key after the last with this prefix: its last byte one higher.
    let mut end = key.clone().into_bytes();
    while let Some(last) = end.pop() {
        if last < 0x7f {
            end.push(last + 1);
            break;
        }
    }
    Ok((key, Some(String::from_utf8(end).unwrap_or_default())))
}

fn found(etcd: &Etcd, f: &Flags, words: &[String], revision: u64) -> Result<Vec<Rc<KeyValue>>, String> {
    let (key, end) = range_of(f, words)?;
    let r = RangeRequest { key: &key, range_end: end.as_deref(), revision, ..RangeRequest::default() };
    etcd.range(&r).map(|r| r.kvs).map_err(|e| e.to_string())
}

fn arguments<'a>(f: &'a Flags, least: usize, complaint: &str) -> Result<&'a [String], String> {
    let words = f.words.get(1..).unwrap_or_default();
    if words.len() < least { Err(complaint.to_owned()) } else { Ok(words) }
}

/// A lease's number, which etcdctl writes in hexadecimal.
fn lease_id(text: &str) -> Result<LeaseId, String> {
    LeaseId::from_str_radix(text, 16).map_err(|_| {
        format!("bad lease ID arg ({text}), expecting ID in Hex (strconv.ParseInt: parsing \"{text}\": invalid syntax)")
    })
}

fn put(shell: &Shell, f: &Flags, etcd: &EtcdEndpoint) -> Result<(), String> {
    let words = arguments(f, 1, "put command needs 1 argument and input from stdin or 2 arguments")?;
    let value = match words.get(1) {
        Some(v) => v.clone(),
        None => shell.stdin.as_deref().unwrap_or_default().to_owned(),
    };
    let lease = f.get(&["lease"]).map_or(Ok(0), lease_id)?;
    let before = etcd.store.borrow().get(&words[0]);
    let op = Op::Put {
        key: words[0].as_str().into(),
        value: Value::Bytes(value.as_bytes().into()),
        lease,
        same_spec: false,
    };
    write(shell, etcd, vec![op])?;
    shell.out("OK\n");
    if f.on(&["prev-kv"])
        && let Some(kv) = before
    {
        shell.out(print::pair(&kv));
    }
    Ok(())
}

/// Writes, and tells those who watch.
fn write(shell: &Shell, etcd: &EtcdEndpoint, ops: Vec<Op>) -> Result<(), String> {
    let cause = shell.door.sim.cause();
    etcd.store.borrow_mut().txn(&[], ops, cause).map_err(|e| e.to_string())?;
    etcd.changed.notify();
    Ok(())
}

fn delete(shell: &Shell, f: &Flags, etcd: &EtcdEndpoint) -> Result<(), String> {
    let words = arguments(f, 1, "del command needs one argument as key and an optional argument as range_end")?;
    let kvs = found(&etcd.store.borrow(), f, words, 0)?;
    let ops = kvs.iter().map(|kv| Op::Delete { key: kv.key.clone() }).collect();
    write(shell, etcd, ops)?;
    shell.out(format!("{}\n", kvs.len()));
    if f.on(&["prev-kv"]) {
        shell.out(kvs.iter().map(|kv| print::pair(kv)).collect::<String>());
    }
    Ok(())
}

fn compact(shell: &Shell, f: &Flags, etcd: &EtcdEndpoint) -> Result<(), String> {
    let words = arguments(f, 1, "compaction command needs 1 argument")?;
    let revision: u64 =
        words[0].parse().map_err(|_| format!("strconv.ParseInt: parsing \"{}\": invalid syntax", words[0]))?;
    etcd.store.borrow_mut().compact(revision).map_err(|e| e.to_string())?;
    shell.out(format!("compacted revision {revision}\n"));
    Ok(())
}

async fn watch(shell: &Shell, f: &Flags, etcd: &EtcdEndpoint) -> Result<(), String> {
    let words = arguments(f, 1, "watch needs one argument as key")?;
    let (key, end) = range_of(f, words)?;
    let inside = |k: &str| match end.as_deref() {
        None => k == key,
        Some("") => k >= key.as_str(),
        Some(end) => k >= key.as_str() && k < end,
    };
    let from = f.get(&["rev"]).and_then(|r| r.parse::<u64>().ok());
    let mut seen = from.map_or_else(|| etcd.store.borrow().revision(), |r| r.saturating_sub(1));
    loop {
        let mut out = String::new();
        {
            let store = etcd.store.borrow();
            for e in store.events_since(seen).map_err(|e| e.to_string())? {
                seen = seen.max(e.revision);
                if !inside(&e.key) {
                    continue;
                }
                match (e.kind, &e.kv) {
                    (EventType::Put, Some(kv)) => out.push_str(&format!("PUT\n{}", print::pair(kv))),
                    _ => out.push_str(&format!("DELETE\n{}\n\n", e.key)),
                }
            }
        }
        shell.out(out);
        shell.door.sim.sleep(WATCH_EVERY).await;
        if !runs(&shell.door.sim, etcd) {
            return Err("etcdserver: no leader".into());
        }
    }
}

fn runs(sim: &Sim, etcd: &EtcdEndpoint) -> bool {
    sim.process_runs(etcd.process.get())
}

async fn lease(shell: &Shell, f: &Flags, etcd: &EtcdEndpoint) -> Result<(), String> {
    let (verb, word) = (f.word(1), f.word(2));
    let now = shell.door.sim.now();
    match verb {
        "grant" => {
            let seconds: u64 =
                word.parse().map_err(|_| format!("bad TTL (strconv.ParseInt: parsing \"{word}\": invalid syntax)"))?;
            let id = etcd.store.borrow_mut().leases_mut().grant(now, Duration::from_secs(seconds));
            shell.out(format!("lease {id:016x} granted with TTL({seconds}s)\n"));
        }
        "revoke" => {
            let id = lease_id(word)?;
            let cause = shell.door.sim.cause();
            etcd.store.borrow_mut().revoke(id, cause).map_err(|e| format!("failed to revoke lease ({e})"))?;
            etcd.changed.notify();
            shell.out(format!("lease {id:016x} revoked\n"));
        }
        "timetolive" => {
            let id = lease_id(word)?;
            let store = etcd.store.borrow();
            let Some((ttl, ends)) = store.leases().get(id) else {
                shell.out(format!("lease {id:016x} already expired\n"));
                return Ok(());
            };
            let (ttl, left) = (ttl.as_secs(), ends.since(now).as_secs());
            let keys = store.leases().keys(id).join(" ");
            let keys = if f.on(&["keys"]) { format!(", attached keys([{keys}])") } else { String::new() };
            shell.out(format!("lease {id:016x} granted with TTL({ttl}s), remaining({left}s){keys}\n"));
        }
        "list" => {
            let store = etcd.store.borrow();
            let ids: Vec<String> = store.leases().ids().map(|i| format!("{i:016x}\n")).collect();
            shell.out(format!("found {} leases\n{}", ids.len(), ids.concat()));
        }
        "keep-alive" => {
            let id = lease_id(word)?;
            loop {
                let kept = etcd.store.borrow_mut().leases_mut().keep_alive(shell.door.sim.now(), id);
                let Some(ttl) = kept.filter(|_| runs(&shell.door.sim, etcd)) else {
                    shell.out(format!("lease {id:016x} expired or revoked.\n"));
                    return Ok(());
                };
                shell.out(format!("lease {id:016x} keepalived with TTL({})\n", ttl.as_secs()));
                if f.on(&["once"]) {
                    return Ok(());
                }
                shell.door.sim.sleep((ttl / 3).max(Duration::from_millis(500))).await;
            }
        }
        _ => return Err(format!("unknown command \"{verb}\" for \"etcdctl lease\"")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_by_ranges() {
        for (line, key, end) in [
            ("get a", "a", None),
            ("get a c", "a", Some("c")),
            ("get /registry/pods/ --prefix", "/registry/pods/", Some("/registry/pods0")),
            ("get a --from-key", "a", Some("")),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let f = Flags::parse(&words, &[]);
            let words = f.words.get(1..).unwrap_or_default();
            assert_eq!(range_of(&f, words), Ok((key.to_owned(), end.map(str::to_owned))), "{line}");
        }
    }
}
