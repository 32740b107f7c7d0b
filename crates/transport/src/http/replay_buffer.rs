use std::{
    collections::VecDeque,
    sync::{Arc, MutexGuard},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use anyport_service::{Presence, PresenceGuard, sync::Lock};
use bytes::Bytes;
use tokio::time::Instant;

use super::body::{Source, SseEvent};
use crate::buffered_bytes::{BufferedBytes, LARGE};

/// What was said on one stream of a session, for a client that lost its connection and comes back.
///
/// 2025-11-25, transports §Resumability: events have ids that are unique in the session and name their stream; a
/// GET with `Last-Event-ID` goes on after that event, on that stream only.
#[derive(Clone, Debug)]
pub(super) struct ReplayBuffer(Arc<Lock<Inner>>);

#[derive(Debug)]
struct Inner {
    /// The stream's number within its session.
    stream: u64,
    /// How many bytes may be kept.
    limit: usize,
    /// The budget of large answers, of which those that are kept are part.
    buffers: BufferedBytes,
    entries: VecDeque<Entry>,
    /// The number of the first entry that is kept.
    first: u64,
    bytes: usize,
    ended: Option<Instant>,
    /// The reader that may read now; a newer one takes its place.
    reader: u64,
    /// Entries below this were given to the newest reader.
    read: u64,
    attached: bool,
    /// The presence of the client, which each reader notes.
    presence: Presence,
    waker: Option<Waker>,
    writers: Vec<Waker>,
}

#[derive(Debug)]
struct Entry {
    data: Bytes,
    /// The connection ends after this entry, and the client is told when to come back.
    hangup: Option<Duration>,
}

/// Why a stream cannot be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came after this event is no longer kept; call again")]
pub(super) struct Forgotten;

impl ReplayBuffer {
    pub(super) fn new(stream: u64, limit: usize, buffers: BufferedBytes, presence: Presence) -> Self {
        Self(Arc::new(Lock::new(Inner {
            stream,
            limit,
            buffers,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            ended: None,
            reader: 0,
            read: 0,
            attached: false,
            presence,
            waker: None,
            writers: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock()
    }

    /// Adds a message. While a client is reading, this waits until it has taken enough of what is kept; without
    /// one, the oldest messages make room.
    pub(super) async fn push(&self, data: Bytes) {
        let mut data = Some(data);
        std::future::poll_fn(|task| {
            let mut log = self.lock();
            if log.attached && log.bytes > log.limit && log.read < log.next() {
                log.writers.push(task.waker().clone());
                return Poll::Pending;
            }
            if let Some(data) = data.take() {
                log.add(Entry { data, hangup: None });
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Ends the connection that reads, if any does; the stream goes on.
    pub(super) fn hangup(&self, retry: Duration) {
        let mut log = self.lock();
        if log.attached {
            log.add(Entry { data: Bytes::new(), hangup: Some(retry) });
        }
    }

    /// Nothing will be added.
    pub(super) fn end(&self) {
        let mut log = self.lock();
        log.ended = Some(Instant::now());
        log.wake_reader();
    }

    /// How many bytes of it are kept.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// When it ended.
    pub(super) fn ended(&self) -> Option<Instant> {
        self.lock().ended
    }

    /// Reads on after entry `after`, or from the beginning. Whoever read before is cut off: a message goes to one
    /// stream only (2025-11-25, transports §Multiple Connections).
    pub(super) fn reader(&self, after: Option<u64>) -> Result<Reader, Forgotten> {
        let mut log = self.lock();
        // The id is the client's: any number may stand there.
        let next = after.map_or(Some(0), |after| after.checked_add(1)).ok_or(Forgotten)?;
        if next < log.first || next > log.next() {
            return Err(Forgotten);
        }
        log.reader += 1;
        log.attached = true;
        // What an earlier reader took may have been lost on its way; this one has it still before it.
        log.read = next;
        log.wake_reader();
        let connected = log.presence.connected();
        Ok(Reader { log: self.clone(), number: log.reader, next, prime: false, _connected: connected })
    }
}

impl Inner {
    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn add(&mut self, entry: Entry) {
        self.bytes += entry.data.len();
        self.entries.push_back(entry);
        self.shrink();
        self.wake_reader();
    }

    /// Forgets the oldest entries beyond the limit. What an attached reader has not taken stays. Once half of the budget of
    /// large answers is taken, what was read makes room for what was not.
    fn shrink(&mut self) {
        let is_strained = self.bytes > LARGE && self.buffers.is_strained();
        let limit = if is_strained { self.limit.min(LARGE) } else { self.limit };
        while self.bytes > limit && (!self.attached || self.first < self.read) {
            let Some(entry) = self.entries.pop_front() else { return };
            self.bytes -= entry.data.len();
            self.first += 1;
        }
    }

    fn wake_reader(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Reads a [`ReplayBuffer`] as an event stream.
#[derive(Debug)]
pub(super) struct Reader {
    log: ReplayBuffer,
    number: u64,
    next: u64,
    prime: bool,
    _connected: PresenceGuard,
}

impl Reader {
    /// Begins with an empty event, so that the client has an id to come back with
    /// (2025-11-25, transports §Sending Messages to the Server).
    pub(super) fn primed(mut self) -> Self {
        self.prime = true;
        self
    }
}

impl Source for Reader {
    fn poll_event(&mut self, task: &mut Task<'_>) -> Poll<Option<SseEvent>> {
        let mut log = self.log.lock();
        if log.reader != self.number {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut self.prime) {
            // Before the first entry: coming back with it reads everything.
            let id = format!("{}-p", log.stream);
            return Poll::Ready(Some(SseEvent { id: Some(id), ..SseEvent::default() }));
        }
        let index = usize::try_from(self.next.saturating_sub(log.first)).unwrap_or(usize::MAX);
        let id = Some(format!("{}-{}", log.stream, self.next));
        let Some(entry) = log.entries.get(index) else {
            if log.ended.is_some() {
                return Poll::Ready(None);
            }
            log.waker = Some(task.waker().clone());
            return Poll::Pending;
        };
        let event =
            SseEvent { id, retry: entry.hangup, data: entry.data.clone().into(), ..SseEvent::default() };
        self.next += 1;
        log.read = self.next;
        log.shrink();
        log.writers.drain(..).for_each(Waker::wake);
        if event.retry.is_some() {
            // This was the last event of this connection.
            log.reader += 1;
            log.attached = false;
        }
        Poll::Ready(Some(event))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut log = self.log.lock();
        if log.reader == self.number {
            log.attached = false;
            log.shrink();
            log.writers.drain(..).for_each(Waker::wake);
        }
    }
}

/// Reads an event id: the stream, and the entry within it, if it is not the priming event.
pub(super) fn parse_id(id: &str) -> Option<(u64, Option<u64>)> {
    let (stream, entry) = id.split_once('-')?;
    let entry = if entry == "p" { None } else { Some(entry.parse().ok()?) };
    Some((stream.parse().ok()?, entry))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn next(reader: &mut Reader) -> Option<(String, Bytes)> {
        let event = poll_fn(|task| reader.poll_event(task)).await?;
        Some((event.id.unwrap(), event.data.into_bytes()))
    }

    #[tokio::test]
    async fn a_client_that_comes_back_reads_what_it_missed() {
        let log = ReplayBuffer::new(7, 100, BufferedBytes::default(), Presence::new());
        let mut reader = log.reader(None).unwrap().primed();
        log.push("a".into()).await;
        assert_eq!(next(&mut reader).await.unwrap().0, "7-p");
        assert_eq!(next(&mut reader).await.unwrap(), ("7-0".into(), "a".into()));
        drop(reader);
        log.push("b".into()).await;
        log.end();
        let (stream, after) = parse_id("7-0").unwrap();
        assert_eq!(stream, 7);
        let mut reader = log.reader(after).unwrap();
        assert_eq!(next(&mut reader).await.unwrap(), ("7-1".into(), "b".into()));
        assert_eq!(next(&mut reader).await, None);
    }

    #[tokio::test]
    async fn what_nobody_reads_is_bounded_and_resuming_it_is_refused() {
        let log = ReplayBuffer::new(0, 10, BufferedBytes::default(), Presence::new());
        for _ in 0..5 {
            log.push("12345".into()).await;
        }
        assert_eq!(log.reader(Some(0)).unwrap_err(), Forgotten);
        let mut reader = log.reader(Some(2)).unwrap();
        assert_eq!(next(&mut reader).await.unwrap().0, "0-3");
        assert_eq!(log.reader(Some(99)).unwrap_err(), Forgotten);
    }

    #[tokio::test]
    async fn what_a_client_came_back_for_stays_until_it_is_read_again() {
        let log = ReplayBuffer::new(0, 10, BufferedBytes::default(), Presence::new());
        let mut lost = log.reader(None).unwrap();
        for text in ["1234", "5678"] {
            log.push(text.into()).await;
            next(&mut lost).await.unwrap();
        }
        drop(lost);
        let mut reader = log.reader(None).unwrap();
        log.push("9abc".into()).await;
        assert_eq!(next(&mut reader).await.unwrap(), ("0-0".into(), "1234".into()));
        assert_eq!(next(&mut reader).await.unwrap(), ("0-1".into(), "5678".into()));
        assert_eq!(next(&mut reader).await.unwrap(), ("0-2".into(), "9abc".into()));
    }

    #[tokio::test]
    async fn any_number_may_stand_in_an_event_id() {
        let (_, after) = parse_id("0-18446744073709551615").unwrap();
        assert_eq!(
            ReplayBuffer::new(0, 10, BufferedBytes::default(), Presence::new()).reader(after).unwrap_err(),
            Forgotten
        );
        for id in ["", "0", "-", "a-b", "0-", "-0", "0-0-0", "0-p-p", "0-18446744073709551616"] {
            assert_eq!(parse_id(id), None, "{id}");
        }
    }

    #[tokio::test]
    async fn a_message_larger_than_the_log_is_sent_but_not_kept() {
        let log = ReplayBuffer::new(0, 10, BufferedBytes::default(), Presence::new());
        let mut reader = log.reader(None).unwrap();
        log.push(Bytes::from(vec![b'x'; 1000])).await;
        assert_eq!(next(&mut reader).await.unwrap().1.len(), 1000);
        drop(reader);
        assert_eq!(log.reader(None).unwrap_err(), Forgotten);
    }

    #[tokio::test]
    async fn a_writer_waits_for_a_reader_that_lags() {
        let log = ReplayBuffer::new(0, 10, BufferedBytes::default(), Presence::new());
        let mut reader = log.reader(None).unwrap();
        log.push(Bytes::from(vec![b'x'; 20])).await;
        let (writer, more) = (log.clone(), Bytes::from_static(b"y"));
        let waiting = tokio::spawn(async move { writer.push(more).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        next(&mut reader).await;
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_newer_reader_cuts_the_older_off() {
        let log = ReplayBuffer::new(0, 10, BufferedBytes::default(), Presence::new());
        let mut old = log.reader(None).unwrap();
        let mut new = log.reader(None).unwrap();
        log.push("a".into()).await;
        assert_eq!(next(&mut old).await, None);
        assert_eq!(next(&mut new).await.unwrap().1, "a");
    }

    #[tokio::test]
    async fn a_hangup_ends_the_connection_and_not_the_stream() {
        let log = ReplayBuffer::new(0, 10, BufferedBytes::default(), Presence::new());
        let mut reader = log.reader(None).unwrap();
        log.hangup(Duration::from_millis(500));
        log.push("a".into()).await;
        let event = poll_fn(|task| reader.poll_event(task)).await.unwrap();
        assert_eq!(event.retry, Some(Duration::from_millis(500)));
        assert_eq!(next(&mut reader).await, None);
        let (_, after) = parse_id(&event.id.unwrap()).unwrap();
        assert_eq!(next(&mut log.reader(after).unwrap()).await.unwrap().1, "a");
    }
}
