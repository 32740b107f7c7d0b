use std::{
    fmt,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use anyport_metrics::{Counter, Metrics};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::broadcast::{self, error::RecvError};

/// Brings the calls of a gateway and their messages to those who watch. While nobody does, a call costs a look at a number. Clones
/// are the same.
#[derive(Clone)]
pub(crate) struct Traffic(Arc<Hub>);

struct Hub {
    events: broadcast::Sender<Arc<Event>>,
    /// How many watch calls, and how many of those messages, too.
    watchers: AtomicUsize,
    wire_watchers: AtomicUsize,
    /// The number of the last call, and of the last connection to a server.
    calls: AtomicU64,
    connections: AtomicU64,
    /// The size in bytes of the largest message that is shown (`tap_message`).
    longest: usize,
    /// Counts the gaps of those who were too slow.
    gaps: Counter,
}

/// Something that has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A call has begun at a server.
    Begun(Call),
    /// It has ended.
    Ended(Call, End),
    /// A message was sent or received.
    Message(Message),
}

/// A call of a server.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) number: NonZeroU64,
    pub(super) at: Timestamp,
    /// The name and version of the client, as it says.
    pub(super) client: Option<String>,
    pub(super) principal: String,
    pub(super) revision: &'static str,
    pub(super) upstream: Arc<str>,
    pub(super) method: String,
    /// The name of the tool or prompt, or the URI of the resource.
    pub(super) name: Option<String>,
    pub(super) bytes_in: usize,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) outcome: &'static str,
    pub(super) error: Option<Value>,
    pub(super) ms: f64,
    pub(super) bytes_out: usize,
}

/// A message on the wire.
#[derive(Debug)]
pub(super) struct Message {
    /// The call that it belongs to, if that is known.
    pub(super) call: Option<NonZeroU64>,
    pub(super) at: Timestamp,
    /// The server, and the number of the connection to it; `None`: the message is a client's, or for a client.
    pub(super) server: Option<(Arc<str>, u64)>,
    /// Whether the gateway has sent it.
    pub(super) is_sent: bool,
    pub(super) bytes: usize,
    /// The text, unless it is too large.
    pub(super) text: Option<Bytes>,
}

impl Traffic {
    /// Nobody watches yet. At most `room` events wait for who watches, and messages of more than `longest` bytes are not shown.
    pub(crate) fn new(room: usize, longest: usize, metrics: &Metrics) -> Self {
        let (events, _) = broadcast::channel(room.max(1));
        Self(Arc::new(Hub {
            events,
            watchers: AtomicUsize::new(0),
            wire_watchers: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            longest,
            gaps: metrics.refusals("tap_events"),
        }))
    }

    /// Whether a client watches calls.
    pub(super) fn is_watched(&self) -> bool {
        self.0.watchers.load(Ordering::Relaxed) > 0
    }

    /// Whether a client watches messages.
    pub(super) fn is_wire_watched(&self) -> bool {
        self.0.wire_watchers.load(Ordering::Relaxed) > 0
    }

    /// The number of a new call.
    pub(super) fn next_call(&self) -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add(self.0.calls.fetch_add(1, Ordering::Relaxed))
    }

    /// The number of a new connection.
    pub(super) fn next_connection(&self) -> u64 {
        self.0.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Brings `event` to those who watch. It never waits.
    pub(super) fn send(&self, event: Event) {
        // Nobody may watch any more.
        let _ = self.0.events.send(Arc::new(event));
    }

    /// Brings a message, whose parts follow one another, to those who watch.
    pub(super) fn message(
        &self,
        call: Option<NonZeroU64>,
        server: Option<(Arc<str>, u64)>,
        is_sent: bool,
        parts: &[&[u8]],
    ) {
        let (at, bytes) = (Timestamp::now(), parts.iter().map(|part| part.len()).sum());
        let text = (bytes <= self.0.longest).then(|| Bytes::from(parts.concat()));
        self.send(Event::Message(Message { call, at, server, is_sent, bytes, text }));
    }

    /// Watches calls from now on, and messages if `wire`, until the value is dropped.
    pub(crate) fn watch(&self, wire: bool) -> Watch {
        let events = self.0.events.subscribe();
        self.0.watchers.fetch_add(1, Ordering::Relaxed);
        self.0.wire_watchers.fetch_add(usize::from(wire), Ordering::Relaxed);
        Watch { events, traffic: self.clone(), wire }
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").field("watchers", &self.0.watchers).finish_non_exhaustive()
    }
}

/// Receives the events of a gateway.
pub(crate) struct Watch {
    events: broadcast::Receiver<Arc<Event>>,
    traffic: Traffic,
    wire: bool,
}

/// The number of events that were left out since they were not taken in time.
pub(super) struct Missed(pub(super) u64);

impl Watch {
    /// The next event; `None` when there are no more. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<Arc<Event>, Missed>> {
        match self.events.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(missed)) => {
                self.traffic.0.gaps.increment();
                Some(Err(Missed(missed)))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.traffic.0.watchers.fetch_sub(1, Ordering::Relaxed);
        self.traffic.0.wire_watchers.fetch_sub(usize::from(self.wire), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_watches_slowly_misses_events_and_learns_how_many() {
        let traffic = Traffic::new(2, 4, &Metrics::new());
        assert!(!traffic.is_watched());
        let mut watch = traffic.watch(true);
        assert!(traffic.is_watched() && traffic.is_wire_watched());
        for text in ["1", "22", "333", "4444", "55555"] {
            traffic.message(None, None, true, &[text.as_bytes()]);
        }
        let Some(Err(Missed(missed))) = watch.next().await else { panic!() };
        assert_eq!((missed, traffic.0.gaps.value()), (3, 1));
        let mut texts = Vec::new();
        for _ in 0..2 {
            let Some(Ok(event)) = watch.next().await else { panic!() };
            let Event::Message(Message { text, bytes, .. }) = &*event else { panic!() };
            texts.push((text.clone(), *bytes));
        }
        assert_eq!(texts, [(Some(Bytes::from_static(b"4444")), 4), (None, 5)], "too large to be shown");
        drop(watch);
        assert!(!traffic.is_watched() && !traffic.is_wire_watched());
    }
}
