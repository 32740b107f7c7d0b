use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, MutexGuard},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use anyport_protocol::{Error, Method, Raw, json::Splice, jsonrpc::Reason, subscription::SubscriptionFilter};
use anyport_service::{Context, Event, Notification, Outcome, Reply, Request, Service, sync::Lock};
use bytestring::ByteString;
use futures_core::Stream;
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep_until, timeout},
};

#[cfg(test)]
use super::manager::LINGER;
use super::{
    interruption::gone,
    manager::{Action, Answer, Offers, SubscriptionManager, Told},
};

/// The listeners of one connection, and of its replacements; at a modern server those of legacy sessions.
#[derive(Clone)]
pub(crate) struct Listen(Arc<Shared>);

struct Shared {
    inside: Lock<Inside>,
    /// Something is due sooner than it was, or nothing is any more.
    changed: Notify,
    /// For requests at once: those of one listener must not take all that the connection has.
    requests: Semaphore,
}

#[derive(Default)]
struct Inside {
    machine: SubscriptionManager,
    wakers: HashMap<u64, Waker>,
    link: Option<Link>,
    /// Counts connections: an answer on one that is gone answers nothing.
    generation: u64,
    /// Whether a task looks at the clock.
    kept: bool,
    /// Until when that task sleeps, unless it is woken.
    sleeps: Option<Instant>,
    ended: bool,
    /// Whether the connection is in another place, where the listeners go on.
    moved: bool,
}

#[derive(Clone)]
struct Link {
    service: Arc<dyn Service>,
    context: Context,
    /// Whether many requests at once are one to the server.
    batches: bool,
}

/// The most that listen to one connection.
const MAX_LISTENERS: usize = 10_000;
/// The number of concurrent subscription requests.
const REQUESTS: usize = 32;
/// How long the acknowledgement of a listener waits for the answers to each `resources/subscribe`.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(2);
/// How long a server may take to answer before a request counts as lost.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(60);

impl Listen {
    pub(crate) fn new() -> Self {
        let requests = Semaphore::new(REQUESTS);
        Self(Arc::new(Shared { inside: Lock::default(), changed: Notify::new(), requests }))
    }

    /// The connection is there: `service` takes what is asked on behalf of the listeners, as calls with `context`.
    /// Returns the number of the connection, for [`Listen::lost`].
    pub(crate) fn linked(&self, service: Arc<dyn Service>, context: Context, offers: Offers) -> u64 {
        let inside = self.lock();
        let is_replaced = inside.generation > 0;
        self.link(inside, Link { service, context, batches: false }, offers, is_replaced)
    }

    /// The connection to a modern server is there, whose listeners share `streams`. Those say themselves which changes were
    /// missed.
    pub(crate) fn linked_by(&self, streams: Arc<dyn Service>, context: Context, offers: Offers) -> u64 {
        let link = Link { service: streams, context, batches: true };
        self.link(self.lock(), link, offers, false)
    }

    fn link(
        &self,
        mut inside: MutexGuard<'_, Inside>,
        link: Link,
        offers: Offers,
        lists_may_differ: bool,
    ) -> u64 {
        // The answers of listen streams are the acknowledgement of the server itself.
        let within = if link.batches { ANSWER_WITHIN * 2 } else { ACKNOWLEDGE_WITHIN };
        // The one before may be open still, for the calls that are under way there.
        if inside.link.replace(link).is_some() {
            inside.machine.lost();
        }
        inside.generation += 1;
        let generation = inside.generation;
        if lists_may_differ {
            inside.machine.lists_may_differ();
        }
        let actions = inside.machine.linked(offers, within);
        self.finish(inside, actions);
        generation
    }

    /// The server notifies no more of a resource that it has agreed to notify of.
    pub(crate) fn withdrawn(&self, uri: &ByteString) {
        let mut inside = self.lock();
        inside.machine.withdrawn(uri);
        self.finish(inside, Vec::new());
    }

    /// The server has no stream for notifications any more: listeners who were promised changes of its lists hear the end of their
    /// streams.
    pub(crate) fn silent(&self) {
        let mut inside = self.lock();
        inside.machine.silent();
        self.finish(inside, Vec::new());
    }

    /// The connection with the number `generation` is gone. Nothing happens if another one is in its place already.
    pub(crate) fn lost(&self, generation: u64) {
        let inside = self.lock();
        if inside.generation == generation {
            self.unlink(inside);
        }
    }

    /// The last connection is gone.
    pub(crate) fn lost_last(&self) {
        self.unlink(self.lock());
    }

    fn unlink(&self, mut inside: MutexGuard<'_, Inside>) {
        inside.link = None;
        inside.machine.lost();
        self.finish(inside, Vec::new());
    }

    /// The server said something outside any call.
    pub(crate) fn said(&self, notification: &Notification) {
        let mut inside = self.lock();
        let dropped_updates = inside.machine.dropped_updates;
        inside.machine.said(notification);
        if inside.machine.dropped_updates > dropped_updates {
            tracing::debug!("a change of a resource that nobody subscribed to was dropped");
        }
        self.finish(inside, Vec::new());
    }

    /// Notifications of the server were missed: listeners are notified that everything may have changed. `is_silent`: whether
    /// there is no stream for further ones.
    pub(crate) fn missed(&self, is_silent: bool) {
        let mut inside = self.lock();
        inside.machine.missed(is_silent);
        self.finish(inside, Vec::new());
    }

    /// Answers `subscriptions/listen`. If the connection is gone, and is not replaced for other listeners, the reply is the failure
    /// of a lost connection.
    pub(crate) fn open(&self, params: &Raw) -> Reply {
        let wants = match SubscriptionFilter::read(params) {
            Ok(wants) => wants,
            Err(error) => return Reply::error(error),
        };
        let mut inside = self.lock();
        if inside.moved {
            return Reply::failed(gone());
        }
        if inside.ended {
            return Reply::error(Error::internal("shutting down").with_reason(Reason::ShuttingDown));
        }
        // The connection was there when the listener chose it. It is replaced for those that listen when it is lost, and was not if
        // there were none.
        if inside.link.is_none() && inside.machine.listeners() == 0 {
            return Reply::failed(gone());
        }
        if inside.machine.listeners() >= MAX_LISTENERS {
            let message = format!("more than {MAX_LISTENERS} listen to this server");
            return Reply::error(Error::internal(message).with_reason(Reason::Overloaded));
        }
        let (id, actions) = inside.machine.open(wants, Instant::now());
        if !std::mem::replace(&mut inside.kept, true) {
            tokio::spawn(keep(self.clone()));
        }
        self.finish(inside, actions);
        Reply::stream(Listening { listen: self.clone(), id })
    }

    /// Ends every stream, and takes no more.
    pub(crate) fn end(&self) {
        let mut inside = self.lock();
        inside.ended = true;
        inside.machine.end();
        self.finish(inside, Vec::new());
    }

    /// Ends every stream with the failure of a lost connection: the connection is in another place.
    pub(crate) fn moved(&self) {
        self.lock().moved = true;
        self.end();
    }

    /// Whether no listener needs the connection.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().machine.is_idle()
    }

    /// Whether somebody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.lock().machine.listeners() > 0
    }

    /// Carries out what a change led to: requests are made, listeners and the clock are woken.
    fn finish(&self, mut inside: MutexGuard<'_, Inside>, actions: Vec<Action>) {
        let touched = inside.machine.touched();
        let wakers: Vec<Waker> = touched.iter().filter_map(|id| inside.wakers.remove(id)).collect();
        let (link, generation) = (inside.link.clone(), inside.generation);
        let sleeps = inside.sleeps;
        let clock = inside.machine.sooner(sleeps) || inside.machine.is_idle();
        drop(inside);
        wakers.into_iter().for_each(Waker::wake);
        if clock {
            self.0.changed.notify_one();
        }
        let Some(link) = link else { return };
        for action in actions {
            tokio::spawn(carry_out(self.clone(), link.clone(), generation, action));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.inside.lock()
    }
}

async fn carry_out(listen: Listen, link: Link, generation: u64, mut action: Action) {
    loop {
        let (method, uri) = match &action {
            Action::Subscribe(uri) => (Method::Subscribe, uri),
            Action::Unsubscribe(uri) => (Method::Unsubscribe, uri),
        };
        let params = Splice::new().with("uri", &Raw::string(uri)).finish();
        // It is never closed.
        let _one = if link.batches { None } else { listen.0.requests.acquire().await.ok() };
        if listen.lock().generation != generation {
            return;
        }
        let reply = link.service.call(Request::new(method, params), link.context.clone());
        let answer = match timeout(ANSWER_WITHIN, reply.outcome()).await {
            Ok(Outcome::Result(_)) => Answer::Done,
            Ok(outcome) => {
                tracing::debug!(%uri, ?outcome, "the server refused a subscription");
                Answer::Refused
            }
            Err(_) => Answer::Late,
        };
        let mut inside = listen.lock();
        if inside.generation != generation || inside.link.is_none() {
            return;
        }
        let next = inside.machine.answered(&action, answer);
        listen.finish(inside, Vec::new());
        match next {
            Some(next) => action = next,
            None => return,
        }
    }
}

/// Looks at the clock while anything is held.
async fn keep(listen: Listen) {
    loop {
        let wake_at = {
            let mut inside = listen.lock();
            if inside.machine.is_idle() {
                inside.kept = false;
                return;
            }
            let actions = inside.machine.at(Instant::now());
            let wake_at = inside.machine.wake_at();
            if inside.machine.has_touched() || !actions.is_empty() {
                listen.finish(inside, actions);
                continue;
            }
            inside.sleeps = wake_at;
            wake_at
        };
        let due = async {
            match wake_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = listen.0.changed.notified() => {}
        }
    }
}

/// The stream of one listener.
struct Listening {
    listen: Listen,
    id: u64,
}

impl Stream for Listening {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        let mut inside = self.listen.lock();
        match inside.machine.next(self.id) {
            Told::Change(notification) => Poll::Ready(Some(Event::Notification(notification))),
            Told::Over if inside.moved => Poll::Ready(Some(Event::Outcome(gone().into()))),
            // 2026-07-28, subscriptions §Graceful Closure: the server SHOULD "respond to the original
            // `subscriptions/listen` request with a completion result".
            Told::Over => Poll::Ready(Some(Event::Outcome(Outcome::Result(end())))),
            Told::Nothing => {
                inside.wakers.insert(self.id, task.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut inside = self.listen.lock();
        inside.wakers.remove(&self.id);
        inside.machine.close(self.id, Instant::now());
        self.listen.finish(inside, Vec::new());
    }
}

/// The result of a stream that the server's side ends.
pub(crate) fn end() -> Raw {
    Splice::new().with("resultType", &Raw::string("complete")).finish()
}

#[cfg(test)]
mod tests;
