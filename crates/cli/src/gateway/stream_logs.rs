//! Writes the logs of servers to a command, and goes on with new entries until the command ends.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::socket::LogsRequest;
use crate::{
    server_log::{LogEntry, ServerLogs},
    target::redact_json,
};

/// Writes the entries that `request` asks for to `stream`, one a line, each with the name of its server. A command that reads slowly
/// misses entries, and learns how many.
pub(super) async fn stream_logs(
    mut stream: UnixStream,
    request: &LogsRequest,
    logs: &ServerLogs,
) -> std::io::Result<()> {
    let mut changes = logs.changes();
    let mut reader = LogReader::new(logs, request);
    loop {
        let text = reader.read();
        stream.write_all(text.as_bytes()).await?;
        if !request.follow {
            return stream.shutdown().await;
        }
        let mut nothing = [0; 1];
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            // A command sends nothing more: it is gone.
            _ = stream.read(&mut nothing) => return Ok(()),
        }
    }
}

/// Where a command is in each log.
struct LogReader<'l> {
    logs: &'l ServerLogs,
    request: &'l LogsRequest,
    /// The number of the next entry of each log.
    next: Vec<(String, u64)>,
    is_first: bool,
}

impl<'l> LogReader<'l> {
    fn new(logs: &'l ServerLogs, request: &'l LogsRequest) -> Self {
        Self { logs, request, next: Vec::new(), is_first: true }
    }

    /// The entries that the command does not have yet, the oldest first.
    fn read(&mut self) -> String {
        let mut found: Vec<(String, LogEntry)> = Vec::new();
        let mut lines = String::new();
        for (name, log) in self.logs.selected(self.request.name.as_deref()) {
            let known = self.next.iter_mut().find(|(known, _)| *known == name);
            let next = known.as_ref().map_or(0, |(_, next)| *next);
            let (entries, missed, end) = log.since(next);
            match known {
                Some((_, next)) => *next = end,
                None => self.next.push((name.clone(), end)),
            }
            // What was there before the command is not missed.
            if missed > 0 && !self.is_first {
                lines += &line(json!({"server": name, "missed": missed}));
            }
            found.extend(entries.into_iter().map(|entry| (name.clone(), entry)));
        }
        found.sort_by_key(|(_, entry)| entry.at);
        let most = self.request.lines.filter(|_| self.is_first).unwrap_or(usize::MAX);
        self.is_first = false;
        for (name, entry) in found.iter().skip(found.len().saturating_sub(most)) {
            let mut value = json!(entry);
            value["server"] = name.as_str().into();
            lines += &line(value);
        }
        lines
    }
}

/// A line of the response. Programs write secrets to their standard error that they were given.
fn line(mut value: Value) -> String {
    redact_json(&mut value);
    format!("{value}\n")
}
