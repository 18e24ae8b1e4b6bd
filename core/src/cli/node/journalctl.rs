//! journalctl: what systemd wrote of a machine's services.

use std::time::Duration;

use super::{Flags, fail};
use crate::cli::Shell;
use crate::cluster::{JournalLine, Login};

/// How often a following journalctl looks.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// A line as the short format has it.
pub(super) fn line(host: &str, l: &JournalLine) -> String {
    let when = l.at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%b %d %H:%M:%S").to_string();
    format!("{when} {host} {}: {}\n", l.from, l.text)
}

pub(super) async fn run(shell: &Shell, login: &Login, words: &[String]) -> i32 {
    let valued = ["u", "unit", "n", "lines", "S", "since", "U", "until", "o", "output", "p", "priority"];
    let split = split_short(words);
    let f = Flags::parse(&split, &valued);
    if let Some(w) = f.words.first() {
        return fail(shell, format!("Failed to add match '{w}': Invalid argument"));
    }
    let unit = f.get(&["u", "unit"]).map(|u| u.trim_end_matches(".service"));
    let follows = f.on(&["f", "follow"]);
    let count = f.get(&["n", "lines"]).map(|n| n.parse().unwrap_or(10));
    let count = count.unwrap_or(if follows { 10 } else { usize::MAX });
    let mut lines = login.machine.journal(unit);
    let mut last = lines.len();
    lines.drain(..lines.len().saturating_sub(count));
    if lines.is_empty() && !follows {
        shell.out("-- No entries --\n");
    }
    if f.on(&["r", "reverse"]) {
        lines.reverse();
    }
    let host = &login.machine.name;
    shell.out(lines.iter().map(|l| line(host, l)).collect::<String>());
    if !follows {
        return 0;
    }
    loop {
        shell.door.sim.sleep(FOLLOW_EVERY).await;
        let all = login.machine.journal(unit);
        shell.out(all.iter().skip(last).map(|l| line(host, l)).collect::<String>());
        last = all.len();
    }
}

/// `-xeu kubelet` as `-x -e -u kubelet`, and `-n20` as `-n 20`.
fn split_short(words: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    for w in words {
        let Some(letters) = w.strip_prefix('-').filter(|l| l.len() > 1 && !l.starts_with('-')) else {
            out.push(w.clone());
            continue;
        };
        let mut rest = letters.chars();
        while let Some(c) = rest.next() {
            out.push(format!("-{c}"));
            if "unSUop".contains(c) && !rest.as_str().is_empty() {
                out.push(rest.as_str().to_owned());
                break;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn short_flags_stand_together() {
        for (words, want) in
            [("-xeu kubelet", "-x -e -u kubelet"), ("-n20 -f", "-n 20 -f"), ("-u kubelet", "-u kubelet")]
        {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            assert_eq!(super::split_short(&words).join(" "), want);
        }
    }
}
