//! The channel of what a peer says: bounded, for any number of subscribers, with the end of the connection.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::failure::CloseReason;
use futures_core::Stream;

use super::event::PeerEvent;
use crate::sync::Lock;

/// Events that wait for a subscriber before it lags, where nothing else is configured.
pub const EVENT_QUEUE: usize = 256;

/// Bytes of one notification; what has to be heard is much smaller.
pub(super) const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Broadcasts what a peer says to its subscribers, and holds why the connection was closed.
///
/// Events are bounded in number and size, and the sender never waits: a slow subscriber receives [`PeerEvent::Lagged`].
/// Without subscribers nothing is stored.
pub struct PeerChannel(Arc<Shared>);

struct Shared {
    capacity: usize,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// The events that at least one subscriber has not read.
    events: VecDeque<PeerEvent>,
    /// The number of the first of them, counted since the channel was made.
    first: u64,
    readers: HashMap<u64, Reader>,
    last_reader: u64,
    closed: Option<CloseReason>,
}

/// A subscriber, or a future that waits for the end.
struct Reader {
    /// The number of the event that it reads next; `None` if it waits for the end alone.
    next: Option<u64>,
    waker: Option<Waker>,
}

impl PeerChannel {
    /// A channel in which `capacity` events wait for the slowest subscriber, at least one.
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Shared { capacity: capacity.max(1), state: Lock::default() }))
    }

    /// Sends an event to every subscriber there is. Returns `false` if the event is too large, or the channel closed.
    ///
    /// A request without a taker is declined before this returns, so the caller must hold no lock that the request's
    /// responder takes.
    pub fn send(&self, event: PeerEvent) -> bool {
        if let PeerEvent::Notification(method, params) = &event
            && params.as_str().len() > MAX_EVENT_BYTES
        {
            tracing::debug!(method = &**method, "a notification outside any call is too large: left out");
            return false;
        }
        let mut state = self.0.state.lock();
        if state.closed.is_some() {
            return false;
        }
        if state.readers.values().all(|reader| reader.next.is_none()) {
            return true;
        }
        // Omitted events are dropped after the lock is released: dropping may decline a request.
        let left_out = if state.events.len() >= self.0.capacity { state.pop() } else { None };
        state.events.push_back(event);
        let wakers = state.take_wakers(|reader| reader.next.is_some());
        drop(state);
        drop(left_out);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    /// Closes the channel: subscribers read what waits for them, then the end. The first reason stays.
    pub fn close(&self, reason: CloseReason) {
        self.0.close(reason);
    }

    /// Why the channel was closed; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.0.state.lock().closed.clone()
    }

    /// Subscribes to the events from now on.
    pub fn subscribe(&self) -> PeerEvents {
        PeerEvents(self.reader(true))
    }

    /// Completes when the channel is closed, with the reason.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send + use<> {
        let reader = self.reader(false);
        async move { poll_fn(|task| reader.poll_closed(task)).await }
    }

    /// How many events wait for at least one subscriber.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.state.lock().events.len()
    }

    fn reader(&self, events: bool) -> ReaderHandle {
        let mut state = self.0.state.lock();
        state.last_reader += 1;
        let key = state.last_reader;
        let next = events.then(|| state.first + state.events.len() as u64);
        state.readers.insert(key, Reader { next, waker: None });
        drop(state);
        ReaderHandle { shared: self.0.clone(), key }
    }
}

impl Default for PeerChannel {
    fn default() -> Self {
        Self::new(EVENT_QUEUE)
    }
}

/// A transport that is dropped has closed its connection.
impl Drop for PeerChannel {
    fn drop(&mut self) {
        self.close(CloseReason::Closed);
    }
}

impl fmt::Debug for PeerChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerChannel").field("closed", &self.close_reason()).finish_non_exhaustive()
    }
}

impl Shared {
    fn close(&self, reason: CloseReason) {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return;
        }
        state.closed = Some(reason);
        let wakers = state.take_wakers(|_| true);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn pop(&mut self) -> Option<PeerEvent> {
        let event = self.events.pop_front()?;
        self.first += 1;
        Some(event)
    }

    fn take_wakers(&mut self, wanted: impl Fn(&Reader) -> bool) -> Vec<Waker> {
        self.readers
            .values_mut()
            .filter(|reader| wanted(reader))
            .filter_map(|reader| reader.waker.take())
            .collect()
    }

    /// Removes the events that every subscriber has read, and returns them, to be dropped outside of the lock.
    fn remove_read(&mut self) -> Vec<PeerEvent> {
        let end = self.first + self.events.len() as u64;
        let unread = self.readers.values().filter_map(|reader| reader.next).min().unwrap_or(end);
        let mut read = Vec::new();
        while self.first < unread
            && let Some(event) = self.pop()
        {
            read.push(event);
        }
        read
    }
}

/// Registers one reader for as long as it lives.
struct ReaderHandle {
    shared: Arc<Shared>,
    key: u64,
}

impl ReaderHandle {
    fn poll_event(&self, task: &Task<'_>) -> Poll<Option<PeerEvent>> {
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        let Some(reader) = state.readers.get_mut(&self.key) else { return Poll::Ready(None) };
        let Some(next) = reader.next.as_mut() else { return Poll::Ready(None) };
        let missed = state.first.saturating_sub(*next);
        if missed > 0 {
            *next = state.first;
            return Poll::Ready(Some(PeerEvent::Lagged(missed)));
        }
        let place = usize::try_from(*next - state.first).unwrap_or(usize::MAX);
        let Some(event) = state.events.get(place).cloned() else {
            if state.closed.is_some() {
                return Poll::Ready(None);
            }
            reader.waker = Some(task.waker().clone());
            return Poll::Pending;
        };
        *next += 1;
        // This reader holds a clone, so what every one has read may go here: no request is declined by it.
        drop(state.remove_read());
        Poll::Ready(Some(event))
    }

    fn poll_closed(&self, task: &Task<'_>) -> Poll<CloseReason> {
        let mut state = self.shared.state.lock();
        if let Some(reason) = &state.closed {
            return Poll::Ready(reason.clone());
        }
        if let Some(reader) = state.readers.get_mut(&self.key) {
            reader.waker = Some(task.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for ReaderHandle {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.readers.remove(&self.key);
        let read = state.remove_read();
        drop(state);
        drop(read);
    }
}

/// The events of one subscriber, as a stream that ends with the connection.
pub struct PeerEvents(ReaderHandle);

impl PeerEvents {
    /// The next event; `None` once the connection is over. Cancel-safe.
    pub async fn next(&mut self) -> Option<PeerEvent> {
        poll_fn(|task| self.0.poll_event(task)).await
    }
}

impl Stream for PeerEvents {
    type Item = PeerEvent;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<PeerEvent>> {
        self.0.poll_event(task)
    }
}

impl fmt::Debug for PeerEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerEvents")
    }
}
