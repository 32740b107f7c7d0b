//! The other end of a session or connection, outside any call.
//!
//! A [`Service`](crate::Service) answers requests. A [`Peer`] carries what belongs to no request: notifications in both
//! directions, server requests that no call carries, and the end of the connection. It has the same shape at both ends:
//! a server reaches the client of a legacy session by it, a client the server of a connection.
//!
//! Messages outside calls arrive in the order in which they were sent, per direction. No order is promised between them
//! and the reply of a call.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::{Method, Raw, failure::CloseReason};
use bytestring::ByteString;
use futures_core::Stream;

use crate::{ServerRequest, sync::Lock};

/// The id of one session or connection, unique in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// An id that no other session of this process has or had.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// The other end of a session or connection, outside any call.
///
/// Cheap to clone. A `Peer` does not keep the connection open, only what is known of it; a [`WeakPeer`] not even that.
#[derive(Clone)]
pub struct Peer(Arc<dyn PeerTransport>);

impl Peer {
    /// The peer at the other end of `transport`.
    pub fn new(transport: Arc<dyn PeerTransport>) -> Self {
        Self(transport)
    }

    /// The id of the session or connection.
    pub fn id(&self) -> SessionId {
        self.0.id()
    }

    /// Sends a server request, once the peer listens. Its answer goes to the request's responder.
    ///
    /// # Errors
    /// Returns the request if the peer has not declared the capability, if too much waits for it already, or if the
    /// connection is over.
    pub fn request(&self, request: ServerRequest) -> Result<(), ServerRequest> {
        match self.0.send(ToPeer::Request(request)) {
            Err(ToPeer::Request(request)) => Err(request),
            Ok(()) | Err(ToPeer::Notification(..)) => Ok(()),
        }
    }

    /// Sends a notification, once the peer listens. Returns `false` if too much waits for it already, or if the
    /// connection is over.
    ///
    /// A notification that the peer's revision does not have is left out.
    pub fn notify(&self, method: impl Into<ByteString>, params: Raw) -> bool {
        self.0.send(ToPeer::Notification(method.into(), params)).is_ok()
    }

    /// Subscribes to what the peer says outside any call, from now on.
    pub fn subscribe(&self) -> PeerEvents {
        self.0.events().subscribe()
    }

    /// Completes when the connection is over, with the reason.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send + use<> {
        self.0.events().closed()
    }

    /// A handle that does not keep what is known of the connection in memory.
    pub fn downgrade(&self) -> WeakPeer {
        WeakPeer(Arc::downgrade(&self.0))
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.id()).finish()
    }
}

/// A [`Peer`] that is gone once its connection is: for tables that outlive connections.
#[derive(Clone)]
pub struct WeakPeer(Weak<dyn PeerTransport>);

impl WeakPeer {
    /// The peer at the other end of `transport`, while that exists.
    pub fn new(transport: Weak<dyn PeerTransport>) -> Self {
        Self(transport)
    }

    /// The peer; `None` if its connection is gone.
    pub fn upgrade(&self) -> Option<Peer> {
        self.0.upgrade().map(Peer)
    }

    /// Whether the connection is gone.
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for WeakPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakPeer").field(&self.upgrade()).finish()
    }
}

/// The transport behind a [`Peer`]: a legacy session of a server, a client's connection.
pub trait PeerTransport: Send + Sync + 'static {
    /// The id of the session or connection.
    fn id(&self) -> SessionId;

    /// Queues a message for the peer; never waits.
    ///
    /// # Errors
    /// Returns the message if the peer has not declared the capability, if the queue is full, or if the connection is
    /// over.
    fn send(&self, message: ToPeer) -> Result<(), ToPeer>;

    /// The channel of what the peer says.
    fn events(&self) -> &PeerChannel;
}

/// A message to the peer that belongs to no call.
#[derive(Debug)]
pub enum ToPeer {
    /// A notification: its method and its params, in the newest vocabulary.
    Notification(ByteString, Raw),
    /// A server request.
    Request(ServerRequest),
}

/// A message from the peer that belongs to no call.
#[derive(Clone, Debug)]
pub enum PeerEvent {
    /// A notification: its method and its params, in the newest vocabulary.
    Notification(ByteString, Raw),
    /// A server request that no call carries.
    Request(UnsolicitedRequest),
    /// The subscriber was too slow: this many events were left out, and what it knows of the peer may be stale.
    Lagged(u64),
}

/// A server request that no call carries, offered to every subscriber.
///
/// The first that claims it answers it. If each drops it unclaimed, it is declined.
#[derive(Clone)]
pub struct UnsolicitedRequest(Arc<Offer>);

struct Offer {
    method: Method,
    params: Raw,
    request: Lock<Option<ServerRequest>>,
}

impl UnsolicitedRequest {
    /// Offers `request`.
    pub fn new(request: ServerRequest) -> Self {
        let (method, params) = (request.method, request.params.clone());
        Self(Arc::new(Offer { method, params, request: Lock::new(Some(request)) }))
    }

    /// The method of the request.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// The params of the request.
    pub fn params(&self) -> &Raw {
        &self.0.params
    }

    /// Takes the request; `None` if another subscriber has it.
    pub fn claim(&self) -> Option<ServerRequest> {
        self.0.request.lock().take()
    }
}

impl fmt::Debug for UnsolicitedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsolicitedRequest").field("method", &self.0.method).finish_non_exhaustive()
    }
}

/// Events that wait for a subscriber before it lags, where nothing else is configured.
pub const EVENT_QUEUE: usize = 256;

/// Bytes of one notification; what has to be heard is much smaller.
const MAX_EVENT_BYTES: usize = 256 * 1024;

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

#[cfg(test)]
mod tests;
