//! ps: the processes of the container, as /proc shows them.

use podarium_guest::{fs, process};

/// What ps prints: the container's processes, and itself where a shell runs it.
pub fn processes() -> String {
    let mut pids: Vec<u32> =
        fs::list("/proc").unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    let line = |pid: u32, command: &str| format!("{pid:5} root      0:00 {command}\n");
    let mut text = "PID   USER     TIME  COMMAND\n".to_owned();
    for pid in &pids {
        let words = fs::read(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
        text.push_str(&line(*pid, &words));
    }
    let own = process::args().first().is_some_and(|name| crate::base_name(name) == "ps");
    if !own {
        text.push_str(&line(pids.last().map_or(1, |last| last + 1), "ps"));
    }
    text
}
