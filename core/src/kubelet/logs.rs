//! A container's log as it is read by a client: a part of it, and perhaps what comes later.
//! Models `ReadLogs` of `staging/src/k8s.io/cri-client/pkg/logs/logs.go`.

use std::fmt::Write as _;
use std::rc::Rc;

use super::LogOptions;
use crate::runtime::Containerd;
use crate::runtime::containerd::{Follower, Id};
use crate::runtime::log::{ContainerLog, LogLine};

/// How much of a log is handed over at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads the log of one container.
pub struct LogReader {
    runtime: Rc<Containerd>,
    id: Id,
    /// The line that comes next, counted from the first ever written.
    next: u64,
    since: Option<jiff::Timestamp>,
    timestamps: bool,
    bytes_left: Option<usize>,
    follow: bool,
    follower: Option<Follower>,
    /// The last line was a piece of one that goes on.
    within_line: bool,
}

impl LogReader {
    pub(super) fn new(runtime: Rc<Containerd>, id: Id, o: &LogOptions) -> Self {
        let next = runtime.with_log(id, |log| first_line(log, o)).unwrap_or_default();
        LogReader {
            follower: if o.follow { runtime.follow(id) } else { None },
            runtime,
            id,
            next,
            since: o.since,
            timestamps: o.timestamps,
            bytes_left: o.limit_bytes,
            follow: o.follow,
            within_line: false,
        }
    }

    /// The next portion; `None` at the end.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if self.bytes_left == Some(0) {
                return None;
            }
            let text = self.read();
            if !text.is_empty() {
                return Some(text);
            }
            if !self.follow {
                return None;
            }
            match &self.follower {
                Some(f) => f.changed().await,
                None => return None,
            }
            // What it wrote before its end is read once more; a container that is gone has nothing more to say.
            self.follower = self.runtime.follow(self.id);
        }
    }

    /// What is there by now, at most one portion.
    fn read(&mut self) -> String {
        let mut text = String::new();
        let (mut next, mut within_line) = (self.next, self.within_line);
        let (since, timestamps) = (self.since, self.timestamps);
        self.runtime.with_log(self.id, |log| {
            // Lines that were rotated away meanwhile are lost.
            next = next.max(log.first());
            for line in log.lines(next) {
                if text.len() >= CHUNK_BYTES {
                    break;
                }
                next += 1;
                if since.is_some_and(|s| line.at < s) {
                    continue;
                }
                write_line(&mut text, line, timestamps && !within_line);
                within_line = line.partial;
            }
        });
        (self.next, self.within_line) = (next, within_line);
        if let Some(left) = &mut self.bytes_left {
            if text.len() > *left {
                let end = (0..=*left).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
                text.truncate(end);
                *left = 0;
            } else {
                *left -= text.len();
            }
        }
        text
    }
}

/// Where reading begins: at the last so many whole lines.
fn first_line(log: &ContainerLog, o: &LogOptions) -> u64 {
    let Some(wanted) = o.tail_lines else { return 0 };
    let ends: Vec<bool> = log.lines(0).map(|l| !l.partial).collect();
    // A piece without its end counts as a line too.
    let mut lines = usize::from(ends.last() == Some(&false));
    let mut from = ends.len();
    for (i, ends_line) in ends.iter().enumerate().rev() {
        if *ends_line {
            lines += 1;
        }
        if lines > wanted {
            break;
        }
        from = i;
    }
    log.first() + from as u64
}

fn write_line(text: &mut String, line: &LogLine, timestamp: bool) {
    if timestamp {
        // Writing to a string can't fail.
        let _ = write!(text, "{:.9} ", line.at);
    }
    text.push_str(&line.text);
    if !line.partial {
        text.push('\n');
    }
}
