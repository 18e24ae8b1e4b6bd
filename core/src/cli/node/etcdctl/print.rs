//! What etcdctl prints of keys. Models `printer_simple.go` and `printer_json.go`.

use std::rc::Rc;

use base64::Engine as _;
use serde_json::{Value as Json, json};

use super::super::Flags;
use super::{arguments, found};
use crate::cli::Shell;
use crate::etcd::{Etcd, KeyValue, Value};

/// A value as etcd's clients get it: an object as the api-server encodes it.
pub(super) fn bytes(v: &Value) -> Vec<u8> {
    match v {
        Value::Bytes(b) => b.to_vec(),
        Value::Object(o) => o.to_value().to_string().into_bytes(),
    }
}

/// A key and its value, a line each.
pub(super) fn pair(kv: &KeyValue) -> String {
    format!("{}\n{}\n", kv.key, String::from_utf8_lossy(&bytes(&kv.value())))
}

pub(super) fn get(shell: &Shell, f: &Flags, etcd: &Etcd) -> Result<(), String> {
    let empty_is_all = f.on(&["prefix", "from-key"]);
    let least = usize::from(!empty_is_all);
    let words = arguments(f, least, "get command needs one argument as key and an optional argument as range_end")?;
    let revision = f.get(&["rev"]).and_then(|r| r.parse().ok()).unwrap_or(0);
    let mut kvs = found(etcd, f, words, revision)?;
    let count = kvs.len();
    match f.get(&["sort-by"]).map(str::to_lowercase).as_deref() {
        Some("create") => kvs.sort_by_key(|kv| kv.create_revision),
        Some("modify") => kvs.sort_by_key(|kv| kv.mod_revision),
        Some("version") => kvs.sort_by_key(|kv| kv.version),
        _ => {}
    }
    if f.get(&["order"]).is_some_and(|o| o.eq_ignore_ascii_case("descend")) {
        kvs.reverse();
    }
    let limit = f.get(&["limit"]).and_then(|l| l.parse().ok()).filter(|l| *l > 0).unwrap_or(usize::MAX);
    kvs.truncate(if f.on(&["count-only"]) { 0 } else { limit });
    let (keys, values) = (f.on(&["keys-only"]), f.on(&["print-value-only"]));
    match f.get(&["w", "write-out"]).unwrap_or("simple") {
        "json" => shell.out(format!("{}\n", as_json(etcd, &kvs, count, keys))),
        "fields" => shell.out(as_fields(etcd, &kvs, count, keys)),
        "simple" => {
            for kv in &kvs {
                match (keys, values) {
                    (true, _) => shell.out(format!("{}\n\n", kv.key)),
                    (_, true) => shell.out(format!("{}\n", String::from_utf8_lossy(&bytes(&kv.value())))),
                    _ => shell.out(pair(kv)),
                }
            }
        }
        "table" => return Err("\"table\" is not supported as an output format of get".into()),
        other => return Err(format!("unsupported output format {other}")),
    }
    Ok(())
}

fn as_json(etcd: &Etcd, kvs: &[Rc<KeyValue>], count: usize, keys_only: bool) -> Json {
    let encode = |b: &[u8]| base64::engine::general_purpose::STANDARD.encode(b);
    let one = |kv: &Rc<KeyValue>| {
        let mut v = json!({"key": encode(kv.key.as_bytes()), "create_revision": kv.create_revision,
            "mod_revision": kv.mod_revision, "version": kv.version});
        if !keys_only {
            v["value"] = encode(&bytes(&kv.value())).into();
        }
        if kv.lease != 0 {
            v["lease"] = kv.lease.into();
        }
        v
    };
    let mut all = json!({"header": {"revision": etcd.revision(), "raft_term": 2}, "count": count});
    if !kvs.is_empty() {
        all["kvs"] = kvs.iter().map(one).collect();
    }
    all
}

fn as_fields(etcd: &Etcd, kvs: &[Rc<KeyValue>], count: usize, keys_only: bool) -> String {
    let quote = crate::api::field::quote;
    let mut out = format!("\"Revision\" : {}\n\"RaftTerm\" : 2\n", etcd.revision());
    for kv in kvs {
        let value = if keys_only { String::new() } else { String::from_utf8_lossy(&bytes(&kv.value())).into_owned() };
        out.push_str(&format!(
            "\"Key\" : {}\n\"CreateRevision\" : {}\n\"ModRevision\" : {}\n\"Version\" : {}\n\"Value\" : {}\n\"Lease\" : {}\n",
            quote(&kv.key),
            kv.create_revision,
            kv.mod_revision,
            kv.version,
            quote(&value),
            kv.lease
        ));
    }
    out.push_str(&format!("\"More\" : {}\n\"Count\" : {count}\n", kvs.len() < count));
    out
}
