use std::sync::Arc;

use super::{EntryKind, LogEntry, ServerLog};

/// Adds what a process writes to its standard error to the log of its server, line by line.
pub(super) struct StderrLines {
    log: Arc<ServerLog>,
    process: u32,
    /// The line that is not over yet.
    line: Vec<u8>,
}

/// Longer lines are broken.
const LONGEST: usize = 8 * 1024;

impl StderrLines {
    pub(super) fn new(log: Arc<ServerLog>, process: u32) -> Self {
        Self { log, process, line: Vec::new() }
    }

    /// Takes what was written next. A program that returns to the beginning of a line begins a new one.
    pub(super) fn write(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, is_over) = match part {
                [text @ .., b'\n' | b'\r'] => (text, true),
                text => (text, false),
            };
            for text in text.chunks(LONGEST) {
                if self.line.len() + text.len() > LONGEST {
                    self.end();
                }
                self.line.extend_from_slice(text);
            }
            if is_over {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            let text = String::from_utf8_lossy(&line).into_owned();
            let process = Some(self.process);
            self.log.add(LogEntry { process, ..LogEntry::new(EntryKind::Stderr, text) });
        }
    }
}

/// The last line may have no end.
impl Drop for StderrLines {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use anyport_metrics::Metrics;
    use tokio::sync::watch;

    use super::*;

    #[test]
    fn pieces_become_lines() {
        let dropped = Metrics::new().refusals("server_log");
        let log = Arc::new(ServerLog::new(1 << 20, dropped, watch::Sender::default()));
        let mut lines = StderrLines::new(log.clone(), 7);
        for piece in ["one\r\ntw", "o\n10 %\r20 %\n\n", &"x".repeat(LONGEST + 1), "\nlast"] {
            lines.write(piece.as_bytes());
        }
        drop(lines);
        let (entries, ..) = log.since(0);
        let texts: Vec<_> = entries.iter().map(|entry| &*entry.text).collect();
        assert_eq!(texts, ["one", "two", "10 %", "20 %", &"x".repeat(LONGEST), "x", "last"]);
        assert!(entries.iter().all(|entry| entry.process == Some(7)));
    }
}
