use std::collections::VecDeque;

use anyport_metrics::Counter;
use anyport_service::sync::Lock;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tokio::sync::watch;

/// The newest entries of the log of one server, in memory.
pub(crate) struct ServerLog {
    ring: Lock<Ring>,
    room: usize,
    /// Counts the entries that were dropped for newer ones.
    dropped: Counter,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<LogEntry>,
    bytes: usize,
    /// The number of the next entry.
    next: u64,
}

/// An entry of the log of a server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LogEntry {
    #[serde(serialize_with = "as_text")]
    pub(crate) at: Timestamp,
    pub(crate) kind: EntryKind,
    pub(crate) text: String,
    /// The severity of a log message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
    /// The part of the server that a log message is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logger: Option<String>,
    /// The process that wrote the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<u32>,
}

/// What an entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EntryKind {
    /// A line of a program's standard error.
    Stderr,
    /// A connection that begins or ends.
    Event,
    /// A log message of the server.
    Message,
}

fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

impl LogEntry {
    /// An entry of this moment.
    pub(crate) fn new(kind: EntryKind, text: impl Into<String>) -> Self {
        let (at, text) = (Timestamp::now(), text.into());
        Self { at, kind, text, level: None, logger: None, process: None }
    }

    /// What it takes in memory, about.
    fn size(&self) -> usize {
        let parts = [&self.level, &self.logger].into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.text.len() + parts
    }
}

impl ServerLog {
    /// An empty log with `room` bytes. Entries that are dropped are counted in `dropped`; `changes` changes with each new one.
    pub(super) fn new(room: usize, dropped: Counter, changes: watch::Sender<u64>) -> Self {
        Self { ring: Lock::default(), room, dropped, changes }
    }

    /// Adds an entry. The oldest ones make room for it.
    pub(crate) fn add(&self, entry: LogEntry) {
        let mut ring = self.ring.lock();
        ring.next += 1;
        ring.bytes += entry.size();
        ring.entries.push_back(entry);
        while ring.bytes > self.room
            && let Some(oldest) = ring.entries.pop_front()
        {
            ring.bytes -= oldest.size();
            self.dropped.increment();
        }
        drop(ring);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Notes how a connection begins or ends.
    pub(crate) fn event(&self, text: impl Into<String>) {
        self.add(LogEntry::new(EntryKind::Event, text));
    }

    /// The entries from the number `next` on, the number of those that were dropped of them, and the number of the next entry.
    pub(crate) fn since(&self, next: u64) -> (Vec<LogEntry>, u64, u64) {
        let ring = self.ring.lock();
        let first = ring.next - ring.entries.len() as u64;
        let skipped = usize::try_from(next.saturating_sub(first)).unwrap_or(usize::MAX);
        (ring.entries.iter().skip(skipped).cloned().collect(), first.saturating_sub(next), ring.next)
    }
}

#[cfg(test)]
mod tests {
    use anyport_metrics::Metrics;

    use super::*;

    #[test]
    fn the_oldest_entries_make_room_for_new_ones_and_readers_learn_how_many() {
        let metrics = Metrics::new();
        let entry = |text: &str| LogEntry::new(EntryKind::Stderr, text);
        let room = 3 * entry("four").size();
        let dropped = metrics.refusals("server_log");
        let log = ServerLog::new(room, dropped.clone(), watch::Sender::default());
        let texts = |entries: Vec<LogEntry>| entries.into_iter().map(|entry| entry.text).collect::<Vec<_>>();
        assert_eq!(log.since(0), (Vec::new(), 0, 0));
        ["one.", "two.", "three", "four"].into_iter().for_each(|text| log.add(entry(text)));
        let (entries, missed, next) = log.since(0);
        // One letter more than there is room for.
        assert_eq!((texts(entries), missed, next), (vec!["three".to_owned(), "four".to_owned()], 2, 4));
        log.add(entry("five"));
        let (entries, missed, next) = log.since(next);
        assert_eq!((texts(entries), missed, next), (vec!["five".to_owned()], 0, 5));
        log.add(entry(&"x".repeat(room)));
        assert_eq!(log.since(next), (Vec::new(), 1, 6));
        assert_eq!(dropped.value(), 6);
    }
}
