//! A reply written as an async function that emits events on its way.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, MutexGuard},
    task::{Context as Task, Poll, Waker},
};

use futures_core::Stream;

use crate::{Admission, Event, Outcome, Reply, sync::Lock};

/// Emits events of one reply. Clones emit into the same reply.
#[derive(Clone, Debug, Default)]
pub struct Emitter(Arc<Lock<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// The reader of the reply.
    reader: Option<Waker>,
    /// The writers that wait for room, each under its own number: `Waker::will_wake` may return false for two clones of
    /// one waker, since the tables that it compares can exist once per crate.
    writers: Vec<(u64, Waker)>,
    last_writer: u64,
    closed: bool,
    /// Bytes of the notifications among the events.
    bytes: usize,
}

/// Events that wait for the reader before [`Emitter::emit`] does.
const ROOM: usize = 16;

/// Bytes of them, likewise; a larger event waits alone.
const ROOM_BYTES: usize = 64 * 1024;

impl Emitter {
    /// Emits `event`, waiting until the reader has taken most of what was emitted before: a slow client slows
    /// its own call down, and nothing piles up.
    pub async fn emit(&self, event: Event) {
        let mut event = Some(event);
        let mut writer = None;
        poll_fn(|task| {
            let mut queue = self.lock();
            if queue.is_full() {
                queue.wait(&mut writer, task.waker());
                return Poll::Pending;
            }
            if let Some(event) = event.take() {
                queue.push(event);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Emits `event` without waiting. For events that come once.
    pub fn push(&self, event: Event) {
        self.lock().push(event);
    }

    /// Emits every event of `reply`, and gives its outcome.
    pub async fn relay(&self, reply: Reply) -> Outcome {
        let mut reply = match reply.into_ready() {
            Ok(outcome) => return outcome,
            Err(reply) => reply,
        };
        loop {
            match reply.next().await {
                Event::Outcome(outcome) => return outcome,
                event => self.emit(event).await,
            }
        }
    }

    /// Whether there is room for an event, or no reader; `writer` identifies the writer from one poll to the next.
    pub fn poll_room(&self, writer: &mut Option<u64>, task: &Task<'_>) -> Poll<()> {
        let mut queue = self.lock();
        if queue.is_full() {
            queue.wait(writer, task.waker());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Whether nothing was emitted that has not been read.
    pub fn is_empty(&self) -> bool {
        self.lock().events.is_empty()
    }

    /// Ends a reply without a reader, if nothing was emitted; returns whether that is so. Clones then drop their events
    /// instead of waiting for a reader.
    pub fn close_unused(&self) -> bool {
        let mut queue = self.lock();
        queue.closed |= queue.events.is_empty();
        queue.closed
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock()
    }

    fn pop(&self) -> Option<Event> {
        let mut queue = self.lock();
        let event = queue.events.pop_front()?;
        queue.bytes -= bytes(&event);
        queue.writers.drain(..).for_each(|(_, waker)| waker.wake());
        Some(event)
    }

    fn watch(&self, task: &Task<'_>) {
        let mut queue = self.lock();
        match &mut queue.reader {
            Some(waker) => waker.clone_from(task.waker()),
            none => *none = Some(task.waker().clone()),
        }
    }

    /// Makes a reply of this emitter's events and the outcome of `future`.
    pub fn reply(self, future: impl Future<Output = Outcome> + Send + 'static) -> Reply {
        Reply::stream(Emitting { emitter: self, future: Box::pin(future), outcome: None })
    }
}

impl Queue {
    fn is_full(&self) -> bool {
        (self.events.len() >= ROOM || self.bytes >= ROOM_BYTES) && !self.closed
    }

    /// Notes that `writer` waits; one that is polled again for another reason waits once all the same.
    fn wait(&mut self, writer: &mut Option<u64>, waker: &Waker) {
        if let Some((_, noted)) = self.writers.iter_mut().find(|(number, _)| Some(*number) == *writer) {
            noted.clone_from(waker);
            return;
        }
        self.last_writer += 1;
        *writer = Some(self.last_writer);
        self.writers.push((self.last_writer, waker.clone()));
    }

    fn push(&mut self, event: Event) {
        if self.closed {
            return;
        }
        self.bytes += bytes(&event);
        self.events.push_back(event);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The large part of an event.
fn bytes(event: &Event) -> usize {
    match event {
        Event::Notification(notification) => notification.params.as_str().len(),
        _ => 0,
    }
}

/// The reply of an async function that is given an [`Emitter`].
pub fn reply<F>(run: impl FnOnce(Emitter) -> F) -> Reply
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let emitter = Emitter::default();
    let future = run(emitter.clone());
    emitter.reply(future)
}

/// The reply of `call`, which is made once `admission` lets it; the failure of that otherwise.
pub fn after(admission: Admission, call: impl FnOnce() -> Reply + Send + 'static) -> Reply {
    reply(|emitter| async move {
        match admission.await {
            Ok(()) => emitter.relay(call()).await,
            Err(failure) => failure.into(),
        }
    })
}

struct Emitting<F> {
    emitter: Emitter,
    future: Pin<Box<F>>,
    outcome: Option<Outcome>,
}

impl<F: Future<Output = Outcome> + Send> Stream for Emitting<F> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        loop {
            // An emitted event is read before the future runs on: this is the backpressure.
            if let Some(event) = self.emitter.pop() {
                return Poll::Ready(Some(event));
            }
            if let Some(outcome) = self.outcome.take() {
                return Poll::Ready(Some(Event::Outcome(outcome)));
            }
            self.emitter.watch(task);
            match self.future.as_mut().poll(task) {
                Poll::Ready(outcome) => self.outcome = Some(outcome),
                Poll::Pending if self.emitter.is_empty() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }
}

impl<F> Drop for Emitting<F> {
    fn drop(&mut self) {
        // A detached task may hold a clone; what it emits now goes nowhere, and must not wait for room.
        let mut queue = self.emitter.lock();
        queue.closed = true;
        queue.bytes = 0;
        queue.events.clear();
        queue.writers.drain(..).for_each(|(_, waker)| waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use anyport_protocol::{Method, Raw};

    use super::*;
    use crate::Notification;

    fn progress() -> Event {
        Event::Notification(Notification { method: Method::Progress, params: Raw::EMPTY_OBJECT })
    }

    #[tokio::test]
    async fn events_come_before_the_outcome_and_the_writer_waits_for_the_reader() {
        let emitted = Arc::new(Mutex::new(0));
        let counter = emitted.clone();
        let mut reply = reply(|emitter| async move {
            for _ in 0..100 {
                emitter.emit(progress()).await;
                *counter.lock().unwrap() += 1;
            }
            Outcome::Result(Raw::EMPTY_OBJECT)
        });
        assert!(*emitted.lock().unwrap() <= ROOM);
        for read in 0..100 {
            assert!(matches!(reply.next().await, Event::Notification(_)));
            assert!(*emitted.lock().unwrap() <= read + 1 + ROOM);
        }
        assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
    }

    /// Invariant: A client that does not read slows its server down, and costs no memory.
    #[tokio::test]
    async fn large_events_wait_one_by_one() {
        let emitted = Arc::new(Mutex::new(0));
        let counter = emitted.clone();
        let large = Raw::string(&"x".repeat(ROOM_BYTES));
        let mut reply = reply(|emitter| async move {
            for _ in 0..10 {
                let large = Notification { method: Method::Progress, params: large.clone() };
                emitter.emit(Event::Notification(large)).await;
                *counter.lock().unwrap() += 1;
            }
            Outcome::Result(Raw::EMPTY_OBJECT)
        });
        for read in 0..10 {
            assert!(matches!(reply.next().await, Event::Notification(_)));
            assert!(*emitted.lock().unwrap() <= read + 2, "{read} were read");
        }
        assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
    }

    #[tokio::test]
    async fn an_answer_without_waiting_is_ready() {
        let reply = reply(|_| async { Outcome::Result(Raw::NULL) });
        assert_eq!(reply.into_ready().unwrap(), Outcome::Result(Raw::NULL));
    }

    #[tokio::test]
    async fn a_detached_emitter_never_blocks() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let waiting = reply(|emitter| async move {
            let _ = send.send(emitter);
            std::future::pending().await
        });
        let emitter = receive.await.unwrap();
        drop(waiting);
        for _ in 0..100 {
            emitter.emit(progress()).await;
        }
        assert!(emitter.is_empty());
    }

    #[tokio::test]
    async fn a_writer_that_waits_is_noted_once_however_often_it_looks() {
        let emitter = Emitter::default();
        for _ in 0..ROOM {
            emitter.push(progress());
        }
        let mut waiting = std::pin::pin!(emitter.emit(progress()));
        for _ in 0..1_000 {
            let waker = Waker::noop();
            assert!(waiting.as_mut().poll(&mut Task::from_waker(waker)).is_pending());
        }
        assert_eq!(emitter.lock().writers.len(), 1);
    }
}
