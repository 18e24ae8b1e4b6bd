//! A container's log: lines with their time and stream, rotated as the kubelet does (10Mi a file, 5 files).
//! Models `pkg/kubelet/logs/container_log_manager.go` and containerd's CRI logger.

use std::collections::VecDeque;
use std::rc::Rc;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: jiff::Timestamp,
    /// To stderr rather than stdout.
    pub stderr: bool,
    /// A piece of a line longer than 16 KiB, which goes on in the next entry.
    pub partial: bool,
    /// The text without its newline. Bytes that are no UTF-8 were replaced.
    pub text: Rc<str>,
}

/// containerLogMaxSize and containerLogMaxFiles, the kubelet's defaults.
const FILE_BYTES: usize = 10 << 20;
const FILES: usize = 5;
/// Longer lines are cut: containerd's maxContainerLogLineSize.
const LINE_BYTES_MAX: usize = 16 << 10;
/// The time, the stream and the tag before each line in the file.
const LINE_OVERHEAD: usize = 45;

#[derive(Debug, Default)]
struct File {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

/// The log of one container.
#[derive(Debug, Default)]
pub struct ContainerLog {
    /// Oldest first; the last is written to.
    files: VecDeque<File>,
    /// What of a line has come on stdout and on stderr.
    open: [Vec<u8>; 2],
    /// Lines ever written: where a follower stands.
    written: u64,
}

impl ContainerLog {
    /// Adds output as it came.
    pub fn append(&mut self, at: jiff::Timestamp, stderr: bool, bytes: &[u8]) {
        let mut rest = bytes;
        let stream = usize::from(stderr);
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.open[stream].is_empty() && line.len() <= LINE_BYTES_MAX {
                self.push(at, stderr, false, line);
            } else {
                self.open[stream].extend_from_slice(line);
                self.flush(at, stderr);
            }
        }
        self.open[stream].extend_from_slice(rest);
        while self.open[stream].len() > LINE_BYTES_MAX {
            let tail = self.open[stream].split_off(LINE_BYTES_MAX);
            let head = std::mem::replace(&mut self.open[stream], tail);
            self.push(at, stderr, true, &head);
        }
    }

    fn flush(&mut self, at: jiff::Timestamp, stderr: bool) {
        let line = std::mem::take(&mut self.open[usize::from(stderr)]);
        let mut pieces = line.chunks(LINE_BYTES_MAX).peekable();
        if pieces.peek().is_none() {
            self.push(at, stderr, false, &[]);
        }
        while let Some(piece) = pieces.next() {
            let partial = pieces.peek().is_some();
            self.push(at, stderr, partial, piece);
        }
    }

    /// The process ended: what it left without a newline is a line.
    pub fn finish(&mut self, at: jiff::Timestamp) {
        for stderr in [false, true] {
            if !self.open[usize::from(stderr)].is_empty() {
                self.flush(at, stderr);
            }
        }
    }

    fn push(&mut self, at: jiff::Timestamp, stderr: bool, partial: bool, line: &[u8]) {
        let text: Rc<str> = String::from_utf8_lossy(line).into();
        if self.files.back().is_none_or(|f| f.bytes >= FILE_BYTES) {
            self.files.push_back(File::default());
            if self.files.len() > FILES {
                self.files.pop_front();
            }
        }
        if let Some(f) = self.files.back_mut() {
            f.bytes += text.len() + LINE_OVERHEAD;
            f.lines.push_back(LogLine { at, stderr, partial, text });
        }
        self.written += 1;
    }

    /// Lines ever written, those rotated away too.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The first line that is still there, counted from the first ever written.
    pub fn first(&self) -> u64 {
        let kept: u64 = self.files.iter().map(|f| f.lines.len() as u64).sum();
        self.written - kept
    }

    /// The lines from the `from`th ever written on, as far as they are still there, oldest first.
    pub fn lines(&self, from: u64) -> impl Iterator<Item = &LogLine> {
        let mut skip = usize::try_from(from.saturating_sub(self.first())).unwrap_or(usize::MAX);
        // Whole files are skipped at once: a follower reads from the end.
        let mut files = self.files.iter().peekable();
        while let Some(file) = files.peek().filter(|f| f.lines.len() <= skip) {
            skip -= file.lines.len();
            files.next();
        }
        let first = files.next().map(|f| f.lines.range(skip..));
        first.into_iter().flatten().chain(files.flat_map(|f| f.lines.iter()))
    }

    /// The last lines, at most `n` and together at most `bytes`: for termination messages taken from the log.
    pub fn tail(&self, n: usize, bytes: usize) -> String {
        let mut taken: Vec<&str> = Vec::new();
        let mut size = 0;
        for line in self.files.iter().rev().flat_map(|f| f.lines.iter().rev()).take(n) {
            size += line.text.len() + 1;
            if size > bytes {
                break;
            }
            taken.push(&line.text);
        }
        taken.iter().rev().flat_map(|l| [*l, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &ContainerLog) -> Vec<String> {
        log.lines(0).map(|l| format!("{}{}", l.text, if l.partial { "~" } else { "" })).collect()
    }

    #[test]
    fn lines_are_put_together_by_stream() {
        let mut log = ContainerLog::default();
        let t = jiff::Timestamp::UNIX_EPOCH;
        log.append(t, false, b"one\ntw");
        log.append(t, true, b"err");
        log.append(t, false, b"o\n\nrest");
        assert_eq!(texts(&log), ["one", "two", ""]);
        log.finish(t);
        assert_eq!(texts(&log), ["one", "two", "", "rest", "err"]);
        assert!(log.lines(4).all(|l| l.stderr));
        assert_eq!(log.tail(2, 100), "rest\nerr\n");
    }

    #[test]
    fn long_lines_are_cut_and_files_rotated() {
        let mut log = ContainerLog::default();
        let t = jiff::Timestamp::UNIX_EPOCH;
        log.append(t, false, &[b'x'; 40_000]);
        log.append(t, false, b"\n");
        assert_eq!(
            log.lines(0).map(|l| (l.text.len(), l.partial)).collect::<Vec<_>>(),
            [(16_384, true), (16_384, true), (7_232, false)]
        );
        for i in 0..70_000 {
            log.append(t, false, format!("line {i:0990}\n").as_bytes());
        }
        assert_eq!(log.written(), 70_003);
        let kept = log.lines(0).count();
        assert!(kept * 1_040 <= 52 << 20 && kept * 1_040 >= 40 << 20, "{kept}");
        assert_eq!(log.lines(70_002).count(), 1);
    }
}
