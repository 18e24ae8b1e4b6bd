//! etcdctl member and endpoint: what an etcd says of itself.

use serde_json::json;

use super::super::{Flags, size};
use super::print::bytes;
use crate::cli::Shell;
use crate::cluster::Login;
use crate::etcd::Etcd;

/// The member's number; a single member made by kubeadm has one from its addresses.
const MEMBER: &str = "8e9e05c52164694d";
const VERSION: &str = "3.6.6";
/// etcd's default quota.
const QUOTA: &str = "2.1 GB";

pub(super) fn run(shell: &Shell, login: &Login, f: &Flags, etcd: &Etcd) -> Result<(), String> {
    let endpoint = f.get(&["endpoints"]).unwrap_or("127.0.0.1:2379").to_owned();
    let format = f.get(&["w", "write-out"]).unwrap_or("simple");
    let (name, ip) = (&login.machine.name, &login.machine.ip);
    let (head, row): (&[&str], Vec<String>) = match (f.word(0), f.word(1)) {
        ("member", "list") => {
            let urls = [format!("https://{ip}:2380"), format!("https://{ip}:2379")];
            let row = [MEMBER, "started", name, &urls[0], &urls[1], "false"].map(str::to_owned).into();
            (&["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"], row)
        }
        ("endpoint", "health") if format == "simple" => {
            shell.out(format!("{endpoint} is healthy: successfully committed proposal: took = 8.103715ms\n"));
            return Ok(());
        }
        ("endpoint", "health") => {
            (&["ENDPOINT", "HEALTH", "TOOK", "ERROR"], [&endpoint, "true", "8.103715ms", ""].map(str::to_owned).into())
        }
        ("endpoint", "status") => status(&endpoint, etcd),
        ("endpoint", "hashkv") => {
            (&["ENDPOINT", "HASH", "HASH REVISION"], vec![endpoint, "0".into(), etcd.revision().to_string()])
        }
        (a, "") => return Err(format!("unknown command \"\" for \"etcdctl {a}\"")),
        (a, b) => return Err(format!("unknown command \"{b}\" for \"etcdctl {a}\"")),
    };
    match format {
        "table" => shell.out(table(head, &row)),
        "json" => {
            let pairs: serde_json::Map<String, serde_json::Value> =
                head.iter().zip(&row).map(|(k, v)| (k.to_lowercase().replace(' ', "_"), json!(v))).collect();
            shell.out(format!("{}\n", json!([pairs])));
        }
        _ => shell.out(format!("{}\n", row.join(", "))),
    }
    Ok(())
}

fn status(endpoint: &str, etcd: &Etcd) -> (&'static [&'static str], Vec<String>) {
    let mut held = 0u64;
    etcd.for_each_prefix("", |k, v, _| held += (k.len() + bytes(v).len()) as u64);
    let db = held.next_multiple_of(4096).max(20_480);
    let human = |n: u64| {
        let text = size(n, 2);
        let unit = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
        format!("{} {}", &text[..unit], &text[unit..])
    };
    let index = etcd.revision().to_string();
    let row = [
        endpoint,
        MEMBER,
        VERSION,
        "3.6.0",
        &human(db),
        &human(held),
        "0%",
        QUOTA,
        "true",
        "false",
        "2",
        &index,
        &index,
        "",
        "",
        "false",
    ];
    let head = &[
        "ENDPOINT",
        "ID",
        "VERSION",
        "STORAGE VERSION",
        "DB SIZE",
        "IN USE",
        "PERCENTAGE NOT IN USE",
        "QUOTA",
        "IS LEADER",
        "IS LEARNER",
        "RAFT TERM",
        "RAFT INDEX",
        "RAFT APPLIED INDEX",
        "ERRORS",
        "DOWNGRADE TARGET VERSION",
        "DOWNGRADE ENABLED",
    ];
    (head, row.map(str::to_owned).into())
}

/// A table with a frame. Models tablewriter's classic look.
fn table(head: &[&str], row: &[String]) -> String {
    let widths: Vec<usize> = head.iter().zip(row).map(|(h, r)| h.chars().count().max(r.chars().count())).collect();
    let rule: String = widths.iter().map(|w| format!("+{}", "-".repeat(w + 2))).collect::<String>() + "+\n";
    let centred = |s: &str, w: usize| {
        let free = w - s.chars().count();
        format!("| {}{s}{} ", " ".repeat(free / 2 + free % 2), " ".repeat(free / 2))
    };
    let head: String = head.iter().zip(&widths).map(|(h, w)| centred(h, *w)).collect::<String>() + "|\n";
    let right = |s: &str| s.parse::<f64>().is_ok();
    let cell = |s: &String, w: usize| if right(s) { format!("| {s:>w$} ") } else { format!("| {s:<w$} ") };
    let row: String = row.iter().zip(&widths).map(|(r, w)| cell(r, *w)).collect::<String>() + "|\n";
    format!("{rule}{head}{rule}{row}{rule}")
}
